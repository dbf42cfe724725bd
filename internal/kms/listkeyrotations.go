package kms

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// defaultRotations is how many entries a page of ListKeyRotations has when no
// limit is given; the model bounds the limit at 1000.
const defaultRotations = 100

// ListKeyRotations lists the materials that became current by a rotation, the
// oldest first; with ALL_KEY_MATERIAL the first material too, and imported
// material that waits for a rotation. (KMS API Reference, ListKeyRotations)
func (s *Service) ListKeyRotations(ctx context.Context, c identity.Caller, req *kmsapi.ListKeyRotationsRequest) (*kmsapi.ListKeyRotationsResponse, error) {
	return do(ctx, s, c, opListKeyRotations, req, s.listKeyRotations)
}

func (s *Service) listKeyRotations(ctx context.Context, call *gate.Call, req *kmsapi.ListKeyRotationsRequest) (*kmsapi.ListKeyRotationsResponse, error) {
	call.RequestParameters = listRotationsParameters(req)
	k, err := s.resolve(ctx, call, *req.KeyId, idOrARN)
	if err != nil {
		return nil, err
	}
	all := req.IncludeKeyMaterial != nil && *req.IncludeKeyMaterial == kmsapi.IncludeKeyMaterialAllKeyMaterial
	filter := k.key.ID
	if all {
		filter += "/all"
	}
	after, err := s.openMarker(call, filter, req.Marker)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, call, k, conditions{}); err != nil {
		return nil, err
	}
	if err := forMaterials(&k.key); err != nil {
		return nil, err
	}
	limit := defaultRotations
	if req.Limit != nil {
		limit = int(*req.Limit)
	}
	page, more := rotationPage(&k.key, all, after, limit)
	resp := &kmsapi.ListKeyRotationsResponse{Rotations: []kmsapi.RotationsListEntry{}, Truncated: new(more)}
	everywhere, err := s.waitsForRotation(ctx, &k.key)
	if err != nil {
		return nil, err
	}
	for _, m := range page {
		e := rotationEntry(&k.key, m)
		if m.Pending && !everywhere {
			e.KeyMaterialState = new(kmsapi.KeyMaterialStatePendingMultiRegionImportAndRotation)
		}
		resp.Rotations = append(resp.Rotations, e)
	}
	if more {
		resp.NextMarker = new(s.marker(call, filter, page[limit-1].ID))
	}
	return resp, nil
}

// waitsForRotation reports whether material of k that waits does so for its
// rotation alone: of a multi-region key it may have to be imported elsewhere
// first.
func (s *Service) waitsForRotation(ctx context.Context, k *kmsdb.Key) (bool, error) {
	if pendingMaterial(k) == "" {
		return true, nil
	}
	var related []kmsdb.Key
	for _, region := range k.RelatedRegions() {
		r, err := s.key(ctx, k.Elsewhere(region))
		if errors.Is(err, store.ErrNotFound) {
			continue // it has just been destroyed
		}
		if err != nil {
			return false, err
		}
		related = append(related, r.key)
	}
	return importedEverywhere(k, related), nil
}

// rotationPage returns up to limit materials from the first one after that with
// the id after, and whether there are more. The order is that of the record,
// which only grows at its end: only what waits for a rotation is ever taken out
// of it, and that is the last, after which no page begins.
func rotationPage(k *kmsdb.Key, all bool, after string, limit int) (page []*kmsdb.Material, more bool) {
	from := 0
	if after != "" {
		from = len(k.Materials)
		if i := slices.IndexFunc(k.Materials, func(m kmsdb.Material) bool { return m.ID == after }); i >= 0 {
			from = i + 1
		}
	}
	for i := from; i < len(k.Materials); i++ {
		m := &k.Materials[i]
		if !all && m.Rotated.IsZero() {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, m)
	}
	return page, false
}

func rotationEntry(k *kmsdb.Key, m *kmsdb.Material) kmsapi.RotationsListEntry {
	e := kmsapi.RotationsListEntry{KeyId: new(k.ARN()), KeyMaterialId: new(m.ID)}
	switch {
	case m.Pending:
		e.KeyMaterialState = new(kmsapi.KeyMaterialStatePendingRotation)
	case m.ID == k.Current:
		e.KeyMaterialState = new(kmsapi.KeyMaterialStateCurrent)
	default:
		e.KeyMaterialState = new(kmsapi.KeyMaterialStateNonCurrent)
	}
	if !m.Rotated.IsZero() {
		e.RotationDate, e.RotationType = new(m.Rotated), new(kmsapi.RotationType(m.Type))
	}
	if k.Origin != kmsapi.OriginTypeExternal {
		return e
	}
	if m.Description != "" {
		e.KeyMaterialDescription = new(m.Description)
	}
	if m.Absent {
		e.ImportState = new(kmsapi.ImportStatePendingImport)
		return e
	}
	e.ImportState, e.ExpirationModel = new(kmsapi.ImportStateImported), new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire)
	if !m.ValidTo.IsZero() {
		e.ExpirationModel, e.ValidTo = new(kmsapi.ExpirationModelTypeKeyMaterialExpires), new(m.ValidTo)
	}
	return e
}

func listRotationsParameters(req *kmsapi.ListKeyRotationsRequest) json.RawMessage {
	o := optional(newObject().str("keyId", *req.KeyId), "includeKeyMaterial", req.IncludeKeyMaterial)
	if req.Limit != nil {
		o = o.integer("limit", *req.Limit)
	}
	return optional(o, "marker", req.Marker).end()
}
