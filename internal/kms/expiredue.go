package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// ExpireDue deletes imported key material whose ValidTo has passed, of keys that
// wait for their deletion too, as [Service.DeleteImportedKeyMaterial] does. Each
// goes in a transaction of its own with its record of the event; the error tells
// of all that failed. Nothing is opened with such material even before it is
// deleted. Like [Service.DestroyDue] it refuses to go by a clock that was set.
func (s *Service) ExpireDue(ctx context.Context) (expired int, err error) {
	if err := s.gate.Ready(); err != nil {
		return 0, err
	}
	now := s.now()
	if err := s.trusted(now, "no imported key material is deleted"); err != nil {
		return 0, err
	}
	visit := func(k *kmsdb.Key) error {
		var errs []error
		for i := range k.Materials {
			if !materialDue(&k.Materials[i], now) {
				continue
			}
			done, err := s.expire(ctx, k.Ref(), k.Materials[i].ID, now)
			if done {
				expired++
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	err = errors.Join(s.eachListed(ctx, s.db.Timed, visit), s.eachListed(ctx, s.db.PendingDeletion, visit))
	if expired == 0 {
		return 0, err
	}
	s.logHolds.Store(true)
	return expired, errors.Join(err, s.forget(ctx))
}

func materialDue(m *kmsdb.Material, now time.Time) bool {
	return !m.Absent && !m.ValidTo.IsZero() && !m.ValidTo.After(now)
}

// expire deletes one material, if it is still due: it may have been imported again
// since it was listed.
func (s *Service) expire(ctx context.Context, ref kmsdb.KeyRef, id string, now time.Time) (done bool, err error) {
	err = s.db.Update(ctx, func(tx *kmsdb.Tx) error {
		key, err := tx.Key(ref)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if m := key.Material(id); m == nil || !materialDue(m, now) {
			return nil
		}
		if err := s.dropMaterial(tx, &key, id); err != nil {
			return err
		}
		details := optional(newObject().str("keyId", key.ID), "keyMaterialId", shownMaterial(&key, id)).end()
		tx.SetRecord(s.ownRecord(&key, "DeleteExpiredKeyMaterial", details))
		done = true
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("deleting expired material of key %s: %w", ref, err)
	}
	if done {
		s.log.Info("kms: imported key material has expired and was deleted", "key", ref.ARN())
	}
	return done, nil
}
