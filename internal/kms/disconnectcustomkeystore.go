package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// DisconnectCustomKeyStore disconnects a custom key store from what is behind it,
// also one that could not be connected: without that it cannot be changed, deleted
// or connected again. (KMS API Reference, DisconnectCustomKeyStore)
func (s *Service) DisconnectCustomKeyStore(ctx context.Context, c identity.Caller, req *kmsapi.DisconnectCustomKeyStoreRequest) (*kmsapi.DisconnectCustomKeyStoreResponse, error) {
	return do(ctx, s, c, opDisconnectCustomKeyStore, req, s.disconnectCustomKeyStore)
}

func (s *Service) disconnectCustomKeyStore(ctx context.Context, call *gate.Call, req *kmsapi.DisconnectCustomKeyStoreRequest) (*kmsapi.DisconnectCustomKeyStoreResponse, error) {
	call.RequestParameters = storeParameters(*req.CustomKeyStoreId)
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	var st kmsdb.KeyStore
	err := s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		if st, err = storeNow(tx, storeRef(call, *req.CustomKeyStoreId)); err != nil {
			return false, err
		}
		switch st.State {
		case kmsapi.ConnectionStateTypeDisconnected, kmsapi.ConnectionStateTypeDisconnecting:
			return false, invalidStore(&st)
		}
		call.AdditionalEventData = storeRecord(&st)
		st.State, st.Failure = kmsapi.ConnectionStateTypeDisconnected, ""
		return true, tx.PutKeyStore(&st)
	})
	if err != nil {
		return nil, err
	}
	s.backend(st.Type).disconnect(&st) // after the commit: nothing uses it from then on
	return &kmsapi.DisconnectCustomKeyStoreResponse{}, nil
}
