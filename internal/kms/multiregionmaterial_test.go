package kms_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// This file tests how related multi-region keys come to the same key material.

func (k *kit) rotateIn(r, id string) error {
	_, err := k.RotateKeyOnDemand(k.t.Context(), rootIn(r), &kmsapi.RotateKeyOnDemandRequest{KeyId: &id})
	return err
}

func (k *kit) encryptIn(r, id string) []byte {
	k.t.Helper()
	a, err := k.Encrypt(k.t.Context(), rootIn(r), encryptRequest(id, "p", nil))
	k.check(err)
	return a.CiphertextBlob
}

// wantOpenEverywhere checks that blobs open in all regions.
func (k *kit) wantOpenEverywhere(regions []string, blobs ...[]byte) {
	k.t.Helper()
	for i, blob := range blobs {
		for _, r := range regions {
			if d, err := k.decryptIn(rootIn(r), blob, nil); err != nil || string(d.Plaintext.Expose()) != "p" {
				k.t.Errorf("blob %d in %s: %v, %v", i, r, d, err)
			}
		}
	}
}

// New material of the primary key is that of its replicas from the same moment.
func TestRotationOfRelatedKeys(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	all := []string{region, region2, region3}
	k.replicate(id, region2)
	blobs := [][]byte{k.encryptIn(region, id), k.encryptIn(region2, id)}
	k.check(k.rotateIn(region, id))
	k.wantRelated(id, region, region2)
	if a, b := k.describeIn(region, id), k.describeIn(region2, id); *a.CurrentKeyMaterialId != *b.CurrentKeyMaterialId {
		t.Errorf("the material is %s and %s", *a.CurrentKeyMaterialId, *b.CurrentKeyMaterialId)
	}
	// A replica that is made later has the material of before too; one that is
	// disabled gets the new one.
	k.replicate(id, region3)
	k.check(k.DisableKey(t.Context(), rootIn(region2), &kmsapi.DisableKeyRequest{KeyId: &id}))
	blobs = append(blobs, k.encryptIn(region3, id))
	k.enableRotation(id, 90)
	k.advance(90 * day)
	k.rotateDue(1)
	k.check(k.EnableKey(t.Context(), rootIn(region2), &kmsapi.EnableKeyRequest{KeyId: &id}))
	blobs = append(blobs, k.encryptIn(region2, id))
	k.wantRelated(id, all[0], all[1], all[2])
	k.wantOpenEverywhere(all, blobs...)
	for _, r := range all {
		l, err := k.ListKeyRotations(t.Context(), rootIn(r), &kmsapi.ListKeyRotationsRequest{KeyId: &id})
		k.check(err)
		if len(l.Rotations) != 2 || *l.Rotations[0].RotationType != "ON_DEMAND" || *l.Rotations[1].RotationType != "AUTOMATIC" || *l.Rotations[1].KeyId != arnIn(r, id) {
			t.Errorf("the rotations in %s are %+v", r, l.Rotations)
		}
	}
	// The rotation is due in the region of the primary key, whichever that is.
	k.check(k.updatePrimary(root(), id, region2))
	k.advance(90 * day)
	k.rotateDue(1)
	if r := k.last("SynchronizeMultiRegionKey"); r.AWSRegion != region2 {
		t.Errorf("record is %s", r.raw)
	}
	k.wantRelated(id, region2, region, region3)
	k.wantOpenEverywhere(all, append(blobs, k.encryptIn(region, id))...)
}

