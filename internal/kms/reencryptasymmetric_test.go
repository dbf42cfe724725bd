package kms_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// side is a key as source or destination of ReEncrypt.
type side struct {
	key       *kmsapi.KeyMetadata
	algorithm *kmsapi.EncryptionAlgorithmSpec // nil: a symmetric key
	context   map[string]string
}

func (s side) named() string {
	if s.algorithm == nil {
		return "SYMMETRIC_DEFAULT"
	}
	return string(*s.algorithm)
}

func (s side) seal(k *kit, plaintext string) []byte {
	if s.algorithm == nil {
		return k.encrypt(*s.key.KeyId, plaintext, s.context)
	}
	return k.encryptWith(*s.key.KeyId, *s.algorithm, plaintext)
}

func (s side) open(t *testing.T, k *kit, blob []byte) string {
	t.Helper()
	if s.algorithm == nil {
		return decrypted(t, k, blob, s.context)
	}
	return decryptedWith(t, k, *s.key.KeyId, *s.algorithm, blob)
}

// From each kind of key to each, with one record that names both keys, and the
// material of those that are symmetric.
func TestReEncryptBetweenKindsOfKeys(t *testing.T) {
	k := newKit(t)
	rsa := k.rsaKey()
	sides := map[string]side{
		"symmetric":        {k.createKey(), nil, tenant},
		"RSA, SHA-1":       {rsa, new(oaepSHA1), nil},
		"RSA, SHA-256":     {rsa, new(oaepSHA256), nil},
		"another RSA":      {k.rsaKey(), new(oaepSHA256), nil},
		"SM2":              {k.createKeyOf(kmsapi.KeySpecSm2, kmsapi.KeyUsageTypeEncryptDecrypt), new(sm2pke), nil},
		"symmetric, plain": {k.createKey(), nil, nil},
	}
	for _, source := range slices.Sorted(maps.Keys(sides)) {
		for _, destination := range slices.Sorted(maps.Keys(sides)) {
			t.Run(source+" to "+destination, func(t *testing.T) {
				from, to := sides[source], sides[destination]
				req := &kmsapi.ReEncryptRequest{
					CiphertextBlob: from.seal(k, "attack at dawn"), SourceKeyId: from.key.KeyId, SourceEncryptionAlgorithm: from.algorithm, SourceEncryptionContext: from.context,
					DestinationKeyId: to.key.Arn, DestinationEncryptionAlgorithm: to.algorithm, DestinationEncryptionContext: to.context,
				}
				before := len(k.records())
				r, err := k.ReEncrypt(t.Context(), alice(), req)
				if err != nil {
					t.Fatal(err)
				}
				rs := k.records()[before:]
				if got := to.open(t, k, r.CiphertextBlob); got != "attack at dawn" {
					t.Errorf("the new blob opens to %q", got)
				}
				if *r.SourceKeyId != *from.key.Arn || *r.KeyId != *to.key.Arn || string(*r.SourceEncryptionAlgorithm) != from.named() || string(*r.DestinationEncryptionAlgorithm) != to.named() {
					t.Errorf("answer is from %s with %s to %s with %s", *r.SourceKeyId, *r.SourceEncryptionAlgorithm, *r.KeyId, *r.DestinationEncryptionAlgorithm)
				}
				material := map[string]any{}
				for name, m := range map[string]struct{ got, want *string }{
					"sourceKeyMaterialId":      {r.SourceKeyMaterialId, from.key.CurrentKeyMaterialId},
					"destinationKeyMaterialId": {r.DestinationKeyMaterialId, to.key.CurrentKeyMaterialId},
				} {
					if (m.got == nil) != (m.want == nil) || m.got != nil && *m.got != *m.want {
						t.Errorf("%s is %v, want %v", name, m.got, m.want)
					}
					if m.want != nil {
						material[name] = *m.want
					}
				}
				if len(rs) != 1 || !maps.Equal(rs[0].AdditionalEventData, material) || (rs[0].AdditionalEventData == nil) != (len(material) == 0) {
					t.Errorf("the records are %v, want one with the material %v", rs, material)
				}
				arns := []string{*from.key.Arn, *to.key.Arn}
				var got []string
				for _, resource := range rs[0].Resources {
					got = append(got, resource.ARN)
				}
				if !slices.Equal(got, arns) || rs[0].RequestParameters["sourceEncryptionAlgorithm"] != from.named() || rs[0].RequestParameters["destinationEncryptionAlgorithm"] != to.named() {
					t.Errorf("record is %s, want of %v", rs[0].raw, arns)
				}
			})
		}
	}
}

