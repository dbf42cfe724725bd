package kms_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// keyring has one key of each kind of which the operations differ.
func (k *kit) keyring() map[string]*kmsapi.KeyMetadata {
	k.t.Helper()
	return map[string]*kmsapi.KeyMetadata{
		"symmetric":      k.createKey(),
		"RSA to sign":    k.createKeyOf(kmsapi.KeySpecRsa2048, sig),
		"RSA to encrypt": k.createKeyOf(kmsapi.KeySpecRsa2048, enc),
		"EC to sign":     k.createKeyOf(kmsapi.KeySpecEccNistP256, sig),
		"EC to agree":    k.createKeyOf(kmsapi.KeySpecEccNistP256, agree),
		"HMAC":           k.createKeyOf(kmsapi.KeySpecHmac256, mac),
	}
}

// keyUses are the operations that use a key in one way only, on a key given by
// its id, and for which of the keyring. What the others get is the text of
// their usage, but for those that are named.
func (k *kit) keyUses() []keyUse {
	ctx, c := k.t.Context(), root()
	return []keyUse{
		{"Sign", []string{"RSA to sign", "EC to sign"}, nil, func(id string) error {
			_, err := k.Sign(ctx, c, signRequest(id, algorithmOf(k.describe(id)), "p"))
			return err
		}},
		{"GenerateMac", []string{"HMAC"}, nil, func(id string) error {
			_, err := k.GenerateMac(ctx, c, macRequest(id, kmsapi.MacAlgorithmSpecHmacSha256, "p"))
			return err
		}},
		{"DeriveSharedSecret", []string{"EC to agree"}, nil, func(id string) error {
			_, err := k.DeriveSharedSecret(ctx, c, agreeRequest(id, newPeer(k.t).spki))
			return err
		}},
		{"Encrypt", []string{"symmetric"}, map[string]string{"RSA to encrypt": "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."}, func(id string) error {
			_, err := k.Encrypt(ctx, c, encryptRequest(id, "p", nil))
			return err
		}},
		{"GenerateDataKey", []string{"symmetric"}, map[string]string{"RSA to encrypt": "You cannot generate a data key with an asymmetric CMK"}, func(id string) error {
			_, err := k.GenerateDataKey(ctx, c, &kmsapi.GenerateDataKeyRequest{KeyId: &id, KeySpec: new(kmsapi.DataKeySpecAes256)})
			return err
		}},
		{"GenerateDataKeyWithoutPlaintext", []string{"symmetric"}, map[string]string{"RSA to encrypt": "You cannot generate a data key with an asymmetric CMK"}, func(id string) error {
			_, err := k.GenerateDataKeyWithoutPlaintext(ctx, c, &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: &id, NumberOfBytes: new(int32(8))})
			return err
		}},
		{"GenerateDataKeyPair", []string{"symmetric"}, map[string]string{"RSA to encrypt": "You cannot generate a data key with an asymmetric CMK"}, func(id string) error {
			_, err := k.GenerateDataKeyPair(ctx, c, &kmsapi.GenerateDataKeyPairRequest{KeyId: &id, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
			return err
		}},
		{"GenerateDataKeyPairWithoutPlaintext", []string{"symmetric"}, map[string]string{"RSA to encrypt": "You cannot generate a data key with an asymmetric CMK"}, func(id string) error {
			_, err := k.GenerateDataKeyPairWithoutPlaintext(ctx, c, &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &id, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
			return err
		}},
	}
}

type keyUse struct {
	operation string
	keys      []string
	texts     map[string]string // of keys that are refused otherwise
	call      func(id string) error
}

// algorithmOf is the first algorithm that a key signs with, or any that a
// request can have.
func algorithmOf(m *kmsapi.KeyMetadata) kmsapi.SigningAlgorithmSpec {
	if len(m.SigningAlgorithms) > 0 {
		return m.SigningAlgorithms[0]
	}
	return kmsapi.SigningAlgorithmSpecEcdsaSha256
}

// Each operation takes the keys of its usage and refuses all others, in AWS's
// words. (Of Verify and VerifyMac see there.)
func TestUsageOfEveryKind(t *testing.T) {
	k := newKit(t)
	ring := k.keyring()
	for _, u := range k.keyUses() {
		for name, key := range ring {
			t.Run(u.operation+" "+name, func(t *testing.T) {
				err := u.call(*key.KeyId)
				text, other := u.texts[name]
				switch {
				case slices.Contains(u.keys, name):
					k.check(err)
				case other:
					wantError(t, err, kmsapi.InvalidKeyUsageException, text)
				default:
					wantError(t, err, kmsapi.InvalidKeyUsageException, fmt.Sprintf("%s key usage is %s which is not valid for %s.", *key.Arn, *key.KeyUsage, u.operation))
				}
			})
		}
	}
}

// A key that did not make a blob is not asked what it is for: it is the wrong
// key. (Recorded from AWS, of an HMAC key.)
func TestDecryptWithAKeyOfAnotherKind(t *testing.T) {
	k := newKit(t)
	ring := k.keyring()
	blob := k.encrypt(*ring["symmetric"].KeyId, "p", nil)
	for name, key := range ring {
		if name == "symmetric" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			const text = "The key ID in the request does not identify a CMK that can perform this operation."
			_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{KeyId: key.KeyId, CiphertextBlob: blob})
			wantError(t, err, kmsapi.IncorrectKeyException, text)
			_, err = k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{SourceKeyId: key.KeyId, CiphertextBlob: blob, DestinationKeyId: ring["symmetric"].KeyId})
			wantError(t, err, kmsapi.IncorrectKeyException, text)
		})
	}
}