// Rotation is set for all related keys at the primary one, and seen at each.
func TestRotationSettingsOfRelatedKeys(t *testing.T) {
	k := newKit(t)
	id := *k.createPrimary().KeyId
	k.replicate(id, region2)
	for name, call := range map[string]func() error{
		"EnableKeyRotation": func() error {
			return k.EnableKeyRotation(t.Context(), rootIn(region2), &kmsapi.EnableKeyRotationRequest{KeyId: &id})
		},
		"DisableKeyRotation": func() error {
			return k.DisableKeyRotation(t.Context(), rootIn(region2), &kmsapi.DisableKeyRotationRequest{KeyId: &id})
		},
		"RotateKeyOnDemand": func() error { return k.rotateIn(region2, id) },
	} {
		err := call()
		wantError(t, err, kmsapi.UnsupportedOperationException, arnIn(region2, id)+" is not a multi-region primary key.")
		if r := k.last(name); r.AWSRegion != region2 {
			t.Errorf("record is %s", r.raw)
		}
	}
	before := len(k.records())
	k.enableRotation(id, 100)
	rs := k.records()[before:]
	if len(rs) != 2 || rs[1].EventName != "SynchronizeMultiRegionKey" {
		t.Errorf("records are %+v", rs)
	}
	for _, r := range []string{region, region2} {
		s, err := k.GetKeyRotationStatus(t.Context(), rootIn(r), &kmsapi.GetKeyRotationStatusRequest{KeyId: &id})
		k.check(err)
		if !*s.KeyRotationEnabled || *s.RotationPeriodInDays != 100 {
			t.Errorf("the rotation in %s is %+v", r, s)
		}
	}
	k.wantRelated(id, region, region2)
	k.check(k.DisableKeyRotation(t.Context(), root(), &kmsapi.DisableKeyRotationRequest{KeyId: &id}))
	k.wantRelated(id, region, region2)
}

