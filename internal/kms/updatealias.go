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

// UpdateAlias makes an alias stand for another customer managed key of the same
// kind. The caller needs the permission on the alias, on the key it stands for
// and on the one it is to stand for. (KMS API Reference, UpdateAlias)
func (s *Service) UpdateAlias(ctx context.Context, c identity.Caller, req *kmsapi.UpdateAliasRequest) error {
	_, err := do(ctx, s, c, opUpdateAlias, req, s.updateAlias)
	return err
}

func (s *Service) updateAlias(ctx context.Context, call *gate.Call, req *kmsapi.UpdateAliasRequest) (*void, error) {
	call.RequestParameters = newObject().str("aliasName", *req.AliasName).str("targetKeyId", *req.TargetKeyId).end()
	if err := checkAliasName(*req.AliasName); err != nil {
		return nil, err
	}
	if isAlias(*req.TargetKeyId) {
		return nil, awserr.New(kmsapi.ValidationException, "Aliases must refer to keys. Not aliases")
	}
	ref := kmsdb.AliasRef{Account: call.Caller.AccountID, Region: call.Caller.Region, Name: *req.AliasName}
	k, err := s.resolve(ctx, call, *req.TargetKeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	old, err := s.authorizeAlias(ctx, call, ref)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
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
		alias, was, err := s.aliasNow(ctx, tx, call, ref, old)
		if err != nil {
			return false, err
		}
		if was != nil && (was.KeyUsage != key.KeyUsage || symmetric(was) != symmetric(&key)) {
			return false, awserr.New(kmsapi.ValidationException,
				"The alias %s can only be updated to a KMS key of the same type and key usage as %s.", ref.ARN(), was.ARN())
		}
		if alias.TargetKeyID != key.ID {
			if err := s.aliasQuota(tx, &key); err != nil {
				return false, err
			}
		}
		alias.TargetKeyID, alias.LastUpdatedDate = key.ID, now
		return true, tx.PutAlias(&alias)
	})
}

// symmetric is what AWS calls the type of a key: both symmetric, or both
// asymmetric, or both HMAC keys, of which the usage tells the last.
func symmetric(k *kmsdb.Key) bool { return k.KeySpec == kmsapi.KeySpecSymmetricDefault }

// authorizeAlias asks the gate about an operation on an alias and on the key
// that it stands for, names the alias in the record, and returns that key: nil
// when there is none, which only a damaged database shows.
func (s *Service) authorizeAlias(ctx context.Context, call *gate.Call, ref kmsdb.AliasRef) (*snapshot, error) {
	target, err := s.aliasTarget(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noAlias(ref)
	}
	if err != nil {
		return nil, err
	}
	call.AddResource(ref.ARN(), ref.Account, resourceType)
	if err := s.authorizeAliasName(call, ref); err != nil {
		return nil, err
	}
	k, err := s.key(ctx, kmsdb.KeyRef{Account: ref.Account, Region: ref.Region, ID: target})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return k, s.decide(ctx, call, call.Op.Action, k, conditions{})
}

// aliasNow reads an alias and its key inside the transaction that is to change
// the alias. When it stands for another key than known, for which the caller
// was authorized, the caller needs the permission on that one too: nobody
// takes an alias from a key by being quick. The key is nil when there is none.
func (s *Service) aliasNow(ctx context.Context, tx *kmsdb.Tx, call *gate.Call, ref kmsdb.AliasRef, known *snapshot) (kmsdb.Alias, *kmsdb.Key, error) {
	alias, err := tx.Alias(ref)
	if errors.Is(err, store.ErrNotFound) {
		return alias, nil, noAlias(ref)
	}
	if err != nil {
		return alias, nil, err
	}
	key, err := tx.Key(alias.Target())
	if errors.Is(err, store.ErrNotFound) {
		return alias, nil, nil
	}
	if err != nil {
		return alias, nil, err
	}
	if known == nil || known.key.ID != key.ID {
		k, err := newSnapshot(key)
		if err == nil {
			err = s.decide(ctx, call, call.Op.Action, k, conditions{})
		}
		if err != nil {
			return alias, nil, err
		}
	}
	return alias, &key, nil
}
