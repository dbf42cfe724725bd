package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// This file is what GenerateMac and VerifyMac have in common.

// prepareMAC does everything that comes before the cryptography. Neither the
// message nor the MAC is in the record.
func (s *Service) prepareMAC(ctx context.Context, call *gate.Call, keyID string, algorithm kmsapi.MacAlgorithmSpec, grantTokens []string) (*snapshot, *hsm.HMACKey, error) {
	call.RequestParameters = newObject().str("keyId", keyID).str("macAlgorithm", string(algorithm)).end()
	k, err := s.resolve(ctx, call, keyID, anyForm)
	if err != nil {
		return nil, nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{keyID: keyID, macAlgorithm: algorithm, grantTokens: grantTokens}); err != nil {
		return nil, nil, err
	}
	if err := forUse(k, call.Op.Name, kmsapi.KeyUsageTypeGenerateVerifyMac, algorithm, macAlgorithms); err != nil {
		return nil, nil, err
	}
	handle, err := s.openHMAC(ctx, k)
	return k, handle, err
}