// Whatever is replicated while material rotates has all of it.
func TestConcurrentReplicationAndRotation(t *testing.T) {
	k := newKit(t)
	for range 3 {
		id := *k.createPrimary().KeyId
		blobs := make([][]byte, 8)
		var wg sync.WaitGroup
		for i := range blobs {
			wg.Go(func() {
				if err := k.rotateIn(region, id); err != nil {
					t.Error(err)
				}
				a, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", nil))
				if err != nil {
					t.Error(err)
					return
				}
				blobs[i] = a.CiphertextBlob
			})
		}
		for _, r := range []string{region2, region3} {
			wg.Go(func() {
				if _, err := k.ReplicateKey(t.Context(), root(), &kmsapi.ReplicateKeyRequest{KeyId: &id, ReplicaRegion: &r}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		k.wantRelated(id, region, region2, region3)
		k.wantOpenEverywhere([]string{region, region2, region3}, blobs...)
	}
}

// Every type of key has replicas: what one signs or computes the other verifies.
func TestReplicasOfEveryType(t *testing.T) {
	k := newKit(t)
	message := []byte("m")
	for _, c := range []struct {
		spec  kmsapi.KeySpec
		usage kmsapi.KeyUsageType
		sign  kmsapi.SigningAlgorithmSpec
		mac   kmsapi.MacAlgorithmSpec
	}{
		{spec: kmsapi.KeySpecRsa2048, usage: kmsapi.KeyUsageTypeSignVerify, sign: kmsapi.SigningAlgorithmSpecRsassaPssSha256},
		{spec: kmsapi.KeySpecEccNistP256, usage: kmsapi.KeyUsageTypeSignVerify, sign: kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{spec: kmsapi.KeySpecEccSecgP256k1, usage: kmsapi.KeyUsageTypeSignVerify, sign: kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{spec: kmsapi.KeySpecMlDsa44, usage: kmsapi.KeyUsageTypeSignVerify, sign: kmsapi.SigningAlgorithmSpecMlDsaShake256},
		{spec: kmsapi.KeySpecHmac384, usage: kmsapi.KeyUsageTypeGenerateVerifyMac, mac: kmsapi.MacAlgorithmSpecHmacSha384},
	} {
		t.Run(string(c.spec), func(t *testing.T) {
			r, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{MultiRegion: new(true), KeySpec: &c.spec, KeyUsage: &c.usage})
			k.check(err)
			id := *r.KeyMetadata.KeyId
			k.replicate(id, region2)
			k.wantRelated(id, region, region2)
			if c.mac != "" {
				m, err := k.GenerateMac(t.Context(), rootIn(region2), &kmsapi.GenerateMacRequest{KeyId: &id, MacAlgorithm: &c.mac, Message: secret.New(message)})
				k.check(err)
				_, err = k.VerifyMac(t.Context(), root(), &kmsapi.VerifyMacRequest{KeyId: &id, MacAlgorithm: &c.mac, Message: secret.New(message), Mac: m.Mac})
				k.check(err)
				return
			}
			s, err := k.Sign(t.Context(), rootIn(region2), &kmsapi.SignRequest{KeyId: &id, SigningAlgorithm: &c.sign, Message: secret.New(message)})
			k.check(err)
			if *s.KeyId != arnIn(region2, id) {
				t.Errorf("the answer names %s", *s.KeyId)
			}
			_, err = k.Verify(t.Context(), root(), &kmsapi.VerifyRequest{KeyId: &id, SigningAlgorithm: &c.sign, Message: secret.New(message), Signature: s.Signature})
			k.check(err)
			a, err := k.GetPublicKey(t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: &id})
			k.check(err)
			b, err := k.GetPublicKey(t.Context(), rootIn(region2), &kmsapi.GetPublicKeyRequest{KeyId: &id})
			k.check(err)
			if !slices.Equal(a.PublicKey, b.PublicKey) {
				t.Error("the public keys differ")
			}
		})
	}
}

// importIn imports material into the key of a region, as its owner does.
func (k *kit) importIn(r, id string, material []byte, with ...func(*kmsapi.ImportKeyMaterialRequest)) (string, error) {
	k.t.Helper()
	const algorithm = kmsapi.AlgorithmSpecRsaesOaepSha256
	p, err := k.GetParametersForImport(k.t.Context(), rootIn(r), &kmsapi.GetParametersForImportRequest{
		KeyId: &id, WrappingAlgorithm: new(algorithm), WrappingKeySpec: new(kmsapi.WrappingKeySpecRsa2048),
	})
	k.check(err)
	req := &kmsapi.ImportKeyMaterialRequest{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: k.wrapped(p, algorithm, material),
		ExpirationModel: new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire),
	}
	for _, change := range with {
		change(req)
	}
	a, err := k.ImportKeyMaterial(k.t.Context(), rootIn(r), req)
	if err != nil {
		return "", err
	}
	return *a.KeyMaterialId, nil
}

func (k *kit) createExternalPrimary() string {
	k.t.Helper()
	r, err := k.CreateKey(k.t.Context(), root(), &kmsapi.CreateKeyRequest{MultiRegion: new(true), Origin: new(kmsapi.OriginTypeExternal)})
	k.check(err)
	return *r.KeyMetadata.KeyId
}

func (k *kit) wantStates(id string, want map[string]kmsapi.KeyState) {
	k.t.Helper()
	for r, state := range want {
		if got := *k.describeIn(r, id).KeyState; got != state {
			k.t.Errorf("in %s the key is %s, want %s", r, got, state)
		}
	}
}

// The same material is imported into each related key, the primary one first.
func TestImportIntoRelatedKeys(t *testing.T) {
	k := newKit(t)
	id := k.createExternalPrimary()
	k.replicate(id, region2)
	k.wantStates(id, map[string]kmsapi.KeyState{region: "PendingImport", region2: "PendingImport"})
	_, err := k.importIn(region2, id, materialA)
	wantError(t, err, kmsapi.UnsupportedOperationException, arnIn(region2, id)+" is not a multi-region primary key.")
	first, err := k.importIn(region, id, materialA, described("here"))
	k.check(err)
	k.wantStates(id, map[string]kmsapi.KeyState{region: "Enabled", region2: "PendingImport"})
	k.wantRelated(id, region, region2)
	_, err = k.importIn(region2, id, materialB)
	wantError(t, err, kmsapi.IncorrectKeyMaterialException, "")
	there, err := k.importIn(region2, id, materialA)
	k.check(err)
	if there != first {
		t.Errorf("the material is %s and %s", first, there)
	}
	k.wantStates(id, map[string]kmsapi.KeyState{region: "Enabled", region2: "Enabled"})
	blob := k.encryptIn(region2, id)
	k.wantOpenEverywhere([]string{region, region2}, blob)
	// What becomes of it in one region is not the other's.
	_, err = k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &id})
	k.check(err)
	k.wantStates(id, map[string]kmsapi.KeyState{region: "PendingImport", region2: "Enabled"})
	k.wantOpenEverywhere([]string{region2}, blob)
	k.wantRelated(id, region, region2)
	_, err = k.importIn(region, id, materialA, expiring(k.now.Load().Add(day)))
	k.check(err)
	k.later(day)
	if n, err := k.ExpireDue(t.Context()); n != 1 || err != nil {
		t.Errorf("%d materials have expired, %v; want 1", n, err)
	}
	k.wantStates(id, map[string]kmsapi.KeyState{region: "PendingImport", region2: "Enabled"})
	k.wantRelated(id, region, region2)
}

// New material waits until every related key has it, and then for its rotation.
func TestRotationOfImportedRelatedKeys(t *testing.T) {
	k := newKit(t)
	id := k.createExternalPrimary()
	first, err := k.importIn(region, id, materialA)
	k.check(err)
	k.replicate(id, region2)
	_, err = k.importIn(region2, id, materialA)
	k.check(err)
	blob := k.encryptIn(region, id)
	states := func(r string) (list []string) {
		t.Helper()
		l, err := k.ListKeyRotations(t.Context(), rootIn(r), &kmsapi.ListKeyRotationsRequest{KeyId: &id, IncludeKeyMaterial: new(kmsapi.IncludeKeyMaterialAllKeyMaterial)})
		k.check(err)
		for _, e := range l.Rotations {
			list = append(list, string(*e.KeyMaterialState)+" "+string(*e.ImportState))
		}
		return list
	}
	want := func(when, here, there string) {
		t.Helper()
		for r, want := range map[string]string{region: here, region2: there} {
			if got := strings.Join(states(r), ", "); got != want {
				t.Errorf("%s, in %s: got %s, want %s", when, r, got, want)
			}
		}
		k.wantRelated(id, region, region2)
		k.wantStates(id, map[string]kmsapi.KeyState{region: "Enabled", region2: "Enabled"})
	}
	_, err = k.importIn(region2, id, materialB, asNew)
	wantError(t, err, kmsapi.UnsupportedOperationException, arnIn(region2, id)+" is not a multi-region primary key.")
	second, err := k.importIn(region, id, materialB, asNew)
	k.check(err)
	want("imported here", "CURRENT IMPORTED, PENDING_MULTI_REGION_IMPORT_AND_ROTATION IMPORTED", "CURRENT IMPORTED, PENDING_MULTI_REGION_IMPORT_AND_ROTATION PENDING_IMPORT")
	wantError(t, k.rotateIn(region, id), kmsapi.KMSInvalidStateException, "No available key material pending rotation for the key: "+arnIn(region, id)+".")
	_, err = k.importIn(region2, id, materialB, asExisting)
	k.check(err)
	want("imported there", "CURRENT IMPORTED, PENDING_ROTATION IMPORTED", "CURRENT IMPORTED, PENDING_ROTATION IMPORTED")
	_, err = k.DeleteImportedKeyMaterial(t.Context(), rootIn(region2), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &id, KeyMaterialId: &second})
	k.check(err)
	want("deleted there", "CURRENT IMPORTED, PENDING_MULTI_REGION_IMPORT_AND_ROTATION IMPORTED", "CURRENT IMPORTED, PENDING_MULTI_REGION_IMPORT_AND_ROTATION PENDING_IMPORT")
	_, err = k.importIn(region2, id, materialB)
	k.check(err)
	k.check(k.rotateIn(region, id))
	want("rotated", "NON_CURRENT IMPORTED, CURRENT IMPORTED", "NON_CURRENT IMPORTED, CURRENT IMPORTED")
	if m := k.describeIn(region2, id); *m.CurrentKeyMaterialId != second || second == first {
		t.Errorf("the material is %s, want %s", *m.CurrentKeyMaterialId, second)
	}
	k.wantOpenEverywhere([]string{region, region2}, blob, k.encryptIn(region2, id))
}

