package kms

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// RetireGrant ends a grant that its maker, its retiring principal or, where the
// grant allows it, its grantee needs no longer. It is effective when it has
// answered. (KMS API Reference, RetireGrant)
func (s *Service) RetireGrant(ctx context.Context, c identity.Caller, req *kmsapi.RetireGrantRequest) error {
	_, err := do(ctx, s, c, opRetireGrant, req, s.retireGrant)
	return err
}

func (s *Service) retireGrant(ctx context.Context, call *gate.Call, req *kmsapi.RetireGrantRequest) (*void, error) {
	key, id, err := s.grantToRetire(call, req)
	if err != nil {
		return nil, err
	}
	k, err := s.key(ctx, key)
	foreign := key.Account != call.Caller.AccountID
	if foreign && errors.Is(err, store.ErrNotFound) {
		return nil, refuseRetirement(call, key)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, noKey(key)
	}
	if err != nil {
		return nil, err
	}
	g, err := s.db.Grant(ctx, key, id)
	if foreign && errors.Is(err, store.ErrNotFound) {
		return nil, refuseRetirement(call, key)
	}
	if !foreign {
		call.AddResource(k.arn, k.key.Account, resourceType)
	}
	if err != nil {
		return nil, noGrant(err, id)
	}
	if err := s.authorizeRetirement(ctx, call, k, &g); err != nil {
		return nil, err
	}
	if foreign {
		call.AddResource(k.arn, k.key.Account, resourceType)
		call.Share(k.key.Account)
	}
	call.AdditionalEventData = newObject().str("grantId", id).end()
	return nil, s.endGrant(ctx, call, key, id, req.DryRun)
}

// grantToRetire returns the key and the id of the grant that a request names, by
// token or by both.
func (s *Service) grantToRetire(call *gate.Call, req *kmsapi.RetireGrantRequest) (kmsdb.KeyRef, string, error) {
	if req.GrantToken != nil {
		if req.KeyId != nil || req.GrantId != nil {
			return kmsdb.KeyRef{}, "", awserr.New(kmsapi.ValidationException, "Specify either a GrantToken or both a KeyId and a GrantId, not all of them.")
		}
		key, id, err := s.openGrantToken(*req.GrantToken)
		if err == nil && key.Region != call.Caller.Region {
			err = invalidGrantToken()
		}
		return key, id, err
	}
	if req.KeyId == nil || req.GrantId == nil {
		return kmsdb.KeyRef{}, "", awserr.New(kmsapi.ValidationException, "Either a GrantToken or both a KeyId and a GrantId must be specified.")
	}
	key, err := keyRefOf(call, *req.KeyId)
	if err == nil {
		err = checkGrantID(*req.GrantId)
	}
	return key, *req.GrantId, err
}

// authorizeRetirement asks the gate whether the caller may retire g. The key
// policy has no say; the policies of the caller's account can deny it to anybody.
// It is allowed to
//
//   - the retiring principal of the grant;
//   - its grantee, when RetireGrant is among its operations;
//   - the root user of the account that the grant was made from;
//   - by an identity policy, the principals of that account, of the key's, and
//     of an account that is itself the retiring principal, or such a grantee.
//
// (KMS Developer Guide, "Retiring and revoking grants")
func (s *Service) authorizeRetirement(ctx context.Context, call *gate.Call, k *snapshot, g *kmsdb.Grant) error {
	c := call.Caller
	named := []string{g.Retiring.ID}
	if slices.Contains(g.Operations, kmsapi.GrantOperationRetireGrant) {
		named = append(named, g.Grantee.ID)
	}
	if slices.ContainsFunc(grantees(c), func(id string) bool { return slices.Contains(named, id) }) ||
		c.Type == identity.Root && c.AccountID == g.IssuingAccount {
		return s.allowRetirement(ctx, call, k, g, func() (string, bool) { return g.ID, true })
	}
	if c.AccountID == g.IssuingAccount || c.AccountID == k.key.Account || slices.Contains(named, c.AccountID) {
		return s.allowRetirement(ctx, call, k, g, nil)
	}
	return refuseRetirement(call, k.key.Ref())
}

// refuseRetirement is the answer to a caller who has nothing to do with a grant
// on another account's key, whether it is there or not.
func refuseRetirement(call *gate.Call, key kmsdb.KeyRef) error {
	if err := call.Authorize(gate.Request{Resource: key.ARN(), ResourceAccount: key.Account}); err != nil {
		return err
	}
	return errors.New("a grant of another account was allowed to be retired by a stranger")
}

// allowRetirement asks the gate, with a grant that allows the call or, when that
// is nil, by the caller's identity policies.
func (s *Service) allowRetirement(ctx context.Context, call *gate.Call, k *snapshot, g *kmsdb.Grant, grant func() (string, bool)) error {
	with := conditions{
		encryptionContext: g.Context, grant: &grantConditions{ConstraintType: g.Constraint},
		ctx: ctx, service: s, call: call, key: k,
	}
	return with.answer(call.Authorize(gate.Request{
		Resource: k.arn, ResourceAccount: call.Caller.AccountID, Context: &with, Grant: grant,
	}))
}

// keyRefOf returns the key that a key id or key ARN names. Errors as of resolve.
func keyRefOf(call *gate.Call, id string) (kmsdb.KeyRef, error) {
	ref := kmsdb.KeyRef{Account: call.Caller.AccountID, Region: call.Caller.Region, ID: id}
	if a, ok := arn.Parse(id); ok {
		key, isKey := strings.CutPrefix(a.Resource, "key/")
		if a.Partition != arn.Partition || a.Service != "kms" || a.AccountID == "" || !isKey {
			return ref, invalidKeyID(id)
		}
		if a.Region != ref.Region {
			return ref, awserr.New(kmsapi.NotFoundException, "Invalid arn %s", a.Region)
		}
		ref.Account, ref.ID = a.AccountID, key
	}
	if !isKeyID(ref.ID) {
		return ref, invalidKeyID(id)
	}
	return ref, nil
}
