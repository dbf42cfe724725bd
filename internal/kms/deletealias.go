package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// DeleteAlias takes a name away from a key, in whatever state; the key stays.
// The caller needs the permission on the alias and on the key.
// (KMS API Reference, DeleteAlias)
func (s *Service) DeleteAlias(ctx context.Context, c identity.Caller, req *kmsapi.DeleteAliasRequest) error {
	_, err := do(ctx, s, c, opDeleteAlias, req, s.deleteAlias)
	return err
}

func (s *Service) deleteAlias(ctx context.Context, call *gate.Call, req *kmsapi.DeleteAliasRequest) (*void, error) {
	call.RequestParameters = newObject().str("aliasName", *req.AliasName).end()
	if err := checkAliasName(*req.AliasName); err != nil {
		return nil, err
	}
	ref := kmsdb.AliasRef{Account: call.Caller.AccountID, Region: call.Caller.Region, Name: *req.AliasName}
	k, err := s.authorizeAlias(ctx, call, ref)
	if err != nil {
		return nil, err
	}
	return nil, s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		alias, key, err := s.aliasNow(ctx, tx, call, ref, k)
		if err != nil {
			return false, err
		}
		if key != nil {
			call.AddResource(key.ARN(), key.Account, resourceType)
			call.ResponseElements = keyRecord(key.ARN())
		}
		return true, tx.DeleteAlias(&alias)
	})
}
