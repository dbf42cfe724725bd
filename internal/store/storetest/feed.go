package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

func testFeed(t *testing.T, d *database) {
	if seq, err := d.LastSeq(t.Context()); seq != 0 || err != nil {
		t.Errorf("got the empty feed at %d, %v, want 0", seq, err)
	}
	start := time.Now().UTC().Truncate(time.Microsecond)
	record := []byte(`{"eventName":"CreateKey"}`)
	steps := []func(tx *store.Tx) error{
		func(tx *store.Tx) error {
			// The record is complete only after the changes it tells of.
			for _, table := range []store.Table{store.KMSKeys, store.KMSAliases} {
				if _, err := tx.Put(table, store.Row{Key: "k"}); err != nil {
					return err
				}
			}
			tx.SetRecord([]byte("replaced by the next"))
			tx.SetRecord(record)
			return nil
		},
		func(tx *store.Tx) error { _, err := tx.Put(store.KMSKeys, store.Row{Key: "k", Rev: 1}); return err },
		func(tx *store.Tx) error { return tx.Delete(store.KMSKeys, "k", 2) },
	}
	for _, fn := range steps {
		wantErr(t, d.Update(t.Context(), fn), nil)
	}
	want := []store.Change{
		{Seq: 1, Table: store.KMSKeys, Key: "k", Rev: 1, Record: record},
		{Seq: 2, Table: store.KMSAliases, Key: "k", Rev: 1},
		{Seq: 3, Table: store.KMSKeys, Key: "k", Rev: 2},
		{Seq: 4, Table: store.KMSKeys, Key: "k", Rev: 0},
	}
	for range 2 { // the second time after opening again
		for after := range 6 {
			for limit := 1; limit < 6; limit++ {
				got, err := d.Changes(t.Context(), int64(after), limit)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if at := got[i].Time; at.Before(start) || at.After(time.Now()) {
						t.Errorf("got time %v, want it since %v", at, start)
					}
					got[i].Time = time.Time{}
				}
				from := min(after, len(want))
				if want := want[from:min(from+limit, len(want))]; len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Errorf("after %d, at most %d: got %v, want %v", after, limit, got, want)
				}
			}
		}
		d.reopen()
	}
	if seq, err := d.LastSeq(t.Context()); seq != 4 || err != nil {
		t.Errorf("got the feed at %d, %v, want 4", seq, err)
	}
}

// testSeveralRecords: each record has a number of its own in the feed, beside
// the transaction's first change, and hooks are told the same.
func testSeveralRecords(t *testing.T, d *database) {
	var told []store.Change
	d.OnCommit(func(changes []store.Change) { told = append(told, changes...) })
	records := [][]byte{[]byte(`{"recipientAccountId":"1"}`), []byte(`{"recipientAccountId":"2"}`), []byte(`{"recipientAccountId":"3"}`)}
	wantErr(t, d.Update(t.Context(), func(tx *store.Tx) error {
		for rev := range int64(2) {
			if _, err := tx.Put(store.KMSGrants, store.Row{Key: "g", Rev: rev}); err != nil {
				return err
			}
		}
		tx.SetRecord(records...)
		return nil
	}), nil)
	want := []store.Change{
		{Seq: 1, Table: store.KMSGrants, Key: "g", Rev: 1, Record: records[0]},
		{Seq: 2, Table: store.KMSGrants, Key: "g", Rev: 1, Record: records[1]},
		{Seq: 3, Table: store.KMSGrants, Key: "g", Rev: 1, Record: records[2]},
		{Seq: 4, Table: store.KMSGrants, Key: "g", Rev: 2},
	}
	read, err := d.Changes(t.Context(), 0, 10)
	wantErr(t, err, nil)
	for name, got := range map[string][]store.Change{"the feed": read, "the hook": told} {
		for i := range got {
			got[i].Time = time.Time{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s has %v, want %v", name, got, want)
		}
	}
}

func testRecordNeedsAChange(t *testing.T, d *database) {
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		tx.SetRecord([]byte("{}"))
		return tx.PutUnlogged(store.Users, store.Row{Key: "k"})
	})
	wantErr(t, err, store.ErrNoChange)
	d.want(store.Users)
}

// testHooksInOrder has many writers, and a hook that must see each of their
// changes once, in order, and before the writer does.
func testHooksInOrder(t *testing.T, d *database) {
	var mu sync.Mutex // guards seen: the hook alone writes, the writers read
	var seen []store.Change
	d.OnCommit(func(changes []store.Change) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, changes...)
	})
	second := 0
	d.OnCommit(func(changes []store.Change) { second += len(changes) })
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("%d-%d", w, i)
				err := d.Update(t.Context(), func(tx *store.Tx) error {
					tx.SetRecord([]byte(key))
					_, err := tx.Put(store.Blobs, store.Row{Key: key})
					return err
				})
				wantErr(t, err, nil)
				mu.Lock()
				found := false
				for _, c := range seen {
					found = found || c.Key == key && string(c.Record) == key
				}
				mu.Unlock()
				if !found {
					t.Errorf("%s: Update returned before the hook was told", key)
				}
			}
		})
	}
	wg.Wait()
	feed, err := d.Changes(t.Context(), 0, 2*writers*each)
	if err != nil {
		t.Fatal(err)
	}
	if len(feed) != writers*each || !reflect.DeepEqual(seen, feed) {
		t.Errorf("got %d changes in the hook, want the %d of the feed, alike", len(seen), len(feed))
	}
	if second != len(feed) {
		t.Errorf("got %d changes in the second hook, want %d", second, len(feed))
	}
}
