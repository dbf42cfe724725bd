package kmsdb_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// Keys that are pending deletion are found, those of every account and region,
// page by page, and no others.
func TestPendingDeletion(t *testing.T) {
	db, s := open(t)
	due := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	var want []string
	for i := range 9 {
		k := newKey(fmt.Sprintf("k%d", i))
		if i%2 == 0 {
			k.Account = "444455556666"
		}
		if i%3 != 0 {
			k.State, k.DeletionDate = kmsapi.KeyStatePendingDeletion, due
			want = append(want, k.Ref().Row())
		}
		update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateKey(k, []byte("token")) })
	}
	slices.Sort(want)
	var got []string
	for after := ""; ; {
		page, err := db.PendingDeletion(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			if p.Err != nil || !p.Key.DeletionDate.Equal(due) || p.Key.Ref().Row() != p.Row {
				t.Errorf("got %+v", p)
			}
			got = append(got, p.Row)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// A key whose deletion was cancelled is none of them.
	ref, _ := kmsdb.ParseKeyRow(want[0])
	update(t, db, func(tx *kmsdb.Tx) error {
		k, err := tx.Key(ref)
		if err != nil {
			return err
		}
		k.State, k.DeletionDate = kmsapi.KeyStateDisabled, time.Time{}
		return tx.PutKey(&k)
	})
	// What says so without the server's seal is told apart.
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		r, err := tx.Get(store.KMSKeys, want[0])
		if err != nil {
			return err
		}
		r.Ref = "PendingDeletion"
		return tx.PutUnlogged(store.KMSKeys, r)
	}); err != nil {
		t.Fatal(err)
	}
	page, err := db.PendingDeletion(t.Context(), "", 100)
	if err != nil || len(page) != len(want) {
		t.Fatalf("got %d keys, %v; want %d", len(page), err, len(want))
	}
	if _, ok := errors.AsType[*store.TamperedError](page[0].Err); !ok || page[0].Row != want[0] {
		t.Errorf("got %+v, want %s marked as tampered with", page[0], want[0])
	}
}

// A destruction takes what belongs to the key, however many rows it has, and
// nothing of another whose name begins alike.
func TestDestroyKey(t *testing.T) {
	db, s := open(t)
	key, other, managed := newKey("k1"), newKey("k10"), newKey("k2")
	managed.Manager = kmsdb.AWS
	for _, k := range []*kmsdb.Key{key, other, managed} {
		update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateKey(k, []byte("token")) })
		update(t, db, func(tx *kmsdb.Tx) error {
			return tx.PutAlias(&kmsdb.Alias{Account: account, Region: region, Name: "alias/" + k.ID, TargetKeyID: k.ID})
		})
	}
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1200 { // more than are read at a time
			if _, err := tx.Put(store.KMSKeyTokens, store.Row{Key: fmt.Sprintf("%s/%04d", key.Ref().Row(), i)}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stale := *key
	update(t, db, func(tx *kmsdb.Tx) error { return tx.PutKey(key) })
	if err := db.Update(t.Context(), func(tx *kmsdb.Tx) error { return tx.DestroyKey(&stale) }); !errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v for a key that has changed, want ErrConflict", err)
	}
	update(t, db, func(tx *kmsdb.Tx) error { return tx.DestroyKey(key) })
	update(t, db, func(tx *kmsdb.Tx) error { return tx.DestroyKey(managed) })
	for table, want := range map[store.Table]string{
		store.KMSKeys: other.Ref().Row(), store.KMSKeyTokens: other.Ref().Row() + "/m1", store.KMSAliases: account + "/" + region + "/alias/k10",
	} {
		rows, err := s.List(t.Context(), table, store.Query{Limit: 10})
		if err != nil || len(rows) != 1 || rows[0].Key != want {
			t.Errorf("%s has %d rows, %v; want %s alone", table, len(rows), err, want)
		}
	}
	update(t, db, func(tx *kmsdb.Tx) error {
		if n, err := tx.CountKeys(account, region); n != 1 || err != nil {
			t.Errorf("got %d customer managed keys, %v; want 1", n, err)
		}
		return nil
	})
}
