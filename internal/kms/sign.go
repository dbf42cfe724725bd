package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Sign signs a message of 1 to 4096 bytes, or the digest of one of any length,
// with the private key of an asymmetric key whose usage is SIGN_VERIFY. ECDSA
// signatures are in DER (RFC 3279, 2.2.3), those of RSA, Ed25519 and ML-DSA as
// RFC 8017, RFC 8032 and FIPS 204 have them.
// (KMS API Reference, Sign)
func (s *Service) Sign(ctx context.Context, c identity.Caller, req *kmsapi.SignRequest) (*kmsapi.SignResponse, error) {
	return do(ctx, s, c, opSign, req, s.sign)
}

func (s *Service) sign(ctx context.Context, call *gate.Call, req *kmsapi.SignRequest) (*kmsapi.SignResponse, error) {
	message := req.Message.Expose()
	o, err := s.prepareSigning(ctx, call, signingRequest{*req.KeyId, *req.SigningAlgorithm, req.MessageType, message, req.GrantTokens})
	if err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	signature, err := o.pair.Sign(o.mech, o.form, message)
	if err != nil {
		return nil, err
	}
	return &kmsapi.SignResponse{KeyId: new(o.key.arn), Signature: signature, SigningAlgorithm: req.SigningAlgorithm}, nil
}
