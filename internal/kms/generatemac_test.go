package kms_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func macRequest(id string, algorithm kmsapi.MacAlgorithmSpec, text string) *kmsapi.GenerateMacRequest {
	return &kmsapi.GenerateMacRequest{KeyId: &id, MacAlgorithm: &algorithm, Message: message(text)}
}

func (k *kit) mac(id string, algorithm kmsapi.MacAlgorithmSpec, text string) []byte {
	k.t.Helper()
	r, err := k.GenerateMac(k.t.Context(), root(), macRequest(id, algorithm, text))
	k.check(err)
	return r.Mac
}

// macSizes are the sizes in bytes of the MACs (FIPS 180-4, figure 1).
var macSizes = map[kmsapi.KeySpec]int{kmsapi.KeySpecHmac224: 28, kmsapi.KeySpecHmac256: 32, kmsapi.KeySpecHmac384: 48, kmsapi.KeySpecHmac512: 64}

// Every HMAC key makes MACs of its size: the same of the same message, over a
// restart too, and another of another message or by another key.
func TestGenerateMac(t *testing.T) {
	k := newKit(t)
	for _, c := range kinds {
		if c.usage != mac {
			continue
		}
		t.Run(string(c.spec), func(t *testing.T) {
			key, algorithm := k.createKeyOf(c.spec, mac), kmsapi.MacAlgorithmSpec(c.algorithms[0])
			r, err := k.GenerateMac(t.Context(), root(), macRequest(*key.KeyId, algorithm, "message"))
			k.check(err)
			if *r.KeyId != *key.Arn || *r.MacAlgorithm != algorithm || len(r.Mac) != macSizes[c.spec] {
				t.Errorf("answer is %s %s %d bytes, want %d", *r.KeyId, *r.MacAlgorithm, len(r.Mac), macSizes[c.spec])
			}
			k.verifiesMac(*key.KeyId, algorithm, "message", r.Mac)
			if bytes.Equal(k.mac(*key.KeyId, algorithm, "massage"), r.Mac) || bytes.Equal(k.mac(*k.createKeyOf(c.spec, mac).KeyId, algorithm, "message"), r.Mac) {
				t.Error("another message, or another key, has the same MAC")
			}
			k.reopen()
			if got := k.mac(*key.KeyId, algorithm, "message"); !bytes.Equal(got, r.Mac) {
				t.Errorf("after a restart the MAC is %x, want %x", got, r.Mac)
			}
		})
	}
}

func TestGenerateMacRefusesAlgorithmsOfOtherSpecs(t *testing.T) {
	k := newKit(t)
	for _, c := range kinds {
		if c.usage != mac {
			continue
		}
		id := *k.createKeyOf(c.spec, mac).KeyId
		for _, a := range []string{"HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"} {
			if a == c.algorithms[0] {
				continue
			}
			text := "Algorithm " + a + " is incompatible with key spec " + string(c.spec) + "."
			_, err := k.GenerateMac(t.Context(), root(), macRequest(id, kmsapi.MacAlgorithmSpec(a), "m"))
			wantError(t, err, kmsapi.InvalidKeyUsageException, text)
			_, err = k.VerifyMac(t.Context(), root(), verifyMacRequest(id, kmsapi.MacAlgorithmSpec(a), "m", []byte("x")))
			wantError(t, err, kmsapi.InvalidKeyUsageException, text)
		}
	}
}

func TestGenerateMacMessageSize(t *testing.T) {
	k := newKit(t)
	id := *k.createKeyOf(kmsapi.KeySpecHmac512, mac).KeyId
	for n, text := range map[int]string{
		0: "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length greater than or equal to 1",
		1: "", 4096: "",
		4097: "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096",
	} {
		_, err := k.GenerateMac(t.Context(), root(), macRequest(id, kmsapi.MacAlgorithmSpecHmacSha512, strings.Repeat("m", n)))
		if text == "" {
			k.check(err)
		} else {
			wantError(t, err, kmsapi.ValidationException, text)
		}
	}
}

func TestGenerateMacRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecHmac384, mac)
	k.mac(*key.Arn, kmsapi.MacAlgorithmSpecHmacSha384, "not for the trail")
	r := k.last("GenerateMac")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.Arn+`","macAlgorithm":"HMAC_SHA_384"}`)
	if r.ResponseElements != nil || r.AdditionalEventData != nil || !r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key and nothing of the answer", r.raw)
	}
	if strings.Contains(r.raw, "not for the trail") || strings.Contains(r.raw, "bm90IGZvciB0aGUg") {
		t.Error("the record holds the message")
	}
}
