package kms

import (
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// resourceType is what CloudTrail calls keys, and aliases too.
const resourceType = "AWS::KMS::Key"

// authorize asks the gate whether the caller may run the call's operation on
// k, and names k in the record.
func (s *Service) authorize(call *gate.Call, k *snapshot, grantTokens []string) error {
	return s.authorizeAs(call, call.Op.Action, k, grantTokens)
}

// authorizeAs is authorize for an operation that takes several actions. There
// are no grants yet, so no grant token can be good: one that is given is
// refused, never passed over. That comes after the decision, for it would tell
// whoever has no rights that there is such a key.
func (s *Service) authorizeAs(call *gate.Call, action string, k *snapshot, grantTokens []string) error {
	if k.key.Account == call.Caller.AccountID { // another account's key shows in no record of a refusal
		call.AddResource(k.arn, k.key.Account, resourceType)
	}
	err := decide(call, action, k)
	if err == nil && len(grantTokens) > 0 {
		return awserr.New(kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
	}
	return err
}

// decide asks the gate about an action on k.
func decide(call *gate.Call, action string, k *snapshot) error {
	return call.Authorize(gate.Request{
		Action: action, Resource: k.arn, ResourceAccount: k.key.Account,
		ResourcePolicy: k.policy, DefaultPolicy: k.policyDelegates(call, action),
	})
}

// authorizeAccount asks the gate about an operation, or a resource such as an
// alias, that no key policy speaks of: identity policies alone decide.
func (s *Service) authorizeAccount(call *gate.Call, resource string) error {
	return call.Authorize(gate.Request{Resource: resource, ResourceAccount: call.Caller.AccountID})
}

// policyDelegates reports whether k's policy leaves the action to the identity
// policies of the key's account, as AWS's default key policy does. Until there
// is a policy engine these are the two kinds of policy that can be stored.
func (k *snapshot) policyDelegates(call *gate.Call, action string) bool {
	if k.key.Manager == kmsdb.AWS {
		return managedKeyAllows(action, call.Caller.ViaService, k.key.Region)
	}
	return k.isDefault
}

// managedKeyAllows is the policy of an AWS managed key (managedKeyPolicy): its
// service may use it for the account's principals; directly they may only
// look at it. So DisableKey and the like, and direct Encrypt, are refused.
func managedKeyAllows(action, via, region string) bool {
	verb, _ := strings.CutPrefix(action, "kms:")
	if via == "s3."+region+".amazonaws.com" {
		switch verb {
		case "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "DescribeKey", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext":
			return true
		}
	}
	for _, prefix := range [...]string{"Describe", "Get", "List"} {
		if strings.HasPrefix(verb, prefix) {
			return true
		}
	}
	return false
}
