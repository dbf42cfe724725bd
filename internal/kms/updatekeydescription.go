package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// UpdateKeyDescription changes the description of a customer managed key; an
// empty one removes it. (KMS API Reference, UpdateKeyDescription)
func (s *Service) UpdateKeyDescription(ctx context.Context, c identity.Caller, req *kmsapi.UpdateKeyDescriptionRequest) error {
	_, err := do(ctx, s, c, opUpdateKeyDescription, req, s.updateKeyDescription)
	return err
}

func (s *Service) updateKeyDescription(ctx context.Context, call *gate.Call, req *kmsapi.UpdateKeyDescriptionRequest) (*void, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).str("description", *req.Description).end()
	return nil, s.changeKey(ctx, call, *req.KeyId, conditions{}, func(k *kmsdb.Key) (changed bool, err error) {
		changed = k.Description != *req.Description
		k.Description = *req.Description
		return changed, nil
	})
}
