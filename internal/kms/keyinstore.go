package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// storeTypes says for the origins of keys in custom key stores which stores can
// have them.
var storeTypes = map[kmsapi.OriginType]kmsapi.CustomKeyStoreType{
	kmsapi.OriginTypeAwsCloudhsm:      kmsapi.CustomKeyStoreTypeAwsCloudhsm,
	kmsapi.OriginTypeExternalKeyStore: kmsapi.CustomKeyStoreTypeExternalKeyStore,
}

// checkInStore holds the rules of CreateKey among CustomKeyStoreId, XksKeyId and
// Origin, and what a key in a custom key store cannot be (KMS API Reference,
// CreateKey, these members). Texts: ours.
func checkInStore(req *kmsapi.CreateKeyRequest, spec kmsapi.KeySpec) error {
	origin := kmsapi.OriginTypeAwsKms
	if req.Origin != nil {
		origin = *req.Origin
	}
	_, inStore := storeTypes[origin]
	switch {
	case inStore && req.CustomKeyStoreId == nil:
		return awserr.New(kmsapi.ValidationException, "CustomKeyStoreId is required for Origin %s.", origin)
	case !inStore && req.CustomKeyStoreId != nil:
		return awserr.New(kmsapi.ValidationException, "CustomKeyStoreId is not valid for Origin %s.", origin)
	case origin == kmsapi.OriginTypeExternalKeyStore && req.XksKeyId == nil:
		return awserr.New(kmsapi.ValidationException, "XksKeyId is required for Origin %s.", origin)
	case origin != kmsapi.OriginTypeExternalKeyStore && req.XksKeyId != nil:
		return awserr.New(kmsapi.ValidationException, "XksKeyId is not valid for Origin %s.", origin)
	case inStore && spec != kmsapi.KeySpecSymmetricDefault:
		return awserr.New(kmsapi.UnsupportedOperationException, "KeySpec %s is not supported in a custom key store.", spec)
	case inStore && isTrue(req.MultiRegion):
		return awserr.New(kmsapi.UnsupportedOperationException, "Multi-Region keys are not supported in a custom key store.")
	}
	return nil
}

// checkStoreOf finds the custom key store that a key is to be made in. No store
// is ever connected yet, so there is none in which a key can be made: one whose
// record says otherwise was connected by a later release.
func (s *Service) checkStoreOf(ctx context.Context, call *gate.Call, req *kmsapi.CreateKeyRequest) error {
	if req.CustomKeyStoreId == nil {
		return nil
	}
	st, err := s.keyStore(ctx, call, *req.CustomKeyStoreId)
	if err != nil {
		return err
	}
	if want := storeTypes[*req.Origin]; st.Type != want {
		return awserr.New(kmsapi.ValidationException, "Origin %s is not valid for %s.", *req.Origin, typeOf(st.Type))
	}
	return invalidStore(&st)
}
