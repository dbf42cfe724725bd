package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func testRevisions(t *testing.T, d *database) {
	row := store.Row{Key: "k", Doc: []byte("one")}
	for _, tt := range []struct {
		name string
		do   func(tx *store.Tx) (int64, error)
		rev  int64 // returned
		err  error
	}{
		{"replace what is not there", put(store.Users, store.Row{Key: "k", Rev: 1}), 0, store.ErrConflict},
		{"delete what is not there", del(store.Users, "k", 1), 0, store.ErrConflict},
		{"insert", put(store.Users, row), 1, nil},
		{"insert again", put(store.Users, row), 0, store.ErrConflict},
		{"the same key in another table", put(store.Accounts, row), 1, nil},
		{"replace", put(store.Users, store.Row{Key: "k", Rev: 1, Doc: []byte("two")}), 2, nil},
		{"replace the revision before", put(store.Users, store.Row{Key: "k", Rev: 1}), 0, store.ErrConflict},
		{"replace a later revision", put(store.Users, store.Row{Key: "k", Rev: 3}), 0, store.ErrConflict},
		{"delete the revision before", del(store.Users, "k", 1), 0, store.ErrConflict},
		{"delete", del(store.Users, "k", 2), 0, nil},
		{"delete again", del(store.Users, "k", 2), 0, store.ErrConflict},
		{"insert after delete", put(store.Users, row), 1, nil},
	} {
		var rev int64
		err := d.Update(t.Context(), func(tx *store.Tx) (err error) {
			rev, err = tt.do(tx)
			return err
		})
		if rev != tt.rev {
			t.Errorf("%s: got revision %d, want %d", tt.name, rev, tt.rev)
		}
		t.Log(tt.name)
		wantErr(t, err, tt.err)
	}
}

func put(table store.Table, r store.Row) func(*store.Tx) (int64, error) {
	return func(tx *store.Tx) (int64, error) { return tx.Put(table, r) }
}

func del(table store.Table, key string, rev int64) func(*store.Tx) (int64, error) {
	return func(tx *store.Tx) (int64, error) { return 0, tx.Delete(table, key, rev) }
}

func testRowsComeBackWhole(t *testing.T, d *database) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	rows := []store.Row{
		{Key: "all bytes", Doc: all, MAC: all, Ref: "r"},
		{Key: "empty"},
		{Key: "large", Doc: bytes.Repeat(all, 1<<14)},
		{Key: "quotes ' \" ` ? $1 % _ -- ;", Doc: []byte("x"), Ref: "'; DROP TABLE users; --"},
		{Key: "é\u4e16\U0001F512", Doc: []byte("x"), Ref: "é"},
		{Key: strings.Repeat("k", 4096), Doc: []byte("x")},
	}
	for i := range rows {
		rows[i] = d.put(store.Objects, rows[i])
	}
	d.reopen()
	for _, want := range rows {
		got, err := d.Get(t.Context(), store.Objects, want.Key)
		if err != nil {
			t.Fatal(err)
		}
		wantRow(t, got, want)
		listed, err := d.List(t.Context(), store.Objects, store.Query{From: want.Key, Limit: 1})
		if err != nil || len(listed) != 1 {
			t.Fatalf("got %d rows, %v", len(listed), err)
		}
		wantRow(t, listed[0], want)
	}
	_, err := d.Get(t.Context(), store.Objects, "absent")
	wantErr(t, err, store.ErrNotFound)
}

func wantRow(t *testing.T, got, want store.Row) {
	t.Helper()
	if got.Key != want.Key || got.Rev != want.Rev || got.Ref != want.Ref ||
		!bytes.Equal(got.Doc, want.Doc) || !bytes.Equal(got.MAC, want.MAC) {
		t.Errorf("got %.200q, want %.200q", fmt.Sprint(got), fmt.Sprint(want))
	}
	if len(want.Doc) == 0 && got.Doc != nil {
		t.Errorf("%q: got an empty document, want nil", want.Key)
	}
}

func testUnlogged(t *testing.T, d *database) {
	row := d.put(store.KMSKeyTokens, store.Row{Key: "k", Doc: []byte("one"), Ref: "r"})
	before, err := d.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	row.Doc, row.Ref = []byte("re-wrapped"), ""
	err = d.Update(t.Context(), func(tx *store.Tx) error {
		if err := tx.PutUnlogged(store.KMSKeyTokens, row); err != nil {
			return err
		}
		if err := tx.PutUnlogged(store.KMSKeyTokens, store.Row{Key: "gone", Rev: 7}); err != nil {
			return err
		}
		if err := tx.DeleteUnlogged(store.KMSKeyTokens, "never there"); err != nil {
			return err
		}
		return tx.DeleteUnlogged(store.KMSKeyTokens, "gone")
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Get(t.Context(), store.KMSKeyTokens, "k")
	if err != nil {
		t.Fatal(err)
	}
	wantRow(t, got, row)
	d.want(store.KMSKeyTokens, "k")
	after, err := d.LastSeq(t.Context())
	if err != nil || after != before {
		t.Errorf("got the feed at %d, %v, want still %d", after, err, before)
	}
	if row = d.put(store.KMSKeyTokens, row); row.Rev != 2 {
		t.Errorf("got revision %d after an unlogged put, want 2", row.Rev)
	}
}

func testInvalidArguments(t *testing.T, d *database) {
	ctx := t.Context()
	for _, tt := range []struct {
		name  string
		table store.Table
		row   store.Row
	}{
		{"no key", store.Users, store.Row{}},
		{"long key", store.Users, store.Row{Key: strings.Repeat("k", 4097)}},
		{"key that is not UTF-8", store.Users, store.Row{Key: "a\xff"}},
		{"key with NUL", store.Users, store.Row{Key: "a\x00b"}},
		{"reference with NUL", store.Users, store.Row{Key: "a", Ref: "\x00"}},
		{"negative revision", store.Users, store.Row{Key: "a", Rev: -1}},
		{"unknown table", "changes", store.Row{Key: "a"}},
		{"SQL for a table", "users; DROP TABLE users", store.Row{Key: "a"}},
	} {
		t.Log(tt.name)
		wantErr(t, d.Update(ctx, func(tx *store.Tx) error { _, err := tx.Put(tt.table, tt.row); return err }), store.ErrInvalid)
		wantErr(t, d.Update(ctx, func(tx *store.Tx) error { return tx.PutUnlogged(tt.table, tt.row) }), store.ErrInvalid)
	}
	_, err := d.Get(ctx, store.Users, "")
	wantErr(t, err, store.ErrInvalid)
	_, err = d.List(ctx, store.Users, store.Query{})
	wantErr(t, err, store.ErrInvalid)
	_, err = d.Changes(ctx, 0, 0)
	wantErr(t, err, store.ErrInvalid)
	d.want(store.Users)
}
