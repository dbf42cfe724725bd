package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// RotateDue gives new material to every key whose rotation is due: customer
// managed keys with automatic rotation, and AWS managed keys, every year. Each
// goes in a transaction of its own with its record of the event, so a process
// that dies goes on at its next call; and one key that cannot be rotated keeps
// no other from it: the error tells of all that failed. Keys that are not enabled
// wait until they are.
//
// Like [Service.DestroyDue] it refuses to go by a clock that was set.
func (s *Service) RotateDue(ctx context.Context) (rotated int, err error) {
	if err := s.gate.Ready(); err != nil {
		return 0, err
	}
	now := s.now()
	if err := s.trusted(now, "no key is rotated"); err != nil {
		return 0, err
	}
	if err := s.scheduleManaged(ctx); err != nil {
		return 0, err
	}
	err = s.eachListed(ctx, s.db.Timed, func(k *kmsdb.Key) error {
		if !rotationDue(k, now) {
			return nil
		}
		done, err := s.rotateListed(ctx, k.Ref(), now)
		if done {
			rotated++
		}
		return err
	})
	return rotated, err
}

func rotationDue(k *kmsdb.Key, now time.Time) bool {
	return k.State == kmsapi.KeyStateEnabled && k.Rotates() && !k.Rotation.Next.After(now)
}

// rotateListed rotates one key, if it is still due.
func (s *Service) rotateListed(ctx context.Context, ref kmsdb.KeyRef, now time.Time) (done bool, err error) {
	err = s.db.Update(ctx, func(tx *kmsdb.Tx) error {
		key, err := tx.Key(ref)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || !rotationDue(&key, now) {
			return err
		}
		record, err := s.rotateNow(tx, &key, kmsdb.Automatic, now)
		if err != nil {
			return err
		}
		tx.SetRecord(record)
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("rotating key %s: %w", ref, err)
	}
	return done, nil
}

// eachListed calls fn with every key of a list, page by page. What fails is told
// of at the end, but for what would fail for the next one as well.
func (s *Service) eachListed(ctx context.Context, list func(ctx context.Context, after string, limit int) ([]kmsdb.Pending, error), fn func(*kmsdb.Key) error) error {
	var faults faults
	for after := ""; ; {
		page, err := list(ctx, after, duePage)
		if err != nil {
			return errors.Join(faults.err(), err)
		}
		for i := range page {
			p := &page[i]
			after = p.Row
			err := p.Err
			if err == nil {
				err = fn(&p.Key)
			}
			if err != nil {
				faults.add(err)
			}
			if ctx.Err() != nil || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrDiskFull) {
				return faults.err()
			}
		}
		if len(page) < duePage {
			return faults.err()
		}
	}
}

// scheduleManaged gives their yearly rotation to AWS managed keys that were made
// before keys rotated, once in the life of a data directory. The first is a year
// after the key's creation, or now.
func (s *Service) scheduleManaged(ctx context.Context) error {
	refs, done, err := s.db.Unscheduled(ctx)
	if done || err != nil {
		return err
	}
	for _, ref := range refs {
		err := s.db.Update(ctx, func(tx *kmsdb.Tx) error {
			key, err := tx.Key(ref)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil || !schedule(&key, yearly, key.CreationDate) {
				return err
			}
			tx.SetRecord(s.ownRecord(&key, opEnableKeyRotation.Name, newObject().
				str("keyId", key.ID).
				integer("rotationPeriodInDays", yearly).end()))
			return tx.PutKey(&key)
		})
		if err != nil {
			return fmt.Errorf("scheduling the rotation of key %s: %w", ref, err)
		}
	}
	return s.db.Update(ctx, (*kmsdb.Tx).AllScheduled)
}
