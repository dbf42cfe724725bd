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

// Verify checks a signature of Sign, or one that was made elsewhere with the
// same private key. It never answers that a signature is invalid: that is the
// error KMSInvalidSignatureException, without a text (recorded from AWS).
// (KMS API Reference, Verify)
func (s *Service) Verify(ctx context.Context, c identity.Caller, req *kmsapi.VerifyRequest) (*kmsapi.VerifyResponse, error) {
	return do(ctx, s, c, opVerify, req, s.verify)
}

func (s *Service) verify(ctx context.Context, call *gate.Call, req *kmsapi.VerifyRequest) (*kmsapi.VerifyResponse, error) {
	message := req.Message.Expose()
	o, err := s.prepareSigning(ctx, call, signingRequest{*req.KeyId, *req.SigningAlgorithm, req.MessageType, message, req.GrantTokens})
	if err != nil {
		return nil, err
	}
	err = o.pair.Verify(o.mech, o.form, message, req.Signature)
	switch {
	case errors.Is(err, hsm.ErrSignature):
		return nil, &awserr.Error{Code: kmsapi.KMSInvalidSignatureException, Err: err}
	case err != nil:
		return nil, err
	case isTrue(req.DryRun):
		return nil, dryRun()
	}
	return &kmsapi.VerifyResponse{KeyId: new(o.key.arn), SignatureValid: new(true), SigningAlgorithm: req.SigningAlgorithm}, nil
}
