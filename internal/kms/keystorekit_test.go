package kms_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

const (
	testCluster   = "cluster-2a23b4cdefg"
	testProxyID   = "ABCDE2345672ABCDE234"
	proxySecret   = "DXjSUawnel2fr6SKC7G25CNxTyWKE5PF9XX6H/u9pSo="
	kmsuserSecret = "kmsPswd-of-the-test"
	vpcService    = "com.amazonaws.vpce.us-east-1.vpce-svc-09f9a2a0c1a1b1c1d"
)

// trustAnchor makes a certificate such as a cluster's customerCA.crt.
func trustAnchor(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func hsmStore(t testing.TB, name, cluster string) *kmsapi.CreateCustomKeyStoreRequest {
	return &kmsapi.CreateCustomKeyStoreRequest{
		CustomKeyStoreName: &name, CloudHsmClusterId: &cluster,
		KeyStorePassword: new(kmsuserSecret), TrustAnchorCertificate: new(trustAnchor(t)),
	}
}

func externalStore(name, endpoint, path string) *kmsapi.CreateCustomKeyStoreRequest {
	return &kmsapi.CreateCustomKeyStoreRequest{
		CustomKeyStoreName: &name, CustomKeyStoreType: new(kmsapi.CustomKeyStoreTypeExternalKeyStore),
		XksProxyUriEndpoint: &endpoint, XksProxyUriPath: &path, XksProxyConnectivity: new(kmsapi.XksProxyConnectivityTypePublicEndpoint),
		XksProxyAuthenticationCredential: &kmsapi.XksProxyAuthenticationCredentialType{AccessKeyId: new(testProxyID), RawSecretAccessKey: new(proxySecret)},
	}
}

// vpcStore is a store behind a VPC endpoint service.
func vpcStore(name, endpoint, service string) *kmsapi.CreateCustomKeyStoreRequest {
	r := externalStore(name, endpoint, "/kms/xks/v1")
	r.XksProxyConnectivity, r.XksProxyVpcEndpointServiceName = new(kmsapi.XksProxyConnectivityTypeVpcEndpointService), &service
	return r
}

func (k *kit) createStore(req *kmsapi.CreateCustomKeyStoreRequest) string {
	k.t.Helper()
	r, err := k.CreateCustomKeyStore(k.t.Context(), root(), req)
	k.check(err)
	return *r.CustomKeyStoreId
}

func (k *kit) connect(id string) {
	k.t.Helper()
	_, err := k.ConnectCustomKeyStore(k.t.Context(), root(), &kmsapi.ConnectCustomKeyStoreRequest{CustomKeyStoreId: &id})
	k.check(err)
}

func (k *kit) disconnect(id string) error {
	_, err := k.DisconnectCustomKeyStore(k.t.Context(), root(), &kmsapi.DisconnectCustomKeyStoreRequest{CustomKeyStoreId: &id})
	return err
}

func (k *kit) describeStore(id string) kmsapi.CustomKeyStoresListEntry {
	k.t.Helper()
	r, err := k.DescribeCustomKeyStores(k.t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{CustomKeyStoreId: &id})
	k.check(err)
	if len(r.CustomKeyStores) != 1 {
		k.t.Fatalf("got %d stores of id %s, want 1", len(r.CustomKeyStores), id)
	}
	return r.CustomKeyStores[0]
}

// changeStore changes a store behind the service's operations, with a good seal:
// none that they are given is ever connected.
func (k *kit) changeStore(id string, fn func(*kmsdb.KeyStore)) {
	k.t.Helper()
	k.check(k.db().Update(k.t.Context(), func(tx *kmsdb.Tx) error {
		st, err := tx.KeyStore(kmsdb.KeyStoreRef{Account: account, Region: region, ID: id})
		if err != nil {
			return err
		}
		fn(&st)
		return tx.PutKeyStore(&st)
	}))
}

func (k *kit) inState(id string, state kmsapi.ConnectionStateType) {
	k.t.Helper()
	k.changeStore(id, func(st *kmsdb.KeyStore) { st.State = state })
}

// credentialIs tells which secret a store has.
func (k *kit) credentialIs(id, text string) bool {
	k.t.Helper()
	var same bool
	k.check(k.db().Update(k.t.Context(), func(tx *kmsdb.Tx) error {
		st, err := tx.KeyStore(kmsdb.KeyStoreRef{Account: account, Region: region, ID: id})
		if err != nil {
			return err
		}
		token, err := tx.Credential(&st)
		if err != nil {
			return err
		}
		same, err = k.module.SameKey(token, st.CredentialBinding(), secret.New([]byte(text)))
		return err
	}))
	return same
}

func stateText(id, state string) string {
	return "The custom key store " + id + " has the connection state " + state + ", which is not valid for this operation."
}

// statesBut are the connection states but for those given.
func statesBut(not ...kmsapi.ConnectionStateType) (rest []kmsapi.ConnectionStateType) {
	for _, st := range []kmsapi.ConnectionStateType{
		kmsapi.ConnectionStateTypeConnected, kmsapi.ConnectionStateTypeConnecting, kmsapi.ConnectionStateTypeFailed,
		kmsapi.ConnectionStateTypeDisconnected, kmsapi.ConnectionStateTypeDisconnecting,
	} {
		if !slices.Contains(not, st) {
			rest = append(rest, st)
		}
	}
	return rest
}
