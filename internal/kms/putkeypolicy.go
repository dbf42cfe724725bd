package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// PutKeyPolicy replaces a key's policy, in every state of the key. Until there
// is a policy engine it takes what CreateKey takes: what means the same as the
// default key policy, which lets nobody lock themselves out, so that
// BypassPolicyLockoutSafetyCheck changes nothing yet.
// (KMS API Reference, PutKeyPolicy)
func (s *Service) PutKeyPolicy(ctx context.Context, c identity.Caller, req *kmsapi.PutKeyPolicyRequest) error {
	_, err := do(ctx, s, c, opPutKeyPolicy, req, s.putKeyPolicy)
	return err
}

func (s *Service) putKeyPolicy(ctx context.Context, call *gate.Call, req *kmsapi.PutKeyPolicyRequest) (*void, error) {
	o := optional(newObject().str("keyId", *req.KeyId), "policyName", req.PolicyName).str("policy", *req.Policy)
	call.RequestParameters = o.boolean("bypassPolicyLockoutSafetyCheck", isTrue(req.BypassPolicyLockoutSafetyCheck)).end()
	policy, unsupported, err := acceptPolicy(*req.Policy, call.Caller.AccountID) // of another account no key gets further
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{bypassLockout: new(isTrue(req.BypassPolicyLockoutSafetyCheck))}); err != nil {
		return nil, err
	}
	if err := checkPolicyName(req.PolicyName); err != nil {
		return nil, err
	}
	if unsupported != nil {
		return nil, unsupported
	}
	call.ResponseElements = keyRecord(k.arn)
	return nil, s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil || key.Policy == policy {
			return false, err
		}
		key.Policy = policy
		return true, tx.PutKey(&key)
	})
}
