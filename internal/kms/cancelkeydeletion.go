package kms

import (
	"context"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// CancelKeyDeletion brings a key back that is pending deletion, as a disabled
// one; or as one that is pending import, when its material is not there. It can be called until the key is gone, which may be some minutes after
// its DeletionDate. (KMS API Reference, CancelKeyDeletion)
func (s *Service) CancelKeyDeletion(ctx context.Context, c identity.Caller, req *kmsapi.CancelKeyDeletionRequest) (*kmsapi.CancelKeyDeletionResponse, error) {
	return do(ctx, s, c, opCancelKeyDeletion, req, s.cancelKeyDeletion)
}

func (s *Service) cancelKeyDeletion(ctx context.Context, call *gate.Call, req *kmsapi.CancelKeyDeletionRequest) (*kmsapi.CancelKeyDeletionResponse, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	call.ResponseElements = keyRecord(k.arn)
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forCancellation(k.arn, key.State); err != nil {
			return false, err
		}
		key.State, key.DeletionDate, key.PendingWindow = kmsapi.KeyStateDisabled, time.Time{}, 0
		if key.Origin == kmsapi.OriginTypeExternal {
			settle(&key)
		}
		return true, tx.PutKey(&key)
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.CancelKeyDeletionResponse{KeyId: new(k.arn)}, nil
}
