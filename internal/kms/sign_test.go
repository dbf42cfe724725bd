package kms_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func signRequest(id string, algorithm kmsapi.SigningAlgorithmSpec, text string) *kmsapi.SignRequest {
	return &kmsapi.SignRequest{KeyId: &id, SigningAlgorithm: &algorithm, Message: message(text)}
}

func (k *kit) sign(id string, algorithm kmsapi.SigningAlgorithmSpec, messageType kmsapi.MessageType, text string) []byte {
	k.t.Helper()
	r := signRequest(id, algorithm, text)
	r.MessageType = &messageType
	a, err := k.Sign(k.t.Context(), root(), r)
	k.check(err)
	return a.Signature
}

// signers are the specs of signing keys, RSA in the smallest size: the others
// are of the same algorithms.
func signers() (all []kind) {
	for _, c := range kinds {
		if c.usage == sig && c.spec != kmsapi.KeySpecRsa3072 && c.spec != kmsapi.KeySpecRsa4096 {
			all = append(all, c)
		}
	}
	return all
}

// digestOf is the digest that an algorithm of the SHA-2 family signs; false for
// other algorithms.
func digestOf(algorithm, text string) (string, bool) {
	switch {
	case strings.HasSuffix(algorithm, "_SHA_256"):
		d := sha256.Sum256([]byte(text))
		return string(d[:]), true
	case strings.HasSuffix(algorithm, "_SHA_384"):
		d := sha512.Sum384([]byte(text))
		return string(d[:]), true
	case strings.HasSuffix(algorithm, "_SHA_512"):
		d := sha512.Sum512([]byte(text))
		return string(d[:]), true
	}
	return "", false
}

// rawType is the message type that an algorithm takes a whole message by.
func rawType(algorithm string) (kmsapi.MessageType, bool) {
	return kmsapi.MessageTypeRaw, algorithm != "ED25519_PH_SHA_512"
}

// Every algorithm of every key signs messages of 1 to 4096 bytes, and the
// answer says by which key and algorithm.
func TestSign(t *testing.T) {
	k := newKit(t)
	for _, c := range signers() {
		key := k.createKeyOf(c.spec, c.usage)
		for _, name := range c.algorithms {
			messageType, ok := rawType(name)
			if !ok {
				continue
			}
			t.Run(string(c.spec)+" "+name, func(t *testing.T) {
				algorithm := kmsapi.SigningAlgorithmSpec(name)
				for _, text := range []string{"m", strings.Repeat("m", 4096)} {
					r := signRequest(*key.KeyId, algorithm, text)
					if len(text) == 1 { // RAW is the default
						r.MessageType = &messageType
					}
					a, err := k.Sign(t.Context(), root(), r)
					if err != nil {
						t.Fatal(err)
					}
					if *a.KeyId != *key.Arn || *a.SigningAlgorithm != algorithm || len(a.Signature) == 0 {
						t.Errorf("answer is %s %s %d bytes, want the key's ARN, the algorithm and a signature", *a.KeyId, *a.SigningAlgorithm, len(a.Signature))
					}
					k.verifies(*key.KeyId, algorithm, messageType, text, a.Signature)
				}
			})
		}
	}
}

// A signature of a digest is one of the message: each verifies as the other.
// Ed25519ph is made of the digest alone.
func TestSignDigest(t *testing.T) {
	k := newKit(t)
	for _, c := range signers() {
		key := k.createKeyOf(c.spec, c.usage)
		for _, name := range c.algorithms {
			digest, ok := digestOf(name, "message")
			if !ok || name == "ED25519_SHA_512" || name == "ML_DSA_SHAKE_256" {
				continue
			}
			t.Run(string(c.spec)+" "+name, func(t *testing.T) {
				algorithm := kmsapi.SigningAlgorithmSpec(name)
				signed := k.sign(*key.KeyId, algorithm, kmsapi.MessageTypeDigest, digest)
				k.verifies(*key.KeyId, algorithm, kmsapi.MessageTypeDigest, digest, signed)
				if raw, ok := rawType(name); ok {
					k.verifies(*key.KeyId, algorithm, raw, "message", signed)
					k.verifies(*key.KeyId, algorithm, kmsapi.MessageTypeDigest, digest, k.sign(*key.KeyId, algorithm, raw, "message"))
				}
			})
		}
	}
}

