package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// GetKeyRotationStatus answers whether a key rotates by itself, of another
// account's key too; its period and the next date only if it does.
// OnDemandRotationStartDate is never there: a rotation is done when the call that
// asks for it returns. (KMS API Reference, GetKeyRotationStatus)
func (s *Service) GetKeyRotationStatus(ctx context.Context, c identity.Caller, req *kmsapi.GetKeyRotationStatusRequest) (*kmsapi.GetKeyRotationStatusResponse, error) {
	return do(ctx, s, c, opGetKeyRotationStatus, req, s.getKeyRotationStatus)
}

func (s *Service) getKeyRotationStatus(ctx context.Context, call *gate.Call, req *kmsapi.GetKeyRotationStatusRequest) (*kmsapi.GetKeyRotationStatusResponse, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	if err := forMaterials(&k.key); err != nil {
		return nil, err
	}
	resp := &kmsapi.GetKeyRotationStatusResponse{KeyId: new(k.arn), KeyRotationEnabled: new(rotating(&k.key))}
	if *resp.KeyRotationEnabled {
		resp.RotationPeriodInDays, resp.NextRotationDate = new(k.key.Rotation.PeriodDays), new(k.key.Rotation.Next)
	}
	return resp, nil
}

// rotating reports whether a key rotates by itself. One that waits for its
// deletion does not, and does again when that is cancelled; one that is disabled
// does, though nothing happens until it is enabled.
func rotating(k *kmsdb.Key) bool {
	switch k.State {
	case kmsapi.KeyStatePendingDeletion, kmsapi.KeyStatePendingReplicaDeletion:
		return false
	}
	return k.Rotation.PeriodDays > 0
}
