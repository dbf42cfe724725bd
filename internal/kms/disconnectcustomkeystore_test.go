package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestDisconnectCustomKeyStoreStates(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	for _, st := range statesBut() {
		t.Run(string(st), func(t *testing.T) {
			k.inState(id, st)
			err := k.disconnect(id)
			switch st {
			case kmsapi.ConnectionStateTypeDisconnected, kmsapi.ConnectionStateTypeDisconnecting:
				wantError(t, err, kmsapi.CustomKeyStoreInvalidStateException, stateText(id, string(st)))
				return
			}
			k.check(err)
			if got := *k.describeStore(id).ConnectionState; got != kmsapi.ConnectionStateTypeDisconnected {
				t.Errorf("got state %s, want DISCONNECTED", got)
			}
		})
	}
	wantError(t, k.disconnect("cks-1234567890abcdef0"), kmsapi.CustomKeyStoreNotFoundException, "")
}

func TestDisconnectCustomKeyStoreRecord(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "ExampleKeyStore", testCluster))
	k.connect(id)
	k.check(k.disconnect(id))
	r := k.last("DisconnectCustomKeyStore")
	wantParameters(t, r.RequestParameters, `{"customKeyStoreId":"`+id+`"}`)
	wantParameters(t, r.AdditionalEventData, `{"clusterId":"`+testCluster+`","customKeyStoreName":"ExampleKeyStore"}`)
}
