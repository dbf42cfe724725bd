package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// GenerateRandom answers 1 to 1024 random bytes. It concerns no key.
// (KMS API Reference, GenerateRandom)
func (s *Service) GenerateRandom(ctx context.Context, c identity.Caller, req *kmsapi.GenerateRandomRequest) (*kmsapi.GenerateRandomResponse, error) {
	return do(ctx, s, c, opGenerateRandom, req, s.generateRandom)
}

// generateRandom leaves requestParameters null, as AWS's records have them (KMS
// Developer Guide, "GenerateRandom").
func (s *Service) generateRandom(ctx context.Context, call *gate.Call, req *kmsapi.GenerateRandomRequest) (*kmsapi.GenerateRandomResponse, error) {
	switch {
	case req.Recipient != nil:
		return nil, recipientUnsupported()
	case req.NumberOfBytes == nil:
		return nil, awserr.New(kmsapi.ValidationException, "NumberOfBytes is required.")
	}
	if err := s.authorizeAccount(call); err != nil {
		return nil, err
	}
	if req.CustomKeyStoreId != nil {
		return nil, s.noRandomOf(ctx, call, *req.CustomKeyStoreId)
	}
	b, err := s.module.Random(int(*req.NumberOfBytes))
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateRandomResponse{Plaintext: b}, nil
}

// noRandomOf says why a custom key store gives no random bytes: it is not there,
// it is an external one ("External key store IDs are not valid for this
// parameter"), or it is not connected, as none ever is yet.
func (s *Service) noRandomOf(ctx context.Context, call *gate.Call, id string) error {
	st, err := s.keyStore(ctx, call, id)
	if err != nil {
		return err
	}
	if st.Type != kmsapi.CustomKeyStoreTypeAwsCloudhsm {
		return awserr.New(kmsapi.UnsupportedOperationException, "CustomKeyStoreId is not valid for %s.", typeOf(st.Type))
	}
	return invalidStore(&st)
}
