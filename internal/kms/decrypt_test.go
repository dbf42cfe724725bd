package kms_test

import (
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

const cannotDecrypt = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."

func TestDecryptAnswer(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "attack at dawn", map[string]string{"a": "1", "b": "2"})
	r, err := k.Decrypt(t.Context(), alice(), &kmsapi.DecryptRequest{
		CiphertextBlob: blob, EncryptionContext: map[string]string{"b": "2", "a": "1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Plaintext.Expose()); got != "attack at dawn" {
		t.Errorf("Plaintext is %q", got)
	}
	if *r.KeyId != *key.Arn || *r.KeyMaterialId != *key.CurrentKeyMaterialId || *r.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
		t.Errorf("answer is %s, %s, %s", *r.KeyId, *r.KeyMaterialId, *r.EncryptionAlgorithm)
	}
}

func TestDecryptAfterRestart(t *testing.T) {
	k := newKit(t)
	blob := k.encrypt(*k.createKey().KeyId, "still here", nil)
	k.reopen()
	if got := decrypted(t, k, blob, nil); got != "still here" {
		t.Errorf("the blob opens to %q", got)
	}
}

// Everything that is wrong with a blob or its context looks the same: one
// code, no text.
func TestDecryptRefusesWhatIsNotTheBlob(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	context := map[string]string{"tenant": "t1"}
	blob := k.encrypt(*key.KeyId, "p", context)
	foreign := newKit(t)
	foreignBlob := foreign.encrypt(*foreign.createKey().KeyId, "p", context)
	for name, req := range map[string]*kmsapi.DecryptRequest{
		"no context":       {CiphertextBlob: blob},
		"other value":      {CiphertextBlob: blob, EncryptionContext: map[string]string{"tenant": "T1"}},
		"one pair more":    {CiphertextBlob: blob, EncryptionContext: map[string]string{"tenant": "t1", "x": "y"}},
		"truncated":        {CiphertextBlob: blob[:len(blob)-1], EncryptionContext: context},
		"extended":         {CiphertextBlob: append(slices.Clone(blob), 0), EncryptionContext: context},
		"one byte":         {CiphertextBlob: []byte{1}, EncryptionContext: context},
		"another server's": {CiphertextBlob: foreignBlob, EncryptionContext: context},
	} {
		for _, keyID := range []*string{nil, key.KeyId} {
			req.KeyId = keyID
			_, err := k.Decrypt(t.Context(), root(), req)
			t.Run(name, func(t *testing.T) { wantError(t, err, kmsapi.InvalidCiphertextException, "") })
		}
	}
	for i := range blob {
		damaged := slices.Clone(blob)
		damaged[i] ^= 1
		_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: damaged, EncryptionContext: context})
		wantError(t, err, kmsapi.InvalidCiphertextException, "")
	}
}

func TestDecryptWithAnotherKeyID(t *testing.T) {
	k := newKit(t)
	key, wrong := k.createKey(), k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.change(*wrong.KeyId, func(k *kmsdb.Key) { k.KeyUsage = kmsapi.KeyUsageTypeGenerateVerifyMac }) // still IncorrectKey
	_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: wrong.KeyId})
	wantError(t, err, kmsapi.IncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
}

// A blob without KeyId whose key the caller cannot have: one answer for all.
func TestDecryptOfUnreachableKeys(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	service, err := k.NewServiceDataKey(t.Context(), account, region)
	k.check(err)
	for name, call := range map[string]func() error{
		"not allowed": func() error {
			_, err := k.Decrypt(t.Context(), bob(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			return err
		},
		"another account": func() error {
			_, err := k.Decrypt(t.Context(), caller(other, region), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			return err
		},
		"another region": func() error {
			_, err := k.Decrypt(t.Context(), caller(account, region2), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			return err
		},
		"S3's own key": func() error {
			_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: service.Blob})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, call(), gate.AccessDenied, cannotDecrypt)
			if r := k.last("Decrypt"); r.ErrorCode != "AccessDenied" || r.RequestParameters != nil {
				t.Errorf("record is %s, want a denial", r.raw)
			}
		})
	}
}

func TestDecryptDisabled(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.disable(*key.KeyId)
	_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
}

func TestDecryptDryRun(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	ignore := []kmsapi.DryRunModifierType{kmsapi.DryRunModifierTypeIgnoreCiphertext}
	const would = "The request would have succeeded, but the DryRun option is set."
	for _, c := range []struct {
		name string
		req  kmsapi.DecryptRequest
		code awserr.Code
		text string
	}{
		{"good blob", kmsapi.DecryptRequest{CiphertextBlob: blob, DryRun: new(true)}, kmsapi.DryRunOperationException, would},
		{"bad blob", kmsapi.DecryptRequest{CiphertextBlob: blob[1:], DryRun: new(true)}, kmsapi.InvalidCiphertextException, ""},
		{"wrong context", kmsapi.DecryptRequest{CiphertextBlob: blob, DryRun: new(true), EncryptionContext: map[string]string{"a": "b"}}, kmsapi.InvalidCiphertextException, ""},
		{"no blob needed", kmsapi.DecryptRequest{KeyId: key.KeyId, DryRun: new(true), DryRunModifiers: ignore}, kmsapi.DryRunOperationException, would},
		{"modifier without key", kmsapi.DecryptRequest{DryRun: new(true), DryRunModifiers: ignore}, kmsapi.ValidationException, "KeyId is required when DryRunModifiers contains IGNORE_CIPHERTEXT."},
		{"modifier without DryRun", kmsapi.DecryptRequest{KeyId: key.KeyId, DryRunModifiers: ignore}, kmsapi.ValidationException, "DryRunModifiers can only be specified when DryRun is true."},
		{"nothing", kmsapi.DecryptRequest{}, kmsapi.ValidationException, "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.Decrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
}

// Without the attestation document being verified no plaintext leaves.
func TestRecipientFailsClosed(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	recipient := &kmsapi.RecipientInfo{AttestationDocument: []byte("document")}
	_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: k.encrypt(id, "p", nil), Recipient: recipient})
	wantError(t, err, kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
	_, err = k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: &id, KeySpec: new(kmsapi.DataKeySpecAes256), Recipient: recipient})
	wantError(t, err, kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
	wantParameters(t, k.last("GenerateDataKey").RequestParameters, `{"keyId":"`+id+`","keySpec":"AES_256"}`)
}

func TestDecryptRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", map[string]string{"tenant": "t1"})
	decrypted(t, k, blob, map[string]string{"tenant": "t1"})
	r := k.last("Decrypt")
	wantParameters(t, r.RequestParameters, `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"tenant":"t1"}}`)
	wantParameters(t, r.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	if len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("resources are %v, want the key that the blob names", r.Resources)
	}
}
