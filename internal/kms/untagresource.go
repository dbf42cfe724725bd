package kms

import (
	"context"
	"slices"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// UntagResource removes tags from a customer managed key. Keys that it has no
// tag for are no error. (KMS API Reference, UntagResource)
func (s *Service) UntagResource(ctx context.Context, c identity.Caller, req *kmsapi.UntagResourceRequest) error {
	_, err := do(ctx, s, c, opUntagResource, req, s.untagResource)
	return err
}

func (s *Service) untagResource(ctx context.Context, call *gate.Call, req *kmsapi.UntagResourceRequest) (*void, error) {
	call.RequestParameters = newObject().str("keyId", *req.KeyId).strings("tagKeys", req.TagKeys).end()
	for _, key := range req.TagKeys {
		if err := checkTagKey(key); err != nil {
			return nil, err
		}
	}
	return nil, s.changeKey(ctx, call, *req.KeyId, conditions{tagKeys: req.TagKeys}, func(k *kmsdb.Key) (changed bool, err error) {
		had := len(k.Tags)
		k.Tags = slices.DeleteFunc(k.Tags, func(t kmsdb.Tag) bool { return slices.Contains(req.TagKeys, t.Key) })
		return len(k.Tags) != had, nil
	})
}
