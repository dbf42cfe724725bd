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

// VerifyMac checks an HMAC of GenerateMac. It never answers that one is invalid:
// that is the error KMSInvalidMacException, without a text (recorded from AWS).
// (KMS API Reference, VerifyMac)
func (s *Service) VerifyMac(ctx context.Context, c identity.Caller, req *kmsapi.VerifyMacRequest) (*kmsapi.VerifyMacResponse, error) {
	return do(ctx, s, c, opVerifyMac, req, s.verifyMAC)
}

func (s *Service) verifyMAC(ctx context.Context, call *gate.Call, req *kmsapi.VerifyMacRequest) (*kmsapi.VerifyMacResponse, error) {
	k, handle, err := s.prepareMAC(ctx, call, *req.KeyId, *req.MacAlgorithm, req.GrantTokens)
	if err != nil {
		return nil, err
	}
	err = handle.Verify(hsm.Mechanism(*req.MacAlgorithm), req.Message.Expose(), req.Mac)
	switch {
	case errors.Is(err, hsm.ErrSignature):
		return nil, &awserr.Error{Code: kmsapi.KMSInvalidMacException, Err: err}
	case err != nil:
		return nil, err
	case isTrue(req.DryRun):
		return nil, dryRun()
	}
	return &kmsapi.VerifyMacResponse{KeyId: new(k.arn), MacAlgorithm: req.MacAlgorithm, MacValid: new(true)}, nil
}
