package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

const (
	duePage   = 500 // keys that are read at a time
	maxFaults = 10  // that one error tells of

	// busyPatience is how often in a row the database's log may be found in use
	// before that is worth a warning: backups and checks read for minutes.
	busyPatience = 10
)

// DestroyDue destroys every key whose DeletionDate has passed: its record, the
// tokens of all its material, its aliases. Each goes in a transaction of its
// own with its record of the event and what Config.Destroyed does, so a process
// that dies goes on at its next call; and one key that cannot be destroyed
// keeps no other alive: the error tells of all that failed. Afterwards the
// database's log, which has copies, is emptied.
//
// No handle is left in memory to be wiped: the key lost its snapshot when its
// deletion was scheduled, and none has been opened for it since.
//
// It refuses to work when the wall clock has moved against the monotonic clock
// by more than an hour since the Service began: a clock that was set forward by
// mistake must not cost anyone a key.
func (s *Service) DestroyDue(ctx context.Context) (destroyed int, err error) {
	if err := s.gate.Ready(); err != nil {
		return 0, err
	}
	now := s.now()
	if err := s.trusted(now, "no key is destroyed"); err != nil {
		return 0, err
	}
	destroyed, err = s.destroyDue(ctx, now)
	if destroyed > 0 {
		s.logHolds.Store(true)
	}
	return destroyed, errors.Join(err, s.forget(ctx))
}

func (s *Service) destroyDue(ctx context.Context, now time.Time) (destroyed int, err error) {
	var faults faults
	for after := ""; ; {
		page, err := s.db.PendingDeletion(ctx, after, duePage)
		if err != nil {
			return destroyed, errors.Join(faults.err(), err)
		}
		for i := range page {
			p := &page[i]
			after = p.Row
			if p.Err == nil && p.Key.DeletionDate.IsZero() {
				p.Err = fmt.Errorf("key %s is pending deletion and has no deletion date", p.Row)
			}
			if p.Err != nil {
				faults.add(p.Err)
				continue
			}
			if p.Key.DeletionDate.After(now) {
				continue
			}
			done, err := s.destroy(ctx, p.Key.Ref(), now)
			if done {
				destroyed++
			}
			if err != nil {
				faults.add(err)
			}
			if ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDiskFull) {
				return destroyed, faults.err() // the next one would fare no better
			}
		}
		if len(page) < duePage {
			return destroyed, faults.err()
		}
	}
}

// destroy destroys one key, if it is still due: its deletion may have been
// cancelled, and scheduled again, since it was listed.
func (s *Service) destroy(ctx context.Context, ref kmsdb.KeyRef, now time.Time) (done bool, err error) {
	err = s.db.Update(ctx, func(tx *kmsdb.Tx) error {
		key, err := tx.Key(ref)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if key.State != kmsapi.KeyStatePendingDeletion || key.DeletionDate.After(now) {
			return nil
		}
		if key.Primary() && len(key.ReplicaRegions) > 0 {
			return errors.New("it is a primary key with replicas") // a state that nothing leads to
		}
		if err := tx.DestroyKey(&key); err != nil {
			return err
		}
		if err := s.release(tx, &key); err != nil {
			return err
		}
		if s.destroyed != nil {
			if err := s.destroyed(tx.Store(), key.Region); err != nil {
				return err
			}
		}
		tx.SetRecord(s.destructionRecord(&key))
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("destroying key %s: %w", ref, err)
	}
	if done {
		s.log.Info("kms: a key was destroyed, its waiting period has ended", "key", ref.ARN())
	}
	return done, nil
}

// forget empties the database's log when it may hold destroyed key material:
// after a destruction, and once when the service has begun, for the one before
// may have died between the two.
func (s *Service) forget(ctx context.Context) error {
	if !s.logHolds.Load() {
		return nil
	}
	switch err := s.db.TruncateLog(ctx); {
	case errors.Is(err, store.ErrBusy):
		if tries := s.logBusy.Add(1); tries >= busyPatience {
			s.log.Warn("kms: the database's log, which may hold copies of destroyed key material, could not be emptied yet", "tries", tries, "error", err)
		}
		return nil
	case err != nil:
		return err
	}
	s.logHolds.Store(false)
	s.logBusy.Store(0)
	return nil
}

// destructionRecord is the record of a key's end. No caller made a request, so
// it is an event of the service (KMS Developer Guide, "DeleteKey").
func (s *Service) destructionRecord(k *kmsdb.Key) []byte {
	r := audit.Own{Source: EventSource, Name: "DeleteKey", Account: k.Account, Region: k.Region, Time: s.clock(), EventID: uuid.New()}.Bare()
	r.ResponseElements = keyRecord(k.ARN())
	r.Resources = []audit.Resource{{AccountID: k.Account, Type: resourceType, ARN: k.ARN()}}
	return r.AppendJSON(nil)
}

// faults collects errors, as many as one can read.
type faults struct {
	errs []error
	more int
}

func (f *faults) add(err error) {
	if len(f.errs) == maxFaults {
		f.more++
		return
	}
	f.errs = append(f.errs, err)
}

func (f *faults) err() error {
	if f.more > 0 {
		return errors.Join(append(f.errs, fmt.Errorf("and %d keys more", f.more))...)
	}
	return errors.Join(f.errs...)
}
