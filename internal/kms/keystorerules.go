package kms

import (
	"crypto/x509"
	"encoding/pem"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// This file holds the rules among the members of CreateCustomKeyStore and
// UpdateCustomKeyStore that the model does not state (KMS API Reference, both).
// Which members are needed is documented, the texts are not.

// storeMember is a member of a request about a custom key store.
type storeMember struct {
	name  string
	given bool
}

// hsmMembers are the members that AWS_CLOUDHSM needs.
func hsmMembers(cluster, password, anchor *string) []storeMember {
	return []storeMember{
		{"CloudHsmClusterId", cluster != nil}, {"KeyStorePassword", password != nil}, {"TrustAnchorCertificate", anchor != nil},
	}
}

// proxyMembers are the members that EXTERNAL_KEY_STORE needs.
func proxyMembers(p proxySettings) []storeMember {
	return []storeMember{
		{"XksProxyUriEndpoint", p.endpoint != nil}, {"XksProxyUriPath", p.path != nil},
		{"XksProxyAuthenticationCredential", p.credential != nil}, {"XksProxyConnectivity", p.connectivity != nil},
	}
}

// vpcMembers are the members that go with VPC_ENDPOINT_SERVICE.
func vpcMembers(p proxySettings) []storeMember {
	return []storeMember{
		{"XksProxyVpcEndpointServiceName", p.service != nil}, {"XksProxyVpcEndpointServiceOwner", p.owner != nil},
	}
}

// proxySettings are the members of a request about an external key store; nil
// ones were not sent.
type proxySettings struct {
	endpoint, path, service, owner *string
	connectivity                   *kmsapi.XksProxyConnectivityType
	credential                     *kmsapi.XksProxyAuthenticationCredentialType
}

// require refuses a request that lacks one of the members.
func require(kind kmsapi.CustomKeyStoreType, members []storeMember) error {
	for _, m := range members {
		if !m.given {
			return awserr.New(kmsapi.ValidationException, "%s is required for a custom key store of type %s.", m.name, kind)
		}
	}
	return nil
}

// refuse refuses a request that has one of the members.
func refuse(kind string, members []storeMember) error {
	for _, m := range members {
		if m.given {
			return awserr.New(kmsapi.ValidationException, "%s is not valid for %s.", m.name, kind)
		}
	}
	return nil
}

func typeOf(kind kmsapi.CustomKeyStoreType) string {
	return "a custom key store of type " + string(kind)
}

// checkNewStore checks that a request has the members of its type and no others.
func checkNewStore(req *kmsapi.CreateCustomKeyStoreRequest, kind kmsapi.CustomKeyStoreType, p proxySettings) error {
	hsm := hsmMembers(req.CloudHsmClusterId, req.KeyStorePassword, req.TrustAnchorCertificate)
	if kind == kmsapi.CustomKeyStoreTypeAwsCloudhsm {
		if err := require(kind, hsm); err != nil {
			return err
		}
		if err := refuse(typeOf(kind), append(proxyMembers(p), vpcMembers(p)...)); err != nil {
			return err
		}
		return checkTrustAnchor(*req.TrustAnchorCertificate)
	}
	if err := require(kind, proxyMembers(p)); err != nil {
		return err
	}
	if err := refuse(typeOf(kind), hsm); err != nil {
		return err
	}
	return checkConnectivity(*p.connectivity, p)
}

// checkConnectivity checks what names a VPC endpoint service.
func checkConnectivity(c kmsapi.XksProxyConnectivityType, p proxySettings) error {
	if c != kmsapi.XksProxyConnectivityTypeVpcEndpointService {
		return refuse("an external key store with XksProxyConnectivity "+string(c), vpcMembers(p))
	}
	if p.service == nil {
		return awserr.New(kmsapi.ValidationException, "XksProxyVpcEndpointServiceName is required when XksProxyConnectivity is %s.", c)
	}
	return nil
}

// checkTrustAnchor refuses what is no certificate in PEM. Whether it is the
// cluster's own, only the cluster tells.
func checkTrustAnchor(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return awserr.New(kmsapi.IncorrectTrustAnchorException, "The trust anchor certificate is not a certificate in PEM format.")
	}
	if _, err := x509.ParseCertificate(block.Bytes); err != nil {
		return awserr.Wrap(err, kmsapi.IncorrectTrustAnchorException, "The trust anchor certificate is not a certificate in PEM format.")
	}
	return nil
}

