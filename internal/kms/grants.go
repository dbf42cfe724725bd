package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// grantFor returns what the gate asks for a grant on k that allows the action:
// the id of one, if there is one. Nil: there are no grants.
func (s *Service) grantFor(ctx context.Context, call *gate.Call, action string, k *snapshot, encryptionContext map[string]string, tokens []string) func() (grantID string, ok bool) {
	return nil
}

// checkGrantTokens refuses grant tokens that are none. It comes after the
// decision, for it would tell whoever has no rights that there is such a key.
func (s *Service) checkGrantTokens(ctx context.Context, call *gate.Call, k *snapshot, tokens []string) error {
	if len(tokens) > 0 {
		return awserr.New(kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
	}
	return nil
}
