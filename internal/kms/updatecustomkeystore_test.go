package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

type updateStore = kmsapi.UpdateCustomKeyStoreRequest

func (k *kit) updateStore(id string, req updateStore) error {
	req.CustomKeyStoreId = &id
	_, err := k.UpdateCustomKeyStore(k.t.Context(), root(), &req)
	return err
}

func proxyCredential(secret string) *kmsapi.XksProxyAuthenticationCredentialType {
	return &kmsapi.XksProxyAuthenticationCredentialType{AccessKeyId: new("ZZZZZ2345672ABCDE234"), RawSecretAccessKey: &secret}
}

func TestUpdateCustomKeyStoreOfCluster(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	k.check(k.updateStore(id, updateStore{NewCustomKeyStoreName: new("t"), CloudHsmClusterId: new(testCluster + "2"), KeyStorePassword: new("the-new-one")}))
	if e := k.describeStore(id); *e.CustomKeyStoreName != "t" || *e.CloudHsmClusterId != testCluster+"2" {
		t.Errorf("got %s and %s, want the new name and cluster", *e.CustomKeyStoreName, *e.CloudHsmClusterId)
	}
	if !k.credentialIs(id, "the-new-one") {
		t.Error("the password is not the new one")
	}
}

func TestUpdateCustomKeyStoreRecord(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	k.check(k.updateStore(id, updateStore{CloudHsmClusterId: new(testCluster + "2"), KeyStorePassword: new("the-new-one")}))
	r := k.last("UpdateCustomKeyStore")
	wantParameters(t, r.RequestParameters, `{"clusterId":"`+testCluster+`2","customKeyStoreId":"`+id+`"}`)
	wantParameters(t, r.AdditionalEventData, `{"clusterId":"`+testCluster+`2","customKeyStoreName":"s"}`)
}

func TestUpdateCustomKeyStoreOfProxy(t *testing.T) {
	k := newKit(t)
	id := k.createStore(externalStore("s", "https://a.example.com", "/kms/xks/v1"))
	k.check(k.updateStore(id, updateStore{XksProxyUriPath: new("/x/kms/xks/v1"), XksProxyAuthenticationCredential: proxyCredential(proxySecret + "00")}))
	if p := k.describeStore(id).XksProxyConfiguration; *p.UriPath != "/x/kms/xks/v1" || *p.AccessKeyId != "ZZZZZ2345672ABCDE234" || *p.UriEndpoint != "https://a.example.com" {
		t.Errorf("got %+v, want the new path and access key id", p)
	}
	if !k.credentialIs(id, proxySecret+"00") {
		t.Error("the secret is not the new one")
	}
	vpc, public := kmsapi.XksProxyConnectivityTypeVpcEndpointService, kmsapi.XksProxyConnectivityTypePublicEndpoint
	k.check(k.updateStore(id, updateStore{XksProxyConnectivity: &vpc, XksProxyUriEndpoint: new("https://b.example.com"), XksProxyVpcEndpointServiceName: new(vpcService)}))
	if p := k.describeStore(id).XksProxyConfiguration; *p.Connectivity != vpc || *p.VpcEndpointServiceName != vpcService || *p.VpcEndpointServiceOwner != account {
		t.Errorf("got %+v, want the service", p)
	}
	k.check(k.updateStore(id, updateStore{XksProxyVpcEndpointServiceOwner: new(other)}))
	k.check(k.updateStore(id, updateStore{XksProxyVpcEndpointServiceName: new(vpcService + "0")}))
	if p := k.describeStore(id).XksProxyConfiguration; *p.VpcEndpointServiceName != vpcService+"0" || *p.VpcEndpointServiceOwner != other {
		t.Errorf("got %+v, want the other service of the other owner", p)
	}
	k.check(k.updateStore(id, updateStore{XksProxyConnectivity: &public, XksProxyUriEndpoint: new("https://a.example.com")}))
	if p := k.describeStore(id).XksProxyConfiguration; *p.Connectivity != public || p.VpcEndpointServiceName != nil || p.VpcEndpointServiceOwner != nil {
		t.Errorf("got %+v, want no service", p)
	}
}

