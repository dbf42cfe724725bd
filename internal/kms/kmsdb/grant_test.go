package kmsdb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

const grantee, retirer = "AIDABOB", "AROAAPP:s1"

func newGrant(key *kmsdb.Key, n int) *kmsdb.Grant {
	return &kmsdb.Grant{
		Account: key.Account, Region: key.Region, KeyID: key.ID, ID: fmt.Sprintf("%064x", n), Name: fmt.Sprint("g", n),
		Grantee: kmsdb.Party{ID: grantee, ARN: "arn:bob"}, Retiring: kmsdb.Party{ID: retirer, ARN: "arn:s1"},
		Operations: []kmsapi.GrantOperation{kmsapi.GrantOperationDecrypt}, IssuingAccount: key.Account,
	}
}

func createKey(t *testing.T, db *kmsdb.DB, id string) *kmsdb.Key {
	t.Helper()
	key := newKey(id)
	update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateKey(key, []byte("token")) })
	return key
}

// Every list of a grant has it while it is there, and none afterwards.
func TestGrantComesAndGoes(t *testing.T) {
	db, s := open(t)
	key, second := createKey(t, db, "k1"), createKey(t, db, "k10")
	for n := range 3 {
		update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateGrant(newGrant(key, n)) })
	}
	g := newGrant(second, 7)
	update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateGrant(g) })
	check := func(when string, want int) {
		t.Helper()
		ctx := t.Context()
		all, err := db.Grants(ctx, key.Ref(), "", "", 10)
		if err != nil || len(all) != want {
			t.Errorf("%s: Grants has %d, %v, want %d", when, len(all), err, want)
		}
		if of, err := db.Grants(ctx, key.Ref(), grantee, "", 10); err != nil || len(of) != want {
			t.Errorf("%s: Grants of the grantee has %d, %v, want %d", when, len(of), err, want)
		}
		if of, _, bad, err := db.Granted(ctx, key.Ref(), grantee, "", 10); err != nil || len(of) != want || bad != nil {
			t.Errorf("%s: Granted has %d, %v, %v, want %d", when, len(of), bad, err, want)
		}
		if of, _, err := db.Retirable(ctx, region, retirer, "", 10); err != nil || len(of) != want+1 {
			t.Errorf("%s: Retirable has %d, %v, want %d", when, len(of), err, want+1)
		}
		update(t, db, func(tx *kmsdb.Tx) error {
			if n, err := tx.CountGrants(key.Ref()); n != want || err != nil {
				t.Errorf("%s: CountGrants is %d, %v, want %d", when, n, err, want)
			}
			return nil
		})
	}
	check("made", 3)
	if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Meta, "kms/grants/"+key.Ref().Row()) }); err != nil {
		t.Fatal(err)
	}
	check("counted anew", 3)
	update(t, db, func(tx *kmsdb.Tx) error {
		g, err := tx.GrantNamed(newGrant(key, 1))
		if err != nil {
			return err
		}
		return tx.DeleteGrant(&g)
	})
	check("one deleted", 2)
	update(t, db, func(tx *kmsdb.Tx) error {
		if _, err := tx.GrantNamed(newGrant(key, 1)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the name of a grant that is gone is %v, want ErrNotFound", err)
		}
		return tx.DestroyKey(key)
	})
	check("key destroyed", 0)
	if got, err := db.Grant(t.Context(), second.Ref(), g.ID); err != nil || got.Name != g.Name || got.Grantee != g.Grantee || got.Operations[0] != g.Operations[0] {
		t.Errorf("the grant on another key is %+v, %v", got, err)
	}
	for table, want := range map[store.Table]int{store.KMSGrants: 2, store.KMSGrantRetirers: 1} {
		rows, err := s.List(t.Context(), table, store.Query{Limit: 10})
		if err != nil || len(rows) != want {
			t.Errorf("%s has %d rows, %v, want %d", table, len(rows), err, want)
		}
	}
}

// Examine names every row that is not what the server wrote, or not there.
func TestExamineGrants(t *testing.T) {
	var rows []string // of grant 1: itself, its name, its retiring principal
	find := func(t *testing.T, s *store.Store) {
		t.Helper()
		rows = nil
		for _, table := range []store.Table{store.KMSGrants, store.KMSGrantRetirers} {
			list, err := s.List(t.Context(), table, store.Query{Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				rows = append(rows, string(table)+"/"+r.Key)
			}
		}
		if len(rows) != 3 {
			t.Fatalf("rows are %v", rows)
		}
	}
	edit := func(fn func(*store.Row)) func(*store.Tx, store.Table, string) error {
		return func(tx *store.Tx, table store.Table, key string) error {
			r, err := tx.Get(table, key)
			if err != nil {
				return err
			}
			fn(&r)
			return tx.PutUnlogged(table, r)
		}
	}
	for _, tt := range []struct {
		name string
		row  int
		fn   func(*store.Tx, store.Table, string) error
	}{
		{"document", 0, edit(func(r *store.Row) { r.Doc = []byte(strings.Replace(string(r.Doc), "Decrypt", "Encrypt", 1)) })},
		{"reference", 0, edit(func(r *store.Row) { r.Ref += "X" })},
		{"seal", 0, edit(func(r *store.Row) { r.MAC[0] ^= 1 })},
		{"another grantee's row", 0, edit(func(r *store.Row) { r.Key += "X" })},
		{"name leads elsewhere", 1, edit(func(r *store.Row) { r.Doc = []byte(strings.Repeat("0", 64)) })},
		{"name is lost", 1, func(tx *store.Tx, table store.Table, key string) error { return tx.DeleteUnlogged(table, key) }},
		{"retiring principal", 2, edit(func(r *store.Row) { r.Key = strings.Replace(r.Key, retirer, grantee, 1) })},
		{"retiring principal is lost", 2, func(tx *store.Tx, table store.Table, key string) error { return tx.DeleteUnlogged(table, key) }},
		{"grant is lost", 0, func(tx *store.Tx, table store.Table, key string) error { return tx.DeleteUnlogged(table, key) }},
		{"key is lost", 0, func(tx *store.Tx, _ store.Table, _ string) error {
			return tx.DeleteUnlogged(store.KMSKeys, newKey("k1").Ref().Row())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, s := open(t)
			g := newGrant(createKey(t, db, "k1"), 1)
			update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateGrant(g) })
			if err := db.ExamineGrants(t.Context()); err != nil {
				t.Fatal(err)
			}
			find(t, s)
			table, key, _ := strings.Cut(rows[tt.row], "/")
			if err := s.Update(t.Context(), func(tx *store.Tx) error { return tt.fn(tx, store.Table(table), key) }); err != nil {
				t.Fatal(err)
			}
			if err := db.ExamineGrants(t.Context()); err == nil || !strings.Contains(err.Error(), g.ID) && !strings.Contains(err.Error(), key) {
				t.Errorf("got %v, want an error that names the row", err)
			}
		})
	}
}
