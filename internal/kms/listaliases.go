package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// Limits of a page of ListAliases (KMS API Reference, ListAliases: 1 to 100,
// default 50; the model shares a limit of 1000 with other lists).
const (
	defaultAliases = 50
	maxAliases     = 100
)

// ListAliases lists the aliases of the caller's account and region in the order
// of their names, with KeyId only those of that key. A predefined AWS alias is
// in it once it has a key. (KMS API Reference, ListAliases)
func (s *Service) ListAliases(ctx context.Context, c identity.Caller, req *kmsapi.ListAliasesRequest) (*kmsapi.ListAliasesResponse, error) {
	return do(ctx, s, c, opListAliases, req, s.listAliases)
}

func (s *Service) listAliases(ctx context.Context, call *gate.Call, req *kmsapi.ListAliasesRequest) (*kmsapi.ListAliasesResponse, error) {
	call.RequestParameters = listParameters(req.KeyId, req.Limit, req.Marker)
	limit := defaultAliases
	if req.Limit != nil {
		if limit = int(*req.Limit); limit > maxAliases {
			return nil, outOfRange("limit", *req.Limit, "less", maxAliases)
		}
	}
	var target kmsdb.KeyRef
	filter := ""
	if req.KeyId != nil {
		k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
		if err != nil {
			return nil, err
		}
		target, filter = k.key.Ref(), k.key.ID
	}
	after, err := s.openMarker(call, filter, req.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeAccount(call); err != nil {
		return nil, err
	}
	aliases, err := s.db.Aliases(ctx, call.Caller.AccountID, call.Caller.Region, target, after, limit+1)
	if err != nil {
		return nil, err
	}
	resp := &kmsapi.ListAliasesResponse{Aliases: []kmsapi.AliasListEntry{}, Truncated: new(len(aliases) > limit)}
	if *resp.Truncated {
		aliases = aliases[:limit]
		resp.NextMarker = new(s.marker(call, filter, aliases[limit-1].Name))
	}
	for i := range aliases {
		a := &aliases[i]
		resp.Aliases = append(resp.Aliases, kmsapi.AliasListEntry{
			AliasName: new(a.Name), AliasArn: new(a.Ref().ARN()), TargetKeyId: new(a.TargetKeyID),
			CreationDate: new(a.CreationDate), LastUpdatedDate: new(a.LastUpdatedDate),
		})
	}
	return resp, nil
}
