package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// GetKeyLastUsage answers what a key of the caller's account was last used for
// successfully: the operation, when, and the ids of the request and of its record.
// Uses through S3 count, dry runs and failures do not, and each of related
// multi-region keys has its own. (KMS API Reference, GetKeyLastUsage)
func (s *Service) GetKeyLastUsage(ctx context.Context, c identity.Caller, req *kmsapi.GetKeyLastUsageRequest) (*kmsapi.GetKeyLastUsageResponse, error) {
	return do(ctx, s, c, opGetKeyLastUsage, req, s.getKeyLastUsage)
}

func (s *Service) getKeyLastUsage(ctx context.Context, call *gate.Call, req *kmsapi.GetKeyLastUsageRequest) (*kmsapi.GetKeyLastUsageResponse, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).end()
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	since, err := s.trackedSince(ctx, &k.key)
	if err != nil {
		return nil, err
	}
	last, err := s.lastUsage(ctx, k)
	if err != nil {
		return nil, err
	}
	usage := &kmsapi.KeyLastUsageData{} // "If the key has not been used since tracking began, this response element is empty"
	if !last.Time.IsZero() {
		usage = &kmsapi.KeyLastUsageData{
			Operation: &last.Operation, Timestamp: &last.Time, CloudTrailEventId: &last.EventID, KmsRequestId: &last.RequestID,
		}
	}
	return &kmsapi.GetKeyLastUsageResponse{
		KeyId: new(k.arn), KeyLastUsage: usage, TrackingStartDate: &since, KeyCreationDate: new(k.key.CreationDate),
	}, nil
}
