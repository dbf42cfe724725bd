package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// Of a key that does not rotate the status has no period and no date.
func TestGetKeyRotationStatusOfNewKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	r := k.rotationStatus(*key.KeyId)
	if *r.KeyId != *key.Arn || *r.KeyRotationEnabled || r.RotationPeriodInDays != nil || r.NextRotationDate != nil || r.OnDemandRotationStartDate != nil {
		t.Errorf("got %+v, want the key's ARN and no rotation", r)
	}
	wantParameters(t, k.last("GetKeyRotationStatus").RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
}

// Disabling a key leaves its status, scheduling its deletion hides it.
func TestGetKeyRotationStatusByState(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.enableRotation(*key.KeyId, 180)
	k.disable(*key.KeyId)
	k.wantRotation(*key.KeyId, 180, 180*day)
	k.check(k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
	k.schedule(*key.KeyId, 7)
	if r := k.rotationStatus(*key.KeyId); *r.KeyRotationEnabled || r.RotationPeriodInDays != nil {
		t.Errorf("got %+v of a key that is to be deleted, want no rotation", r)
	}
	_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
	k.check(err)
	k.wantRotation(*key.KeyId, 180, 180*day)
}

func TestGetKeyRotationStatusOfOtherKeys(t *testing.T) {
	k := newKit(t)
	for name, tt := range map[string]struct {
		change func(*kmsdb.Key)
		text   string // after the ARN; "-" is none at all, "" success
	}{
		"RSA":            {func(k *kmsdb.Key) { k.KeySpec = kmsapi.KeySpecRsa2048 }, "-"},
		"imported":       {func(k *kmsdb.Key) { k.Origin = kmsapi.OriginTypeExternal }, ""},
		"pending import": {func(k *kmsdb.Key) { k.Origin, k.State = kmsapi.OriginTypeExternal, kmsapi.KeyStatePendingImport }, ""},
		"in a key store": {func(k *kmsdb.Key) { k.Origin = kmsapi.OriginTypeExternalKeyStore }, " origin is EXTERNAL_KEY_STORE which is not valid for this operation."},
	} {
		t.Run(name, func(t *testing.T) {
			key := k.createKey()
			k.change(*key.KeyId, tt.change)
			r, err := k.GetKeyRotationStatus(t.Context(), root(), &kmsapi.GetKeyRotationStatusRequest{KeyId: key.KeyId})
			switch {
			case tt.text == "-":
				wantError(t, err, kmsapi.UnsupportedOperationException, "")
			case tt.text != "":
				wantError(t, err, kmsapi.UnsupportedOperationException, *key.Arn+tt.text)
			case err != nil || *r.KeyRotationEnabled:
				t.Errorf("got %+v, %v, want no rotation", r, err)
			}
		})
	}
}

// It is the one operation on rotation that another account may be allowed.
func TestGetKeyRotationStatusFromAnotherAccount(t *testing.T) {
	k := newKit(t)
	r, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{Policy: new(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["` + account + `","` + other + `"]},"Action":"kms:*","Resource":"*"}}`)})
	k.check(err)
	arn := r.KeyMetadata.Arn
	foreign := caller(other, region)
	status, err := k.GetKeyRotationStatus(t.Context(), foreign, &kmsapi.GetKeyRotationStatusRequest{KeyId: arn})
	k.check(err)
	if *status.KeyId != *arn {
		t.Errorf("got %s, want %s", *status.KeyId, *arn)
	}
	for name, call := range map[string]func(c identity.Caller) error{
		"EnableKeyRotation": func(c identity.Caller) error {
			return k.EnableKeyRotation(t.Context(), c, &kmsapi.EnableKeyRotationRequest{KeyId: arn})
		},
		"DisableKeyRotation": func(c identity.Caller) error {
			return k.DisableKeyRotation(t.Context(), c, &kmsapi.DisableKeyRotationRequest{KeyId: arn})
		},
		"RotateKeyOnDemand": func(c identity.Caller) error {
			_, err := k.RotateKeyOnDemand(t.Context(), c, &kmsapi.RotateKeyOnDemandRequest{KeyId: arn})
			return err
		},
		"ListKeyRotations": func(c identity.Caller) error {
			_, err := k.ListKeyRotations(t.Context(), c, &kmsapi.ListKeyRotationsRequest{KeyId: arn})
			return err
		},
	} {
		wantError(t, call(foreign), gate.AccessDenied, "User: arn:aws:iam::"+other+":root is not authorized to perform: kms:"+name+" on resource: "+*arn+" because no resource-based policy allows the kms:"+name+" action")
		k.check(call(root()))
	}
}

// AWS managed keys rotate every year from their creation, and nobody can change that.
func TestGetKeyRotationStatusOfManagedKey(t *testing.T) {
	k := newKit(t)
	key := k.describe("alias/aws/s3")
	k.wantRotation(*key.KeyId, 365, 365*day)
}