// A digest that cannot be one of the algorithm's is refused, before DryRun.
func TestSignDigestLength(t *testing.T) {
	k := newKit(t)
	for _, c := range signers() {
		key := k.createKeyOf(c.spec, c.usage)
		for _, name := range c.algorithms {
			messageType, size := kmsapi.MessageTypeDigest, map[bool]int{true: 64, false: 32}[strings.HasSuffix(name, "512")]
			switch {
			case name == "ED25519_SHA_512": // takes none
				continue
			case name == "ML_DSA_SHAKE_256":
				messageType, size = kmsapi.MessageTypeExternalMu, 64
			case strings.HasSuffix(name, "384"):
				size = 48
			}
			algorithm := kmsapi.SigningAlgorithmSpec(name)
			for _, n := range []int{1, size - 1, size + 1, 4096} {
				r := signRequest(*key.KeyId, algorithm, strings.Repeat("d", n))
				r.MessageType, r.DryRun = &messageType, new(true)
				_, err := k.Sign(t.Context(), root(), r)
				wantError(t, err, kmsapi.ValidationException, "Digest is invalid length for algorithm "+name+".")
			}
			k.verifies(*key.KeyId, algorithm, messageType, strings.Repeat("d", size), k.sign(*key.KeyId, algorithm, messageType, strings.Repeat("d", size)))
		}
	}
}

// Which types of message each algorithm takes.
func TestSignMessageType(t *testing.T) {
	k := newKit(t)
	const byAlgorithm, bySpec = "Message type %[1]s is incompatible with algorithm %[2]s.", "Message type %[1]s is incompatible with key spec %[3]s."
	for _, c := range []struct {
		spec      kmsapi.KeySpec
		algorithm kmsapi.SigningAlgorithmSpec
		refused   []kmsapi.MessageType
		text      string
	}{
		{kmsapi.KeySpecRsa2048, kmsapi.SigningAlgorithmSpecRsassaPssSha256, []kmsapi.MessageType{kmsapi.MessageTypeExternalMu}, bySpec},
		{kmsapi.KeySpecEccNistP256, kmsapi.SigningAlgorithmSpecEcdsaSha256, []kmsapi.MessageType{kmsapi.MessageTypeExternalMu}, bySpec},
		{kmsapi.KeySpecSm2, kmsapi.SigningAlgorithmSpecSm2dsa, []kmsapi.MessageType{kmsapi.MessageTypeExternalMu}, bySpec},
		{kmsapi.KeySpecEccNistEdwards25519, kmsapi.SigningAlgorithmSpecEd25519Sha512, []kmsapi.MessageType{kmsapi.MessageTypeDigest, kmsapi.MessageTypeExternalMu}, byAlgorithm},
		{kmsapi.KeySpecEccNistEdwards25519, kmsapi.SigningAlgorithmSpecEd25519PhSha512, []kmsapi.MessageType{kmsapi.MessageTypeRaw, kmsapi.MessageTypeExternalMu}, byAlgorithm},
		{kmsapi.KeySpecMlDsa44, kmsapi.SigningAlgorithmSpecMlDsaShake256, []kmsapi.MessageType{kmsapi.MessageTypeDigest}, bySpec},
	} {
		t.Run(string(c.algorithm), func(t *testing.T) {
			key := k.createKeyOf(c.spec, sig)
			for _, messageType := range c.refused {
				text := strings.NewReplacer("%[1]s", string(messageType), "%[2]s", string(c.algorithm), "%[3]s", string(c.spec)).Replace(c.text)
				r := signRequest(*key.KeyId, c.algorithm, strings.Repeat("d", 64))
				r.MessageType = &messageType
				_, err := k.Sign(t.Context(), root(), r)
				wantError(t, err, kmsapi.ValidationException, text)
				v := verifyRequest(*key.KeyId, c.algorithm, strings.Repeat("d", 64), []byte("s"))
				v.MessageType = &messageType
				_, err = k.Verify(t.Context(), root(), v)
				wantError(t, err, kmsapi.ValidationException, text)
			}
		})
	}
}

