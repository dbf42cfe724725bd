package kms_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

// tokenOf returns the wrapped material of a key as it lies in the store.
func (k *kit) tokenOf(id, material string) []byte {
	k.t.Helper()
	r, err := k.store.Get(k.t.Context(), store.KMSKeyTokens, account+"/"+region+"/"+id+"/"+material)
	k.check(err)
	return r.Doc
}

// The current material's id stays, and what was said of its expiry goes
// (recorded from AWS: describe-key-after-deleted-import).
func TestDeleteImportedKeyMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA)
	r, err := k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &i.id})
	k.check(err)
	if *r.KeyId != i.arn || *r.KeyMaterialId != id {
		t.Errorf("got %s, %s, want %s, %s", *r.KeyId, *r.KeyMaterialId, i.arn, id)
	}
	rec := k.last("DeleteImportedKeyMaterial")
	wantParameters(t, rec.RequestParameters, `{"keyId":"`+i.id+`"}`)
	wantParameters(t, rec.ResponseElements, `{"keyId":"`+i.arn+`","keyMaterialId":"`+id+`"}`)
	for range 2 {
		m := k.describe(i.id)
		if *m.KeyState != kmsapi.KeyStatePendingImport || *m.Enabled || m.ExpirationModel != nil || m.ValidTo != nil || *m.CurrentKeyMaterialId != id {
			t.Errorf("got %+v, want a key that waits for material %s", m, id)
		}
		k.reopen()
	}
	r, err = k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &i.arn, KeyMaterialId: &id})
	if err != nil || *r.KeyMaterialId != id {
		t.Errorf("got %v, %v when it is not there, want %s", r, err, id)
	}
}

// No copy of the token is left in the database's files, and what wraps it is to
// be exchanged.
func TestDeleteImportedKeyMaterialIsGone(t *testing.T) {
	k := newKit(t)
	var regions []string
	k.destroyed = func(_ *store.Tx, region string) error {
		regions = append(regions, region)
		return nil
	}
	k.reopen()
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA)
	token := k.tokenOf(i.id, id)
	if !k.inFiles(token) {
		t.Fatal("the search does not find what is there")
	}
	k.destroyDue(0) // empties the log of the process before
	i.delete("")
	k.destroyDue(0)
	if k.inFiles(token) {
		t.Error("the token can still be read from the database's files")
	}
	if len(regions) != 1 || regions[0] != region {
		t.Errorf("got calls for %q, want one for %s", regions, region)
	}
	i.delete("") // nothing is deleted, and nothing to be exchanged
	if len(regions) != 1 {
		t.Errorf("got calls for %q, want one", regions)
	}
}

// When what wraps the material cannot be exchanged, it stays.
func TestDeleteImportedKeyMaterialFails(t *testing.T) {
	k := newKit(t)
	k.destroyed = func(*store.Tx, string) error { return errors.New("no") }
	k.reopen()
	i := k.importer(k.createExternal("", ""))
	i.must(materialA)
	_, err := k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &i.id})
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
	i.wantState(kmsapi.KeyStateEnabled)
	k.materialOf(k.encrypt(i.id, "p", nil))
}

// Material that waits for a rotation goes without a trace, and makes room for other.
func TestDeletePendingKeyMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA)
	b := i.must(materialB, asNew)
	i.delete(b)
	i.wantState(kmsapi.KeyStateEnabled)
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_DOES_NOT_EXPIRE")
	i.must(materialC, asNew)
	k.rotate(i.id)
	wantError(t, i.try(materialB), kmsapi.IncorrectKeyMaterialException, "")
}

func TestDeleteImportedKeyMaterialOfOtherKeys(t *testing.T) {
	k := newKit(t)
	try := func(id string, material *string) error {
		_, err := k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &id, KeyMaterialId: material})
		return err
	}
	own := k.createKey()
	wantError(t, try(*own.KeyId, nil), kmsapi.UnsupportedOperationException, *own.Arn+" origin is AWS_KMS which is not valid for this operation.")
	i := k.importer(k.createExternal("", ""))
	k.check(try(i.id, nil)) // that never had any
	i.must(materialA)
	none := strings.Repeat("0a", 32)
	wantError(t, try(i.id, &none), kmsapi.NotFoundException, "Key material (id: "+none+") is not associated with KMS key "+i.arn+".")
	wantError(t, try("alias/none", nil), kmsapi.NotFoundException, "Invalid keyId 'alias/none'")
}

// A key that is to be deleted loses its material and waits on; when its deletion
// is cancelled it waits for the material.
func TestDeleteImportedKeyMaterialPendingDeletion(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA)
	cancel := func() {
		t.Helper()
		_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: &i.id})
		k.check(err)
	}
	k.schedule(i.id, 7)
	cancel()
	i.wantState(kmsapi.KeyStateDisabled)
	k.schedule(i.id, 7)
	i.delete("")
	i.wantState(kmsapi.KeyStatePendingDeletion)
	cancel()
	i.wantState(kmsapi.KeyStatePendingImport)
	k.schedule(i.id, 7)
	k.later(7 * day)
	k.destroyDue(1)
}
