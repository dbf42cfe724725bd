package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// ListKeyPolicies lists the names of a key's policies, of which there is one.
// No page is followed by another, so no marker is good.
// (KMS API Reference, ListKeyPolicies)
func (s *Service) ListKeyPolicies(ctx context.Context, c identity.Caller, req *kmsapi.ListKeyPoliciesRequest) (*kmsapi.ListKeyPoliciesResponse, error) {
	return do(ctx, s, c, opListKeyPolicies, req, s.listKeyPolicies)
}

func (s *Service) listKeyPolicies(ctx context.Context, call *gate.Call, req *kmsapi.ListKeyPoliciesRequest) (*kmsapi.ListKeyPoliciesResponse, error) {
	call.RequestParameters = listParameters(req.KeyId, req.Limit, req.Marker)
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if _, err := s.openMarker(call, k.key.ID, req.Marker); err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	return &kmsapi.ListKeyPoliciesResponse{PolicyNames: []string{policyName}, Truncated: new(false)}, nil
}
