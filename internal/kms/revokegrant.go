package kms

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// RevokeGrant ends a grant: when it has answered, no call that begins later is
// allowed by it. (KMS API Reference, RevokeGrant)
func (s *Service) RevokeGrant(ctx context.Context, c identity.Caller, req *kmsapi.RevokeGrantRequest) error {
	_, err := do(ctx, s, c, opRevokeGrant, req, s.revokeGrant)
	return err
}

func (s *Service) revokeGrant(ctx context.Context, call *gate.Call, req *kmsapi.RevokeGrantRequest) (*void, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).str("grantId", *req.GrantId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{grant: forResource(call)}); err != nil {
		return nil, err
	}
	if err := checkGrantID(*req.GrantId); err != nil {
		return nil, err
	}
	call.ResponseElements = keyRecord(k.arn)
	return nil, s.endGrant(ctx, call, k.key.Ref(), *req.GrantId, req.DryRun)
}

// forResource has the condition key that ListGrants and RevokeGrant have: whether
// a service makes the call for somebody's sake.
func forResource(call *gate.Call) *grantConditions {
	return &grantConditions{IsForAWSResource: new(call.Caller.ViaService != "")}
}

// endGrant deletes a grant.
func (s *Service) endGrant(ctx context.Context, call *gate.Call, key kmsdb.KeyRef, id string, dry *bool) error {
	if isTrue(dry) {
		if _, err := s.grant(ctx, key, id); err != nil {
			return err
		}
		return dryRun()
	}
	return s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		g, err := tx.Grant(key, id)
		if err != nil {
			return false, noGrant(err, id)
		}
		return true, tx.DeleteGrant(&g)
	})
}

// grant loads a grant on a key; NotFoundException when there is none.
func (s *Service) grant(ctx context.Context, key kmsdb.KeyRef, id string) (kmsdb.Grant, error) {
	g, err := s.db.Grant(ctx, key, id)
	return g, noGrant(err, id)
}

func noGrant(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return awserr.New(kmsapi.NotFoundException, "Grant ID %s not found", id)
	}
	return err
}

// checkGrantID refuses what can be the id of no grant.
func checkGrantID(id string) error {
	if len(id) != 2*grantIDSize || !isHex(id) {
		return awserr.New(kmsapi.InvalidGrantIdException, "The grant ID %s is not valid.", id)
	}
	return nil
}
