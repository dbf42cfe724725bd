package kmsdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/store"
)

// Timed returns up to limit keys of which the material is to be rotated, or
// expires, one day, of all accounts and regions: in the order of their rows,
// from the first one after the row after ("" for the beginning). Keys that are
// pending deletion are not among them.
func (d *DB) Timed(ctx context.Context, after string, limit int) ([]Pending, error) {
	list, err := d.referring(ctx, timed, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing keys by their times: %w", err)
	}
	return list, nil
}

// referring returns the keys whose rows have a reference.
func (d *DB) referring(ctx context.Context, ref, after string, limit int) ([]Pending, error) {
	rows, err := d.store.List(ctx, store.KMSKeys, store.Query{Ref: ref, After: after, Limit: limit, KeepDamaged: true})
	if err != nil {
		return nil, err
	}
	list := make([]Pending, len(rows))
	for i, r := range rows {
		list[i] = Pending{Row: r.Key, Err: r.Damaged}
		if r.Damaged == nil {
			list[i].Key, list[i].Err = decodeKey(d.mac, r)
		}
	}
	return list, nil
}

// unscheduledRow says, when it is there, that no AWS managed key is without a
// rotation any more, as those are that were made before keys rotated.
const unscheduledRow = "kms/managed-rotation"

// unscheduledPage is how many keys [DB.Unscheduled] reads at a time.
const unscheduledPage = 500

// Unscheduled returns the AWS managed keys that were made before keys rotated,
// and so have no rotation; done says that [Tx.AllScheduled] was called, after
// which nothing is read. Rows that cannot be trusted are passed over: they are
// refused wherever they are used, and the daily check names them.
func (d *DB) Unscheduled(ctx context.Context) (refs []KeyRef, done bool, err error) {
	if _, err := d.store.Get(ctx, store.Meta, unscheduledRow); !errors.Is(err, store.ErrNotFound) {
		return nil, true, err
	}
	for q := (store.Query{Limit: unscheduledPage, KeepDamaged: true}); ; {
		rows, err := d.store.List(ctx, store.KMSKeys, q)
		if err != nil {
			return nil, false, fmt.Errorf("listing AWS managed keys: %w", err)
		}
		for _, r := range rows {
			q.After = r.Key
			if r.Damaged != nil || !bytes.Contains(r.Doc, []byte(`"`+AWS+`"`)) { // of most keys: spares the seal
				continue
			}
			if k, err := decodeKey(d.mac, r); err == nil && k.Manager == AWS && k.Rotation.PeriodDays == 0 {
				refs = append(refs, k.Ref())
			}
		}
		if len(rows) < unscheduledPage {
			return refs, false, nil
		}
	}
}

// AllScheduled notes that [DB.Unscheduled] has nothing left to find.
func (t *Tx) AllScheduled() error {
	return t.tx.PutUnlogged(store.Meta, store.Row{Key: unscheduledRow, Doc: []byte("done")})
}
