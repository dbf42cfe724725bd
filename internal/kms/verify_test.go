package kms_test

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func verifyRequest(id string, algorithm kmsapi.SigningAlgorithmSpec, text string, signature []byte) *kmsapi.VerifyRequest {
	return &kmsapi.VerifyRequest{KeyId: &id, SigningAlgorithm: &algorithm, Message: message(text), Signature: signature}
}

// verifies checks a signature by Verify, and what it answers.
func (k *kit) verifies(id string, algorithm kmsapi.SigningAlgorithmSpec, messageType kmsapi.MessageType, text string, signature []byte) {
	k.t.Helper()
	r := verifyRequest(id, algorithm, text, signature)
	r.MessageType = &messageType
	a, err := k.Verify(k.t.Context(), root(), r)
	if err != nil {
		k.t.Errorf("%s of %s by %s: %v", algorithm, messageType, id, err)
		return
	}
	if !*a.SignatureValid || *a.SigningAlgorithm != algorithm || *a.KeyId != *k.describe(id).Arn {
		k.t.Errorf("answer is %+v, want a valid signature of the key by %s", a, algorithm)
	}
}

// What is no signature of the message is an error, the same whatever is wrong,
// also in a dry run.
func TestVerifyRefusals(t *testing.T) {
	k := newKit(t)
	for _, c := range signers() {
		key, other := k.createKeyOf(c.spec, c.usage), k.createKeyOf(c.spec, c.usage)
		for _, name := range c.algorithms {
			messageType, ok := rawType(name)
			if !ok {
				continue
			}
			t.Run(string(c.spec)+" "+name, func(t *testing.T) {
				algorithm := kmsapi.SigningAlgorithmSpec(name)
				good := k.sign(*key.KeyId, algorithm, messageType, "message")
				flipped := bytes.Clone(good)
				flipped[len(flipped)/2] ^= 1
				for reason, r := range map[string]*kmsapi.VerifyRequest{
					"another message": verifyRequest(*key.KeyId, algorithm, "massage", good),
					"another key":     verifyRequest(*other.KeyId, algorithm, "message", good),
					"a bit flipped":   verifyRequest(*key.KeyId, algorithm, "message", flipped),
					"cut":             verifyRequest(*key.KeyId, algorithm, "message", good[:len(good)-1]),
					"extended":        verifyRequest(*key.KeyId, algorithm, "message", append(bytes.Clone(good), 0)),
					"one byte":        verifyRequest(*key.KeyId, algorithm, "message", []byte{0x30}),
					"6144 bytes":      verifyRequest(*key.KeyId, algorithm, "message", make([]byte, 6144)),
				} {
					for _, dry := range []bool{false, true} {
						r.DryRun = &dry
						_, err := k.Verify(t.Context(), root(), r)
						if err == nil {
							t.Errorf("%s: it verifies", reason)
							continue
						}
						wantError(t, err, kmsapi.KMSInvalidSignatureException, "")
					}
				}
			})
		}
	}
}

// A signature by one algorithm of an RSA key is none by another.
func TestVerifyByAnotherAlgorithm(t *testing.T) {
	k := newKit(t)
	id := *k.createKeyOf(kmsapi.KeySpecRsa2048, sig).KeyId
	signed := k.sign(id, kmsapi.SigningAlgorithmSpecRsassaPssSha256, kmsapi.MessageTypeRaw, "m")
	for _, other := range []kmsapi.SigningAlgorithmSpec{kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha256, kmsapi.SigningAlgorithmSpecRsassaPssSha384} {
		_, err := k.Verify(t.Context(), root(), verifyRequest(id, other, "m", signed))
		wantError(t, err, kmsapi.KMSInvalidSignatureException, "")
	}
}

func TestVerifySizes(t *testing.T) {
	k := newKit(t)
	id := *k.createKeyOf(kmsapi.KeySpecEccNistP256, sig).KeyId
	const algorithm = kmsapi.SigningAlgorithmSpecEcdsaSha256
	_, err := k.Verify(t.Context(), root(), verifyRequest(id, algorithm, "m", make([]byte, 6145)))
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value at 'signature' failed to satisfy constraint: Member must have length less than or equal to 6144")
	_, err = k.Verify(t.Context(), root(), verifyRequest(id, algorithm, "m", []byte{}))
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value at 'signature' failed to satisfy constraint: Member must have length greater than or equal to 1")
	r := verifyRequest(id, algorithm, "d", []byte("s"))
	r.MessageType = new(kmsapi.MessageTypeDigest)
	_, err = k.Verify(t.Context(), root(), r)
	wantError(t, err, kmsapi.ValidationException, "Digest is invalid length for algorithm ECDSA_SHA_256.")
}

func TestVerifyRefusesKeysOfOtherUsage(t *testing.T) {
	k := newKit(t)
	for name, key := range k.keyring() {
		if *key.KeyUsage == sig {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, err := k.Verify(t.Context(), root(), verifyRequest(*key.KeyId, kmsapi.SigningAlgorithmSpecEcdsaSha256, "m", []byte("s")))
			wantError(t, err, kmsapi.InvalidKeyUsageException, *key.Arn+" key usage is "+string(*key.KeyUsage)+" which is not valid for Verify.")
		})
	}
}

// The record tells which key was asked and how, and that it did not verify.
func TestVerifyRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecEccNistEdwards25519, sig)
	_, _ = k.Verify(t.Context(), root(), verifyRequest(*key.KeyId, kmsapi.SigningAlgorithmSpecEd25519Sha512, "m", make([]byte, 64)))
	r := k.last("Verify")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","messageType":"RAW","signingAlgorithm":"ED25519_SHA_512"}`)
	if r.ErrorCode != "KMSInvalidSignatureException" || r.ResponseElements != nil || !r.ReadOnly {
		t.Errorf("record is %s, want a read that failed", r.raw)
	}
}
