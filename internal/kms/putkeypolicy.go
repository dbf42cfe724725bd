package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// PutKeyPolicy replaces a key's policy, in every state of the key. Unless it is
// told to bypass the check, it refuses a policy that would not let the caller
// do so again. The policy holds for every call that begins after the answer.
// (KMS API Reference, PutKeyPolicy)
func (s *Service) PutKeyPolicy(ctx context.Context, c identity.Caller, req *kmsapi.PutKeyPolicyRequest) error {
	_, err := do(ctx, s, c, opPutKeyPolicy, req, s.putKeyPolicy)
	return err
}

func (s *Service) putKeyPolicy(ctx context.Context, call *gate.Call, req *kmsapi.PutKeyPolicyRequest) (*void, error) {
	bypass := isTrue(req.BypassPolicyLockoutSafetyCheck)
	o := optional(newObject().str("keyId", *req.KeyId), "policyName", req.PolicyName).str("policy", *req.Policy)
	call.RequestParameters = o.boolean("bypassPolicyLockoutSafetyCheck", bypass).end()
	doc, err := s.parsePolicy(*req.Policy)
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{bypassLockout: &bypass}); err != nil {
		return nil, err
	}
	if err := checkPolicyName(req.PolicyName); err != nil {
		return nil, err
	}
	if doc, err = storedPolicy(doc, s.principals); err != nil {
		return nil, err
	}
	if !bypass {
		if err := s.checkLockout(ctx, call, &snapshot{key: k.key, arn: k.arn, policy: doc}); err != nil {
			return nil, err
		}
	}
	call.ResponseElements = keyRecord(k.arn)
	return nil, s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil || key.Policy == string(doc.Text()) {
			return false, err
		}
		key.Policy = string(doc.Text())
		return true, tx.PutKey(&key)
	})
}
