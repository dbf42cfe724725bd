package kms_test

import (
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const day = 24 * time.Hour

func (k *kit) schedule(keyID string, days int32) *kmsapi.ScheduleKeyDeletionResponse {
	k.t.Helper()
	r, err := k.ScheduleKeyDeletion(k.t.Context(), root(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: &keyID, PendingWindowInDays: &days})
	k.check(err)
	return r
}

func (k *kit) describe(keyID string) *kmsapi.KeyMetadata {
	k.t.Helper()
	r, err := k.DescribeKey(k.t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &keyID})
	k.check(err)
	return r.KeyMetadata
}

func TestScheduleKeyDeletion(t *testing.T) {
	k := newKit(t)
	now := k.now.Load().Truncate(time.Millisecond)
	for _, c := range []struct {
		name string
		days *int32
		want int32
	}{
		{"default", nil, 30},
		{"least", new(int32(7)), 7},
		{"most", new(int32(30)), 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := k.createKey()
			r, err := k.ScheduleKeyDeletion(t.Context(), alice(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: key.Arn, PendingWindowInDays: c.days})
			if err != nil {
				t.Fatal(err)
			}
			due := now.Add(time.Duration(c.want) * day)
			if *r.KeyId != *key.Arn || !r.DeletionDate.Equal(due) || *r.KeyState != "PendingDeletion" || *r.PendingWindowInDays != c.want {
				t.Errorf("answer is %s %v %s %d, want %s %v PendingDeletion %d", *r.KeyId, *r.DeletionDate, *r.KeyState, *r.PendingWindowInDays, *key.Arn, due, c.want)
			}
			for _, when := range []string{"at once", "after a restart"} {
				m := k.describe(*key.KeyId)
				if *m.KeyState != "PendingDeletion" || *m.Enabled || m.DeletionDate == nil || !m.DeletionDate.Equal(due) {
					t.Errorf("%s: metadata is %s %t %v", when, *m.KeyState, *m.Enabled, m.DeletionDate)
				}
				_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
				wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+" is pending deletion.")
				k.reopen()
			}
		})
	}
}

func TestScheduleKeyDeletionRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	const at = " at 'pendingWindowInDays' failed to satisfy constraint: Member must have value "
	for _, c := range []struct {
		name string
		req  kmsapi.ScheduleKeyDeletionRequest
		code awserr.Code
		text string
	}{
		{"no key", kmsapi.ScheduleKeyDeletionRequest{}, kmsapi.ValidationException, "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"},
		{"none", kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId, PendingWindowInDays: new(int32(0))}, kmsapi.ValidationException, "1 validation error detected: Value '0'" + at + "greater than or equal to 1"},
		{"too short", kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId, PendingWindowInDays: new(int32(6))}, kmsapi.ValidationException, "1 validation error detected: Value '6'" + at + "greater than or equal to 7"},
		{"too long", kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId, PendingWindowInDays: new(int32(31))}, kmsapi.ValidationException, "1 validation error detected: Value '31'" + at + "less than or equal to 30"},
		{"much too long", kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId, PendingWindowInDays: new(int32(366))}, kmsapi.ValidationException, "1 validation error detected: Value '366'" + at + "less than or equal to 365"},
		{"an alias", kmsapi.ScheduleKeyDeletionRequest{KeyId: new("alias/app")}, kmsapi.NotFoundException, "Invalid keyId 'alias/app'"},
		{"absent", kmsapi.ScheduleKeyDeletionRequest{KeyId: new(absentID)}, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/" + absentID + "' does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.ScheduleKeyDeletion(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	_, err := k.ScheduleKeyDeletion(t.Context(), bob(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:ScheduleKeyDeletion on resource: "+*key.Arn+" because no identity-based policy allows the kms:ScheduleKeyDeletion action")
	k.encrypt(*key.KeyId, "still there", nil)
}

func TestScheduleKeyDeletionRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.schedule(*key.KeyId, 20)
	r := k.last("ScheduleKeyDeletion")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","pendingWindowInDays":20}`)
	wantParameters(t, r.ResponseElements, `{"deletionDate":"Dec 13, 2026, 11:02:03 AM","keyId":"`+*key.Arn+`","keyState":"PendingDeletion"}`)
	if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a write on the key", r.raw)
	}
}

// A waiting period does not begin in the past because a clock was set back.
func TestScheduleKeyDeletionWithAClockSetBack(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	began := *k.now.Load()
	k.now.Store(new(began.Add(-100 * day)))
	r := k.schedule(*key.KeyId, 7)
	if r.DeletionDate.Before(began.Add(7 * day).Truncate(time.Second)) {
		t.Errorf("DeletionDate is %v, though it was %v when the server began", r.DeletionDate, began)
	}
	m := k.describe(*key.KeyId)
	if !m.DeletionDate.Equal(*r.DeletionDate) {
		t.Errorf("DescribeKey says %v, want %v", m.DeletionDate, r.DeletionDate)
	}
}

func TestCancelKeyDeletion(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.schedule(*key.KeyId, 7)
	r, err := k.CancelKeyDeletion(t.Context(), alice(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
	k.check(err)
	if *r.KeyId != *key.Arn {
		t.Errorf("KeyId is %s, want %s", *r.KeyId, *key.Arn)
	}
	rec := k.last("CancelKeyDeletion")
	wantParameters(t, rec.RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
	wantParameters(t, rec.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	if m := k.describe(*key.KeyId); *m.KeyState != "Disabled" || m.DeletionDate != nil {
		t.Errorf("metadata is %s %v, want a disabled key without a deletion date", *m.KeyState, m.DeletionDate)
	}
	_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
	if got := decrypted(t, k, blob, nil); got != "p" {
		t.Errorf("the blob opens to %q", got)
	}
	_, err = k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
	wantError(t, err, kmsapi.KMSInvalidStateException, *key.Arn+" is not pending deletion.")
	_, err = k.CancelKeyDeletion(t.Context(), bob(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:CancelKeyDeletion on resource: "+*key.Arn+" because no identity-based policy allows the kms:CancelKeyDeletion action")
}
