package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// DeleteCustomKeyStore forgets a custom key store that is disconnected and has
// no keys, and its credential. What was behind it stays as it is.
// (KMS API Reference, DeleteCustomKeyStore)
func (s *Service) DeleteCustomKeyStore(ctx context.Context, c identity.Caller, req *kmsapi.DeleteCustomKeyStoreRequest) (*kmsapi.DeleteCustomKeyStoreResponse, error) {
	return do(ctx, s, c, opDeleteCustomKeyStore, req, s.deleteCustomKeyStore)
}

// deleteCustomKeyStore looks for keys outside of the transaction, which has all
// others wait. A key is made in a connected store alone, and to connect it
// changes its revision: the one that was read is the one that is deleted.
func (s *Service) deleteCustomKeyStore(ctx context.Context, call *gate.Call, req *kmsapi.DeleteCustomKeyStoreRequest) (*kmsapi.DeleteCustomKeyStoreResponse, error) {
	call.RequestParameters = storeParameters(*req.CustomKeyStoreId)
	if err := s.authorizeStores(call); err != nil {
		return nil, err
	}
	st, err := s.keyStore(ctx, call, *req.CustomKeyStoreId)
	if err != nil {
		return nil, err
	}
	if st.State != kmsapi.ConnectionStateTypeDisconnected {
		return nil, invalidStore(&st)
	}
	key, err := s.db.KeyIn(ctx, st.Ref())
	if err != nil {
		return nil, err
	}
	if key != "" {
		return nil, awserr.New(kmsapi.CustomKeyStoreHasCMKsException, "The custom key store %s contains KMS keys.", st.ID)
	}
	call.AdditionalEventData = storeRecord(&st)
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		err = tx.DeleteKeyStore(&st)
		if errors.Is(err, store.ErrConflict) { // it was changed, or deleted, since it was read
			if st, err = storeNow(tx, st.Ref()); err == nil {
				err = invalidStore(&st)
			}
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.DeleteCustomKeyStoreResponse{}, nil
}
