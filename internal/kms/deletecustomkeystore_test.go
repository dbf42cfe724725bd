package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func (k *kit) deleteStore(id string) error {
	_, err := k.DeleteCustomKeyStore(k.t.Context(), root(), &kmsapi.DeleteCustomKeyStoreRequest{CustomKeyStoreId: &id})
	return err
}

// With a store goes its secret, and its name is free again.
func TestDeleteCustomKeyStore(t *testing.T) {
	k := newKit(t)
	req := hsmStore(t, "ExampleKeyStore", testCluster)
	id := k.createStore(req)
	k.check(k.deleteStore(id))
	r := k.last("DeleteCustomKeyStore")
	wantParameters(t, r.RequestParameters, `{"customKeyStoreId":"`+id+`"}`)
	wantParameters(t, r.AdditionalEventData, `{"clusterId":"`+testCluster+`","customKeyStoreName":"ExampleKeyStore"}`)
	for _, table := range []store.Table{store.KMSKeyStores, store.KMSKeyStoreTokens} {
		rows, err := k.store.List(t.Context(), table, store.Query{Limit: 10})
		k.check(err)
		if len(rows) != 0 {
			t.Errorf("got %d rows of %s, want none", len(rows), table)
		}
	}
	wantError(t, k.deleteStore(id), kmsapi.CustomKeyStoreNotFoundException, "")
	if again := k.createStore(req); again == id {
		t.Errorf("got the id %s of the deleted store", again)
	}
}

func TestDeleteCustomKeyStoreStates(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	for _, st := range statesBut(kmsapi.ConnectionStateTypeDisconnected) {
		k.inState(id, st)
		wantError(t, k.deleteStore(id), kmsapi.CustomKeyStoreInvalidStateException, stateText(id, string(st)))
	}
}

func TestDeleteCustomKeyStoreWithKeys(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	key := *k.createKey().KeyId
	k.change(key, func(key *kmsdb.Key) { key.CustomKeyStore = id })
	wantError(t, k.deleteStore(id), kmsapi.CustomKeyStoreHasCMKsException, "The custom key store "+id+" contains KMS keys.")
	k.change(key, func(key *kmsdb.Key) { key.CustomKeyStore = "cks-1234567890abcdef0" })
	k.check(k.deleteStore(id))
}
