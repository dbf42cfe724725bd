// Package storetest is the conformance suite of package store: every database
// that it runs on passes it.
package storetest

import (
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// Harness makes an empty database for one test and returns what opens the store
// in it, and what changes a byte in the document of a row behind an open
// store's back. The suite closes each store before it opens the next.
type Harness func(t *testing.T) (open func() (*store.Store, error), rot func(t store.Table, key string) error)

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, tt := range []struct {
		name string
		test func(t *testing.T, d *database)
	}{
		{"Revisions", testRevisions},
		{"RowsComeBackWhole", testRowsComeBackWhole},
		{"Unlogged", testUnlogged},
		{"InvalidArguments", testInvalidArguments},
		{"List", testList},
		{"ListPages", testListPages},
		{"RottedRow", testRottedRow},
		{"RottedRowInATransaction", testRottedRowInATransaction},
		{"TransactionSeesItself", testTransactionSeesItself},
		{"ErrorUndoesAll", testErrorUndoesAll},
		{"PanicUndoesAll", testPanicUndoesAll},
		{"TransactionAfterItsEnd", testTransactionAfterItsEnd},
		{"ContextEndsTheWait", testContextEndsTheWait},
		{"Feed", testFeed},
		{"Trim", testTrim},
		{"TrimBesideCheck", testTrimBesideCheck},
		{"SeveralRecords", testSeveralRecords},
		{"RecordNeedsAChange", testRecordNeedsAChange},
		{"HooksInOrder", testHooksInOrder},
		{"Guard", testGuard},
		{"NoUpdateIsLost", testNoUpdateIsLost},
		{"TruncateLog", testTruncateLog},
		{"Close", testClose},
		{"Model", testModel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &database{t: t}
			d.open, d.rot = h(t)
			d.reopen()
			tt.test(t, d)
			if err := d.Check(t.Context()); err != nil {
				t.Errorf("after the test: %v", err)
			}
			if err := d.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// database is the store under test.
type database struct {
	*store.Store
	t    *testing.T
	open func() (*store.Store, error)
	rot  func(t store.Table, key string) error
}

// reopen closes the store and opens it anew.
func (d *database) reopen() {
	d.t.Helper()
	if d.Store != nil {
		if err := d.Close(); err != nil {
			d.t.Fatalf("closing: %v", err)
		}
	}
	s, err := d.open()
	if err != nil {
		d.t.Fatalf("opening: %v", err)
	}
	d.Store = s
}

// put stores a row whatever its revision and returns it as it is now.
func (d *database) put(t store.Table, r store.Row) store.Row {
	d.t.Helper()
	err := d.Update(d.t.Context(), func(tx *store.Tx) error {
		old, err := tx.Get(t, r.Key)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		r.Rev = old.Rev
		r.Rev, err = tx.Put(t, r)
		return err
	})
	if err != nil {
		d.t.Fatalf("putting %s/%s: %v", t, r.Key, err)
	}
	return r
}

// want fails unless the table has exactly the keys, in order.
func (d *database) want(t store.Table, keys ...string) {
	d.t.Helper()
	rows, err := d.List(d.t.Context(), t, store.Query{Limit: 1000})
	if err != nil {
		d.t.Fatal(err)
	}
	wantKeys(d.t, rows, keys...)
}

func wantKeys(t *testing.T, rows []store.Row, keys ...string) {
	t.Helper()
	same := len(rows) == len(keys)
	var got []string
	for i, r := range rows {
		got = append(got, r.Key)
		same = same && r.Key == keys[i]
	}
	if !same {
		t.Errorf("got keys %q, want %q", got, keys)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}
