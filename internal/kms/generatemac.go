package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// GenerateMac answers the HMAC (RFC 2104) of a message of 1 to 4096 bytes under
// an HMAC key. (KMS API Reference, GenerateMac)
func (s *Service) GenerateMac(ctx context.Context, c identity.Caller, req *kmsapi.GenerateMacRequest) (*kmsapi.GenerateMacResponse, error) {
	return do(ctx, s, c, opGenerateMac, req, s.generateMAC)
}

func (s *Service) generateMAC(ctx context.Context, call *gate.Call, req *kmsapi.GenerateMacRequest) (*kmsapi.GenerateMacResponse, error) {
	k, handle, err := s.prepareMAC(ctx, call, *req.KeyId, *req.MacAlgorithm, req.GrantTokens)
	if err != nil {
		return nil, err
	}
	if isTrue(req.DryRun) {
		return nil, dryRun()
	}
	mac, err := handle.MAC(hsm.Mechanism(*req.MacAlgorithm), req.Message.Expose())
	if err != nil {
		return nil, err
	}
	return &kmsapi.GenerateMacResponse{KeyId: new(k.arn), Mac: mac, MacAlgorithm: req.MacAlgorithm}, nil
}
