package kmsdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// Usage is what a key was last used for.
type Usage struct {
	Operation kmsapi.KeyLastUsageTrackingOperation
	Time      time.Time
	EventID   string // of the record in the trail of the key's account
	RequestID string
}

// trackingRow is the row of meta that says since when uses are noted.
const trackingRow = "kms/usage-tracking"

// Usage loads what a key was last used for. Errors to test for:
// [store.ErrNotFound] when nothing is stored, *[store.TamperedError].
func (d *DB) Usage(ctx context.Context, ref KeyRef) (u Usage, err error) {
	r, err := d.store.Get(ctx, store.KMSKeyUsage, ref.Row())
	if err != nil {
		return Usage{}, fmt.Errorf("reading the last usage of key %s: %w", ref, err)
	}
	err = open(d.mac, store.KMSKeyUsage, r, &u)
	return u, err
}

// TrackingSince returns since when uses are noted. The error is
// [store.ErrNotFound] when that was not set yet.
func (d *DB) TrackingSince(ctx context.Context) (at time.Time, err error) {
	r, err := d.store.Get(ctx, store.Meta, trackingRow)
	if err == nil {
		err = at.UnmarshalText(r.Doc)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading since when uses of keys are noted: %w", err)
	}
	return at, nil
}

// SetTrackingSince sets since when uses are noted, unless it is set.
func (t *Tx) SetTrackingSince(at time.Time) error {
	_, err := t.tx.Get(store.Meta, trackingRow)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	text, err := at.MarshalText()
	if err != nil {
		return err
	}
	return t.tx.PutUnlogged(store.Meta, store.Row{Key: trackingRow, Doc: text})
}

// PutUsage stores what a key was last used for, unless a later use is stored or
// the key is gone. It is in no change feed: it changes nothing that a key is. The
// row is sealed all the same, for somebody may delete a key by what it says; that
// an older one was put back cannot be told.
func (t *Tx) PutUsage(ref KeyRef, u Usage) error {
	row := ref.Row()
	switch _, err := t.tx.Get(store.KMSKeys, row); {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil && !errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("noting a use of key %s: %w", ref, err)
	}
	r, err := t.tx.Get(store.KMSKeyUsage, row)
	if err == nil {
		var stored Usage
		if err := open(t.mac, store.KMSKeyUsage, r, &stored); err == nil && stored.Time.After(u.Time) {
			return nil
		}
	} else if !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("noting a use of key %s: %w", ref, err)
	}
	doc, err := document(store.KMSKeyUsage, row, u)
	if err != nil {
		return err
	}
	r = store.Row{Key: row, Doc: doc}
	store.Seal(t.mac, store.KMSKeyUsage, &r)
	r.Rev++ // as sealed
	if err := t.tx.PutUnlogged(store.KMSKeyUsage, r); err != nil {
		return fmt.Errorf("noting a use of key %s: %w", ref, err)
	}
	return nil
}
