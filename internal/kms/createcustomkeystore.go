package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// CreateCustomKeyStore makes a custom key store, disconnected. The password of
// kmsuser, or the credential of the proxy, is kept in custody and shown to nobody.
// A request that is a disconnected store's again answers the id of that one.
// (KMS API Reference, CreateCustomKeyStore; KMS Developer Guide, "Create an AWS
// CloudHSM key store")
func (s *Service) CreateCustomKeyStore(ctx context.Context, c identity.Caller, req *kmsapi.CreateCustomKeyStoreRequest) (*kmsapi.CreateCustomKeyStoreResponse, error) {
	return do(ctx, s, c, opCreateCustomKeyStore, req, s.createCustomKeyStore)
}

func (s *Service) createCustomKeyStore(ctx context.Context, call *gate.Call, req *kmsapi.CreateCustomKeyStoreRequest) (*kmsapi.CreateCustomKeyStoreResponse, error) {
	kind := kmsapi.CustomKeyStoreTypeAwsCloudhsm
	if req.CustomKeyStoreType != nil {
		kind = *req.CustomKeyStoreType
	}
	p := proxySettings{
		req.XksProxyUriEndpoint, req.XksProxyUriPath, req.XksProxyVpcEndpointServiceName, req.XksProxyVpcEndpointServiceOwner,
		req.XksProxyConnectivity, req.XksProxyAuthenticationCredential,
	}
	o := optional(newObject().str("customKeyStoreName", *req.CustomKeyStoreName), "clusterId", req.CloudHsmClusterId)
	call.RequestParameters = optional(o, "customKeyStoreType", req.CustomKeyStoreType).proxy(p).end()
	if err := checkNewStore(req, kind, p); err != nil {
		return nil, err
	}
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	st := kmsdb.KeyStore{
		Account: call.Caller.AccountID, Region: call.Caller.Region, ID: newStoreID(),
		Name: *req.CustomKeyStoreName, Type: kind, CreationDate: s.now(), State: kmsapi.ConnectionStateTypeDisconnected,
	}
	var credential string
	if kind == kmsapi.CustomKeyStoreTypeAwsCloudhsm {
		st.Cluster, st.TrustAnchor, credential = *req.CloudHsmClusterId, *req.TrustAnchorCertificate, *req.KeyStorePassword
	} else {
		st.Proxy = newProxy(p, st.Account)
		credential = *req.XksProxyAuthenticationCredential.RawSecretAccessKey
	}
	if err := s.backend(kind).check(ctx, &st, nil); err != nil {
		return nil, err
	}
	err := s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		all, err := tx.KeyStores(st.Account, st.Region)
		if err != nil {
			return false, err
		}
		id, err := s.sameStore(tx, &st, credential, all)
		if err != nil {
			return false, err
		}
		if id != "" {
			st.ID = id
			return false, nil
		}
		if err := checkUnique(&st, all); err != nil {
			return false, err
		}
		if len(all) >= s.quotas.CustomKeyStores {
			return false, awserr.New(kmsapi.LimitExceededException, "The account has the maximum of %d custom key stores in this region.", s.quotas.CustomKeyStores)
		}
		if err := s.setCredential(tx, &st, credential); err != nil {
			return false, err
		}
		call.ResponseElements = newObject().str("customKeyStoreId", st.ID).end()
		return true, tx.PutKeyStore(&st)
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.CreateCustomKeyStoreResponse{CustomKeyStoreId: &st.ID}, nil
}

// newProxy is the proxy of a new store. Whose the VPC endpoint service is, the
// caller need not say when it is the account's own.
func newProxy(p proxySettings, account string) kmsdb.Proxy {
	proxy := kmsdb.Proxy{
		Connectivity: *p.connectivity, AccessKeyID: *p.credential.AccessKeyId, Endpoint: *p.endpoint, Path: *p.path,
	}
	if p.service != nil {
		proxy.Service, proxy.ServiceOwner = *p.service, account
	}
	if p.owner != nil {
		proxy.ServiceOwner = *p.owner
	}
	return proxy
}

// sameStore returns the id of a disconnected store that is as st is to be, its
// secret included, or "": who repeats a request because no answer came must not
// be told that the name is in use. (KMS Developer Guide, "Create an AWS CloudHSM
// key store")
func (s *Service) sameStore(tx *kmsdb.Tx, st *kmsdb.KeyStore, credential string, all []kmsdb.KeyStore) (id string, err error) {
	for i := range all {
		o := &all[i]
		if o.State != kmsapi.ConnectionStateTypeDisconnected || o.Name != st.Name || o.Type != st.Type ||
			o.Cluster != st.Cluster || o.TrustAnchor != st.TrustAnchor || o.Proxy != st.Proxy {
			continue
		}
		same, err := s.sameCredential(tx, o, credential)
		if err != nil || !same {
			return "", err
		}
		return o.ID, nil
	}
	return "", nil
}
