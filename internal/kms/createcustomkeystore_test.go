package kms_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func TestCreateCustomKeyStoreOfCluster(t *testing.T) {
	k := newKit(t)
	req := hsmStore(t, "ExampleKeyStore", testCluster)
	id := k.createStore(req)
	if !regexp.MustCompile(`^cks-[0-9a-f]{17}$`).MatchString(id) {
		t.Errorf("got id %s, want cks- and 17 digits", id)
	}
	e := k.describeStore(id)
	if *e.CustomKeyStoreName != "ExampleKeyStore" || *e.CustomKeyStoreType != kmsapi.CustomKeyStoreTypeAwsCloudhsm || *e.CloudHsmClusterId != testCluster ||
		*e.TrustAnchorCertificate != *req.TrustAnchorCertificate || *e.ConnectionState != kmsapi.ConnectionStateTypeDisconnected ||
		e.ConnectionErrorCode != nil || e.XksProxyConfiguration != nil || e.CreationDate == nil {
		t.Errorf("got %+v, want the store as it was asked for, disconnected", e)
	}
}

func TestCreateCustomKeyStoreOfProxy(t *testing.T) {
	k := newKit(t)
	e := k.describeStore(k.createStore(externalStore("x", "https://xks.example.com", "/a/kms/xks/v1")))
	p := e.XksProxyConfiguration
	if *e.CustomKeyStoreType != kmsapi.CustomKeyStoreTypeExternalKeyStore || e.CloudHsmClusterId != nil || e.TrustAnchorCertificate != nil ||
		*p.Connectivity != kmsapi.XksProxyConnectivityTypePublicEndpoint || *p.AccessKeyId != testProxyID || *p.UriEndpoint != "https://xks.example.com" ||
		*p.UriPath != "/a/kms/xks/v1" || p.VpcEndpointServiceName != nil || p.VpcEndpointServiceOwner != nil {
		t.Errorf("got %+v with %+v, want the store as it was asked for", e, p)
	}
	req := vpcStore("v", "https://vpc.example.com", vpcService)
	p = k.describeStore(k.createStore(req)).XksProxyConfiguration
	if *p.VpcEndpointServiceName != vpcService || *p.VpcEndpointServiceOwner != account {
		t.Errorf("got %+v, want the service, of the caller's account", p)
	}
	req = vpcStore("w", "https://other.example.com", vpcService+"0")
	req.XksProxyVpcEndpointServiceOwner = new(other)
	if p = k.describeStore(k.createStore(req)).XksProxyConfiguration; *p.VpcEndpointServiceOwner != other {
		t.Errorf("got owner %s, want %s", *p.VpcEndpointServiceOwner, other)
	}
}

func TestCreateCustomKeyStoreMembers(t *testing.T) {
	k := newKit(t)
	const hsm, external = "a custom key store of type AWS_CLOUDHSM.", "a custom key store of type EXTERNAL_KEY_STORE."
	type request = kmsapi.CreateCustomKeyStoreRequest
	for _, c := range []struct {
		name   string
		of     func(*testing.T) *request
		change func(*request)
		text   string
	}{
		{name: "no cluster", of: cluster, change: func(r *request) { r.CloudHsmClusterId = nil }, text: "CloudHsmClusterId is required for " + hsm},
		{name: "no password", of: cluster, change: func(r *request) { r.KeyStorePassword = nil }, text: "KeyStorePassword is required for " + hsm},
		{name: "no anchor", of: cluster, change: func(r *request) { r.TrustAnchorCertificate = nil }, text: "TrustAnchorCertificate is required for " + hsm},
		{name: "cluster with endpoint", of: cluster, change: func(r *request) { r.XksProxyUriEndpoint = new("https://a.example.com") }, text: "XksProxyUriEndpoint is not valid for " + hsm},
		{name: "cluster with service owner", of: cluster, change: func(r *request) { r.XksProxyVpcEndpointServiceOwner = new(other) }, text: "XksProxyVpcEndpointServiceOwner is not valid for " + hsm},
		{name: "no endpoint", of: external1, change: func(r *request) { r.XksProxyUriEndpoint = nil }, text: "XksProxyUriEndpoint is required for " + external},
		{name: "no path", of: external1, change: func(r *request) { r.XksProxyUriPath = nil }, text: "XksProxyUriPath is required for " + external},
		{name: "no credential", of: external1, change: func(r *request) { r.XksProxyAuthenticationCredential = nil }, text: "XksProxyAuthenticationCredential is required for " + external},
		{name: "no connectivity", of: external1, change: func(r *request) { r.XksProxyConnectivity = nil }, text: "XksProxyConnectivity is required for " + external},
		{name: "proxy with password", of: external1, change: func(r *request) { r.KeyStorePassword = new(kmsuserSecret) }, text: "KeyStorePassword is not valid for " + external},
		{name: "public with service", of: external1, change: func(r *request) { r.XksProxyVpcEndpointServiceName = new(vpcService) },
			text: "XksProxyVpcEndpointServiceName is not valid for an external key store with XksProxyConnectivity PUBLIC_ENDPOINT."},
		{name: "VPC without service", of: external1, change: func(r *request) {
			r.XksProxyConnectivity = new(kmsapi.XksProxyConnectivityTypeVpcEndpointService)
		}, text: "XksProxyVpcEndpointServiceName is required when XksProxyConnectivity is VPC_ENDPOINT_SERVICE."},
		{name: "short password", of: cluster, change: func(r *request) { r.KeyStorePassword = new("secret") },
			text: "1 validation error detected: Value at 'keyStorePassword' failed to satisfy constraint: Member must have length greater than or equal to 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := c.of(t)
			c.change(req)
			_, err := k.CreateCustomKeyStore(t.Context(), root(), req)
			wantError(t, err, kmsapi.ValidationException, c.text)
		})
	}
}

