package kms_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// An examination opens the secret of every store, and finds one that is missing,
// is another store's, or is an earlier one put back.
func TestExamineCustomKeyStores(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(k *kit, tx *store.Tx, own, neighbour store.Row) error
		want   string // in the error; "" is none
	}{
		{"nothing", func(*kit, *store.Tx, store.Row, store.Row) error { return nil }, ""},
		{"missing", func(_ *kit, tx *store.Tx, own, _ store.Row) error {
			return tx.Delete(store.KMSKeyStoreTokens, own.Key, own.Rev)
		}, "it is not there"},
		{"another store's", func(_ *kit, tx *store.Tx, own, neighbour store.Row) error {
			own.Doc = neighbour.Doc
			return tx.PutUnlogged(store.KMSKeyStoreTokens, own)
		}, "does not authenticate"},
		{"moved record", func(k *kit, tx *store.Tx, _, _ store.Row) error {
			all, err := k.db().In(tx).KeyStores(account, region)
			if err != nil {
				return err
			}
			row := store.Row{Key: account + "/" + region + "/cks-moved", Doc: []byte(`{"ID":"` + all[0].ID + `"}`)}
			store.Seal(k.rowMAC, store.KMSKeyStores, &row)
			_, err = tx.Put(store.KMSKeyStores, row)
			return err
		}, "holds custom key store"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			id := k.createStore(hsmStore(t, "s", testCluster))
			k.createStore(externalStore("x", "https://xks.example.com", "/kms/xks/v1"))
			rows, err := k.store.List(t.Context(), store.KMSKeyStoreTokens, store.Query{Limit: 10})
			k.check(err)
			own, neighbour := rows[0], rows[1]
			if !strings.Contains(own.Key, id) {
				own, neighbour = neighbour, own
			}
			k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return c.damage(k, tx, own, neighbour) }))
			_, err = kms.NewExaminer(k.store, k.module, k.rowMAC, k.headerMAC).Keys(t.Context())
			if c.want == "" {
				k.check(err)
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
		})
	}
}

// A secret that was changed does not open what the record names, so that an
// earlier token cannot be put in its place.
func TestCustomKeyStoreCredentialIsBound(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	rows, err := k.store.List(t.Context(), store.KMSKeyStoreTokens, store.Query{Limit: 10})
	k.check(err)
	old := rows[0].Doc
	k.check(k.updateStore(id, updateStore{KeyStorePassword: new("the-new-one")}))
	st, err := k.db().KeyStore(t.Context(), kmsdb.KeyStoreRef{Account: account, Region: region, ID: id})
	k.check(err)
	if err := k.module.CheckToken(old, st.CredentialBinding()); err == nil {
		t.Error("the token of the old secret opens as that of the new one")
	}
}
