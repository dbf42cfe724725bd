package kms

import (
	"context"
	"encoding/json"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// The waiting period before a key is destroyed, in days. (KMS API Reference,
// ScheduleKeyDeletion; the model's bounds of 1 and 365 are not what decides.)
const (
	minWindow     = 7
	maxWindow     = 30
	defaultWindow = 30
)

// ScheduleKeyDeletion makes a key unusable at once and has it destroyed, with
// all its material, when the waiting period has ended ([Service.DestroyDue]);
// until then CancelKeyDeletion brings it back. Everything encrypted under it is
// lost with it, unless a related multi-region key is left. The waiting period of
// a primary key with replicas begins when the last of them is destroyed. (KMS API Reference, ScheduleKeyDeletion)
func (s *Service) ScheduleKeyDeletion(ctx context.Context, c identity.Caller, req *kmsapi.ScheduleKeyDeletionRequest) (*kmsapi.ScheduleKeyDeletionResponse, error) {
	return do(ctx, s, c, opScheduleKeyDeletion, req, s.scheduleKeyDeletion)
}

func (s *Service) scheduleKeyDeletion(ctx context.Context, call *gate.Call, req *kmsapi.ScheduleKeyDeletionRequest) (*kmsapi.ScheduleKeyDeletionResponse, error) {
	call.RequestParameters = scheduleParameters(req)
	days, err := window(req.PendingWindowInDays)
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{pendingWindow: days}); err != nil {
		return nil, err
	}
	resp := &kmsapi.ScheduleKeyDeletionResponse{KeyId: new(k.arn), PendingWindowInDays: new(days)}
	err = s.commit(ctx, call, func(tx *kmsdb.Tx) (changed bool, err error) {
		key, err := keyNow(tx, k.key.Ref())
		if err != nil {
			return false, err
		}
		if err := forChange(k.arn, key.State); err != nil {
			return false, err
		}
		o := newObject().str("keyId", k.arn)
		if key.Primary() && len(key.ReplicaRegions) > 0 {
			key.State, key.PendingWindow = kmsapi.KeyStatePendingReplicaDeletion, days
			call.ResponseElements = o.str("keyState", string(key.State)).integer("pendingWindowInDays", days).end()
		} else {
			key.State, key.DeletionDate = kmsapi.KeyStatePendingDeletion, s.due(days)
			resp.DeletionDate = new(key.DeletionDate)
			call.ResponseElements = o.str("keyState", string(key.State)).str("deletionDate", key.DeletionDate.Format(recordTime)).end()
		}
		resp.KeyState = new(key.State)
		return true, tx.PutKey(&key)
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// due is the end of a waiting period that begins now.
func (s *Service) due(days int32) time.Time {
	return s.drift.latest(s.now()).Add(time.Duration(days) * 24 * time.Hour)
}

func window(given *int32) (days int32, err error) {
	switch {
	case given == nil:
		return defaultWindow, nil
	case *given < minWindow:
		return 0, outOfRange("pendingWindowInDays", *given, "greater", minWindow)
	case *given > maxWindow:
		return 0, outOfRange("pendingWindowInDays", *given, "less", maxWindow)
	}
	return *given, nil
}

// outOfRange is a ValidationException for a bound that the model states
// differently; direction is "greater" or "less".
func outOfRange(member string, value int32, direction string, bound int) error {
	return awserr.New(kmsapi.ValidationException,
		"1 validation error detected: Value '%d' at '%s' failed to satisfy constraint: Member must have value %s than or equal to %d",
		value, member, direction, bound)
}

func scheduleParameters(req *kmsapi.ScheduleKeyDeletionRequest) json.RawMessage {
	o := newObject()
	if req.PendingWindowInDays != nil {
		o = o.integer("pendingWindowInDays", *req.PendingWindowInDays)
	}
	return o.str("keyId", *req.KeyId).end()
}
