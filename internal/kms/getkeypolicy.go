package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// policyName is the name of a key's only policy.
const policyName = "default"

// GetKeyPolicy answers a key's policy, in every state of the key, in the layout
// that AWS prints it in. Of a user or role that was deleted it shows the unique
// id. (KMS API Reference, GetKeyPolicy)
func (s *Service) GetKeyPolicy(ctx context.Context, c identity.Caller, req *kmsapi.GetKeyPolicyRequest) (*kmsapi.GetKeyPolicyResponse, error) {
	return do(ctx, s, c, opGetKeyPolicy, req, s.getKeyPolicy)
}

func (s *Service) getKeyPolicy(ctx context.Context, call *gate.Call, req *kmsapi.GetKeyPolicyRequest) (*kmsapi.GetKeyPolicyResponse, error) {
	call.RequestParameters = optional(newObject().str("keyId", *req.KeyId), "policyName", req.PolicyName).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	if err := checkPolicyName(req.PolicyName); err != nil {
		return nil, err
	}
	return &kmsapi.GetKeyPolicyResponse{Policy: new(layoutPolicy(k.policy.Shown(s.principals))), PolicyName: new(policyName)}, nil
}

// checkPolicyName refuses every name but the one there is. Text: recorded from
// AWS.
func checkPolicyName(name *string) error {
	if name == nil || *name == policyName {
		return nil
	}
	return awserr.New(kmsapi.NotFoundException, "No such policy exists")
}
