package kms

import (
	"context"
	"encoding/json"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// EnableKeyRotation has [Service.RotateDue] give a symmetric encryption key new
// material every 365 days, or every RotationPeriodInDays, from now on. For a key
// that rotates already it sets the period, which begins anew when it is another
// one. (KMS API Reference, EnableKeyRotation)
func (s *Service) EnableKeyRotation(ctx context.Context, c identity.Caller, req *kmsapi.EnableKeyRotationRequest) error {
	_, err := do(ctx, s, c, opEnableKeyRotation, req, func(ctx context.Context, call *gate.Call, req *kmsapi.EnableKeyRotationRequest) (*void, error) {
		call.RequestParameters = enableRotationParameters(req)
		days := int32(yearly)
		if req.RotationPeriodInDays != nil {
			days = *req.RotationPeriodInDays
		}
		return nil, s.setRotation(ctx, call, *req.KeyId, conditions{rotationPeriod: days}, func(k *kmsdb.Key) bool {
			return schedule(k, days, s.drift.latest(s.now()))
		})
	})
	return err
}

// DisableKeyRotation stops the automatic rotation of a key. The materials that
// there are stay. (KMS API Reference, DisableKeyRotation)
func (s *Service) DisableKeyRotation(ctx context.Context, c identity.Caller, req *kmsapi.DisableKeyRotationRequest) error {
	_, err := do(ctx, s, c, opDisableKeyRotation, req, func(ctx context.Context, call *gate.Call, req *kmsapi.DisableKeyRotationRequest) (*void, error) {
		call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
		return nil, s.setRotation(ctx, call, *req.KeyId, conditions{}, func(k *kmsdb.Key) (changed bool) {
			changed = k.Rotation != kmsdb.Rotation{}
			k.Rotation = kmsdb.Rotation{}
			return changed
		})
	})
	return err
}

// setRotation changes the schedule of a key by set, which reports whether it did.
func (s *Service) setRotation(ctx context.Context, call *gate.Call, keyID string, with conditions, set func(*kmsdb.Key) (changed bool)) error {
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
		if err := forSchedule(&key); err != nil || !set(&key) {
			return false, err
		}
		if err := tx.PutKey(&key); err != nil {
			return false, err
		}
		return true, s.synchronize(tx, &key)
	})
}

func enableRotationParameters(req *kmsapi.EnableKeyRotationRequest) json.RawMessage {
	o := newObject().str("keyId", *req.KeyId)
	if req.RotationPeriodInDays != nil {
		o = o.integer("rotationPeriodInDays", *req.RotationPeriodInDays)
	}
	return o.end()
}