func cluster(t *testing.T) *kmsapi.CreateCustomKeyStoreRequest { return hsmStore(t, "s", testCluster) }
func external1(*testing.T) *kmsapi.CreateCustomKeyStoreRequest {
	return externalStore("s", "https://xks.example.com", "/kms/xks/v1")
}

func TestCreateCustomKeyStoreTrustAnchor(t *testing.T) {
	k := newKit(t)
	good := trustAnchor(t)
	for _, c := range []struct{ name, text string }{
		{"no PEM", "certificate"},
		{"a key", strings.ReplaceAll(good, "CERTIFICATE", "PRIVATE KEY")},
		{"cut short", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := hsmStore(t, "s", testCluster)
			req.TrustAnchorCertificate = &c.text
			_, err := k.CreateCustomKeyStore(t.Context(), root(), req)
			wantError(t, err, kmsapi.IncorrectTrustAnchorException, "The trust anchor certificate is not a certificate in PEM format.")
		})
	}
}

func TestCreateCustomKeyStoreUniqueness(t *testing.T) {
	k := newKit(t)
	const a, b = "https://a.example.com", "https://b.example.com"
	k.createStore(hsmStore(t, "hsm", testCluster))
	k.createStore(externalStore("public", a, "/kms/xks/v1"))
	k.createStore(vpcStore("vpc", b, vpcService))
	for _, c := range []struct {
		name string
		req  *kmsapi.CreateCustomKeyStoreRequest
		code awserr.Code // "" is success
		text string
	}{
		{"name", externalStore("hsm", "https://c.example.com", "/kms/xks/v1"), kmsapi.CustomKeyStoreNameInUseException, "The custom key store name hsm is already in use."},
		{"cluster", hsmStore(t, "hsm2", testCluster), kmsapi.CloudHsmClusterInUseException, "The CloudHSM cluster " + testCluster + " is already associated with a custom key store."},
		{"endpoint and path", externalStore("public2", a, "/kms/xks/v1"), kmsapi.XksProxyUriInUseException, "The XksProxyUriEndpoint and XksProxyUriPath are already associated with another external key store in this Region."},
		{"endpoint of a VPC one", externalStore("public2", b, "/x/kms/xks/v1"), kmsapi.XksProxyUriEndpointInUseException, "The XksProxyUriEndpoint is already associated with another external key store in this Region."},
		{"service", vpcStore("vpc2", "https://c.example.com", vpcService), kmsapi.XksProxyVpcEndpointServiceInUseException, "The VPC endpoint service is already associated with another external key store in this Region."},
		{"public endpoint with another path", externalStore("public2", a, "/x/kms/xks/v1"), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.CreateCustomKeyStore(t.Context(), root(), c.req)
			if c.code == "" {
				k.check(err)
				return
			}
			wantError(t, err, c.code, c.text)
		})
	}
	// Names are those of one account and region.
	for _, c := range []struct{ account, region string }{{account, region2}, {other, region}} {
		if _, err := k.CreateCustomKeyStore(t.Context(), caller(c.account, c.region), hsmStore(t, "hsm", testCluster)); err != nil {
			t.Errorf("in %s of %s: %v", c.region, c.account, err)
		}
	}
}

// Who repeats a request is told the id that the first had.
func TestCreateCustomKeyStoreAgain(t *testing.T) {
	k := newKit(t)
	req := hsmStore(t, "s", testCluster)
	id := k.createStore(req)
	if again := k.createStore(req); again != id {
		t.Errorf("got store %s for the same request, want %s", again, id)
	}
	const inUse = "The custom key store name s is already in use."
	password := *req
	password.KeyStorePassword = new("another-secret")
	_, err := k.CreateCustomKeyStore(t.Context(), root(), &password)
	wantError(t, err, kmsapi.CustomKeyStoreNameInUseException, inUse)
	k.connect(id)
	_, err = k.CreateCustomKeyStore(t.Context(), root(), req) // of one that is not disconnected it is no repetition
	wantError(t, err, kmsapi.CustomKeyStoreNameInUseException, inUse)
}