// checkUpdate checks that a request has none but members of the store's type,
// and those that go together.
func checkUpdate(st *kmsdb.KeyStore, req *kmsapi.UpdateCustomKeyStoreRequest, p proxySettings) error {
	hsm := hsmMembers(req.CloudHsmClusterId, req.KeyStorePassword, nil)
	if st.Type == kmsapi.CustomKeyStoreTypeAwsCloudhsm {
		return refuse(typeOf(st.Type), append(proxyMembers(p), vpcMembers(p)...))
	}
	if err := refuse(typeOf(st.Type), hsm); err != nil {
		return err
	}
	if p.connectivity == nil || *p.connectivity == st.Proxy.Connectivity {
		if st.Proxy.Connectivity == kmsapi.XksProxyConnectivityTypeVpcEndpointService {
			return nil
		}
		return checkConnectivity(st.Proxy.Connectivity, p)
	}
	if p.endpoint == nil {
		return awserr.New(kmsapi.ValidationException, "XksProxyUriEndpoint is required when XksProxyConnectivity changes.")
	}
	return checkConnectivity(*p.connectivity, p)
}

// whileConnected reports whether everything that a request changes can be changed
// while the store is connected. (KMS API Reference, UpdateCustomKeyStore; that of
// CustomKeyStoreInvalidStateException names the name alone)
func whileConnected(req *kmsapi.UpdateCustomKeyStoreRequest, p proxySettings) bool {
	return req.KeyStorePassword == nil && req.CloudHsmClusterId == nil &&
		p.endpoint == nil && p.connectivity == nil && p.service == nil && p.owner == nil
}

// checkUnique refuses a store that shares with another of the account and region
// what each must have for itself, the name first.
func checkUnique(st *kmsdb.KeyStore, all []kmsdb.KeyStore) error {
	for i := range all {
		if o := &all[i]; o.ID != st.ID && o.Name == st.Name {
			return awserr.New(kmsapi.CustomKeyStoreNameInUseException, "The custom key store name %s is already in use.", st.Name)
		}
	}
	for i := range all {
		o := &all[i]
		switch {
		case o.ID == st.ID || o.Type != st.Type:
		case st.Type == kmsapi.CustomKeyStoreTypeExternalKeyStore:
			if err := checkUniqueProxy(&st.Proxy, &o.Proxy); err != nil {
				return err
			}
		case o.Cluster == st.Cluster:
			return awserr.New(kmsapi.CloudHsmClusterInUseException, "The CloudHSM cluster %s is already associated with a custom key store.", st.Cluster)
		}
	}
	return nil
}

// checkUniqueProxy holds the "uniqueness requirements" of the members
// XksProxyUriEndpoint, XksProxyUriPath and XksProxyVpcEndpointServiceName.
func checkUniqueProxy(p, o *kmsdb.Proxy) error {
	const vpc = kmsapi.XksProxyConnectivityTypeVpcEndpointService
	switch {
	case p.Endpoint == o.Endpoint && p.Path == o.Path:
		return awserr.New(kmsapi.XksProxyUriInUseException, "The XksProxyUriEndpoint and XksProxyUriPath are already associated with another external key store in this Region.")
	case p.Endpoint == o.Endpoint && (p.Connectivity == vpc || o.Connectivity == vpc):
		return awserr.New(kmsapi.XksProxyUriEndpointInUseException, "The XksProxyUriEndpoint is already associated with another external key store in this Region.")
	case p.Connectivity == vpc && o.Connectivity == vpc && p.Service == o.Service:
		return awserr.New(kmsapi.XksProxyVpcEndpointServiceInUseException, "The VPC endpoint service is already associated with another external key store in this Region.")
	}
	return nil
}