func TestUpdateCustomKeyStoreRefusals(t *testing.T) {
	k := newKit(t)
	hsm := k.createStore(hsmStore(t, "h", testCluster))
	public := k.createStore(externalStore("p", "https://p.example.com", "/kms/xks/v1"))
	vpc := k.createStore(vpcStore("v", "https://v.example.com", vpcService))
	toVPC, toPublic := kmsapi.XksProxyConnectivityTypeVpcEndpointService, kmsapi.XksProxyConnectivityTypePublicEndpoint
	for _, c := range []struct {
		name, id string
		req      updateStore
		code     awserr.Code
		text     string
	}{
		{"nothing", hsm, updateStore{}, kmsapi.ValidationException, "At least one property of the custom key store must be specified."},
		{"absent", "cks-1234567890abcdef0", updateStore{NewCustomKeyStoreName: new("n")}, kmsapi.CustomKeyStoreNotFoundException, ""},
		{"path of a cluster", hsm, updateStore{XksProxyUriPath: new("/kms/xks/v1")}, kmsapi.ValidationException, "XksProxyUriPath is not valid for a custom key store of type AWS_CLOUDHSM."},
		{"password of a proxy", public, updateStore{KeyStorePassword: new("password")}, kmsapi.ValidationException, "KeyStorePassword is not valid for a custom key store of type EXTERNAL_KEY_STORE."},
		{"service of a public one", public, updateStore{XksProxyVpcEndpointServiceName: new(vpcService)}, kmsapi.ValidationException, "XksProxyVpcEndpointServiceName is not valid for an external key store with XksProxyConnectivity PUBLIC_ENDPOINT."},
		{"to VPC without endpoint", public, updateStore{XksProxyConnectivity: &toVPC, XksProxyVpcEndpointServiceName: new(vpcService)}, kmsapi.ValidationException, "XksProxyUriEndpoint is required when XksProxyConnectivity changes."},
		{"to VPC without service", public, updateStore{XksProxyConnectivity: &toVPC, XksProxyUriEndpoint: new("https://w.example.com")}, kmsapi.ValidationException, "XksProxyVpcEndpointServiceName is required when XksProxyConnectivity is VPC_ENDPOINT_SERVICE."},
		{"to public with service", vpc, updateStore{XksProxyConnectivity: &toPublic, XksProxyUriEndpoint: new("https://w.example.com"), XksProxyVpcEndpointServiceName: new(vpcService)}, kmsapi.ValidationException, "XksProxyVpcEndpointServiceName is not valid for an external key store with XksProxyConnectivity PUBLIC_ENDPOINT."},
		{"name of another", hsm, updateStore{NewCustomKeyStoreName: new("p")}, kmsapi.CustomKeyStoreNameInUseException, "The custom key store name p is already in use."},
		{"endpoint of another", public, updateStore{XksProxyUriEndpoint: new("https://v.example.com")}, kmsapi.XksProxyUriInUseException, "The XksProxyUriEndpoint and XksProxyUriPath are already associated with another external key store in this Region."},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, k.updateStore(c.id, c.req), c.code, c.text) })
	}
}

// What can be changed while a store is connected, and what in no state but
// DISCONNECTED.
func TestUpdateCustomKeyStoreStates(t *testing.T) {
	k := newKit(t)
	hsm := k.createStore(hsmStore(t, "h", testCluster))
	public := k.createStore(externalStore("p", "https://p.example.com", "/kms/xks/v1"))
	for _, c := range []struct {
		name, id  string
		req       updateStore
		connected bool
	}{
		{"name", hsm, updateStore{NewCustomKeyStoreName: new("h2")}, true},
		{"password", hsm, updateStore{KeyStorePassword: new("password")}, false},
		{"cluster", hsm, updateStore{CloudHsmClusterId: new(testCluster)}, false},
		{"name and cluster", hsm, updateStore{NewCustomKeyStoreName: new("h2"), CloudHsmClusterId: new(testCluster)}, false},
		{"path", public, updateStore{XksProxyUriPath: new("/x/kms/xks/v1")}, true},
		{"credential", public, updateStore{XksProxyAuthenticationCredential: proxyCredential(proxySecret)}, true},
		{"endpoint", public, updateStore{XksProxyUriEndpoint: new("https://q.example.com")}, false},
		{"connectivity", public, updateStore{XksProxyConnectivity: new(kmsapi.XksProxyConnectivityTypePublicEndpoint)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, st := range statesBut() {
				k.inState(c.id, st)
				err := k.updateStore(c.id, c.req)
				if st == kmsapi.ConnectionStateTypeDisconnected || c.connected && st == kmsapi.ConnectionStateTypeConnected {
					if err != nil {
						t.Errorf("%s: %v", st, err)
					}
					continue
				}
				wantError(t, err, kmsapi.CustomKeyStoreInvalidStateException, stateText(c.id, string(st)))
			}
		})
	}
}

// What changes nothing leaves the record of a call, and no change.
func TestUpdateCustomKeyStoreToTheSame(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	before, err := k.store.LastSeq(t.Context())
	k.check(err)
	k.check(k.updateStore(id, updateStore{NewCustomKeyStoreName: new("s"), KeyStorePassword: new(kmsuserSecret)}))
	after, err := k.store.LastSeq(t.Context())
	k.check(err)
	if after != before {
		t.Errorf("got %d changes, want none", after-before)
	}
	k.last("UpdateCustomKeyStore")
}
