package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// UpdateCustomKeyStore changes what a custom key store is called and how what is
// behind it is reached. Most of it can be changed while the store is disconnected
// alone. (KMS API Reference, UpdateCustomKeyStore)
func (s *Service) UpdateCustomKeyStore(ctx context.Context, c identity.Caller, req *kmsapi.UpdateCustomKeyStoreRequest) (*kmsapi.UpdateCustomKeyStoreResponse, error) {
	return do(ctx, s, c, opUpdateCustomKeyStore, req, s.updateCustomKeyStore)
}

func (s *Service) updateCustomKeyStore(ctx context.Context, call *gate.Call, req *kmsapi.UpdateCustomKeyStoreRequest) (*kmsapi.UpdateCustomKeyStoreResponse, error) {
	p := proxySettings{
		req.XksProxyUriEndpoint, req.XksProxyUriPath, req.XksProxyVpcEndpointServiceName, req.XksProxyVpcEndpointServiceOwner,
		req.XksProxyConnectivity, req.XksProxyAuthenticationCredential,
	}
	o := optional(newObject().str("customKeyStoreId", *req.CustomKeyStoreId), "newCustomKeyStoreName", req.NewCustomKeyStoreName)
	call.RequestParameters = optional(o, "clusterId", req.CloudHsmClusterId).proxy(p).end()
	if req.NewCustomKeyStoreName == nil && p.path == nil && p.credential == nil && whileConnected(req, p) {
		return nil, awserr.New(kmsapi.ValidationException, "At least one property of the custom key store must be specified.")
	}
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	was, err := s.keyStore(ctx, call, *req.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	st, err := updatedStore(was, req, p)
	if err != nil {
		return nil, err
	}
	if err := s.backend(st.Type).check(ctx, &st, &was); err != nil {
		return nil, err
	}
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		now, err := storeNow(tx, was.Ref())
		if err != nil {
			return false, err
		}
		if st, err = updatedStore(now, req, p); err != nil {
			return false, err
		}
		all, err := tx.KeyStores(st.Account, st.Region)
		if err != nil {
			return false, err
		}
		if err := checkUnique(&st, all); err != nil {
			return false, err
		}
		changed, err = s.updateCredential(tx, &st, req)
		if err != nil || !changed && st == now {
			return false, err
		}
		call.AdditionalEventData = storeRecord(&st)
		return true, tx.PutKeyStore(&st)
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.UpdateCustomKeyStoreResponse{}, nil
}

// updatedStore returns st as the request wants it, when its state allows that.
func updatedStore(st kmsdb.KeyStore, req *kmsapi.UpdateCustomKeyStoreRequest, p proxySettings) (kmsdb.KeyStore, error) {
	if err := checkUpdate(&st, req, p); err != nil {
		return st, err
	}
	connected := st.State == kmsapi.ConnectionStateTypeConnected && whileConnected(req, p)
	if st.State != kmsapi.ConnectionStateTypeDisconnected && !connected {
		return st, invalidStore(&st)
	}
	set(&st.Name, req.NewCustomKeyStoreName)
	set(&st.Cluster, req.CloudHsmClusterId)
	set(&st.Proxy.Endpoint, p.endpoint)
	set(&st.Proxy.Path, p.path)
	set(&st.Proxy.Connectivity, p.connectivity)
	if st.Proxy.Connectivity == kmsapi.XksProxyConnectivityTypePublicEndpoint {
		st.Proxy.Service, st.Proxy.ServiceOwner = "", ""
	} else if p.service != nil && st.Proxy.Service == "" {
		st.Proxy.ServiceOwner = st.Account
	}
	set(&st.Proxy.Service, p.service)
	set(&st.Proxy.ServiceOwner, p.owner)
	if p.credential != nil {
		st.Proxy.AccessKeyID = *p.credential.AccessKeyId
	}
	return st, nil
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// updateCredential puts the secret of a request, if there is one and it is
// another, in the place of st's.
func (s *Service) updateCredential(tx *kmsdb.Tx, st *kmsdb.KeyStore, req *kmsapi.UpdateCustomKeyStoreRequest) (changed bool, err error) {
	text := req.KeyStorePassword
	if req.XksProxyAuthenticationCredential != nil {
		text = req.XksProxyAuthenticationCredential.RawSecretAccessKey
	}
	if text == nil {
		return false, nil
	}
	same, err := s.sameCredential(tx, st, *text)
	if err != nil || same {
		return false, err
	}
	return true, s.setCredential(tx, st, *text)
}
