package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/policy"
)

// resourceType is what CloudTrail calls keys, and aliases too.
const resourceType = "AWS::KMS::Key"

// authorize asks the gate whether the caller may run the call's operation on
// k, and names k in the record.
func (s *Service) authorize(ctx context.Context, call *gate.Call, k *snapshot, with conditions) error {
	return s.authorizeAs(ctx, call, call.Op.Action, k, with)
}

// authorizeAs is authorize for an operation that takes several actions.
func (s *Service) authorizeAs(ctx context.Context, call *gate.Call, action string, k *snapshot, with conditions) error {
	if err := s.throttledBy(call, action, k); err != nil {
		return err
	}
	own := k.key.Account == call.Caller.AccountID
	if own {
		call.AddResource(k.arn, k.key.Account, resourceType)
	}
	if err := s.decide(ctx, call, action, k, with); err != nil {
		return err
	}
	if !own { // another account's key shows in no record of a refusal
		call.AddResource(k.arn, k.key.Account, resourceType)
		call.Share(k.key.Account)
	}
	return s.checkGrantTokens(with.grantTokens)
}

// decide asks the gate about an action on k.
func (s *Service) decide(ctx context.Context, call *gate.Call, action string, k *snapshot, with conditions) error {
	with.ctx, with.service, with.call, with.action, with.key = ctx, s, call, action, k
	r := keyRequest(action, k, &with)
	r.Grant, r.AccountGrant = with.ownGrant, with.accountGrant
	if k.key.Account != call.Caller.AccountID {
		r.CrossAccount = crossAccount(call.Op.Name)
		r.Undisclosed = r.CrossAccount
	}
	err := with.answer(call.Authorize(r))
	if err == nil && k.policy == nil {
		err = errors.New("an action was allowed on a key without a policy: " + k.arn)
	}
	return err
}

// keyRequest is what the gate is asked about an action on k.
func keyRequest(action string, k *snapshot, with *conditions) gate.Request {
	return gate.Request{
		Action: action, Resource: k.arn, ResourceAccount: k.key.Account, Region: k.key.Region, Kind: policy.Key, Policy: k.policy,
		Context: with, PolicyContext: (*policyConditions)(with),
	}
}

// answer returns what was decided; or why a question of a policy had no answer,
// when the decision is to allow, or why a grant was passed over that might have
// allowed the request, when it is not.
func (c *conditions) answer(decided error) error {
	switch {
	case decided == nil:
		return c.failed
	case c.unread != nil:
		return c.unread
	}
	return decided
}

// authorizeAccount asks the gate about an operation that is about no key:
// identity policies alone decide.
func (s *Service) authorizeAccount(call *gate.Call) error {
	return call.Authorize(gate.Request{Resource: "*", ResourceAccount: call.Caller.AccountID})
}

// authorizeAliasName asks the gate about an operation on an alias, of which no
// key policy speaks.
func (s *Service) authorizeAliasName(call *gate.Call, ref kmsdb.AliasRef) error {
	with := conditions{call: call, alias: true}
	return with.answer(call.Authorize(gate.Request{Resource: ref.ARN(), ResourceAccount: ref.Account, Context: &with}))
}

// crossAccount reports whether an operation can be done on a key of another
// account (KMS Developer Guide, "AWS KMS permissions", column "Cross-account use").
func crossAccount(operation string) bool {
	switch operation {
	case opEncrypt.Name, opDecrypt.Name, opReEncrypt.Name, opGenerateDataKey.Name, opGenerateDataKeyWithoutPlaintext.Name,
		opGenerateDataKeyPair.Name, opGenerateDataKeyPairWithoutPlaintext.Name, opGenerateMac.Name, opVerifyMac.Name,
		opSign.Name, opVerify.Name, opDeriveSharedSecret.Name, opGetPublicKey.Name, opDescribeKey.Name,
		opCreateGrant.Name, opListGrants.Name, opRetireGrant.Name, opRevokeGrant.Name, opGetKeyRotationStatus.Name:
		return true
	}
	return false
}