// What waits and is deleted from the primary key is deleted from its replicas.
func TestDeletionOfPendingMaterial(t *testing.T) {
	k := newKit(t)
	id := k.createExternalPrimary()
	_, err := k.importIn(region, id, materialA)
	k.check(err)
	k.replicate(id, region2)
	for _, m := range [][]byte{materialA, materialB} {
		if _, err := k.importIn(region, id, m, asNew); err != nil && !errors.Is(err, kmsapi.IncorrectKeyMaterialException) {
			t.Fatal(err)
		}
		_, err := k.importIn(region2, id, m)
		k.check(err)
	}
	ref := kmsdb.KeyRef{Account: account, Region: region2, ID: id}
	stored, err := k.db().Key(t.Context(), ref)
	k.check(err)
	second := stored.Materials[1].ID
	_, err = k.DeleteImportedKeyMaterial(t.Context(), root(), &kmsapi.DeleteImportedKeyMaterialRequest{KeyId: &id, KeyMaterialId: &second})
	k.check(err)
	if _, err := k.store.Get(t.Context(), store.KMSKeyTokens, ref.Row()+"/"+second); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the token in the replica's region: %v, want it gone", err)
	}
	k.wantRelated(id, region, region2)
	k.wantStates(id, map[string]kmsapi.KeyState{region: "Enabled", region2: "Enabled"})
}
