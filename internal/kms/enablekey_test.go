package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/store"
)

func TestDisableKeyAndEnableKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	for range 2 { // disabling a disabled key is no error
		k.check(k.DisableKey(t.Context(), alice(), &kmsapi.DisableKeyRequest{KeyId: key.Arn}))
		_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
		wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	}
	k.reopen()
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	for range 2 {
		k.check(k.EnableKey(t.Context(), alice(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
		if got := decrypted(t, k, blob, nil); got != "p" {
			t.Errorf("the blob opens to %q", got)
		}
	}
}

func TestEnableKeyDenied(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for verb, err := range map[string]error{
		"EnableKey":  k.EnableKey(t.Context(), bob(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}),
		"DisableKey": k.DisableKey(t.Context(), bob(), &kmsapi.DisableKeyRequest{KeyId: key.KeyId}),
	} {
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:"+verb+" on resource: "+*key.Arn+" because no identity-based policy allows the kms:"+verb+" action")
	}
	k.encrypt(*key.KeyId, "still enabled", nil)
}

// Since December 2022 records of these operations name the key in
// responseElements. A call that changes nothing has a record too.
func TestDisableKeyRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	before := len(k.records())
	for range 2 {
		k.disable(*key.KeyId)
		r := k.last("DisableKey")
		wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
		wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
		if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
			t.Errorf("record is %s, want a write on the key", r.raw)
		}
	}
	if got := len(k.records()) - before; got != 2 {
		t.Errorf("two calls made %d records", got)
	}
}

// A key that is deleted between the decision and the change is not there.
func TestKeyThatIsGoneMeanwhile(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.encrypt(*key.KeyId, "p", nil) // so the service has it in memory
	k.createAlias("alias/other", *k.createKey().KeyId)
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DeleteUnlogged(store.KMSKeys, account+"/"+region+"/"+*key.KeyId)
	}))
	for name, err := range map[string]error{
		"EnableKey":   k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}),
		"DisableKey":  k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: key.KeyId}),
		"CreateAlias": k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: key.KeyId}),
		"UpdateAlias": k.updateAlias("alias/other", *key.KeyId),
		"TagResource": k.tag(*key.KeyId, tagList("a", "b")),
		"ScheduleKeyDeletion": func() error {
			_, err := k.ScheduleKeyDeletion(t.Context(), root(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: key.KeyId})
			return err
		}(),
		"CancelKeyDeletion": func() error {
			_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: key.KeyId})
			return err
		}(),
		"PutKeyPolicy": k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(laidOut)}),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
		})
	}
}
