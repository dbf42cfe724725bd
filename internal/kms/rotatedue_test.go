package kms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

// rotateDue restarts the server, whose clock was moved, and has it rotate.
func (k *kit) rotateDue(want int) {
	k.t.Helper()
	k.reopen()
	n, err := k.RotateDue(k.t.Context())
	if n != want || err != nil {
		k.t.Errorf("%d keys were rotated, %v; want %d", n, err, want)
	}
}

func TestRotateDue(t *testing.T) {
	k := newKit(t)
	key, still := k.createKey(), k.createKey()
	k.enableRotation(*key.KeyId, 90)
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.advance(90*day - time.Second)
	k.rotateDue(0)
	k.advance(time.Second)
	k.rotateDue(1)
	k.rotateDue(0)
	now := *k.describe(*key.KeyId).CurrentKeyMaterialId
	if now == *key.CurrentKeyMaterialId || k.materialOf(k.encrypt(*key.KeyId, "p", nil)) != now || k.materialOf(blob) != *key.CurrentKeyMaterialId {
		t.Errorf("got material %s after %s", now, *key.CurrentKeyMaterialId)
	}
	if got := *k.describe(*still.KeyId).CurrentKeyMaterialId; got != *still.CurrentKeyMaterialId {
		t.Errorf("a key without rotation has material %s, want %s", got, *still.CurrentKeyMaterialId)
	}
	k.wantRotation(*key.KeyId, 90, 90*day)
}

func TestRotateDueRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.advance(90 * day)
	k.rotateDue(1)
	r := k.last("RotateKey")
	details := `"serviceEventDetails":{"rotationType":"AUTOMATIC","keyOrigin":"AWS_KMS","previousKeyMaterialId":"` + *key.CurrentKeyMaterialId + `","currentKeyMaterialId":"`
	wantParameters(t, r.UserIdentity, `{"accountId":"111122223333","invokedBy":"AWS Internal"}`)
	if !strings.Contains(r.raw, details) || r.RequestParameters != nil || r.ResponseElements != nil || r.ReadOnly || r.AWSRegion != region {
		t.Errorf("record is %s, want it with %s", r.raw, details)
	}
}

// A rotation that comes late counts its next period from then on; one that is on
// time from its date, so that the schedule does not move by the minutes that a
// server takes.
func TestRotateDueLate(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.advance(90*day + time.Hour)
	k.rotateDue(1)
	k.wantRotation(*key.KeyId, 90, 90*day-time.Hour)
	k.advance(1000 * day)
	k.rotateDue(1)
	k.wantRotation(*key.KeyId, 90, 90*day)
	if got := len(k.rotations(*key.KeyId, false, 0)); got != 2 {
		t.Errorf("got %d rotations, want 2", got)
	}
}

// A key that is disabled waits until it is enabled, one that is to be deleted
// until that is cancelled.
func TestRotateDueWaitsForTheKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.disable(*key.KeyId)
	k.advance(100 * day)
	k.rotateDue(0)
	k.schedule(*key.KeyId, 30)
	k.rotateDue(0)
	_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
	k.check(err)
	k.rotateDue(0)
	k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
	k.rotateDue(1)
}

// One row that was changed behind the server's back is told of, and keeps no
// other key from its rotation.
func TestRotateDueGoesOnPastDamage(t *testing.T) {
	k := newKit(t)
	var ids []string
	for range 3 {
		key := k.createKey()
		k.enableRotation(*key.KeyId, 90)
		ids = append(ids, *key.KeyId)
	}
	k.advance(90 * day)
	row := account + "/" + region + "/" + ids[1]
	k.rot("kms_keys", row)
	n, err := k.RotateDue(t.Context())
	if n != 2 || err == nil || !strings.Contains(err.Error(), ids[1]) {
		t.Errorf("got %d rotations, %v; want 2, and an error that names %s", n, err, row)
	}
}

// A clock that was set forward rotates nothing.
func TestRotateDueDistrustsTheClock(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.advance(90 * day)
	n, err := k.RotateDue(t.Context())
	if n != 0 || err == nil || !strings.Contains(err.Error(), "no key is rotated: the clock has moved by 2160h0m0s") {
		t.Errorf("got %d rotations, %v; want none, because of the clock", n, err)
	}
	k.rotateDue(1) // by the clock that the server has begun with
}

// A service that waits for the trail rotates nothing: no change without record.
func TestRotateDueNeedsTheTrail(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.advance(90 * day)
	k.reopen()
	k.check(k.trail.Close())
	if n, err := k.RotateDue(t.Context()); n != 0 || err == nil {
		t.Errorf("got %d rotations, %v; want an error", n, err)
	}
}

// AWS managed keys rotate every year. Those of before keys rotated are found,
// once, and one that is over a year old is rotated at once.
func TestRotateDueManagedKeys(t *testing.T) {
	k := newKit(t)
	key := k.describe("alias/aws/s3")
	k.advance(365 * day)
	k.rotateDue(1)
	k.wantRotation(*key.KeyId, 365, 365*day)

	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Rotation = kmsdb.Rotation{} })
	k.rotateDue(0) // the search is done for good
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Meta, "kms/managed-rotation") }))
	mine := k.createKey()
	k.rotateDue(1)
	k.wantRotation(*key.KeyId, 365, 365*day)
	if r := k.rotationStatus(*mine.KeyId); *r.KeyRotationEnabled {
		t.Errorf("got %+v of a customer managed key, want no rotation", r)
	}
	scheduled := 0
	for _, r := range k.records() {
		if r.EventName == "EnableKeyRotation" {
			scheduled++
			wantParameters(t, r.UserIdentity, `{"accountId":"111122223333","invokedBy":"AWS Internal"}`)
		}
	}
	if scheduled != 1 {
		t.Errorf("got %d records of keys being scheduled, want 1", scheduled)
	}
}

// Rotations that are asked for at once make a material each: none is lost.
func TestRotationsAtOnce(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 90)
	k.advance(90*day - time.Hour)
	done := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: key.KeyId})
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := len(k.rotations(*key.KeyId, false, 0)); got != 8 {
		t.Errorf("got %d rotations, want 8", got)
	}
	k.materialOf(k.encrypt(*key.KeyId, "p", nil))
}

// A key that was rotated for 25 years is one like any other.
func TestManyRotations(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.enableRotation(*key.KeyId, 90)
	const rotations = 100 // one each 90 days
	for range rotations {
		k.change(*key.KeyId, func(key *kmsdb.Key) { key.Rotation.Next = k.now.Load().Truncate(time.Millisecond) })
		if n, err := k.RotateDue(t.Context()); n != 1 || err != nil {
			t.Fatalf("got %d rotations, %v; want 1", n, err)
		}
	}
	if got := len(k.rotations(*key.KeyId, false, 100)); got != rotations {
		t.Errorf("got %d rotations, want %d", got, rotations)
	}
	if got := decrypted(t, k, blob, nil); got != "p" {
		t.Errorf("got %q from the first blob, want p", got)
	}
	k.materialOf(k.encrypt(*key.KeyId, "p", nil))
}
