package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// ListResourceTags lists the tags of a key in the order of their keys. A page
// has 1 to 50, and 50 when no limit is given.
// (KMS API Reference, ListResourceTags)
func (s *Service) ListResourceTags(ctx context.Context, c identity.Caller, req *kmsapi.ListResourceTagsRequest) (*kmsapi.ListResourceTagsResponse, error) {
	return do(ctx, s, c, opListResourceTags, req, s.listResourceTags)
}

func (s *Service) listResourceTags(ctx context.Context, call *gate.Call, req *kmsapi.ListResourceTagsRequest) (*kmsapi.ListResourceTagsResponse, error) {
	call.RequestParameters = listParameters(req.KeyId, req.Limit, req.Marker)
	limit := maxTags
	if req.Limit != nil {
		if limit = int(*req.Limit); limit > maxTags {
			return nil, outOfRange("limit", *req.Limit, "less", maxTags)
		}
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	after, err := s.openMarker(call, k.key.ID, req.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	tags := k.key.Tags
	if after != "" {
		i, found := findTag(tags, after)
		if found {
			i++
		}
		tags = tags[i:]
	}
	resp := &kmsapi.ListResourceTagsResponse{Tags: []kmsapi.Tag{}, Truncated: new(len(tags) > limit)}
	if *resp.Truncated {
		tags = tags[:limit]
		resp.NextMarker = new(s.marker(call, k.key.ID, tags[limit-1].Key))
	}
	for _, t := range tags {
		resp.Tags = append(resp.Tags, kmsapi.Tag{TagKey: new(t.Key), TagValue: new(t.Value)})
	}
	return resp, nil
}
