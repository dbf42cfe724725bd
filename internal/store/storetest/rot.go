package storetest

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// rotted puts the rows k/0 to k/4 and lets the middle one rot.
func (d *database) rotted() {
	d.t.Helper()
	for i := range 5 {
		d.put(store.Objects, store.Row{Key: fmt.Sprintf("k/%d", i), Doc: []byte("document"), Ref: "r"})
	}
	if err := d.rot(store.Objects, "k/2"); err != nil {
		d.t.Fatal(err)
	}
}

// heal puts a sound row over the rotted one, as a caller would.
func (d *database) heal() {
	d.t.Helper()
	wantErr(d.t, d.Update(d.t.Context(), func(tx *store.Tx) error {
		return tx.PutUnlogged(store.Objects, store.Row{Key: "k/2", Rev: 1})
	}), nil)
}

// A row that has rotted fails what reads it, and a list that does not expect
// it; one that does gets all others, and that one marked.
func testRottedRow(t *testing.T, d *database) {
	d.rotted()
	ctx := t.Context()
	_, err := d.Get(ctx, store.Objects, "k/2")
	wantErr(t, err, store.ErrDamaged)
	_, err = d.Get(ctx, store.Objects, "k/3")
	wantErr(t, err, nil)
	for _, q := range []store.Query{{Limit: 10}, {Prefix: "k/", Limit: 10}, {Ref: "r", Limit: 10}, {Limit: 3}, {After: "k/1", Limit: 1}} {
		_, err = d.List(ctx, store.Objects, q)
		wantErr(t, err, store.ErrDamaged)
		q.KeepDamaged = true
		rows, err := d.List(ctx, store.Objects, q)
		wantErr(t, err, nil)
		marked := 0
		for _, r := range rows {
			if r.Damaged != nil {
				marked++
				wantErr(t, r.Damaged, store.ErrDamaged)
			}
			if (r.Key == "k/2") != (r.Damaged != nil) {
				t.Errorf("got row %s with %v", r.Key, r.Damaged)
			}
		}
		if marked != 1 || len(rows) != min(5, q.Limit) {
			t.Errorf("got %d marked of %d rows, want 1 of %d", marked, len(rows), min(5, q.Limit))
		}
	}
	rows, err := d.List(ctx, store.Objects, store.Query{After: "k/2", Limit: 10})
	wantErr(t, err, nil)
	wantKeys(t, rows, "k/3", "k/4")
	wantErr(t, d.Check(ctx), store.ErrDamaged)
	d.heal()
	// The first row of a table does not keep the store from being opened.
	wantErr(t, d.rot(store.Objects, "k/0"), nil)
	d.reopen()
	_, err = d.List(ctx, store.Objects, store.Query{Limit: 1})
	wantErr(t, err, store.ErrDamaged)
	wantErr(t, d.Update(ctx, func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Objects, "k/0") }), nil)
}

// A transaction that meets a rotted row goes on, and can put another in its
// place.
func testRottedRowInATransaction(t *testing.T, d *database) {
	d.rotted()
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Get(store.Objects, "k/2")
		wantErr(t, err, store.ErrDamaged)
		_, err = tx.List(store.Objects, store.Query{Limit: 10})
		wantErr(t, err, store.ErrDamaged)
		rows, err := tx.List(store.Objects, store.Query{Limit: 10, KeepDamaged: true})
		wantErr(t, err, nil)
		wantKeys(t, rows, "k/0", "k/1", "k/2", "k/3", "k/4")
		wantErr(t, tx.DeleteUnlogged(store.Objects, "k/2"), nil)
		rev, err := tx.Put(store.Objects, store.Row{Key: "k/2", Doc: []byte("new")})
		if rev != 1 {
			t.Errorf("got revision %d, want 1", rev)
		}
		return err
	})
	wantErr(t, err, nil)
	row, err := d.Get(t.Context(), store.Objects, "k/2")
	wantErr(t, err, nil)
	wantRow(t, row, store.Row{Key: "k/2", Rev: 1, Doc: []byte("new")})
	// A transaction that lets the error pass is undone by it alone.
	if err := d.rot(store.Objects, "k/2"); err != nil {
		t.Fatal(err)
	}
	wantErr(t, d.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Put(store.Users, store.Row{Key: "u"}); err != nil {
			return err
		}
		_, err := tx.Get(store.Objects, "k/2")
		return err
	}), store.ErrDamaged)
	d.want(store.Users)
	d.heal()
}
