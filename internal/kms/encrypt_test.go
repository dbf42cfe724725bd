package kms_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

func TestEncryptTakesEveryFormOfKeyID(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.createAlias("alias/app", *key.KeyId)
	for name, id := range map[string]string{
		"key id":    *key.KeyId,
		"key ARN":   *key.Arn,
		"alias":     "alias/app",
		"alias ARN": "arn:aws:kms:" + region + ":" + account + ":alias/app",
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // first from the database, then from memory
				r, err := k.Encrypt(t.Context(), alice(), encryptRequest(id, "attack at dawn", nil))
				if err != nil {
					t.Fatal(err)
				}
				if got, want := *r.KeyId, *key.Arn; got != want {
					t.Errorf("KeyId is %s, want %s", got, want)
				}
				if got, want := *r.EncryptionAlgorithm, kmsapi.EncryptionAlgorithmSpecSymmetricDefault; got != want {
					t.Errorf("EncryptionAlgorithm is %s, want %s", got, want)
				}
				if got := decrypted(t, k, r.CiphertextBlob, nil); got != "attack at dawn" {
					t.Errorf("the blob opens to %q", got)
				}
			}
		})
	}
}

// decrypted opens a blob as root.
func decrypted(t testing.TB, k *kit, blob []byte, context map[string]string) string {
	t.Helper()
	r, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob, EncryptionContext: context})
	if err != nil {
		t.Fatal(err)
	}
	return string(r.Plaintext.Expose())
}

func TestEncryptSizes(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	for _, n := range []int{1, 32, 4096} {
		p := strings.Repeat("x", n)
		if got := decrypted(t, k, k.encrypt(id, p, nil), nil); got != p {
			t.Errorf("%d bytes do not come back", n)
		}
	}
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(id, strings.Repeat("x", 4097), nil))
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
}

func TestEncryptIsRandomized(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	if bytes.Equal(k.encrypt(id, "same", nil), k.encrypt(id, "same", nil)) {
		t.Error("two encryptions of one plaintext are equal")
	}
}

func TestEncryptContextIsBounded(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	k.encrypt(id, "p", map[string]string{"k": strings.Repeat("v", 8<<10-1)})
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", map[string]string{"k": strings.Repeat("v", 8<<10)}))
	wantError(t, err, kmsapi.ValidationException, "The encryption context exceeds the maximum of 8192 bytes.")
}

func TestEncryptDryRunComesLast(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	dry := func() error {
		r := encryptRequest(*key.KeyId, "p", nil)
		r.DryRun = new(true)
		_, err := k.Encrypt(t.Context(), root(), r)
		return err
	}
	wantError(t, dry(), kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
	k.disable(*key.KeyId)
	wantError(t, dry(), kmsapi.DisabledException, *key.Arn+" is disabled.")
}

func TestEncryptRefusesAlgorithmsOfOtherKeys(t *testing.T) {
	k := newKit(t)
	r := encryptRequest(*k.createKey().KeyId, "p", nil)
	r.EncryptionAlgorithm = new(kmsapi.EncryptionAlgorithmSpecRsaesOaepSha256)
	_, err := k.Encrypt(t.Context(), root(), r)
	wantError(t, err, kmsapi.InvalidKeyUsageException, "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.")
}

func TestEncryptRefusesKeysOfOtherUsage(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.change(*key.KeyId, func(k *kmsdb.Key) { k.KeyUsage = kmsapi.KeyUsageTypeSignVerify })
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.InvalidKeyUsageException, *key.Arn+" key usage is SIGN_VERIFY which is not valid for Encrypt.")
}

