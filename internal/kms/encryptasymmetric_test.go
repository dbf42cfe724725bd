package kms_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

const (
	oaepSHA1   = kmsapi.EncryptionAlgorithmSpecRsaesOaepSha1
	oaepSHA256 = kmsapi.EncryptionAlgorithmSpecRsaesOaepSha256
	sm2pke     = kmsapi.EncryptionAlgorithmSpecSm2pke

	noContext = "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
	would     = "The request would have succeeded, but the DryRun option is set."
)

// rsaKey makes an RSA_2048 encryption key, the fastest of the RSA keys.
func (k *kit) rsaKey() *kmsapi.KeyMetadata {
	k.t.Helper()
	return k.createKeyOf(kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeEncryptDecrypt)
}

// encryptWith encrypts under an asymmetric key.
func (k *kit) encryptWith(keyID string, a kmsapi.EncryptionAlgorithmSpec, plaintext string) []byte {
	k.t.Helper()
	r, err := k.Encrypt(k.t.Context(), root(), &kmsapi.EncryptRequest{KeyId: &keyID, EncryptionAlgorithm: &a, Plaintext: secret.New([]byte(plaintext))})
	k.check(err)
	return r.CiphertextBlob
}

// decryptedWith opens what was encrypted to the public key of an asymmetric key.
func decryptedWith(t testing.TB, k *kit, keyID string, a kmsapi.EncryptionAlgorithmSpec, blob []byte) string {
	t.Helper()
	r, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{KeyId: &keyID, EncryptionAlgorithm: &a, CiphertextBlob: blob})
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Plaintext.Expose())
}

// Up to which size each key encrypts with each algorithm, and that the blob is
// what RSA makes and no more.
func TestEncryptSizesOfAsymmetricKeys(t *testing.T) {
	for _, c := range []struct {
		spec kmsapi.KeySpec
		size map[kmsapi.EncryptionAlgorithmSpec]int
		blob int // 0: it depends
	}{
		{kmsapi.KeySpecRsa2048, map[kmsapi.EncryptionAlgorithmSpec]int{oaepSHA1: 214, oaepSHA256: 190}, 256},
		{kmsapi.KeySpecRsa3072, map[kmsapi.EncryptionAlgorithmSpec]int{oaepSHA1: 342, oaepSHA256: 318}, 384},
		{kmsapi.KeySpecRsa4096, map[kmsapi.EncryptionAlgorithmSpec]int{oaepSHA1: 470, oaepSHA256: 446}, 512},
		{kmsapi.KeySpecSm2, map[kmsapi.EncryptionAlgorithmSpec]int{sm2pke: 1024}, 0},
	} {
		t.Run(string(c.spec), func(t *testing.T) {
			k := newKit(t)
			key := k.createKeyOf(c.spec, kmsapi.KeyUsageTypeEncryptDecrypt)
			for a, most := range c.size {
				for _, n := range []int{1, most} {
					plaintext := strings.Repeat("x", n)
					blob := k.encryptWith(*key.KeyId, a, plaintext)
					if c.blob != 0 && len(blob) != c.blob {
						t.Errorf("%s: the blob has %d bytes, want %d", a, len(blob), c.blob)
					}
					if got := decryptedWith(t, k, *key.KeyId, a, blob); got != plaintext {
						t.Errorf("%s: %d bytes come back as %d others", a, n, len(got))
					}
				}
				for _, n := range []int{most + 1, 4096} {
					_, err := k.Encrypt(t.Context(), root(), &kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: &a, Plaintext: secret.New(make([]byte, n))})
					wantError(t, err, kmsapi.ValidationException, "Algorithm "+string(a)+" and key spec "+string(c.spec)+" cannot encrypt data larger than "+strconv.Itoa(most)+" bytes.")
				}
			}
		})
	}
}

