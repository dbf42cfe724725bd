package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/policy"
)

// What a request for a key must say it is taken to say, when it is asked whether
// it would be allowed: the default, or the only value that the key has.
func TestQuestionPresumes(t *testing.T) {
	k := newKit(t)
	key := func(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) string { return *k.createKeyOf(spec, usage).KeyId }
	symmetric, rsa, ec, hmac := *k.createKey().KeyId, key(kmsapi.KeySpecRsa2048, sig), key(kmsapi.KeySpecEccNistP384, sig), key(kmsapi.KeySpecHmac512, mac)
	agrees := key(kmsapi.KeySpecEccNistP256, agree)
	for _, c := range []struct{ action, key, name, want string }{
		{"kms:Sign", ec, "kms:signingalgorithm", "ECDSA_SHA_384"},
		{"kms:sign", ec, "kms:messagetype", "RAW"},
		{"kms:Verify", ec, "kms:signingalgorithm", "ECDSA_SHA_384"},
		{"kms:Sign", rsa, "kms:signingalgorithm", ""}, // it has six
		{"kms:Verify", rsa, "kms:messagetype", "RAW"},
		{"kms:Sign", symmetric, "kms:signingalgorithm", ""},
		{"kms:GetPublicKey", ec, "kms:signingalgorithm", ""},
		{"kms:GenerateMac", hmac, "kms:macalgorithm", "HMAC_SHA_512"},
		{"kms:VerifyMac", hmac, "kms:macalgorithm", "HMAC_SHA_512"},
		{"kms:VerifyMac", ec, "kms:macalgorithm", ""},
		{"kms:DeriveSharedSecret", agrees, "kms:keyagreementalgorithm", "ECDH"},
		{"kms:DeriveSharedSecret", ec, "kms:keyagreementalgorithm", ""},
		{"kms:Decrypt", symmetric, "kms:encryptionalgorithm", "SYMMETRIC_DEFAULT"},
		{"kms:Sign", ec, "kms:encryptionalgorithm", ""},
		{"kms:Sign", ec, "kms:keyspec", "ECC_NIST_P384"},
	} {
		t.Run(c.action+" "+c.name+" "+c.want, func(t *testing.T) {
			q, err := k.Question(t.Context(), root(), c.action, c.key, nil)
			k.check(err)
			v, ok := q.Context.Lookup(c.name)
			if got, want := text(v), c.want; got != want || ok != (want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, want)
			}
		})
	}
}

func text(v policy.Value) string {
	if len(v.Strings) == 0 {
		return ""
	}
	return v.Strings[0]
}