func TestCreateCustomKeyStoreQuota(t *testing.T) {
	k := newKit(t)
	store := func(i int) *kmsapi.CreateCustomKeyStoreRequest {
		return externalStore(fmt.Sprint("s", i), fmt.Sprintf("https://xks%d.example.com", i), "/kms/xks/v1")
	}
	for i := range 10 {
		k.createStore(store(i))
	}
	_, err := k.CreateCustomKeyStore(t.Context(), root(), store(10))
	wantError(t, err, kmsapi.LimitExceededException, "The account has the maximum of 10 custom key stores in this region.")
	_, err = k.CreateCustomKeyStore(t.Context(), caller(account, region2), store(10))
	k.check(err)
}

func TestCreateCustomKeyStoreRecord(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "ExampleKeyStore", testCluster))
	r := k.last("CreateCustomKeyStore")
	wantParameters(t, r.RequestParameters, `{"clusterId":"`+testCluster+`","customKeyStoreName":"ExampleKeyStore"}`)
	wantParameters(t, r.ResponseElements, `{"customKeyStoreId":"`+id+`"}`)
	if r.ReadOnly {
		t.Errorf("record is %s, want a write", r.raw)
	}
	k.createStore(externalStore("x", "https://xks.example.com", "/kms/xks/v1"))
	wantParameters(t, k.last("CreateCustomKeyStore").RequestParameters, `{"customKeyStoreName":"x","customKeyStoreType":"EXTERNAL_KEY_STORE",`+
		`"xksProxyConnectivity":"PUBLIC_ENDPOINT","xksProxyUriEndpoint":"https://xks.example.com","xksProxyUriPath":"/kms/xks/v1"}`)
	for _, r := range k.records() {
		if strings.Contains(r.raw, kmsuserSecret) || strings.Contains(r.raw, proxySecret) {
			t.Errorf("a secret is in the record %s", r.raw)
		}
	}
}

// The secret is in no row but sealed.
func TestCreateCustomKeyStoreHidesItsSecret(t *testing.T) {
	k := newKit(t)
	ids := map[string]string{
		k.createStore(hsmStore(t, "s", testCluster)):                                kmsuserSecret,
		k.createStore(externalStore("x", "https://xks.example.com", "/kms/xks/v1")): proxySecret,
	}
	for id, secret := range ids {
		if !k.credentialIs(id, secret) || k.credentialIs(id, secret+"x") {
			t.Errorf("store %s has another secret than it was given", id)
		}
	}
	for _, table := range store.Tables() {
		rows, err := k.store.List(t.Context(), table, store.Query{Limit: 100})
		k.check(err)
		for _, r := range rows {
			for _, secret := range ids {
				if strings.Contains(string(r.Doc), secret) {
					t.Errorf("row %s/%s has a secret in clear", table, r.Key)
				}
			}
		}
	}
}

func TestCreateCustomKeyStoreIsDenied(t *testing.T) {
	k := newKit(t)
	_, err := k.CreateCustomKeyStore(t.Context(), bob(), hsmStore(t, "s", testCluster))
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:CreateCustomKeyStore on resource: * because no identity-based policy allows the kms:CreateCustomKeyStore action")
	k.rights.give(bobARN, `{"Effect":"Allow","Action":"kms:CreateCustomKeyStore","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"`+account+`"}}}`)
	if _, err := k.CreateCustomKeyStore(t.Context(), bob(), hsmStore(t, "s", testCluster)); err != nil {
		t.Errorf("with a policy that asks for kms:CallerAccount: %v", err)
	}
}

// A row that was changed by hand is refused by whoever comes to it.
func TestCustomKeyStoreThatWasTamperedWith(t *testing.T) {
	k := newKit(t)
	id := k.createStore(hsmStore(t, "s", testCluster))
	row, err := k.store.Get(t.Context(), store.KMSKeyStores, kmsdb.KeyStoreRef{Account: account, Region: region, ID: id}.Row())
	k.check(err)
	row.Doc = []byte(strings.Replace(string(row.Doc), "DISCONNECTED", "CONNECTED", 1))
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.KMSKeyStores, row) }))
	_, err = k.DescribeCustomKeyStores(t.Context(), root(), &kmsapi.DescribeCustomKeyStoresRequest{})
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
	if !strings.Contains(k.log.String(), string(store.KMSKeyStores)) {
		t.Errorf("log is %q, want it to name the table", k.log)
	}
}
