package kms

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// This file is what the operations on custom key stores have in common. What is
// kept of a store, who may change it and when is decided here; what is behind it
// is a [storeBackend]'s. There is none yet for either type, so a store never
// becomes connected, and no key is in one. (KMS Developer Guide, "Key stores")

// storeBackend is what custom key stores of one type are connected to. Its
// methods are called outside of transactions and may take time; their context is
// the call's. They must be safe for concurrent use.
type storeBackend interface {
	// check looks at what a store is to be connected to, before it is made (was
	// is nil) or changed. Errors have the codes that AWS documents for
	// CreateCustomKeyStore and UpdateCustomKeyStore: CloudHsmClusterNotFoundException,
	// XksProxyUriUnreachableException and the like.
	check(ctx context.Context, st, was *kmsdb.KeyStore) error
	// connect connects a store. It returns why it could not, "" when it is
	// connected.
	connect(ctx context.Context, st *kmsdb.KeyStore) kmsapi.ConnectionErrorCodeType
	// disconnect lets go of what connect has taken. A store that is not connected
	// is no error.
	disconnect(st *kmsdb.KeyStore)
}

// noBackend is the backend of types that have none: nothing answers behind any
// store. It takes every store that is to be made, for it can tell no good one from
// a bad one, and connects none.
type noBackend struct{}

func (noBackend) check(context.Context, *kmsdb.KeyStore, *kmsdb.KeyStore) error { return nil }

// connect answers what AWS does of a cluster, a VPC endpoint service or a proxy
// that is not there (KMS API Reference, CustomKeyStoresListEntry,
// ConnectionErrorCode).
func (noBackend) connect(_ context.Context, st *kmsdb.KeyStore) kmsapi.ConnectionErrorCodeType {
	switch {
	case st.Type == kmsapi.CustomKeyStoreTypeAwsCloudhsm:
		return kmsapi.ConnectionErrorCodeTypeClusterNotFound
	case st.Proxy.Connectivity == kmsapi.XksProxyConnectivityTypeVpcEndpointService:
		return kmsapi.ConnectionErrorCodeTypeXksVpcEndpointServiceNotFound
	}
	return kmsapi.ConnectionErrorCodeTypeXksProxyNotReachable
}

func (noBackend) disconnect(*kmsdb.KeyStore) {}

// backend returns what stores of a type are connected to.
func (s *Service) backend(kmsapi.CustomKeyStoreType) storeBackend { return noBackend{} }

// authorizeStores asks the gate about an operation on custom key stores, which
// policies cannot tell apart: the resource is *. (Service Authorization Reference,
// "AWS Key Management Service". The actions that it lists as dependent,
// cloudhsm:DescribeClusters and iam:CreateServiceLinkedRole, are those of services
// that are not here.)
func (s *Service) authorizeStores(call *gate.Call) error {
	with := conditions{call: call, keyStore: true}
	return with.answer(call.Authorize(gate.Request{Resource: "*", ResourceAccount: call.Caller.AccountID, Context: &with}))
}

// newStoreID makes the id of a custom key store, of AWS's form.
func newStoreID() string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return "cks-" + hex.EncodeToString(b[:])[:17]
}

// storeRef is the custom key store that an id means to the caller.
func storeRef(call *gate.Call, id string) kmsdb.KeyStoreRef {
	return kmsdb.KeyStoreRef{Account: call.Caller.AccountID, Region: call.Caller.Region, ID: id}
}

// keyStore reads a custom key store.
func (s *Service) keyStore(ctx context.Context, call *gate.Call, id string) (kmsdb.KeyStore, error) {
	st, err := s.db.KeyStore(ctx, storeRef(call, id))
	return st, noStore(err)
}

// storeNow reads a custom key store as it is inside a transaction.
func storeNow(tx *kmsdb.Tx, ref kmsdb.KeyStoreRef) (kmsdb.KeyStore, error) {
	st, err := tx.KeyStore(ref)
	return st, noStore(err)
}

// noStore gives the error of a store that is not there AWS's code, which has no
// text (KMS Developer Guide, "Delete an AWS CloudHSM key store").
func noStore(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return &awserr.Error{Code: kmsapi.CustomKeyStoreNotFoundException, Err: err}
	}
	return err
}

// invalidStore refuses an operation on a store in its state.
func invalidStore(st *kmsdb.KeyStore) error {
	return awserr.New(kmsapi.CustomKeyStoreInvalidStateException,
		"The custom key store %s has the connection state %s, which is not valid for this operation.", st.ID, st.State)
}

// setCredential makes secret that of st, in the place of the one it has. It is
// to be called in the transaction that puts st: the domain key cannot go away
// meanwhile.
func (s *Service) setCredential(tx *kmsdb.Tx, st *kmsdb.KeyStore, text string) error {
	st.Credential = uuid.New()
	material := secret.New([]byte(text))
	defer material.Wipe()
	token, err := s.module.ImportKey(st.CredentialBinding(), material)
	if err != nil {
		return err
	}
	return tx.PutCredential(st, token)
}

// sameCredential reports whether text is the secret of st.
func (s *Service) sameCredential(tx *kmsdb.Tx, st *kmsdb.KeyStore, text string) (bool, error) {
	token, err := tx.Credential(st)
	if err != nil {
		return false, err
	}
	material := secret.New([]byte(text))
	defer material.Wipe()
	return s.module.SameKey(token, st.CredentialBinding(), material)
}

// storeRecord is additionalEventData of the operations that change a store (KMS
// Developer Guide, "ConnectCustomKeyStore").
func storeRecord(st *kmsdb.KeyStore) json.RawMessage {
	o := newObject().str("customKeyStoreName", st.Name)
	if st.Cluster != "" {
		o = o.str("clusterId", st.Cluster)
	}
	return o.end()
}

// storeParameters is requestParameters of an operation that names a store and
// nothing else.
func storeParameters(id string) json.RawMessage { return newObject().str("customKeyStoreId", id).end() }

// proxy appends the members of a request about an external key store. The
// credential is not in it.
func (o object) proxy(p proxySettings) object {
	o = optional(o, "xksProxyUriEndpoint", p.endpoint)
	o = optional(o, "xksProxyUriPath", p.path)
	o = optional(o, "xksProxyVpcEndpointServiceName", p.service)
	o = optional(o, "xksProxyVpcEndpointServiceOwner", p.owner)
	return optional(o, "xksProxyConnectivity", p.connectivity)
}
