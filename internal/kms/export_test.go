package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// LayoutPolicy lets tests print a policy as GetKeyPolicy does.
func LayoutPolicy(text string) string { return layoutPolicy([]byte(text)) }

// EncryptUntracked is Encrypt whose uses of keys are not noted, for a comparison.
func (s *Service) EncryptUntracked(ctx context.Context, c identity.Caller, req *kmsapi.EncryptRequest) (*kmsapi.EncryptResponse, error) {
	return do(ctx, s, c, &untracked, req, s.encrypt)
}

var untracked = *opEncrypt
