package kms

import (
	"context"
	"slices"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// TagResource adds tags to a customer managed key, and replaces those whose
// keys it has. (KMS API Reference, TagResource)
func (s *Service) TagResource(ctx context.Context, c identity.Caller, req *kmsapi.TagResourceRequest) error {
	_, err := do(ctx, s, c, opTagResource, req, s.tagResource)
	return err
}

func (s *Service) tagResource(ctx context.Context, call *gate.Call, req *kmsapi.TagResourceRequest) (*void, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).tags(req.Tags).end()
	if _, err := newTags(nil, req.Tags); err != nil {
		return nil, err
	}
	return nil, s.changeKey(ctx, call, *req.KeyId, conditions{tags: req.Tags}, func(k *kmsdb.Key) (changed bool, err error) {
		tags, err := newTags(k.Tags, req.Tags)
		changed = !slices.Equal(tags, k.Tags)
		k.Tags = tags
		return changed, err
	})
}

// changeKey is for operations that change one property of a customer managed
// key: fn does, on the key as it is inside the transaction, and says whether
// anything is different now.
func (s *Service) changeKey(ctx context.Context, call *gate.Call, keyID string, with conditions, fn func(*kmsdb.Key) (changed bool, err error)) error {
	k, err := s.resolve(ctx, call, keyID, idOrARN)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, call, k, with); err != nil {
		return err
	}
	call.ResponseElements = keyRecord(k.arn)
	return s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forChange(k.arn, key.State); err != nil {
			return false, err
		}
		if changed, err = fn(&key); err != nil || !changed {
			return false, err
		}
		return true, tx.PutKey(&key)
	})
}
