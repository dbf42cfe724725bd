package kms_test

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func verifyMacRequest(id string, algorithm kmsapi.MacAlgorithmSpec, text string, mac []byte) *kmsapi.VerifyMacRequest {
	return &kmsapi.VerifyMacRequest{KeyId: &id, MacAlgorithm: &algorithm, Message: message(text), Mac: mac}
}

// verifiesMac checks a MAC by VerifyMac, and what it answers.
func (k *kit) verifiesMac(id string, algorithm kmsapi.MacAlgorithmSpec, text string, mac []byte) {
	k.t.Helper()
	a, err := k.VerifyMac(k.t.Context(), root(), verifyMacRequest(id, algorithm, text, mac))
	k.check(err)
	if !*a.MacValid || *a.MacAlgorithm != algorithm || *a.KeyId != *k.describe(id).Arn {
		k.t.Errorf("answer is %+v, want a valid MAC of the key by %s", a, algorithm)
	}
}

// What is no MAC of the message is an error, the same whatever is wrong, also in
// a dry run.
func TestVerifyMacRefusals(t *testing.T) {
	k := newKit(t)
	key, second := k.createKeyOf(kmsapi.KeySpecHmac256, mac), k.createKeyOf(kmsapi.KeySpecHmac256, mac)
	const algorithm = kmsapi.MacAlgorithmSpecHmacSha256
	good := k.mac(*key.KeyId, algorithm, "message")
	flipped := bytes.Clone(good)
	flipped[31] ^= 0x80
	for reason, r := range map[string]*kmsapi.VerifyMacRequest{
		"another message": verifyMacRequest(*key.KeyId, algorithm, "massage", good),
		"another key":     verifyMacRequest(*second.KeyId, algorithm, "message", good),
		"a bit flipped":   verifyMacRequest(*key.KeyId, algorithm, "message", flipped),
		"cut":             verifyMacRequest(*key.KeyId, algorithm, "message", good[:16]),
		"extended":        verifyMacRequest(*key.KeyId, algorithm, "message", append(bytes.Clone(good), 0)),
		"6144 bytes":      verifyMacRequest(*key.KeyId, algorithm, "message", make([]byte, 6144)),
	} {
		t.Run(reason, func(t *testing.T) {
			for _, dry := range []bool{false, true} {
				r.DryRun = &dry
				_, err := k.VerifyMac(t.Context(), root(), r)
				wantError(t, err, kmsapi.KMSInvalidMacException, "")
			}
		})
	}
	_, err := k.VerifyMac(t.Context(), root(), verifyMacRequest(*key.KeyId, algorithm, "m", make([]byte, 6145)))
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value at 'mac' failed to satisfy constraint: Member must have length less than or equal to 6144")
}

func TestVerifyMacRefusesKeysOfOtherUsage(t *testing.T) {
	k := newKit(t)
	for name, key := range k.keyring() {
		if *key.KeyUsage == mac {
			continue
		}
		t.Run(name, func(t *testing.T) {
			_, err := k.VerifyMac(t.Context(), root(), verifyMacRequest(*key.KeyId, kmsapi.MacAlgorithmSpecHmacSha256, "m", []byte("x")))
			wantError(t, err, kmsapi.InvalidKeyUsageException, *key.Arn+" key usage is "+string(*key.KeyUsage)+" which is not valid for VerifyMac.")
		})
	}
}

func TestVerifyMacRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecHmac224, mac)
	_, _ = k.VerifyMac(t.Context(), root(), verifyMacRequest(*key.KeyId, kmsapi.MacAlgorithmSpecHmacSha224, "m", make([]byte, 28)))
	r := k.last("VerifyMac")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","macAlgorithm":"HMAC_SHA_224"}`)
	if r.ErrorCode != "KMSInvalidMacException" || r.ResponseElements != nil || !r.ReadOnly {
		t.Errorf("record is %s, want a read that failed", r.raw)
	}
}