func TestReEncryptRefusalsOfAsymmetricKeys(t *testing.T) {
	k := newKit(t)
	key, second, symmetric := k.rsaKey(), k.rsaKey(), k.createKey()
	signing := k.createKeyOf(kmsapi.KeySpecRsa2048, kmsapi.KeyUsageTypeSignVerify)
	blob, sealed, long := k.encryptWith(*key.KeyId, oaepSHA256, "p"), k.encrypt(*symmetric.KeyId, "p", nil), k.encrypt(*symmetric.KeyId, strings.Repeat("x", 191), nil)
	ignore := []kmsapi.DryRunModifierType{kmsapi.DryRunModifierTypeIgnoreCiphertext}
	const default2048 = "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."
	for _, c := range []struct {
		name string
		req  kmsapi.ReEncryptRequest
		code awserr.Code
		text string
	}{
		{"neither source nor algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"no source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceEncryptionAlgorithm: new(oaepSHA256), DestinationKeyId: symmetric.KeyId}, kmsapi.ValidationException, "SourceKeyId must not be null"},
		{"no source algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: key.KeyId, DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"another source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: second.KeyId, SourceEncryptionAlgorithm: new(oaepSHA256), DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"another source algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: key.KeyId, SourceEncryptionAlgorithm: new(oaepSHA1), DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"a symmetric source with an algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: sealed, SourceKeyId: symmetric.KeyId, SourceEncryptionAlgorithm: new(oaepSHA1), DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidKeyUsageException, "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"blob of a symmetric key", kmsapi.ReEncryptRequest{CiphertextBlob: sealed, SourceKeyId: key.KeyId, DestinationKeyId: symmetric.KeyId}, kmsapi.IncorrectKeyException, incorrectKey},
		{"a source context", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: key.KeyId, SourceEncryptionAlgorithm: new(oaepSHA256), SourceEncryptionContext: tenant, DestinationKeyId: symmetric.KeyId}, kmsapi.ValidationException, noContext},
		{"usage of the source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: signing.KeyId, SourceEncryptionAlgorithm: new(oaepSHA256), DestinationKeyId: symmetric.KeyId}, kmsapi.InvalidKeyUsageException, *signing.Arn + " key usage is SIGN_VERIFY which is not valid for ReEncrypt."},

		{"no destination algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: sealed, DestinationKeyId: key.KeyId}, kmsapi.InvalidKeyUsageException, default2048},
		{"a destination context", kmsapi.ReEncryptRequest{CiphertextBlob: sealed, DestinationKeyId: key.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA256), DestinationEncryptionContext: tenant}, kmsapi.ValidationException, noContext},
		{"usage of the destination", kmsapi.ReEncryptRequest{CiphertextBlob: sealed, DestinationKeyId: signing.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA256)}, kmsapi.InvalidKeyUsageException, *signing.Arn + " key usage is SIGN_VERIFY which is not valid for ReEncrypt."},
		{"too long for the destination", kmsapi.ReEncryptRequest{CiphertextBlob: long, DestinationKeyId: key.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA256)}, kmsapi.ValidationException, "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."},
		{"too long for the destination, dry", kmsapi.ReEncryptRequest{CiphertextBlob: long, DestinationKeyId: key.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA256), DryRun: new(true)}, kmsapi.ValidationException, "Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."},

		{"dry run", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: key.KeyId, SourceEncryptionAlgorithm: new(oaepSHA256), DestinationKeyId: second.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA1), DryRun: new(true)}, kmsapi.DryRunOperationException, would},
		{"dry run without a blob", kmsapi.ReEncryptRequest{SourceKeyId: key.KeyId, SourceEncryptionAlgorithm: new(oaepSHA256), DestinationKeyId: second.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA1), DryRun: new(true), DryRunModifiers: ignore}, kmsapi.DryRunOperationException, would},
		{"dry run without a blob or source algorithm", kmsapi.ReEncryptRequest{SourceKeyId: key.KeyId, DestinationKeyId: symmetric.KeyId, DryRun: new(true), DryRunModifiers: ignore}, kmsapi.InvalidKeyUsageException, default2048},
		{"dry run without a blob or destination algorithm", kmsapi.ReEncryptRequest{SourceKeyId: symmetric.KeyId, DestinationKeyId: key.KeyId, DryRun: new(true), DryRunModifiers: ignore}, kmsapi.InvalidKeyUsageException, default2048},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.ReEncrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
}

// Two decisions on asymmetric keys too, each with its algorithm.
func TestReEncryptAuthorizationOfAsymmetricKeys(t *testing.T) {
	k := newKit(t)
	from, to := k.rsaKey(), k.rsaKey()
	req := &kmsapi.ReEncryptRequest{
		CiphertextBlob: k.encryptWith(*from.KeyId, oaepSHA1, "p"), SourceKeyId: from.KeyId, SourceEncryptionAlgorithm: new(oaepSHA1),
		DestinationKeyId: to.KeyId, DestinationEncryptionAlgorithm: new(oaepSHA256),
	}
	allow := func(action, algorithm string) string {
		return `{"Effect":"Allow","Action":"kms:` + action + `","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionAlgorithm":"` + algorithm + `"}}}`
	}
	refusal := func(action string, key *kmsapi.KeyMetadata) string {
		return "User: " + bobARN + " is not authorized to perform: kms:" + action + " on resource: " + *key.Arn + " because no identity-based policy allows the kms:" + action + " action"
	}
	for _, c := range []struct{ name, statements, refused string }{
		{"both", allow("ReEncryptFrom", "RSAES_OAEP_SHA_1") + "," + allow("ReEncryptTo", "RSAES_OAEP_SHA_256"), ""},
		{"another source algorithm", allow("ReEncryptFrom", "RSAES_OAEP_SHA_256") + "," + allow("ReEncryptTo", "RSAES_OAEP_SHA_256"), refusal("ReEncryptFrom", from)},
		{"another destination algorithm", allow("ReEncryptFrom", "RSAES_OAEP_SHA_1") + "," + allow("ReEncryptTo", "RSAES_OAEP_SHA_1"), refusal("ReEncryptTo", to)},
		{"no destination", allow("ReEncryptFrom", "RSAES_OAEP_SHA_1"), refusal("ReEncryptTo", to)},
	} {
		t.Run(c.name, func(t *testing.T) {
			k.rights.give(bobARN, c.statements)
			before := len(k.records())
			_, err := k.ReEncrypt(t.Context(), bob(), req)
			if c.refused == "" {
				k.check(err)
			} else {
				wantError(t, err, gate.AccessDenied, c.refused)
			}
			if got := len(k.records()) - before; got != 1 {
				t.Errorf("a call made %d records", got)
			}
		})
	}
}
