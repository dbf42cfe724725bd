package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// installationDoc is the row meta/installation. It tells one data directory
// from another, whatever its path: copies of a directory share it, and two of
// them that are served are twins (docs/backup.md says what they break).
type installationDoc struct {
	ID   string // 32 random hexadecimal digits, made at the first start
	Made time.Time

	// Of a directory that was restored from a backup: the id that the restore
	// drew, when the directory was first served, and what it was made of.
	// Records in the trail from then on are of this generation.
	Generation string     `json:",omitempty"`
	Began      *time.Time `json:",omitempty"`
	Backup     *time.Time `json:",omitempty"`
}

const installationKey = "installation"

// installation is what a server knows of the identity of its directory.
type installation struct {
	doc   installationDoc
	row   store.Row
	fresh bool         // the row is not there yet
	mark  *backup.Mark // of a directory that was restored and not served since
	twin  error        // the *TwinError that was overridden
	guard io.Closer    // keeps others on this machine from serving the same
}

// readInstallation returns the row meta/installation; its ID is empty when
// there is none.
func readInstallation(ctx context.Context, st *store.Store) (doc installationDoc, row store.Row, err error) {
	row, err = st.Get(ctx, store.Meta, installationKey)
	if errors.Is(err, store.ErrNotFound) {
		return doc, store.Row{Key: installationKey}, nil
	}
	if err == nil {
		err = json.Unmarshal(row.Doc, &doc)
	}
	if err == nil && doc.ID == "" {
		err = errors.New("it names no installation; restore the database from a backup")
	}
	if err != nil {
		return doc, row, fmt.Errorf("row %s/%s: %w", store.Meta, installationKey, err)
	}
	return doc, row, nil
}

// openInstallation finds out which installation this is, before anything is
// written, and refuses when a twin of it is being served.
func (s *Server) openInstallation(ctx context.Context) (err error) {
	in := &s.installation
	if in.doc, in.row, err = readInstallation(ctx, s.store); err != nil {
		return err
	}
	if in.doc.ID == "" {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails: see crypto/rand
		in.fresh, in.doc.ID, in.doc.Made = true, hex.EncodeToString(id[:]), s.cfg.Clock().UTC().Truncate(time.Second)
	}
	if in.mark, err = backup.ReadMark(s.cfg.DataDir); err != nil {
		return err
	}
	if in.mark != nil && in.mark.Installation != in.doc.ID {
		return fmt.Errorf("the mark of a restore in %s is of another installation: restore the backup again", s.cfg.DataDir)
	}
	if in.guard, err = holdInstallation(in.doc.ID); err == nil && in.mark != nil {
		err = askTwin(ctx, s.log, *in.mark)
	}
	if twin, ok := errors.AsType[*TwinError](err); ok && s.cfg.BesideTwin {
		s.log.Warn("serving beside a twin, as --beside-twin says", "twin", twin.Where)
		in.twin, err = twin, nil
	}
	return err
}

// settleInstallation writes what openInstallation found out: the id of a new
// installation, or a new generation of one that was restored, after all else
// has gone well. It comes after the trail is open.
func (s *Server) settleInstallation(ctx context.Context) error {
	in := &s.installation
	if in.fresh {
		b, err := json.Marshal(in.doc)
		if err != nil {
			return err
		}
		in.row.Doc, in.row.Rev = b, 1 // as if it had been put: the next put is of revision 2
		err = s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutUnlogged(store.Meta, in.row) })
		if err != nil {
			return err
		}
		in.fresh = false
	}
	if in.twin != nil {
		if err := s.trail.Append(s.installationEvent("StartBesideTwin")); err != nil {
			return err
		}
	}
	if in.mark == nil {
		return nil
	}
	if in.doc.Generation != in.mark.Generation { // else a start died before it removed the mark
		now := s.cfg.Clock().UTC().Truncate(time.Second)
		in.doc.Generation, in.doc.Began, in.doc.Backup = in.mark.Generation, &now, &in.mark.Backup
		b, err := json.Marshal(in.doc)
		if err != nil {
			return err
		}
		in.row.Doc = b
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			tx.SetRecord(s.installationEvent("StartRestored"))
			in.row.Rev, err = tx.Put(store.Meta, in.row)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := backup.RemoveMark(s.cfg.DataDir); err != nil {
		return err
	}
	s.log.Warn("this is the first start since a restore: what happened after the backup is not here", "backup", in.mark.Backup, "generation", in.doc.Generation)
	in.mark = nil
	return nil
}

// installationEvent is the record of something that the operator did to the
// installation as a whole.
func (s *Server) installationEvent(name string) []byte {
	in := &s.installation
	details := map[string]any{"installation": in.doc.ID, "generation": in.doc.Generation}
	if in.mark != nil {
		details["backupTime"], details["backupHost"], details["backupEndpoints"] = in.mark.Backup, in.mark.Host, in.mark.Endpoints
	}
	if in.twin != nil {
		details["twin"] = in.twin.Error()
	}
	r, _ := audit.Own{ // strings and times always encode
		Source: "strongroom.internal", Name: name, Account: s.cfg.Account, Region: s.cfg.Regions[0],
		Time: s.cfg.Clock(), EventID: uuid.New(),
	}.With(details)
	return r.AppendJSON(nil)
}
