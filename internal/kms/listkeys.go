package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// defaultKeys is how many keys a page of ListKeys has when no limit is given;
// the model bounds the limit at 1000.
const defaultKeys = 100

// ListKeys lists the keys of the caller's account and region, the AWS managed
// ones included, in the order of their ids. (KMS API Reference, ListKeys)
func (s *Service) ListKeys(ctx context.Context, c identity.Caller, req *kmsapi.ListKeysRequest) (*kmsapi.ListKeysResponse, error) {
	return do(ctx, s, c, opListKeys, req, s.listKeys)
}

func (s *Service) listKeys(ctx context.Context, call *gate.Call, req *kmsapi.ListKeysRequest) (*kmsapi.ListKeysResponse, error) {
	call.RequestParameters = listParameters(nil, req.Limit, req.Marker)
	after, err := s.openMarker(call, "", req.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeAccount(call); err != nil {
		return nil, err
	}
	limit := defaultKeys
	if req.Limit != nil {
		limit = int(*req.Limit)
	}
	// One more than a page tells whether there is another.
	keys, err := s.db.Keys(ctx, call.Caller.AccountID, call.Caller.Region, after, limit+1)
	if err != nil {
		return nil, err
	}
	resp := &kmsapi.ListKeysResponse{Keys: []kmsapi.KeyListEntry{}, Truncated: new(len(keys) > limit)}
	if *resp.Truncated {
		keys = keys[:limit]
		resp.NextMarker = new(s.marker(call, "", keys[limit-1].ID))
	}
	for i := range keys {
		resp.Keys = append(resp.Keys, kmsapi.KeyListEntry{KeyId: new(keys[i].ID), KeyArn: new(keys[i].ARN())})
	}
	return resp, nil
}
