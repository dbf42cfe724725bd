package kms

import (
	"context"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// defaultStores is how many custom key stores a page has when no limit is given;
// the model bounds the limit at 1000.
const defaultStores = 100

// DescribeCustomKeyStores tells of the custom key stores of the caller's account
// and region, in the order of their ids, or of one by its id or name. No secret is
// in the answer. (KMS API Reference, DescribeCustomKeyStores)
func (s *Service) DescribeCustomKeyStores(ctx context.Context, c identity.Caller, req *kmsapi.DescribeCustomKeyStoresRequest) (*kmsapi.DescribeCustomKeyStoresResponse, error) {
	return do(ctx, s, c, opDescribeCustomKeyStores, req, s.describeCustomKeyStores)
}

func (s *Service) describeCustomKeyStores(ctx context.Context, call *gate.Call, req *kmsapi.DescribeCustomKeyStoresRequest) (*kmsapi.DescribeCustomKeyStoresResponse, error) {
	o := optional(optional(newObject(), "customKeyStoreId", req.CustomKeyStoreId), "customKeyStoreName", req.CustomKeyStoreName)
	if req.Limit != nil {
		o = o.integer("limit", *req.Limit)
	}
	if o = optional(o, "marker", req.Marker); len(o) > 1 {
		call.RequestParameters = o.end()
	}
	if req.CustomKeyStoreId != nil && req.CustomKeyStoreName != nil {
		return nil, awserr.New(kmsapi.ValidationException, "You can specify CustomKeyStoreId or CustomKeyStoreName, but not both.")
	}
	after, err := s.openMarker(call, "", req.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	limit := defaultStores
	if req.Limit != nil {
		limit = int(*req.Limit)
	}
	resp := &kmsapi.DescribeCustomKeyStoresResponse{CustomKeyStores: []kmsapi.CustomKeyStoresListEntry{}}
	var stores []kmsdb.KeyStore
	switch {
	case req.CustomKeyStoreId != nil:
		st, err := s.keyStore(ctx, call, *req.CustomKeyStoreId)
		if err != nil {
			return nil, err
		}
		stores = []kmsdb.KeyStore{st}
	case req.CustomKeyStoreName != nil:
		if stores, err = s.storeNamed(ctx, call, *req.CustomKeyStoreName); err != nil {
			return nil, err
		}
	default:
		// One more than a page tells whether there is another.
		if stores, err = s.db.KeyStores(ctx, call.Caller.AccountID, call.Caller.Region, after, limit+1); err != nil {
			return nil, err
		}
	}
	resp.Truncated = new(len(stores) > limit)
	if *resp.Truncated {
		stores = stores[:limit]
		resp.NextMarker = new(s.marker(call, "", stores[limit-1].ID))
	}
	for i := range stores {
		resp.CustomKeyStores = append(resp.CustomKeyStores, storeEntry(&stores[i]))
	}
	return resp, nil
}

// storeNamed finds a custom key store by its name.
func (s *Service) storeNamed(ctx context.Context, call *gate.Call, name string) ([]kmsdb.KeyStore, error) {
	for after := ""; ; {
		page, err := s.db.KeyStores(ctx, call.Caller.AccountID, call.Caller.Region, after, defaultStores)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(page, func(st kmsdb.KeyStore) bool { return st.Name == name }); i >= 0 {
			return page[i : i+1], nil
		}
		if len(page) < defaultStores {
			return nil, awserr.Bare(kmsapi.CustomKeyStoreNotFoundException)
		}
		after = page[len(page)-1].ID
	}
}

// storeEntry is a custom key store as the list has it.
func storeEntry(st *kmsdb.KeyStore) kmsapi.CustomKeyStoresListEntry {
	e := kmsapi.CustomKeyStoresListEntry{
		CustomKeyStoreId: &st.ID, CustomKeyStoreName: &st.Name, CustomKeyStoreType: &st.Type,
		ConnectionState: &st.State, CreationDate: &st.CreationDate,
	}
	if st.State == kmsapi.ConnectionStateTypeFailed {
		e.ConnectionErrorCode = &st.Failure
	}
	if st.Type == kmsapi.CustomKeyStoreTypeAwsCloudhsm {
		e.CloudHsmClusterId, e.TrustAnchorCertificate = &st.Cluster, &st.TrustAnchor
		return e
	}
	p := &st.Proxy
	e.XksProxyConfiguration = &kmsapi.XksProxyConfigurationType{
		Connectivity: &p.Connectivity, AccessKeyId: &p.AccessKeyID, UriEndpoint: &p.Endpoint, UriPath: &p.Path,
	}
	if p.Service != "" {
		e.XksProxyConfiguration.VpcEndpointServiceName, e.XksProxyConfiguration.VpcEndpointServiceOwner = &p.Service, &p.ServiceOwner
	}
	return e
}
