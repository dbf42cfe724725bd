package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// RotateKeyOnDemand gives a symmetric encryption key new material at once, at
// most 25 times in the key's life; a key with imported material gets what was
// imported and waits for it. The automatic schedule stays as it is.
// (KMS API Reference, RotateKeyOnDemand)
func (s *Service) RotateKeyOnDemand(ctx context.Context, c identity.Caller, req *kmsapi.RotateKeyOnDemandRequest) (*kmsapi.RotateKeyOnDemandResponse, error) {
	return do(ctx, s, c, opRotateKeyOnDemand, req, s.rotateKeyOnDemand)
}

func (s *Service) rotateKeyOnDemand(ctx context.Context, call *gate.Call, req *kmsapi.RotateKeyOnDemandRequest) (*kmsapi.RotateKeyOnDemandResponse, error) {
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
		now := s.now()
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		related, err := tx.Related(&key)
		if err != nil {
			return false, err
		}
		if err := s.forRotation(&key, related, now); err != nil {
			return false, err
		}
		record, err := s.rotateNow(tx, &key, kmsdb.OnDemand, now)
		if err != nil {
			return false, err
		}
		tx.AddRecord(record)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return &kmsapi.RotateKeyOnDemandResponse{KeyId: new(k.arn)}, nil
}
