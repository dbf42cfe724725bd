package kms_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"hash"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// rsaPublic parses what GetPublicKey answers for an RSA key.
func (k *kit) rsaPublic(keyID string) *rsa.PublicKey {
	k.t.Helper()
	r, err := k.GetPublicKey(k.t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: &keyID})
	k.check(err)
	key, err := x509.ParsePKIXPublicKey(r.PublicKey)
	k.check(err)
	return key.(*rsa.PublicKey)
}

// What somebody encrypts who has nothing but the public key opens.
func TestDecryptOfWhatWasEncryptedElsewhere(t *testing.T) {
	k := newKit(t)
	key := k.rsaKey()
	public := k.rsaPublic(*key.KeyId)
	for a, h := range map[kmsapi.EncryptionAlgorithmSpec]hash.Hash{oaepSHA1: sha1.New(), oaepSHA256: sha256.New()} {
		blob, err := rsa.EncryptOAEP(h, rand.Reader, public, []byte("attack at dawn"), nil)
		k.check(err)
		r, err := k.Decrypt(t.Context(), alice(), &kmsapi.DecryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: &a, CiphertextBlob: blob})
		k.check(err)
		if got := string(r.Plaintext.Expose()); got != "attack at dawn" {
			t.Errorf("%s: the blob opens to %q", a, got)
		}
		if *r.KeyId != *key.Arn || *r.EncryptionAlgorithm != a || r.KeyMaterialId != nil {
			t.Errorf("%s: answer is %+v, want the key and the algorithm, and no key material", a, r)
		}
		record := k.last("Decrypt")
		wantParameters(t, record.RequestParameters, `{"encryptionAlgorithm":"`+string(a)+`","keyId":"`+*key.KeyId+`"}`)
		if record.AdditionalEventData != nil || len(record.Resources) != 1 || record.Resources[0].ARN != *key.Arn {
			t.Errorf("record is %s, want the key, without its material", record.raw)
		}
	}
}

func TestDecryptRefusalsOfAsymmetricKeys(t *testing.T) {
	k := newKit(t)
	key, second, symmetric := k.rsaKey(), k.rsaKey(), k.createKey()
	signing := k.createKeyOf(kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeSignVerify)
	blob, sealed := k.encryptWith(*key.KeyId, oaepSHA256, "p"), k.encrypt(*symmetric.KeyId, "p", tenant)
	ignore := []kmsapi.DryRunModifierType{kmsapi.DryRunModifierTypeIgnoreCiphertext}
	const incompatible = "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."
	for _, c := range []struct {
		name string
		req  kmsapi.DecryptRequest
		code awserr.Code
		text string
	}{
		{"neither key nor algorithm", kmsapi.DecryptRequest{CiphertextBlob: blob}, kmsapi.InvalidCiphertextException, ""},
		{"no key", kmsapi.DecryptRequest{CiphertextBlob: blob, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.ValidationException, "KeyId must not be null"},
		{"no algorithm", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"another key", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: second.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidCiphertextException, ""},
		{"another digest", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1)}, kmsapi.InvalidCiphertextException, ""},
		{"the algorithm of SM2", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(sm2pke)}, kmsapi.InvalidKeyUsageException, "Algorithm SM2PKE is incompatible with key spec RSA_2048."},
		{"a symmetric key", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: symmetric.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidKeyUsageException, incompatible},
		{"another usage", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: signing.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidKeyUsageException, *signing.Arn + " key usage is SIGN_VERIFY which is not valid for Decrypt."},
		{"a context", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256), EncryptionContext: tenant}, kmsapi.ValidationException, noContext},
		{"zeros", kmsapi.DecryptRequest{CiphertextBlob: make([]byte, 256), KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidCiphertextException, ""},
		{"more than the modulus", kmsapi.DecryptRequest{CiphertextBlob: bytes.Repeat([]byte{0xff}, 256), KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidCiphertextException, ""},

		{"blob of a symmetric key", kmsapi.DecryptRequest{CiphertextBlob: sealed, KeyId: key.KeyId, EncryptionContext: tenant}, kmsapi.IncorrectKeyException, incorrectKey},
		{"blob of a symmetric key, with an algorithm", kmsapi.DecryptRequest{CiphertextBlob: sealed, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidCiphertextException, ""},
		{"blob of a symmetric key, its key and another algorithm", kmsapi.DecryptRequest{CiphertextBlob: sealed, KeyId: symmetric.KeyId, EncryptionAlgorithm: new(oaepSHA256), EncryptionContext: tenant}, kmsapi.InvalidKeyUsageException, incompatible},

		{"dry run", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256), DryRun: new(true)}, kmsapi.DryRunOperationException, would},
		{"dry run, another digest", kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), DryRun: new(true)}, kmsapi.InvalidCiphertextException, ""},
		{"dry run without a blob", kmsapi.DecryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), DryRun: new(true), DryRunModifiers: ignore}, kmsapi.DryRunOperationException, would},
		{"dry run without a blob, no algorithm", kmsapi.DecryptRequest{KeyId: key.KeyId, DryRun: new(true), DryRunModifiers: ignore}, kmsapi.InvalidKeyUsageException, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		{"dry run without a blob, a context", kmsapi.DecryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), EncryptionContext: tenant, DryRun: new(true), DryRunModifiers: ignore}, kmsapi.ValidationException, noContext},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.Decrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	_, err := k.Decrypt(t.Context(), bob(), &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256)})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Decrypt on resource: "+*key.Arn+" because no identity-based policy allows the kms:Decrypt action")
	k.disable(*key.KeyId)
	_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: []byte("x"), KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA256)})
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
}
