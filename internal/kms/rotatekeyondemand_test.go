package kms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

func (k *kit) rotate(id string) {
	k.t.Helper()
	r, err := k.RotateKeyOnDemand(k.t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: &id})
	k.check(err)
	if arn := *k.describe(id).Arn; *r.KeyId != arn {
		k.t.Errorf("got key %s, want %s", *r.KeyId, arn)
	}
}

// materialOf says which material a blob is under.
func (k *kit) materialOf(blob []byte) string {
	k.t.Helper()
	r, err := k.Decrypt(k.t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	k.check(err)
	return *r.KeyMaterialId
}

// Everything that was ever encrypted opens, with the material that it is under;
// what is encrypted is under the newest.
func TestRotateKeyOnDemand(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	materials := []string{*key.CurrentKeyMaterialId}
	blobs := [][]byte{k.encrypt(*key.KeyId, "p", nil)}
	for range 3 {
		k.rotate(*key.KeyId)
		materials = append(materials, *k.describe(*key.KeyId).CurrentKeyMaterialId)
		blobs = append(blobs, k.encrypt(*key.KeyId, "p", nil))
	}
	for _, when := range []string{"at once", "after a restart"} {
		for i, blob := range blobs {
			if got := k.materialOf(blob); got != materials[i] {
				t.Errorf("%s: got material %s of blob %d, want %s", when, got, i, materials[i])
			}
			for _, other := range materials[i+1:] {
				if other == materials[i] {
					t.Errorf("material %s comes twice", other)
				}
			}
		}
		k.reopen()
	}
	d, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: key.KeyId, KeySpec: new(kmsapi.DataKeySpecAes256)})
	k.check(err)
	if *d.KeyMaterialId != materials[3] {
		t.Errorf("got a data key under %s, want %s", *d.KeyMaterialId, materials[3])
	}
}

// ReEncrypt to the same key moves a blob to the new material.
func TestReEncryptAfterRotation(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.rotate(*key.KeyId)
	now := *k.describe(*key.KeyId).CurrentKeyMaterialId
	r, err := k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: key.KeyId})
	k.check(err)
	if *r.SourceKeyMaterialId != *key.CurrentKeyMaterialId || *r.DestinationKeyMaterialId != now || k.materialOf(r.CiphertextBlob) != now {
		t.Errorf("got it from %s to %s, want from %s to %s", *r.SourceKeyMaterialId, *r.DestinationKeyMaterialId, *key.CurrentKeyMaterialId, now)
	}
}

// The call has a record and what it does another, in one transaction.
func TestRotateKeyOnDemandRecords(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	before := len(k.records())
	k.rotate(*key.KeyId)
	var rs []record
	for _, r := range k.records()[before:] {
		if r.EventName != "DescribeKey" {
			rs = append(rs, r)
		}
	}
	if len(rs) != 2 || rs[0].EventName != "RotateKeyOnDemand" || rs[1].EventName != "RotateKey" {
		t.Fatalf("got %d records, want RotateKeyOnDemand and RotateKey: %v", len(rs), rs)
	}
	wantParameters(t, rs[0].RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
	wantParameters(t, rs[0].ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	now := *k.describe(*key.KeyId).CurrentKeyMaterialId
	details := `"serviceEventDetails":{"rotationType":"ON_DEMAND","keyOrigin":"AWS_KMS","previousKeyMaterialId":"` + *key.CurrentKeyMaterialId +
		`","currentKeyMaterialId":"` + now + `","keyId":"` + *key.KeyId + `"}`
	if r := rs[1]; !strings.Contains(r.raw, details) || !strings.Contains(r.raw, `"eventType":"AwsServiceEvent"`) || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want it with %s", r.raw, details)
	}
}

// A key can be rotated on demand 25 times in its life, whatever it does by itself.
func TestRotateKeyOnDemandLimit(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for range 25 {
		k.rotate(*key.KeyId)
	}
	_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.LimitExceededException, "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "+*key.Arn)
	k.enableRotation(*key.KeyId, 90)
	k.advance(90 * day)
	k.rotateDue(1)
}

// The schedule stays as it was.
func TestRotateKeyOnDemandLeavesTheSchedule(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 730)
	k.advance(700 * day)
	k.rotate(*key.KeyId)
	k.wantRotation(*key.KeyId, 730, 30*day)
}

// Not within 20 minutes of a rotation that comes by itself, or is late.
func TestRotateKeyOnDemandNearAnAutomaticOne(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	text := "An automatic rotation of the key " + *key.Arn + " is in progress or scheduled to begin within the next 20 minutes."
	for _, at := range []time.Duration{90*day - 20*time.Minute + time.Second, 90 * day, 90*day + time.Hour} {
		k.advance(at)
		_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: key.KeyId})
		wantError(t, err, kmsapi.ConflictException, text)
		k.advance(-at)
	}
	k.advance(90*day - 20*time.Minute)
	k.rotate(*key.KeyId)
}

func TestRotateKeyOnDemandOfOtherKeys(t *testing.T) {
	k := newKit(t)
	rotate := func(id *string) error {
		_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: id})
		return err
	}
	key := k.createKey()
	k.rsa(*key.KeyId)
	wantError(t, rotate(key.KeyId), kmsapi.UnsupportedOperationException, "")
	k.disable(*key.KeyId)
	wantError(t, rotate(key.KeyId), kmsapi.DisabledException, *key.Arn+" is disabled.")

	external := k.createKey()
	k.change(*external.KeyId, func(key *kmsdb.Key) { key.Origin = kmsapi.OriginTypeExternal })
	wantError(t, rotate(external.KeyId), kmsapi.KMSInvalidStateException, "No available key material pending rotation for the key: "+*external.Arn+".")
	k.change(*external.KeyId, func(key *kmsdb.Key) {
		key.State, key.KeySpec = kmsapi.KeyStatePendingImport, kmsapi.KeySpecRsa2048
	})
	wantError(t, rotate(external.KeyId), kmsapi.KMSInvalidStateException, *external.Arn+" is pending import.")

	stored := k.createKey()
	k.change(*stored.KeyId, func(key *kmsdb.Key) { key.Origin = kmsapi.OriginTypeAwsCloudhsm })
	wantError(t, rotate(stored.KeyId), kmsapi.UnsupportedOperationException, *stored.Arn+" origin is AWS_CLOUDHSM which is not valid for this operation.")

	wantError(t, rotate(new("alias/none")), kmsapi.NotFoundException, "Invalid keyId 'alias/none'")
}
