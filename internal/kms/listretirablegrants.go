package kms

import (
	"context"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// ListRetirableGrants lists the grants, on keys of whatever account, that name a
// principal of the caller's account as the one to retire them. The permission is
// one on that principal, and asks nothing of the keys.
// (KMS API Reference, ListRetirableGrants)
func (s *Service) ListRetirableGrants(ctx context.Context, c identity.Caller, req *kmsapi.ListRetirableGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	return do(ctx, s, c, opListRetirableGrants, req, s.listRetirableGrants)
}

func (s *Service) listRetirableGrants(ctx context.Context, call *gate.Call, req *kmsapi.ListRetirableGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	o := newObject().str("retiringPrincipal", *req.RetiringPrincipal)
	if req.Limit != nil {
		o = o.integer("limit", *req.Limit)
	}
	call.RequestParameters = optional(o, "marker", req.Marker).end()
	limit, err := grantLimit(req.Limit)
	if err != nil {
		return nil, err
	}
	account := call.Caller.AccountID
	if a, ok := arn.Parse(*req.RetiringPrincipal); ok && a.AccountID != "" {
		account = a.AccountID // of another account: refused, whether there is such a principal or not
	}
	if err := call.Authorize(gate.Request{Resource: *req.RetiringPrincipal, ResourceAccount: account}); err != nil {
		return nil, err
	}
	p, err := s.party(*req.RetiringPrincipal)
	if err != nil {
		return nil, err
	}
	after, err := s.openMarker(call, p.ID, req.Marker)
	if err != nil {
		return nil, err
	}
	grants, places, err := s.db.Retirable(ctx, call.Caller.Region, p.ID, after, limit+1)
	if err != nil {
		return nil, err
	}
	resp := &kmsapi.ListGrantsResponse{Truncated: new(len(grants) > limit)}
	if *resp.Truncated {
		grants = grants[:limit]
		resp.NextMarker = new(s.marker(call, p.ID, places[limit-1]))
	}
	resp.Grants = s.grantEntries(grants)
	return resp, nil
}