func TestEncryptAnswerOfAsymmetricKeys(t *testing.T) {
	k := newKit(t)
	key := k.rsaKey()
	k.createAlias("alias/rsa", *key.KeyId)
	a := oaepSHA256
	r, err := k.Encrypt(t.Context(), alice(), &kmsapi.EncryptRequest{
		KeyId: new("alias/rsa"), EncryptionAlgorithm: &a, Plaintext: secret.New([]byte("not for the trail")), EncryptionContext: map[string]string{},
	})
	k.check(err)
	if *r.KeyId != *key.Arn || *r.EncryptionAlgorithm != a {
		t.Errorf("answer is of %s with %s", *r.KeyId, *r.EncryptionAlgorithm)
	}
	record := k.last("Encrypt")
	wantParameters(t, record.RequestParameters, `{"encryptionAlgorithm":"RSAES_OAEP_SHA_256","keyId":"alias/rsa"}`)
	if record.AdditionalEventData != nil || record.ResponseElements != nil || len(record.Resources) != 1 || record.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want the key, without its material", record.raw)
	}
}

func TestEncryptRefusalsOfAsymmetricKeys(t *testing.T) {
	k := newKit(t)
	key, symmetric, signing := k.rsaKey(), k.createKey(), k.createKeyOf(kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeSignVerify)
	long := secret.New(make([]byte, 4096))
	for _, c := range []struct {
		name string
		req  kmsapi.EncryptRequest
		code awserr.Code
		text string
	}{
		{"no algorithm", kmsapi.EncryptRequest{KeyId: key.KeyId}, kmsapi.InvalidKeyUsageException, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		{"the default algorithm", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSymmetricDefault)}, kmsapi.InvalidKeyUsageException, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		{"the algorithm of SM2", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(sm2pke)}, kmsapi.InvalidKeyUsageException, "Algorithm SM2PKE is incompatible with key spec RSA_2048."},
		{"no algorithm of all", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpec("RSAES_PKCS1"))}, kmsapi.ValidationException, "1 validation error detected: Value 'RSAES_PKCS1' at 'encryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"},
		{"a context", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), EncryptionContext: tenant}, kmsapi.ValidationException, noContext},
		{"a context, too long", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), EncryptionContext: tenant, Plaintext: long}, kmsapi.ValidationException, noContext},
		{"a context, no algorithm", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionContext: tenant}, kmsapi.InvalidKeyUsageException, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		{"another usage", kmsapi.EncryptRequest{KeyId: signing.KeyId, EncryptionAlgorithm: new(oaepSHA1)}, kmsapi.InvalidKeyUsageException, *signing.Arn + " key usage is SIGN_VERIFY which is not valid for Encrypt."},
		{"a symmetric key", kmsapi.EncryptRequest{KeyId: symmetric.KeyId, EncryptionAlgorithm: new(oaepSHA1)}, kmsapi.InvalidKeyUsageException, "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"dry run", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), DryRun: new(true)}, kmsapi.DryRunOperationException, would},
		{"dry run, too long", kmsapi.EncryptRequest{KeyId: key.KeyId, EncryptionAlgorithm: new(oaepSHA1), DryRun: new(true), Plaintext: long}, kmsapi.ValidationException, "Algorithm RSAES_OAEP_SHA_1 and key spec RSA_2048 cannot encrypt data larger than 214 bytes."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.req.Plaintext.IsNil() {
				c.req.Plaintext = secret.New([]byte("p"))
			}
			_, err := k.Encrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	k.disable(*key.KeyId)
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.") // before the algorithm
}

// After a restart the private key comes from its token.
func TestAsymmetricKeysAfterRestart(t *testing.T) {
	k := newKit(t)
	key := k.rsaKey()
	blob := k.encryptWith(*key.KeyId, oaepSHA256, "still here")
	k.reopen()
	if got := decryptedWith(t, k, *key.KeyId, oaepSHA256, blob); got != "still here" {
		t.Errorf("the blob opens to %q", got)
	}
}
