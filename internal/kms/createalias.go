package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// CreateAlias gives a customer managed key a name in its account and region.
// The caller needs the permission on the alias and on the key.
// (KMS API Reference, CreateAlias)
func (s *Service) CreateAlias(ctx context.Context, c identity.Caller, req *kmsapi.CreateAliasRequest) error {
	_, err := do(ctx, s, c, opCreateAlias, req, s.createAlias)
	return err
}

func (s *Service) createAlias(ctx context.Context, call *gate.Call, req *kmsapi.CreateAliasRequest) (*void, error) {
	call.RequestParameters = newObject().str("aliasName", *req.AliasName).str("targetKeyId", *req.TargetKeyId).end()
	if err := checkAliasName(*req.AliasName); err != nil {
		return nil, err
	}
	if isAlias(*req.TargetKeyId) {
		return nil, awserr.New(kmsapi.ValidationException, "Aliases must refer to keys. Not aliases")
	}
	k, err := s.resolve(ctx, call, *req.TargetKeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	ref := kmsdb.AliasRef{Account: call.Caller.AccountID, Region: call.Caller.Region, Name: *req.AliasName}
	if err := s.authorizeAliasName(call, ref); err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	call.AddResource(ref.ARN(), ref.Account, resourceType)
	call.ResponseElements = keyRecord(k.arn)
	now := s.now()
	return nil, s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forChange(k.arn, key.State); err != nil {
			return false, err
		}
		if _, err := tx.Alias(ref); err == nil {
			return false, awserr.New(kmsapi.AlreadyExistsException, "An alias with the name %s already exists", ref.ARN())
		} else if !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if err := s.aliasQuota(tx, &key); err != nil {
			return false, err
		}
		return true, tx.PutAlias(&kmsdb.Alias{
			Account: ref.Account, Region: ref.Region, Name: ref.Name, TargetKeyID: key.ID,
			CreationDate: now, LastUpdatedDate: now,
		})
	})
}

// checkAliasName holds the rules that the model's pattern does not state.
// Texts: recorded from AWS.
func checkAliasName(name string) error {
	rest, ok := strings.CutPrefix(name, aliasPrefix)
	switch {
	case !ok || rest == "":
		return awserr.New(kmsapi.ValidationException, `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case strings.HasPrefix(rest, "aws/"):
		return awserr.Bare(kmsapi.NotAuthorizedException)
	case strings.Contains(rest, ":"):
		return awserr.New(kmsapi.ValidationException, "%s contains invalid characters for an alias", name)
	}
	return nil
}
