package kms_test

import (
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// enableRotation turns rotation on; no days, or 0, leave the period out.
func (k *kit) enableRotation(id string, days int32) {
	k.t.Helper()
	req := &kmsapi.EnableKeyRotationRequest{KeyId: &id}
	if days != 0 {
		req.RotationPeriodInDays = &days
	}
	k.check(k.EnableKeyRotation(k.t.Context(), root(), req))
}

func (k *kit) rotationStatus(id string) *kmsapi.GetKeyRotationStatusResponse {
	k.t.Helper()
	r, err := k.GetKeyRotationStatus(k.t.Context(), root(), &kmsapi.GetKeyRotationStatusRequest{KeyId: &id})
	k.check(err)
	return r
}

// wantRotation checks that a key rotates every so many days, and next after d.
func (k *kit) wantRotation(id string, days int32, next time.Duration) {
	k.t.Helper()
	r := k.rotationStatus(id)
	want := k.now.Load().Truncate(time.Millisecond).Add(next)
	if !*r.KeyRotationEnabled || r.RotationPeriodInDays == nil || *r.RotationPeriodInDays != days || r.NextRotationDate == nil || !r.NextRotationDate.Equal(want) {
		k.t.Errorf("got %+v, want rotation every %d days, next at %v", r, days, want)
	}
}

// rsa makes a key one of another spec, as CreateKey does, for the rules that go
// by the record alone.
func (k *kit) rsa(id string) {
	k.t.Helper()
	k.change(id, func(key *kmsdb.Key) {
		key.KeySpec, key.KeyUsage = kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeSignVerify
	})
}

// advance lets d pass, without a restart.
func (k *kit) advance(d time.Duration) { k.now.Store(new(k.now.Load().Add(d))) }

func TestEnableKeyRotation(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 0)
	wantParameters(t, k.last("EnableKeyRotation").RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
	k.wantRotation(*key.KeyId, 365, 365*day)
	k.enableRotation(*key.Arn, 90)
	r := k.last("EnableKeyRotation")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.Arn+`","rotationPeriodInDays":90}`)
	wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
	k.wantRotation(*key.KeyId, 90, 90*day)
	k.advance(10 * day)
	k.enableRotation(*key.KeyId, 90) // changes nothing: the date stays
	k.wantRotation(*key.KeyId, 90, 80*day)
	k.enableRotation(*key.KeyId, 2560)
	k.wantRotation(*key.KeyId, 2560, 2560*day)
	k.reopen()
	k.wantRotation(*key.KeyId, 2560, 2560*day)
}

func TestEnableKeyRotationPeriod(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for days, text := range map[int32]string{
		89:   "1 validation error detected: Value '89' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value greater than or equal to 90",
		2561: "1 validation error detected: Value '2561' at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value less than or equal to 2560",
	} {
		err := k.EnableKeyRotation(t.Context(), root(), &kmsapi.EnableKeyRotationRequest{KeyId: key.KeyId, RotationPeriodInDays: &days})
		wantError(t, err, kmsapi.ValidationException, text)
	}
}

func TestDisableKeyRotation(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	disable := func() {
		t.Helper()
		k.check(k.DisableKeyRotation(t.Context(), root(), &kmsapi.DisableKeyRotationRequest{KeyId: key.KeyId}))
	}
	disable() // of one that does not rotate
	k.enableRotation(*key.KeyId, 90)
	disable()
	if r := k.last("DisableKeyRotation"); r.ReadOnly {
		t.Errorf("record is %s", r.raw)
	}
	if r := k.rotationStatus(*key.KeyId); *r.KeyRotationEnabled || r.RotationPeriodInDays != nil || r.NextRotationDate != nil {
		t.Errorf("got %+v, want no rotation", r)
	}
	k.advance(100 * day)
	k.rotateDue(0)
}

// The schedule is for symmetric encryption keys with material of KMS's own; what
// a key is comes after what state it is in.
func TestRotationOfOtherKeys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*kmsdb.Key)
		code   awserr.Code
		text   string // after the ARN; "-" is none at all
	}{
		{"disabled", func(k *kmsdb.Key) { k.State = kmsapi.KeyStateDisabled }, kmsapi.DisabledException, " is disabled."},
		{"RSA", func(k *kmsdb.Key) { k.KeySpec = kmsapi.KeySpecRsa4096 }, kmsapi.UnsupportedOperationException, "-"},
		{"HMAC", func(k *kmsdb.Key) { k.KeySpec = kmsapi.KeySpecHmac256 }, kmsapi.UnsupportedOperationException, "-"},
		{"RSA, disabled", func(k *kmsdb.Key) { k.KeySpec, k.State = kmsapi.KeySpecRsa4096, kmsapi.KeyStateDisabled }, kmsapi.DisabledException, " is disabled."},
		{"RSA, to be deleted", func(k *kmsdb.Key) { k.KeySpec, k.State = kmsapi.KeySpecRsa4096, kmsapi.KeyStatePendingDeletion }, kmsapi.KMSInvalidStateException, " is pending deletion."},
		{"imported", func(k *kmsdb.Key) { k.Origin = kmsapi.OriginTypeExternal }, kmsapi.UnsupportedOperationException, " origin is EXTERNAL which is not valid for this operation."},
		{"imported, disabled", func(k *kmsdb.Key) { k.Origin, k.State = kmsapi.OriginTypeExternal, kmsapi.KeyStateDisabled }, kmsapi.DisabledException, " is disabled."},
		{"not imported yet", func(k *kmsdb.Key) { k.Origin, k.State = kmsapi.OriginTypeExternal, kmsapi.KeyStatePendingImport }, kmsapi.UnsupportedOperationException, " origin is EXTERNAL which is not valid for this operation."},
		{"in a key store", func(k *kmsdb.Key) { k.Origin = kmsapi.OriginTypeAwsCloudhsm }, kmsapi.UnsupportedOperationException, " origin is AWS_CLOUDHSM which is not valid for this operation."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			key := k.createKey()
			k.change(*key.KeyId, tt.change)
			text := *key.Arn + tt.text
			if tt.text == "-" {
				text = ""
			}
			wantError(t, k.EnableKeyRotation(t.Context(), root(), &kmsapi.EnableKeyRotationRequest{KeyId: key.KeyId}), tt.code, text)
			wantError(t, k.DisableKeyRotation(t.Context(), root(), &kmsapi.DisableKeyRotationRequest{KeyId: key.KeyId}), tt.code, text)
		})
	}
}
