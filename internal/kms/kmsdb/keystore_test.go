package kmsdb_test

import (
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func newKeyStore(id string) *kmsdb.KeyStore {
	return &kmsdb.KeyStore{
		Account: account, Region: region, ID: id, Name: "store " + id, Type: kmsapi.CustomKeyStoreTypeAwsCloudhsm,
		State: kmsapi.ConnectionStateTypeDisconnected, Credential: "c1", Cluster: "cluster-" + id,
	}
}

// A row of the table of tokens names all that its token is bound to.
func TestKeyStoreTokenBinding(t *testing.T) {
	db, s := open(t)
	k := newKeyStore("cks-1")
	update(t, db, func(tx *kmsdb.Tx) error { return errors.Join(tx.PutCredential(k, []byte("token")), tx.PutKeyStore(k)) })
	rows, err := s.List(t.Context(), store.KMSKeyStoreTokens, store.Query{Limit: 10})
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %d rows and %v, want one", len(rows), err)
	}
	got, err := kmsdb.KeyStoreTokenBinding(nil, rows[0])
	if err != nil || got != k.CredentialBinding() {
		t.Errorf("got %v and %v, want %v", got, err, k.CredentialBinding())
	}
	for _, key := range []string{"a/b/c", "a/b/c/d/e", "a"} {
		if b, err := kmsdb.KeyStoreTokenBinding(nil, store.Row{Key: key}); err == nil {
			t.Errorf("got %v of row %s, want an error", b, key)
		}
	}
}

// A new credential leaves nothing of the old one, and none of another store goes.
func TestPutCredential(t *testing.T) {
	db, s := open(t)
	k, neighbour := newKeyStore("cks-1"), newKeyStore("cks-10")
	update(t, db, func(tx *kmsdb.Tx) error {
		return errors.Join(tx.PutCredential(k, []byte("one")), tx.PutCredential(neighbour, []byte("other")), tx.PutKeyStore(k))
	})
	k.Credential = "c2"
	update(t, db, func(tx *kmsdb.Tx) error {
		if _, err := tx.Credential(k); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v of a credential that is not there, want damage", err)
		}
		return errors.Join(tx.PutCredential(k, []byte("two")), tx.PutKeyStore(k))
	})
	want := map[string]string{
		account + "/" + region + "/cks-1/c2": "two", account + "/" + region + "/cks-10/c1": "other",
	}
	rows, err := s.List(t.Context(), store.KMSKeyStoreTokens, store.Query{Limit: 10})
	if err != nil || len(rows) != len(want) {
		t.Fatalf("got %d rows and %v, want %d", len(rows), err, len(want))
	}
	for _, r := range rows {
		if got := string(r.Doc); got != want[r.Key] {
			t.Errorf("got %q in %s, want %q", got, r.Key, want[r.Key])
		}
	}
}

// A store that was changed since it was loaded is neither changed nor deleted.
func TestKeyStoreRevisions(t *testing.T) {
	db, _ := open(t)
	k := newKeyStore("cks-1")
	update(t, db, func(tx *kmsdb.Tx) error { return tx.PutKeyStore(k) })
	old := *k
	update(t, db, func(tx *kmsdb.Tx) error { return tx.PutKeyStore(k) })
	for name, fn := range map[string]func(tx *kmsdb.Tx) error{
		"put":    func(tx *kmsdb.Tx) error { return tx.PutKeyStore(&old) },
		"delete": func(tx *kmsdb.Tx) error { return tx.DeleteKeyStore(&old) },
	} {
		if err := db.Update(t.Context(), fn); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: got %v, want a conflict", name, err)
		}
	}
	update(t, db, func(tx *kmsdb.Tx) error { return tx.DeleteKeyStore(k) })
	if _, err := db.KeyStore(t.Context(), k.Ref()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v of a deleted store, want that it is not there", err)
	}
}