func TestSignMessageSize(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecEccNistP256, sig)
	for n, text := range map[int]string{
		0:    "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length greater than or equal to 1",
		4097: "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096",
	} {
		_, err := k.Sign(t.Context(), root(), signRequest(*key.KeyId, kmsapi.SigningAlgorithmSpecEcdsaSha256, strings.Repeat("m", n)))
		wantError(t, err, kmsapi.ValidationException, text)
	}
}

// An algorithm of another spec is refused, before what is wrong with the message.
func TestSignRefusesAlgorithmsOfOtherSpecs(t *testing.T) {
	k := newKit(t)
	for _, c := range []struct {
		spec      kmsapi.KeySpec
		algorithm kmsapi.SigningAlgorithmSpec
	}{
		{kmsapi.KeySpecRsa2048, kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{kmsapi.KeySpecEccNistP256, kmsapi.SigningAlgorithmSpecEcdsaSha384},
		{kmsapi.KeySpecEccNistP256, kmsapi.SigningAlgorithmSpecRsassaPssSha256},
		{kmsapi.KeySpecEccNistP384, kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{kmsapi.KeySpecEccSecgP256k1, kmsapi.SigningAlgorithmSpecEcdsaSha512},
		{kmsapi.KeySpecEccNistEdwards25519, kmsapi.SigningAlgorithmSpecEcdsaSha512},
		{kmsapi.KeySpecMlDsa65, kmsapi.SigningAlgorithmSpecEd25519Sha512},
		{kmsapi.KeySpecSm2, kmsapi.SigningAlgorithmSpecEcdsaSha256},
	} {
		key := k.createKeyOf(c.spec, sig)
		r := signRequest(*key.KeyId, c.algorithm, "d")
		r.MessageType = new(kmsapi.MessageTypeDigest)
		_, err := k.Sign(t.Context(), root(), r)
		wantError(t, err, kmsapi.InvalidKeyUsageException, fmt.Sprintf("Algorithm %s is incompatible with key spec %s.", c.algorithm, c.spec))
	}
}

func TestSignRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecEccNistP256, sig)
	k.sign(*key.KeyId, kmsapi.SigningAlgorithmSpecEcdsaSha256, kmsapi.MessageTypeRaw, "not for the trail")
	r := k.last("Sign")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","messageType":"RAW","signingAlgorithm":"ECDSA_SHA_256"}`)
	if r.ResponseElements != nil || r.AdditionalEventData != nil || !r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key and nothing of the answer", r.raw)
	}
	if strings.Contains(r.raw, "not for the trail") || strings.Contains(r.raw, "bm90IGZvciB0aGUg") {
		t.Error("the record holds the message")
	}
}

func BenchmarkSign(b *testing.B) {
	k := newKit(b)
	for _, c := range []struct {
		spec      kmsapi.KeySpec
		algorithm kmsapi.SigningAlgorithmSpec
	}{
		{kmsapi.KeySpecEccNistP256, kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{kmsapi.KeySpecRsa2048, kmsapi.SigningAlgorithmSpecRsassaPssSha256},
	} {
		b.Run(string(c.spec), func(b *testing.B) {
			r, who, ctx := signRequest(*k.createKeyOf(c.spec, sig).Arn, c.algorithm, "message"), root(), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign(ctx, who, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
