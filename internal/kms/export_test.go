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

// HoldTurns lets tests take every turn to generate an RSA key, as calls do that
// take long. End gives them back.
func (s *Service) HoldTurns(ctx context.Context, account string) (end func(), err error) {
	n := 0
	end = func() {
		for range n {
			s.turns.end()
		}
	}
	for s.turns.free > 0 {
		if err := s.turns.take(ctx, account); err != nil {
			return end, err
		}
		n++
	}
	return end, nil
}

// Waiting returns how many calls of an account wait for a turn.
func (s *Service) Waiting(account string) int {
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	return len(s.turns.lines[account])
}
