package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// There is nothing behind a store: to connect it succeeds as a call, and fails
// with the code of what is missing.
func TestConnectCustomKeyStoreFails(t *testing.T) {
	k := newKit(t)
	for _, c := range []struct {
		name string
		req  *kmsapi.CreateCustomKeyStoreRequest
		want kmsapi.ConnectionErrorCodeType
	}{
		{"cluster", hsmStore(t, "h", testCluster), kmsapi.ConnectionErrorCodeTypeClusterNotFound},
		{"public proxy", externalStore("p", "https://p.example.com", "/kms/xks/v1"), kmsapi.ConnectionErrorCodeTypeXksProxyNotReachable},
		{"VPC endpoint service", vpcStore("v", "https://v.example.com", vpcService), kmsapi.ConnectionErrorCodeTypeXksVpcEndpointServiceNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := k.createStore(c.req)
			k.connect(id)
			e := k.describeStore(id)
			if *e.ConnectionState != kmsapi.ConnectionStateTypeFailed || e.ConnectionErrorCode == nil || *e.ConnectionErrorCode != c.want {
				t.Errorf("got state %s and code %v, want FAILED and %s", *e.ConnectionState, e.ConnectionErrorCode, c.want)
			}
			k.check(k.disconnect(id))
			if e := k.describeStore(id); *e.ConnectionState != kmsapi.ConnectionStateTypeDisconnected || e.ConnectionErrorCode != nil {
				t.Errorf("got state %s and code %v after the disconnection, want DISCONNECTED and none", *e.ConnectionState, e.ConnectionErrorCode)
			}
			k.connect(id)
		})
	}
}

func TestConnectCustomKeyStoreStates(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	for _, st := range statesBut() {
		t.Run(string(st), func(t *testing.T) {
			k.inState(id, st)
			_, err := k.ConnectCustomKeyStore(t.Context(), root(), &kmsapi.ConnectCustomKeyStoreRequest{CustomKeyStoreId: &id})
			switch st {
			case kmsapi.ConnectionStateTypeFailed, kmsapi.ConnectionStateTypeDisconnecting:
				wantError(t, err, kmsapi.CustomKeyStoreInvalidStateException, stateText(id, string(st)))
				return
			}
			k.check(err)
			want := kmsapi.ConnectionStateTypeFailed
			if st == kmsapi.ConnectionStateTypeConnected {
				want = st
			}
			if got := *k.describeStore(id).ConnectionState; got != want {
				t.Errorf("got state %s, want %s", got, want)
			}
		})
	}
	_, err := k.ConnectCustomKeyStore(t.Context(), root(), &kmsapi.ConnectCustomKeyStoreRequest{CustomKeyStoreId: new("cks-1234567890abcdef0")})
	wantError(t, err, kmsapi.CustomKeyStoreNotFoundException, "")
}

func TestConnectCustomKeyStoreRecord(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "ExampleKeyStore", testCluster))
	k.connect(id)
	r := k.last("ConnectCustomKeyStore")
	wantParameters(t, r.RequestParameters, `{"customKeyStoreId":"`+id+`"}`)
	wantParameters(t, r.AdditionalEventData, `{"clusterId":"`+testCluster+`","customKeyStoreName":"ExampleKeyStore"}`)
	if r.ResponseElements != nil || r.ErrorCode != "" || r.ReadOnly {
		t.Errorf("record is %s, want a write that answers nothing", r.raw)
	}
}
