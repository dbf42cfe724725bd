package kmsdb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	region  = "us-east-1"
)

func open(t *testing.T) (*kmsdb.DB, *store.Store) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return kmsdb.New(s, rowMAC(t)), s
}

// rowMAC makes a MAC key of some other server each time.
func rowMAC(t *testing.T) *hsm.MACKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.key")
	if err := hsm.CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey("global", 1); err != nil {
		t.Fatal(err)
	}
	b := hsm.Binding{Purpose: hsm.PurposeRowMAC, Domain: "global", KeyID: "rows"}
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadMACKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newKey(id string) *kmsdb.Key {
	at := time.Date(2026, 11, 23, 11, 2, 3, 987_000_000, time.UTC)
	return &kmsdb.Key{
		Account: account, Region: region, ID: id, Description: "d", Manager: kmsdb.Customer,
		KeyUsage: kmsapi.KeyUsageTypeEncryptDecrypt, KeySpec: kmsapi.KeySpecSymmetricDefault,
		Origin: kmsapi.OriginTypeAwsKms, State: kmsapi.KeyStateEnabled, CreationDate: at, Policy: "{}",
		Materials: []kmsdb.Material{{ID: "m1", Created: at}}, Current: "m1",
	}
}

// The count is that of customer managed keys, also when it is not there.
func TestCountKeys(t *testing.T) {
	db, s := open(t)
	count := func(account, region string) (n int) {
		t.Helper()
		update(t, db, func(tx *kmsdb.Tx) (err error) {
			n, err = tx.CountKeys(account, region)
			return err
		})
		return n
	}
	check := func(when string) {
		t.Helper()
		if got := count(account, region); got != 3 {
			t.Errorf("%s: got %d keys, want 3", when, got)
		}
		if got := count(account, "eu-west-1") + count("444455556666", region); got != 1 {
			t.Errorf("%s: got %d keys elsewhere, want 1", when, got)
		}
	}
	if got := count(account, region); got != 0 {
		t.Errorf("got %d keys of an empty store, want none", got)
	}
	create := func(k *kmsdb.Key) {
		t.Helper()
		update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateKey(k, []byte("token")) })
	}
	for _, id := range []string{"k1", "k2", "k3"} {
		create(newKey(id))
	}
	managed, abroad := newKey("k4"), newKey("k5")
	managed.Manager, abroad.Region = kmsdb.AWS, "eu-west-1"
	create(managed)
	create(abroad)
	check("counted")
	conflict := db.Update(t.Context(), func(tx *kmsdb.Tx) error { return tx.CreateKey(newKey("k1"), []byte("token")) })
	if !errors.Is(conflict, store.ErrConflict) {
		t.Errorf("got %v for a key that is there, want ErrConflict", conflict)
	}
	check("after a failure")
	for _, r := range []string{region, "eu-west-1"} {
		if err := s.Update(t.Context(), func(tx *store.Tx) error {
			return tx.DeleteUnlogged(store.Meta, "kms/customer-keys/"+account+"/"+r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	check("counted again")
	create(newKey("k6"))
	if got := count(account, region); got != 4 {
		t.Errorf("got %d keys, want 4", got)
	}
}

func update(t *testing.T, db *kmsdb.DB, fn func(*kmsdb.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestKeyComesBack(t *testing.T) {
	db, _ := open(t)
	want := newKey("k1")
	update(t, db, func(tx *kmsdb.Tx) error {
		if err := tx.CreateKey(want, []byte("token")); err != nil {
			return err
		}
		seen, err := tx.Key(want.Ref()) // a transaction sees what it wrote
		if err != nil || seen.ID != "k1" {
			t.Errorf("in the transaction: %v, %v", seen, err)
		}
		return nil
	})
	got, err := db.Key(t.Context(), want.Ref())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", *want) {
		t.Errorf("got\n%+v, want\n%+v", got, *want)
	}
	token, err := db.Token(t.Context(), want.Ref(), "m1")
	if err != nil || string(token) != "token" {
		t.Errorf("token is %q, %v", token, err)
	}
}

func TestNotFound(t *testing.T) {
	db, _ := open(t)
	if _, err := db.Key(t.Context(), kmsdb.KeyRef{Account: account, Region: region, ID: "none"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("key: error is %v, want ErrNotFound", err)
	}
	if _, err := db.Alias(t.Context(), kmsdb.AliasRef{Account: account, Region: region, Name: "alias/none"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("alias: error is %v, want ErrNotFound", err)
	}
	// A token that is gone is damage: it must not pass for a key that is not there.
	if _, err := db.Token(t.Context(), kmsdb.KeyRef{Account: account, Region: region, ID: "none"}, "m"); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("token: error is %v, want one that is not ErrNotFound", err)
	}
}

func TestConflicts(t *testing.T) {
	db, _ := open(t)
	k := newKey("k1")
	update(t, db, func(tx *kmsdb.Tx) error { return tx.CreateKey(k, []byte("token")) })
	if err := db.Update(t.Context(), func(tx *kmsdb.Tx) error { return tx.CreateKey(newKey("k1"), []byte("other")) }); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second creation: error is %v, want ErrConflict", err)
	}
	first, err := db.Key(t.Context(), k.Ref())
	if err != nil {
		t.Fatal(err)
	}
	second := first
	update(t, db, func(tx *kmsdb.Tx) error { return tx.PutKey(&first) })
	update(t, db, func(tx *kmsdb.Tx) error { return tx.PutKey(&first) }) // knows the revision it made
	if err := db.Update(t.Context(), func(tx *kmsdb.Tx) error { return tx.PutKey(&second) }); !errors.Is(err, store.ErrConflict) {
		t.Errorf("stale revision: error is %v, want ErrConflict", err)
	}
}

func TestSealedByAnotherServer(t *testing.T) {
	db, s := open(t)
	k := newKey("k1")
	a := &kmsdb.Alias{Account: account, Region: region, Name: "alias/a", TargetKeyID: "k1"}
	update(t, db, func(tx *kmsdb.Tx) error {
		if err := tx.PutAlias(a); err != nil {
			return err
		}
		return tx.CreateKey(k, []byte("token"))
	})
	foreign := kmsdb.New(s, rowMAC(t))
	_, keyErr := foreign.Key(t.Context(), k.Ref())
	_, aliasErr := foreign.Alias(t.Context(), a.Ref())
	_, keysErr := foreign.Keys(t.Context(), account, region, "", 10)
	_, aliasesErr := foreign.Aliases(t.Context(), account, region, kmsdb.KeyRef{}, "", 10)
	for what, err := range map[string]error{"Key": keyErr, "Alias": aliasErr, "Keys": keysErr, "Aliases": aliasesErr} {
		if tampered, ok := errors.AsType[*store.TamperedError](err); !ok || tampered.Key == "" {
			t.Errorf("%s: error is %v, want a *TamperedError that names the row", what, err)
		}
	}
}

func TestLists(t *testing.T) {
	db, _ := open(t)
	update(t, db, func(tx *kmsdb.Tx) error {
		for _, id := range []string{"c", "a", "b"} {
			k := newKey(id)
			if err := tx.CreateKey(k, []byte("token")); err != nil {
				return err
			}
			for _, name := range []string{"alias/" + id + "2", "alias/" + id + "1"} {
				if err := tx.PutAlias(&kmsdb.Alias{Account: account, Region: region, Name: name, TargetKeyID: id}); err != nil {
					return err
				}
			}
		}
		own := newKey("own")
		own.Manager, own.Service = kmsdb.Service, "s3"
		if err := tx.CreateKey(own, []byte("token")); err != nil {
			return err
		}
		n, err := tx.CountAliases(kmsdb.KeyRef{Account: account, Region: region, ID: "a"}, 50)
		if n != 2 || err != nil {
			t.Errorf("key a has %d aliases, %v; want 2", n, err)
		}
		return nil
	})
	for _, c := range []struct {
		after string
		limit int
		want  []string
	}{{"", 10, []string{"a", "b", "c"}}, {"", 2, []string{"a", "b"}}, {"a", 10, []string{"b", "c"}}, {"c", 10, nil}} {
		keys, err := db.Keys(t.Context(), account, region, c.after, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range keys {
			got = append(got, k.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("keys after %q, at most %d: got %v, want %v", c.after, c.limit, got, c.want)
		}
	}
	aliases, err := db.Aliases(t.Context(), account, region, kmsdb.KeyRef{Account: account, Region: region, ID: "b"}, "alias/b1", 10)
	if err != nil || len(aliases) != 1 || aliases[0].Name != "alias/b2" {
		t.Errorf("aliases of b after alias/b1 are %v, %v; want alias/b2", aliases, err)
	}
	// A region whose name begins with another's shares nothing with it.
	if keys, err := db.Keys(t.Context(), account, region+"0", "", 10); err != nil || len(keys) != 0 {
		t.Errorf("keys of another region are %v, %v; want none", keys, err)
	}
}

func TestRowNames(t *testing.T) {
	for _, ref := range []kmsdb.KeyRef{
		{Account: account, Region: region, ID: "1234abcd-12ab-34cd-56ef-1234567890ab"},
		{Account: account, Region: region, Service: "s3"},
	} {
		if got, ok := kmsdb.ParseKeyRow(ref.Row()); !ok || got != ref {
			t.Errorf("%s parses to %+v, %t; want %+v", ref.Row(), got, ok, ref)
		}
	}
	for _, row := range []string{"", "a/b", "a/b/c/d", "a/b/c/d/e"} {
		if got, ok := kmsdb.ParseKeyRow(row); ok {
			t.Errorf("%q parses to %+v", row, got)
		}
	}
	alias := kmsdb.AliasRef{Account: account, Region: region, Name: "alias/a/b"}
	if got, ok := kmsdb.ParseAliasRow(alias.Row()); !ok || got != alias {
		t.Errorf("%s parses to %+v, %t; want %+v", alias.Row(), got, ok, alias)
	}
	if got, want := alias.ARN(), "arn:aws:kms:us-east-1:111122223333:alias/a/b"; got != want {
		t.Errorf("ARN is %s, want %s", got, want)
	}
}

// A transaction's record lies beside its first change, and an error undoes all.
func TestUpdate(t *testing.T) {
	db, s := open(t)
	update(t, db, func(tx *kmsdb.Tx) error {
		tx.SetRecord([]byte(`{"eventName":"CreateKey"}`))
		return tx.CreateKey(newKey("k1"), []byte("token"))
	})
	changes, err := s.Changes(t.Context(), 0, 10)
	if err != nil || len(changes) != 2 || string(changes[0].Record) != `{"eventName":"CreateKey"}` || changes[1].Record != nil {
		t.Errorf("changes are %+v, %v; want two, the first with the record", changes, err)
	}
	refused := errors.New("refused")
	err = db.Update(t.Context(), func(tx *kmsdb.Tx) error {
		if err := tx.CreateKey(newKey("k2"), []byte("token")); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("error is %v, want the function's", err)
	}
	if _, err := db.Key(t.Context(), newKey("k2").Ref()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the undoing the error is %v, want ErrNotFound", err)
	}
}
