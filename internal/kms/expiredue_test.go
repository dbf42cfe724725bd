package kms_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// expireDue restarts the server, whose clock was moved, and has it expire material.
func (k *kit) expireDue(want int) {
	k.t.Helper()
	k.reopen()
	n, err := k.ExpireDue(k.t.Context())
	if n != want || err != nil {
		k.t.Errorf("%d materials have expired, %v; want %d", n, err, want)
	}
}

func TestExpireDue(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	at := k.now.Load().Truncate(time.Second).Add(2 * day)
	id := i.must(materialA, expiring(at))
	blob, token := k.encrypt(i.id, "p", nil), k.tokenOf(i.id, id)
	k.now.Store(new(at.Add(-time.Millisecond)))
	k.expireDue(0)
	if got := decrypted(t, k, blob, nil); got != "p" {
		t.Errorf("got %q, want p", got)
	}
	k.now.Store(&at)
	// Nobody waits for the worker: the material is of no use from that moment.
	_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.KMSInvalidStateException, i.arn+" is pending import.")
	k.expireDue(1)
	if k.inFiles(token) {
		t.Error("the token can still be read from the database's files")
	}
	k.expireDue(0)
	if m := k.describe(i.id); *m.KeyState != kmsapi.KeyStatePendingImport || m.ValidTo != nil || m.ExpirationModel != nil || *m.CurrentKeyMaterialId != id {
		t.Errorf("got %+v, want a key that waits for its material", m)
	}
	i.must(materialA)
	if got := decrypted(t, k, blob, nil); got != "p" {
		t.Errorf("got %q, want p", got)
	}
}

func TestExpireDueRecord(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	id := i.must(materialA, expiring(k.now.Load().Add(day)))
	k.advance(day)
	k.expireDue(1)
	r := k.last("DeleteExpiredKeyMaterial")
	details := `"serviceEventDetails":{"keyId":"` + i.id + `","keyMaterialId":"` + id + `"}`
	wantParameters(t, r.UserIdentity, `{"accountId":"111122223333","invokedBy":"AWS Internal"}`)
	if !strings.Contains(r.raw, details) || !strings.Contains(r.raw, `"eventType":"AwsServiceEvent"`) || len(r.Resources) != 1 || r.Resources[0].ARN != i.arn || r.ReadOnly {
		t.Errorf("record is %s, want it with %s", r.raw, details)
	}
}

// Of several materials each goes on its own day, and one that waits for a rotation
// without the key's losing its use.
func TestExpireDueSeveral(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	now := *k.now.Load()
	i.must(materialA, expiring(now.Add(3*day)))
	i.must(materialB, asNew, expiring(now.Add(day)))
	k.advance(day)
	k.expireDue(1)
	i.wantState(kmsapi.KeyStateEnabled)
	wantShown(t, k.rotations(i.id, true, 0), "CURRENT IMPORTED KEY_MATERIAL_EXPIRES")
	i.must(materialC, asNew, expiring(now.Add(3*day)))
	k.rotate(i.id)
	k.advance(2 * day)
	k.expireDue(2)
	wantShown(t, k.rotations(i.id, true, 0), "NON_CURRENT PENDING_IMPORT", "CURRENT ON_DEMAND PENDING_IMPORT")
}

// Neither disabling a key nor scheduling its deletion keeps its material.
func TestExpireDueInOtherStates(t *testing.T) {
	k := newKit(t)
	disabled, doomed := k.importer(k.createExternal("", "")), k.importer(k.createExternal(kmsapi.KeySpecHmac256, kmsapi.KeyUsageTypeGenerateVerifyMac))
	disabled.must(materialA, expiring(k.now.Load().Add(day)))
	doomed.must(materialA, expiring(k.now.Load().Add(day)))
	k.disable(disabled.id)
	k.schedule(doomed.id, 30)
	k.advance(day)
	k.expireDue(2)
	disabled.wantState(kmsapi.KeyStatePendingImport)
	doomed.wantState(kmsapi.KeyStatePendingDeletion)
	_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: &doomed.id})
	k.check(err)
	doomed.wantState(kmsapi.KeyStatePendingImport)
}

// A clock that was set forward deletes nothing; but by the date that it shows the
// material is not used.
func TestExpireDueDistrustsTheClock(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA, expiring(k.now.Load().Add(day)))
	k.advance(day)
	n, err := k.ExpireDue(t.Context())
	if n != 0 || err == nil || !strings.Contains(err.Error(), "no imported key material is deleted: the clock has moved by 24h0m0s") {
		t.Errorf("got %d, %v; want none, because of the clock", n, err)
	}
	_, err = k.Encrypt(t.Context(), root(), encryptRequest(i.id, "p", nil))
	wantError(t, err, kmsapi.KMSInvalidStateException, i.arn+" is pending import.")
	k.advance(-day)
	k.encrypt(i.id, "p", nil)
}

// One damaged row is told of, and keeps no other material.
func TestExpireDueGoesOnPastDamage(t *testing.T) {
	k := newKit(t)
	var ids []string
	for range 3 {
		i := k.importer(k.createExternal("", ""))
		i.must(materialA, expiring(k.now.Load().Add(day)))
		ids = append(ids, i.id)
	}
	k.advance(day)
	k.rot("kms_keys", account+"/"+region+"/"+ids[1])
	n, err := k.ExpireDue(t.Context())
	if n != 2 || err == nil || !strings.Contains(err.Error(), ids[1]) {
		t.Errorf("got %d, %v; want 2, and an error that names %s", n, err, ids[1])
	}
}

// Material that was imported again meanwhile stays for its new time.
func TestExpireDueOfRenewedMaterial(t *testing.T) {
	k := newKit(t)
	i := k.importer(k.createExternal("", ""))
	i.must(materialA, expiring(k.now.Load().Add(day)))
	i.must(materialA, expiring(k.now.Load().Add(2*day)))
	k.advance(day)
	k.expireDue(0)
	i.must(materialA)
	k.advance(day)
	k.expireDue(0)
	k.change(i.id, func(key *kmsdb.Key) {
		if key.Rotation.PeriodDays != 0 || len(key.Materials) != 1 {
			t.Errorf("got %+v, want one material", key)
		}
	})
}
