package kms_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// rotations returns the entries of the list, over its pages.
func (k *kit) rotations(id string, all bool, limit int32) (entries []kmsapi.RotationsListEntry) {
	k.t.Helper()
	req := &kmsapi.ListKeyRotationsRequest{KeyId: &id}
	if all {
		req.IncludeKeyMaterial = new(kmsapi.IncludeKeyMaterialAllKeyMaterial)
	}
	if limit > 0 {
		req.Limit = &limit
	}
	for {
		r, err := k.ListKeyRotations(k.t.Context(), root(), req)
		k.check(err)
		entries = append(entries, r.Rotations...)
		if limit > 0 && len(r.Rotations) > int(limit) || *r.Truncated != (r.NextMarker != nil) {
			k.t.Errorf("got a page of %d, truncated %v, marker %v, want at most %d", len(r.Rotations), *r.Truncated, r.NextMarker, limit)
		}
		if !*r.Truncated {
			return entries
		}
		req.Marker = r.NextMarker
	}
}

// shown is what an entry says beside ids and dates.
func shown(e kmsapi.RotationsListEntry) string {
	text := string(*e.KeyMaterialState)
	if e.RotationType != nil {
		text += " " + string(*e.RotationType)
	}
	if e.ImportState != nil {
		text += " " + string(*e.ImportState)
	}
	if e.ExpirationModel != nil {
		text += " " + string(*e.ExpirationModel)
	}
	if e.KeyMaterialDescription != nil {
		text += " " + *e.KeyMaterialDescription
	}
	return text
}

func wantShown(t *testing.T, entries []kmsapi.RotationsListEntry, want ...string) {
	t.Helper()
	var got []string
	for _, e := range entries {
		got = append(got, shown(e))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestListKeyRotations(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	if got := k.rotations(*key.KeyId, false, 0); len(got) != 0 {
		t.Errorf("got %v of a new key, want none", got)
	}
	wantShown(t, k.rotations(*key.KeyId, true, 0), "CURRENT")
	k.enableRotation(*key.KeyId, 90)
	k.advance(90 * day)
	k.rotateDue(1)
	k.advance(day)
	k.rotate(*key.KeyId)
	for range 2 {
		wantShown(t, k.rotations(*key.KeyId, false, 0), "NON_CURRENT AUTOMATIC", "CURRENT ON_DEMAND")
		wantShown(t, k.rotations(*key.KeyId, true, 0), "NON_CURRENT", "NON_CURRENT AUTOMATIC", "CURRENT ON_DEMAND")
		k.reopen()
	}
	list := k.rotations(*key.KeyId, true, 0)
	if first := list[0]; *first.KeyMaterialId != *key.CurrentKeyMaterialId || first.RotationDate != nil || *first.KeyId != *key.Arn {
		t.Errorf("got the first %+v, want the material that the key began with", first)
	}
	if d := list[2].RotationDate.Sub(*list[1].RotationDate); d != day {
		t.Errorf("got rotations %v apart, want a day", d)
	}
	wantParameters(t, k.last("ListKeyRotations").RequestParameters, `{"includeKeyMaterial":"ALL_KEY_MATERIAL","keyId":"`+*key.KeyId+`"}`)
}

// Pages of every size give the same list, and stay whole when the key is
// rotated between them.
func TestListKeyRotationsPages(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for range 6 {
		k.rotate(*key.KeyId)
	}
	ids := func(entries []kmsapi.RotationsListEntry) (ids []string) {
		for _, e := range entries {
			ids = append(ids, *e.KeyMaterialId)
		}
		return ids
	}
	for _, all := range []bool{false, true} {
		want := ids(k.rotations(*key.KeyId, all, 0))
		for limit := int32(1); limit < 9; limit++ {
			if got := ids(k.rotations(*key.KeyId, all, limit)); !slices.Equal(got, want) {
				t.Errorf("all %v, pages of %d: got %v, want %v", all, limit, got, want)
			}
		}
	}
	first, err := k.ListKeyRotations(t.Context(), root(), &kmsapi.ListKeyRotationsRequest{KeyId: key.KeyId, Limit: new(int32(4))})
	k.check(err)
	k.rotate(*key.KeyId)
	rest, err := k.ListKeyRotations(t.Context(), root(), &kmsapi.ListKeyRotationsRequest{KeyId: key.KeyId, Marker: first.NextMarker})
	k.check(err)
	if got := fmt.Sprint(ids(first.Rotations), ids(rest.Rotations)); got != fmt.Sprint(ids(k.rotations(*key.KeyId, false, 4))[:4], ids(k.rotations(*key.KeyId, false, 4))[4:]) {
		t.Errorf("got %s, want the list as it is now", got)
	}
}

// A marker is good for the list that gave it.
func TestListKeyRotationsMarker(t *testing.T) {
	k := newKit(t)
	key, another := k.createKey(), k.createKey()
	for range 2 {
		k.rotate(*key.KeyId)
		k.rotate(*another.KeyId)
	}
	r, err := k.ListKeyRotations(t.Context(), root(), &kmsapi.ListKeyRotationsRequest{KeyId: key.KeyId, Limit: new(int32(1))})
	k.check(err)
	for name, req := range map[string]*kmsapi.ListKeyRotationsRequest{
		"of another key":  {KeyId: another.KeyId, Marker: r.NextMarker},
		"of another mode": {KeyId: key.KeyId, Marker: r.NextMarker, IncludeKeyMaterial: new(kmsapi.IncludeKeyMaterialAllKeyMaterial)},
		"made up":         {KeyId: key.KeyId, Marker: new("1abc")},
	} {
		_, err := k.ListKeyRotations(t.Context(), root(), req)
		if err == nil {
			t.Errorf("%s: a marker was taken", name)
			continue
		}
		wantError(t, err, kmsapi.InvalidMarkerException, "The marker is not valid.")
	}
}

func TestListKeyRotationsOfOtherKeys(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.rsa(*key.KeyId)
	_, err := k.ListKeyRotations(t.Context(), root(), &kmsapi.ListKeyRotationsRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.UnsupportedOperationException, "")
}
