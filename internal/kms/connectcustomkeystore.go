package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// ConnectCustomKeyStore connects a custom key store to what is behind it. That
// the call succeeds does not say that it is connected: DescribeCustomKeyStores
// does, with the state FAILED and the reason when it could not be.
// (KMS API Reference, ConnectCustomKeyStore)
func (s *Service) ConnectCustomKeyStore(ctx context.Context, c identity.Caller, req *kmsapi.ConnectCustomKeyStoreRequest) (*kmsapi.ConnectCustomKeyStoreResponse, error) {
	return do(ctx, s, c, opConnectCustomKeyStore, req, s.connectCustomKeyStore)
}

func (s *Service) connectCustomKeyStore(ctx context.Context, call *gate.Call, req *kmsapi.ConnectCustomKeyStoreRequest) (*kmsapi.ConnectCustomKeyStoreResponse, error) {
	call.RequestParameters = storeParameters(*req.CustomKeyStoreId)
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	st, err := s.keyStore(ctx, call, *req.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	if err := forConnection(&st); err != nil {
		return nil, err
	}
	call.AdditionalEventData = storeRecord(&st)
	var failure kmsapi.ConnectionErrorCodeType
	connected := st.State == kmsapi.ConnectionStateTypeConnected
	if !connected {
		failure = s.backend(st.Type).connect(ctx, &st)
	}
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		st, err := storeNow(tx, st.Ref())
		if err != nil {
			return false, err
		}
		if err := forConnection(&st); err != nil {
			return false, err
		}
		if connected || st.State == kmsapi.ConnectionStateTypeConnected {
			return false, nil
		}
		st.State, st.Failure = kmsapi.ConnectionStateTypeConnected, failure
		if failure != "" {
			st.State = kmsapi.ConnectionStateTypeFailed
		}
		return true, tx.PutKeyStore(&st)
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.ConnectCustomKeyStoreResponse{}, nil
}

// forConnection refuses stores that have to be disconnected first. (KMS API
// Reference, CustomKeyStoreInvalidStateException)
func forConnection(st *kmsdb.KeyStore) error {
	switch st.State {
	case kmsapi.ConnectionStateTypeDisconnecting, kmsapi.ConnectionStateTypeFailed:
		return invalidStore(st)
	}
	return nil
}
