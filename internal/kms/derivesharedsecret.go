package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// DeriveSharedSecret answers the raw secret that the private key of a key whose
// usage is KEY_AGREEMENT shares with the owner of a public key: the X coordinate
// of ECDH (SP 800-56A, 5.7.1.2), as long as a coordinate of the curve. The public
// key is a SubjectPublicKeyInfo in DER, of the same curve.
// (KMS API Reference, DeriveSharedSecret)
func (s *Service) DeriveSharedSecret(ctx context.Context, c identity.Caller, req *kmsapi.DeriveSharedSecretRequest) (*kmsapi.DeriveSharedSecretResponse, error) {
	return do(ctx, s, c, opDeriveSharedSecret, req, s.deriveSharedSecret)
}

func (s *Service) deriveSharedSecret(ctx context.Context, call *gate.Call, req *kmsapi.DeriveSharedSecretRequest) (*kmsapi.DeriveSharedSecretResponse, error) {
	call.RequestParameters = newObject().str("keyAgreementAlgorithm", string(*req.KeyAgreementAlgorithm)).str("keyId", *req.KeyId).end()
	if req.Recipient != nil {
		return nil, recipientUnsupported()
	}
	k, err := s.resolve(ctx, call, *req.KeyId, anyForm)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, call, k, conditions{keyID: *req.KeyId, agreement: *req.KeyAgreementAlgorithm, grantTokens: req.GrantTokens})
	if err != nil {
		return nil, err
	}
	if err := forUse(k, call.Op.Name, kmsapi.KeyUsageTypeKeyAgreement, *req.KeyAgreementAlgorithm, agreementAlgorithms); err != nil {
		return nil, err
	}
	pair, err := s.openPair(ctx, k)
	if err != nil {
		return nil, err
	}
	shared, err := pair.Agree(req.PublicKey)
	if errors.Is(err, hsm.ErrPeerKey) { // recorded from AWS: without a text
		return nil, &awserr.Error{Code: kmsapi.ValidationException, Err: err}
	}
	if err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		shared.Wipe()
		return nil, dryRun()
	}
	return &kmsapi.DeriveSharedSecretResponse{
		KeyId: new(k.arn), SharedSecret: shared, KeyAgreementAlgorithm: req.KeyAgreementAlgorithm, KeyOrigin: new(k.key.Origin),
	}, nil
}
