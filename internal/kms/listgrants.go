package kms

import (
	"context"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// Limits of a page of ListGrants and ListRetirableGrants (KMS API Reference: 1
// to 100, default 50; the model shares a limit of 1000 with other lists).
const (
	defaultGrants = 50
	maxGrants     = 100
)

// ListGrants lists the grants on a key in the order of their ids; with GrantId
// or GranteePrincipal, those alone. (KMS API Reference, ListGrants)
func (s *Service) ListGrants(ctx context.Context, c identity.Caller, req *kmsapi.ListGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	return do(ctx, s, c, opListGrants, req, s.listGrants)
}

func (s *Service) listGrants(ctx context.Context, call *gate.Call, req *kmsapi.ListGrantsRequest) (*kmsapi.ListGrantsResponse, error) {
	call.RequestParameters = listGrantsParameters(req)
	limit, err := grantLimit(req.Limit)
	if err != nil {
		return nil, err
	}
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{grant: forResource(call)}); err != nil {
		return nil, err
	}
	grantee := ""
	if req.GranteePrincipal != nil {
		if grantee, err = s.granteeFilter(*req.GranteePrincipal); err != nil {
			return nil, err
		}
	}
	if req.GrantId != nil {
		return s.listGrant(ctx, k, *req.GrantId, grantee)
	}
	filter := k.key.Ref().Row() + "/" + grantee
	after, err := s.openMarker(call, filter, req.Marker)
	if err != nil {
		return nil, err
	}
	grants, err := s.db.Grants(ctx, k.key.Ref(), grantee, after, limit+1)
	if err != nil {
		return nil, err
	}
	resp := &kmsapi.ListGrantsResponse{Truncated: new(len(grants) > limit)}
	if *resp.Truncated {
		grants = grants[:limit]
		resp.NextMarker = new(s.marker(call, filter, grants[limit-1].ID))
	}
	resp.Grants = s.grantEntries(grants)
	return resp, nil
}

// listGrant is the list of one grant, or of none.
func (s *Service) listGrant(ctx context.Context, k *snapshot, id, grantee string) (*kmsapi.ListGrantsResponse, error) {
	if err := checkGrantID(id); err != nil {
		return nil, err
	}
	resp := &kmsapi.ListGrantsResponse{Grants: []kmsapi.GrantListEntry{}, Truncated: new(false)}
	g, err := s.db.Grant(ctx, k.key.Ref(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return resp, nil
	case err != nil:
		return nil, err
	case grantee == "" || grantee == g.Grantee.ID:
		resp.Grants = s.grantEntries([]kmsdb.Grant{g})
	}
	return resp, nil
}

// granteeFilter returns the unique id of a principal by its ARN, or by the id
// that a list shows when the principal is gone.
func (s *Service) granteeFilter(name string) (string, error) {
	if isPrincipalID(name) {
		return name, nil
	}
	p, err := s.party(name)
	return p.ID, err
}

// isPrincipalID reports whether name has the form of a unique id: of a user, a
// role, or a session of one.
func isPrincipalID(name string) bool {
	id, session, isSession := strings.Cut(name, ":")
	return len(id) >= 16 && (strings.HasPrefix(id, "AIDA") || strings.HasPrefix(id, "AROA")) &&
		strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && (!isSession || isSessionName(session))
}

func grantLimit(given *int32) (int, error) {
	if given == nil {
		return defaultGrants, nil
	}
	if *given > maxGrants {
		return 0, outOfRange("limit", *given, "less", maxGrants)
	}
	return int(*given), nil
}

func (s *Service) grantEntries(grants []kmsdb.Grant) []kmsapi.GrantListEntry {
	entries := make([]kmsapi.GrantListEntry, len(grants))
	for i := range grants {
		entries[i] = s.grantEntry(&grants[i])
	}
	return entries
}

func (s *Service) grantEntry(g *kmsdb.Grant) kmsapi.GrantListEntry {
	e := kmsapi.GrantListEntry{
		KeyId: new(g.Key().ARN()), GrantId: new(g.ID), Name: new(g.Name), CreationDate: new(g.CreationDate),
		GranteePrincipal: new(s.shown(g.Grantee)), IssuingAccount: new(identity.RootARN(g.IssuingAccount)), Operations: g.Operations,
	}
	if g.Retiring.ID != "" {
		e.RetiringPrincipal = new(s.shown(g.Retiring))
	}
	switch g.Constraint {
	case kmsdb.ContextEquals:
		e.Constraints = &kmsapi.GrantConstraints{EncryptionContextEquals: g.Context}
	case kmsdb.ContextSubset:
		e.Constraints = &kmsapi.GrantConstraints{EncryptionContextSubset: g.Context}
	}
	return e
}

func listGrantsParameters(req *kmsapi.ListGrantsRequest) []byte {
	o := optional(newObject().str("keyId", *req.KeyId), "grantId", req.GrantId)
	o = optional(o, "granteePrincipal", req.GranteePrincipal)
	if req.Limit != nil {
		o = o.integer("limit", *req.Limit)
	}
	return optional(o, "marker", req.Marker).end()
}
