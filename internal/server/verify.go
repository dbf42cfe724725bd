package server

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// AuditGapError says that a committed change has its record in the database
// and not in the trail, though the trail goes on after it; or that the trail
// has another record of it.
type AuditGapError struct {
	Change  store.Change
	Differs bool // the trail has another record
}

// Error implements error.
func (e *AuditGapError) Error() string {
	if e.Differs {
		return fmt.Sprintf("change %d (%s/%s) has one audit record in the trail and another in the database: one of them was changed", e.Change.Seq, e.Change.Table, e.Change.Key)
	}
	return fmt.Sprintf("change %d (%s/%s) has an audit record that is not in the trail: records were removed from it", e.Change.Seq, e.Change.Table, e.Change.Key)
}

// HasAudit returns an error that says what to do when dataDir holds no audit trail.
func HasAudit(dataDir string) error {
	if _, err := os.Stat(AuditDir(dataDir)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no audit trail: is it a data directory? name one with --data-dir", dataDir)
	}
	return nil
}

// VerifyAudit checks the audit trail of a data directory, which may be in use,
// and that the trail has the very record of every change in the database up to
// the last change it knows. (Those after it are appended when a server starts.)
// The error is *[audit.DamageError], *[AuditGapError] or *[TrailCutError] when
// something is wrong.
func VerifyAudit(ctx context.Context, dataDir string) (audit.Report, error) {
	if err := HasAudit(dataDir); err != nil {
		return audit.Report{}, err
	}
	st, err := sqlite.OpenReadOnly(ctx, databasePath(dataDir))
	if err != nil {
		return audit.Report{}, err
	}
	defer st.Close()
	// Before the trail is read: a server may trim the feed meanwhile, up to
	// where its trail has gone on.
	first, err := firstChange(ctx, st)
	if err != nil {
		return audit.Report{}, err
	}
	r, err := audit.VerifyContext(ctx, AuditDir(dataDir))
	if err == nil {
		err = checkTrailStart(first, r.LastChange)
	}
	if err != nil {
		return r, err
	}
	inTrail := map[int64][sha256.Size]byte{} // hashes of the records of changes
	for e, err := range audit.Entries(AuditDir(dataDir)) {
		if err != nil {
			return r, err
		}
		if e.Seq != 0 {
			inTrail[e.Seq] = sha256.Sum256(e.Record)
		}
	}
	for after := int64(0); ; {
		changes, err := st.Changes(ctx, after, 1000)
		if err != nil {
			return r, err
		}
		if len(changes) == 0 {
			return r, nil
		}
		for _, c := range changes {
			after = c.Seq
			if c.Record == nil || c.Seq > r.LastChange {
				continue
			}
			if sum, ok := inTrail[c.Seq]; !ok || sum != sha256.Sum256(c.Record) {
				return r, &AuditGapError{c, ok}
			}
		}
	}
}

// checkIntegrity is the worker "integrity": beside the requests it reads the
// whole database with the MAC of every authority row, whether multi-region keys agree, and the whole trail, at the start and then once a day. What
// serves a request checks only what it reads; rot elsewhere should be known
// while there is still a backup without it.
func (s *Server) checkIntegrity(ctx context.Context) error {
	if err := s.store.Check(ctx); err != nil {
		return fmt.Errorf("the database is damaged: stop the server and restore a backup: %w", err)
	}
	if _, err := audit.VerifyContext(ctx, AuditDir(s.cfg.DataDir)); err != nil {
		return fmt.Errorf("the audit trail is damaged: %w", err)
	}
	for _, t := range authorityTables {
		if err := verifyRows(ctx, s.store, t, s.custody.RowMAC); err != nil {
			return err
		}
	}
	if _, err := kms.NewExaminer(s.store, s.custody.Module, s.custody.RowMAC, s.custody.HeaderMAC).Related(ctx); err != nil {
		return err
	}
	return s.iam.Verify(ctx)
}
