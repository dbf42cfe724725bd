package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// DescribeKey answers a key's metadata, in every state. A predefined AWS alias
// that has no key yet gets one by being asked about (KMS API Reference,
// DescribeKey, KeyId).
func (s *Service) DescribeKey(ctx context.Context, c identity.Caller, req *kmsapi.DescribeKeyRequest) (*kmsapi.DescribeKeyResponse, error) {
	return do(ctx, s, c, opDescribeKey, req, s.describeKey)
}

func (s *Service) describeKey(ctx context.Context, call *gate.Call, req *kmsapi.DescribeKeyRequest) (*kmsapi.DescribeKeyResponse, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
	if isS3Alias(call.Caller, *req.KeyId) {
		if err := s.ensureManagedKey(ctx, call, nil); err != nil {
			return nil, err
		}
	}
	k, err := s.resolve(ctx, call, *req.KeyId, anyForm)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{keyID: *req.KeyId, grantTokens: req.GrantTokens}); err != nil {
		return nil, err
	}
	return &kmsapi.DescribeKeyResponse{KeyMetadata: metadata(&k.key)}, nil
}
