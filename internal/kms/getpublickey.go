package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// GetPublicKey answers the public key of an asymmetric key as a
// SubjectPublicKeyInfo in DER (RFC 5280, 4.1), with the algorithms that it is to
// be used with. It is subject to the key's state as what uses the private key is.
// (KMS API Reference, GetPublicKey)
func (s *Service) GetPublicKey(ctx context.Context, c identity.Caller, req *kmsapi.GetPublicKeyRequest) (*kmsapi.GetPublicKeyResponse, error) {
	return do(ctx, s, c, opGetPublicKey, req, s.getPublicKey)
}

func (s *Service) getPublicKey(ctx context.Context, call *gate.Call, req *kmsapi.GetPublicKeyRequest) (*kmsapi.GetPublicKeyResponse, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, anyForm)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{keyID: *req.KeyId, grantTokens: req.GrantTokens}); err != nil {
		return nil, err
	}
	if err := forCryptography(k.arn, k.key.State); err != nil {
		return nil, err
	}
	if k.key.Type().Purpose() != hsm.PurposeKeyPair { // without a text, as other operations that a type of key has not
		return nil, awserr.Bare(kmsapi.UnsupportedOperationException)
	}
	pair, err := s.openPair(ctx, k)
	if err != nil {
		return nil, err
	}
	return &kmsapi.GetPublicKeyResponse{
		KeyId: new(k.arn), PublicKey: pair.PublicKey(),
		KeySpec: new(k.key.KeySpec), CustomerMasterKeySpec: new(kmsapi.CustomerMasterKeySpec(k.key.KeySpec)), KeyUsage: new(k.key.KeyUsage),
		EncryptionAlgorithms:   encryptionAlgorithms(&k.key),
		SigningAlgorithms:      signingAlgorithms(&k.key),
		KeyAgreementAlgorithms: agreementAlgorithms(&k.key),
	}, nil
}
