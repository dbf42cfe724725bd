package server

import (
	"context"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

// The change feed of the database is what the audit trail is completed from
// after a crash. Behind the trail's last sync it has served.
const (
	trimEvery   = time.Hour
	trimBatch   = 1000   // changes per transaction
	keepChanges = 10_000 // that stay in any case, for `audit verify` to compare with the trail
)

// trimChanges removes the changes whose records are on the disk in the trail,
// except the newest keep ones. The change that the trail ends with stays as
// well, so that the feed never begins behind the trail: when it does, the end
// of the trail has been cut off (see checkTrailStart).
func (s *Server) trimChanges(ctx context.Context, keep int64) error {
	last, err := s.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	through := min(s.trail.SyncedChange()-1, last-keep)
	for through > 0 && ctx.Err() == nil {
		done, ok, err := s.whileNoBackup()
		if err != nil || !ok {
			return err // a backup may have read the trail already, and the database not yet
		}
		removed, err := s.store.TrimChanges(ctx, through, trimBatch)
		if closeErr := done(); err == nil {
			err = closeErr
		}
		if err != nil || removed < trimBatch {
			return err
		}
	}
	return ctx.Err()
}

// firstChange returns the position of the oldest change that is still in the
// feed, 0 when there is none.
func firstChange(ctx context.Context, st *store.Store) (int64, error) {
	first, err := st.Changes(ctx, 0, 1)
	if err != nil || len(first) == 0 {
		return 0, err
	}
	return first[0].Seq, nil
}

// TrailCutError says that the database has handed over records to the trail
// which the trail no longer has.
type TrailCutError struct {
	First int64 // the oldest change in the database
	Known int64 // the last change in the trail
}

// Error implements error.
func (e *TrailCutError) Error() string {
	return fmt.Sprintf("the audit trail ends at change %d, but it has had the records of all changes before %d: its end was cut off, or it was replaced by an older one", e.Known, e.First)
}

// checkTrailStart compares where the feed begins with the last change that the
// trail knows. Before the feed is trimmed the trail has, on the disk, the record
// of the first change that is left or of one behind it.
func checkTrailStart(first, known int64) error {
	if first > 1 && first > known {
		return &TrailCutError{first, known}
	}
	return nil
}
