package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func TestGenerateDataKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for _, c := range []struct {
		name string
		req  kmsapi.GenerateDataKeyRequest
		size int
	}{
		{"AES_256", kmsapi.GenerateDataKeyRequest{KeySpec: new(kmsapi.DataKeySpecAes256)}, 32},
		{"AES_128", kmsapi.GenerateDataKeyRequest{KeySpec: new(kmsapi.DataKeySpecAes128)}, 16},
		{"1 byte", kmsapi.GenerateDataKeyRequest{NumberOfBytes: new(int32(1))}, 1},
		{"1024 bytes", kmsapi.GenerateDataKeyRequest{NumberOfBytes: new(int32(1024))}, 1024},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.KeyId, c.req.EncryptionContext = key.KeyId, map[string]string{"a": "b"}
			r, err := k.GenerateDataKey(t.Context(), alice(), &c.req)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Plaintext.Len(); got != c.size {
				t.Errorf("the data key has %d bytes, want %d", got, c.size)
			}
			if got := decrypted(t, k, r.CiphertextBlob, c.req.EncryptionContext); got != string(r.Plaintext.Expose()) {
				t.Error("the blob does not open to the data key")
			}
			if *r.KeyId != *key.Arn || *r.KeyMaterialId != *key.CurrentKeyMaterialId {
				t.Errorf("answer is %s, %s", *r.KeyId, *r.KeyMaterialId)
			}
		})
	}
}

func TestGenerateDataKeyWithoutPlaintext(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	r, err := k.GenerateDataKeyWithoutPlaintext(t.Context(), alice(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{
		KeyId: key.Arn, NumberOfBytes: new(int32(64)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(decrypted(t, k, r.CiphertextBlob, nil)); got != 64 {
		t.Errorf("the data key has %d bytes, want 64", got)
	}
	if *r.KeyId != *key.Arn || *r.KeyMaterialId != *key.CurrentKeyMaterialId {
		t.Errorf("answer is %s, %s", *r.KeyId, *r.KeyMaterialId)
	}
	k.last("Decrypt")
	rs := k.records()
	made := rs[len(rs)-2]
	if made.EventName != "GenerateDataKeyWithoutPlaintext" {
		t.Fatalf("record is %s", made.raw)
	}
	wantParameters(t, made.RequestParameters, `{"keyId":"`+*key.Arn+`","numberOfBytes":64}`)
}

func TestGenerateDataKeySizes(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	const either = "Please specify either number of bytes or key spec."
	for _, c := range []struct {
		name  string
		spec  *kmsapi.DataKeySpec
		bytes *int32
		text  string
	}{
		{"neither", nil, nil, either},
		{"both", new(kmsapi.DataKeySpecAes256), new(int32(32)), either},
		{"too many", nil, new(int32(1025)), "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{"too few", nil, new(int32(0)), "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: id, KeySpec: c.spec, NumberOfBytes: c.bytes})
			wantError(t, err, kmsapi.ValidationException, c.text)
			_, err = k.GenerateDataKeyWithoutPlaintext(t.Context(), root(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: id, KeySpec: c.spec, NumberOfBytes: c.bytes})
			wantError(t, err, kmsapi.ValidationException, c.text)
		})
	}
}

func TestGenerateDataKeyDryRun(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	const would = "The request would have succeeded, but the DryRun option is set."
	_, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: id, KeySpec: new(kmsapi.DataKeySpecAes256), DryRun: new(true)})
	wantError(t, err, kmsapi.DryRunOperationException, would)
	_, err = k.GenerateDataKeyWithoutPlaintext(t.Context(), root(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: id, KeySpec: new(kmsapi.DataKeySpecAes256), DryRun: new(true)})
	wantError(t, err, kmsapi.DryRunOperationException, would)
}

func TestGenerateDataKeyRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	_, err := k.GenerateDataKey(t.Context(), alice(), &kmsapi.GenerateDataKeyRequest{
		KeyId: new("alias/app"), KeySpec: new(kmsapi.DataKeySpecAes256), EncryptionContext: map[string]string{"tenant": "t1"},
	})
	k.check(err)
	r := k.last("GenerateDataKey")
	wantParameters(t, r.RequestParameters, `{"encryptionContext":{"tenant":"t1"},"keyId":"alias/app","keySpec":"AES_256"}`)
	wantParameters(t, r.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	if !r.ReadOnly || r.ResponseElements != nil {
		t.Errorf("record is %s, want a read-only event without responseElements", r.raw)
	}
}