// Who has no rights is answered the same with grant tokens and without: a token
// is no way to learn what is there.
func TestGrantTokensTellNothing(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	for name, c := range map[string]identity.Caller{"no rights": bob(), "another account": caller(other, region)} {
		for op, call := range map[string]func(tokens []string) error{
			"Decrypt": func(tokens []string) error {
				_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{CiphertextBlob: blob, GrantTokens: tokens})
				return err
			},
			"Decrypt with KeyId": func(tokens []string) error {
				_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{CiphertextBlob: blob, KeyId: key.Arn, GrantTokens: tokens})
				return err
			},
			"DescribeKey": func(tokens []string) error {
				_, err := k.DescribeKey(t.Context(), c, &kmsapi.DescribeKeyRequest{KeyId: key.Arn, GrantTokens: tokens})
				return err
			},
		} {
			t.Run(name+"/"+op, func(t *testing.T) {
				without, _ := errors.AsType[*awserr.Error](call(nil))
				wantError(t, without, gate.AccessDenied, without.Message)
				wantError(t, call([]string{"AQpAM2RhZ"}), gate.AccessDenied, without.Message)
			})
		}
	}
}

// No grants exist, so no grant token is good.
func TestGrantTokensAreNeverIgnored(t *testing.T) {
	k := newKit(t)
	id := *k.createKey().KeyId
	blob := k.encrypt(id, "p", nil)
	tokens := []string{"AQpAM2RhZ"}
	for name, call := range map[string]func() error{
		"Encrypt": func() error {
			_, err := k.Encrypt(t.Context(), root(), &kmsapi.EncryptRequest{KeyId: &id, Plaintext: secret.New([]byte("p")), GrantTokens: tokens})
			return err
		},
		"Decrypt": func() error {
			_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob, GrantTokens: tokens})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: &id, KeySpec: new(kmsapi.DataKeySpecAes256), GrantTokens: tokens})
			return err
		},
		"DescribeKey": func() error {
			_, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &id, GrantTokens: tokens})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, call(), kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
		})
	}
}

func TestEncryptRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.encrypt(*key.KeyId, "not for the trail", map[string]string{"tenant": "t\"1", "app": "a"})
	r := k.last("Encrypt")
	wantParameters(t, r.RequestParameters, `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"app":"a","tenant":"t\"1"},"keyId":"`+*key.KeyId+`"}`)
	wantParameters(t, r.AdditionalEventData, `{"keyMaterialId":"`+*key.CurrentKeyMaterialId+`"}`)
	if r.ResponseElements != nil || !r.ReadOnly || !r.ManagementEvent {
		t.Errorf("record is %s, want null responseElements, a read-only management event", r.raw)
	}
	if len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn || r.Resources[0].Type != "AWS::KMS::Key" || r.Resources[0].AccountID != account {
		t.Errorf("resources are %v, want the key", r.Resources)
	}
	if strings.Contains(r.raw, "not for the trail") {
		t.Error("the record holds the plaintext")
	}
}

func TestEncryptDenied(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	_, err := k.Encrypt(t.Context(), bob(), encryptRequest(*key.KeyId, "p", nil))
	text := "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Encrypt on resource: " + *key.Arn +
		" because no identity-based policy allows the kms:Encrypt action"
	wantError(t, err, gate.AccessDenied, text)
	r := k.last("Encrypt")
	if r.ErrorCode != "AccessDenied" || r.ErrorMessage != text || r.RequestParameters != nil {
		t.Errorf("record is %s, want the denial without parameters", r.raw)
	}
}

// Authorization comes before the state: who may not use a key does not learn
// that it is disabled.
func TestDenialComesBeforeState(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.disable(*key.KeyId)
	_, err := k.Encrypt(t.Context(), bob(), encryptRequest(*key.KeyId, "p", nil))
	if err == nil || !strings.Contains(err.Error(), "is not authorized") {
		t.Errorf("error is %v, want a denial", err)
	}
}

func BenchmarkEncrypt32(b *testing.B) {
	k := newKit(b)
	id := *k.createKey().Arn
	c := root()
	req := encryptRequest(id, strings.Repeat("p", 32), map[string]string{"tenant": "t1"})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Encrypt(ctx, c, req); err != nil {
			b.Fatal(err)
		}
	}
}
