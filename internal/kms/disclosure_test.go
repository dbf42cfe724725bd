package kms_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Whatever else is wrong with a request, and whatever state a key is in: to who
// may not use it, an answer and its record are those of a key that is not there.
func TestNothingTellsOfForeignKeys(t *testing.T) {
	k := newKit(t)
	arnOf := func(id string) string { return "arn:aws:kms:" + region + ":" + account + ":key/" + id }
	aliasOf := func(name string) string { return "arn:aws:kms:" + region + ":" + account + ":" + name }
	enabled, disabled, pending := k.stage(""), k.stage(""), k.stage("")
	k.disable(disabled.key)
	k.schedule(pending.key, 7)
	asymmetric := *k.createKeyOf(kmsapi.KeySpecSm2, kmsapi.KeyUsageTypeEncryptDecrypt).KeyId
	granted := k.grant(enabled.key, bobARN, kmsapi.GrantOperationDecrypt)
	_, err := k.NewDataKey(t.Context(), root(), "", nil) // makes alias/aws/s3
	k.check(err)
	bad := []string{"none"}
	big := map[string]string{"a": strings.Repeat("x", 5000), "b": strings.Repeat("x", 5000)}
	two := map[string]string{"tenant": "1", "Tenant": "2"}

	asks := map[string]func(c identity.Caller, key string) error{
		"Encrypt": func(c identity.Caller, key string) error {
			_, err := k.Encrypt(t.Context(), c, encryptRequest(key, "p", nil))
			return err
		},
		"Encrypt, two names": func(c identity.Caller, key string) error {
			_, err := k.Encrypt(t.Context(), c, encryptRequest(key, "p", two))
			return err
		},
		"Encrypt, large context": func(c identity.Caller, key string) error {
			_, err := k.Encrypt(t.Context(), c, encryptRequest(key, "p", big))
			return err
		},
		"Encrypt, other algorithm": func(c identity.Caller, key string) error {
			r := encryptRequest(key, "p", nil)
			r.EncryptionAlgorithm = new(kmsapi.EncryptionAlgorithmSpecRsaesOaepSha1)
			_, err := k.Encrypt(t.Context(), c, r)
			return err
		},
		"Encrypt, bad grant token, dry": func(c identity.Caller, key string) error {
			r := encryptRequest(key, "p", nil)
			r.GrantTokens, r.DryRun = bad, new(true)
			_, err := k.Encrypt(t.Context(), c, r)
			return err
		},
		"Encrypt, somebody's grant token": func(c identity.Caller, key string) error {
			r := encryptRequest(key, "p", nil)
			r.GrantTokens = []string{*granted.GrantToken}
			_, err := k.Encrypt(t.Context(), c, r)
			return err
		},
		"Decrypt": func(c identity.Caller, key string) error {
			_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{KeyId: &key, CiphertextBlob: enabled.blob, EncryptionContext: tenant})
			return err
		},
		"Decrypt, no blob of ours": func(c identity.Caller, key string) error {
			_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{KeyId: &key, CiphertextBlob: []byte("x")})
			return err
		},
		"Decrypt, ignoring the blob": func(c identity.Caller, key string) error {
			_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{KeyId: &key, DryRun: new(true), DryRunModifiers: []kmsapi.DryRunModifierType{kmsapi.DryRunModifierTypeIgnoreCiphertext}})
			return err
		},
		"GenerateDataKey": func(c identity.Caller, key string) error {
			_, err := k.GenerateDataKey(t.Context(), c, &kmsapi.GenerateDataKeyRequest{KeyId: &key, NumberOfBytes: new(int32(8))})
			return err
		},
		"GenerateDataKey, without a size": func(c identity.Caller, key string) error {
			_, err := k.GenerateDataKey(t.Context(), c, &kmsapi.GenerateDataKeyRequest{KeyId: &key})
			return err
		},
		"GenerateDataKeyWithoutPlaintext": func(c identity.Caller, key string) error {
			_, err := k.GenerateDataKeyWithoutPlaintext(t.Context(), c, &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: &key, NumberOfBytes: new(int32(8))})
			return err
		},
		"Sign, with a key of another usage": func(c identity.Caller, key string) error {
			_, err := k.Sign(t.Context(), c, signRequest(key, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p"))
			return err
		},
		"Verify, bad digest": func(c identity.Caller, key string) error {
			r := verifyRequest(key, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p", []byte("s"))
			r.MessageType = new(kmsapi.MessageTypeDigest)
			_, err := k.Verify(t.Context(), c, r)
			return err
		},
		"GetPublicKey": func(c identity.Caller, key string) error {
			_, err := k.GetPublicKey(t.Context(), c, &kmsapi.GetPublicKeyRequest{KeyId: &key})
			return err
		},
		"GenerateMac, bad grant token, dry": func(c identity.Caller, key string) error {
			r := macRequest(key, kmsapi.MacAlgorithmSpecHmacSha256, "p")
			r.GrantTokens, r.DryRun = bad, new(true)
			_, err := k.GenerateMac(t.Context(), c, r)
			return err
		},
		"VerifyMac": func(c identity.Caller, key string) error {
			_, err := k.VerifyMac(t.Context(), c, verifyMacRequest(key, kmsapi.MacAlgorithmSpecHmacSha256, "p", []byte("x")))
			return err
		},
		"DeriveSharedSecret, bad peer": func(c identity.Caller, key string) error {
			_, err := k.DeriveSharedSecret(t.Context(), c, agreeRequest(key, []byte("x")))
			return err
		},
		"GenerateDataKeyPair": func(c identity.Caller, key string) error {
			_, err := k.GenerateDataKeyPair(t.Context(), c, &kmsapi.GenerateDataKeyPairRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistP256)})
			return err
		},
		"GenerateDataKeyPairWithoutPlaintext, dry": func(c identity.Caller, key string) error {
			_, err := k.GenerateDataKeyPairWithoutPlaintext(t.Context(), c, &kmsapi.GenerateDataKeyPairWithoutPlaintextRequest{KeyId: &key, KeyPairSpec: new(kmsapi.DataKeyPairSpecRsa4096), DryRun: new(true)})
			return err
		},
		"Encrypt, with a context that RSA has not": func(c identity.Caller, key string) error {
			r := encryptRequest(key, strings.Repeat("x", 500), tenant)
			r.EncryptionAlgorithm = new(oaepSHA256)
			_, err := k.Encrypt(t.Context(), c, r)
			return err
		},
		"Decrypt, of an asymmetric key": func(c identity.Caller, key string) error {
			_, err := k.Decrypt(t.Context(), c, &kmsapi.DecryptRequest{KeyId: &key, EncryptionAlgorithm: new(oaepSHA256), CiphertextBlob: make([]byte, 256)})
			return err
		},
		"DescribeKey": func(c identity.Caller, key string) error {
			_, err := k.DescribeKey(t.Context(), c, &kmsapi.DescribeKeyRequest{KeyId: &key, GrantTokens: bad})
			return err
		},
		"CreateGrant": func(c identity.Caller, key string) error {
			_, err := k.CreateGrant(t.Context(), c, &kmsapi.CreateGrantRequest{KeyId: &key, GranteePrincipal: new(carolARN), Operations: []kmsapi.GrantOperation{kmsapi.GrantOperationSign}})
			return err
		},
		"CreateGrant, nobody": func(c identity.Caller, key string) error {
			_, err := k.CreateGrant(t.Context(), c, &kmsapi.CreateGrantRequest{KeyId: &key, GranteePrincipal: new("arn:nobody"), Operations: []kmsapi.GrantOperation{kmsapi.GrantOperationDecrypt}})
			return err
		},
		"ListGrants": func(c identity.Caller, key string) error {
			_, err := k.ListGrants(t.Context(), c, &kmsapi.ListGrantsRequest{KeyId: &key, Marker: new("x")})
			return err
		},
		"RevokeGrant": func(c identity.Caller, key string) error {
			return k.RevokeGrant(t.Context(), c, &kmsapi.RevokeGrantRequest{KeyId: &key, GrantId: granted.GrantId})
		},
		"RevokeGrant, no such grant": func(c identity.Caller, key string) error {
			return k.RevokeGrant(t.Context(), c, &kmsapi.RevokeGrantRequest{KeyId: &key, GrantId: new(strings.Repeat("0", 64))})
		},
		"RetireGrant": func(c identity.Caller, key string) error {
			return k.RetireGrant(t.Context(), c, &kmsapi.RetireGrantRequest{KeyId: &key, GrantId: granted.GrantId})
		},
		"RetireGrant, no such grant": func(c identity.Caller, key string) error {
			return k.RetireGrant(t.Context(), c, &kmsapi.RetireGrantRequest{KeyId: &key, GrantId: new(strings.Repeat("0", 64))})
		},
		"GetKeyPolicy": func(c identity.Caller, key string) error {
			_, err := k.GetKeyPolicy(t.Context(), c, &kmsapi.GetKeyPolicyRequest{KeyId: &key, PolicyName: new("other")})
			return err
		},
		"PutKeyPolicy": func(c identity.Caller, key string) error {
			return k.PutKeyPolicy(t.Context(), c, &kmsapi.PutKeyPolicyRequest{KeyId: &key, Policy: new(policyOf(toAccount))})
		},
		"DisableKey": func(c identity.Caller, key string) error {
			return k.DisableKey(t.Context(), c, &kmsapi.DisableKeyRequest{KeyId: &key})
		},
		"ScheduleKeyDeletion": func(c identity.Caller, key string) error {
			_, err := k.ScheduleKeyDeletion(t.Context(), c, &kmsapi.ScheduleKeyDeletionRequest{KeyId: &key})
			return err
		},
		"CancelKeyDeletion": func(c identity.Caller, key string) error {
			_, err := k.CancelKeyDeletion(t.Context(), c, &kmsapi.CancelKeyDeletionRequest{KeyId: &key})
			return err
		},
		"TagResource": func(c identity.Caller, key string) error {
			return k.TagResource(t.Context(), c, &kmsapi.TagResourceRequest{KeyId: &key, Tags: tagList("a", "b")})
		},
		"ListResourceTags": func(c identity.Caller, key string) error {
			_, err := k.ListResourceTags(t.Context(), c, &kmsapi.ListResourceTagsRequest{KeyId: &key, Marker: new("x")})
			return err
		},
		"CreateAlias": func(c identity.Caller, key string) error {
			return k.CreateAlias(t.Context(), c, &kmsapi.CreateAliasRequest{AliasName: new("alias/theirs"), TargetKeyId: &key})
		},
		"ListAliases": func(c identity.Caller, key string) error {
			_, err := k.ListAliases(t.Context(), c, &kmsapi.ListAliasesRequest{KeyId: &key})
			return err
		},
		"through S3": func(c identity.Caller, key string) error {
			_, err := k.NewDataKey(t.Context(), c, key, tenant)
			return err
		},
		"opened through S3": func(c identity.Caller, key string) error {
			_, err := k.OpenDataKey(t.Context(), c, key, enabled.blob, tenant)
			return err
		},
	}
	conditioned := `{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Team":"blue","kms:EncryptionContext:tenant":"1"},"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/*"}}}`
	type question struct{ name, identities, key, text string }
	var asked []question // pairs: of a key that is there, and of one that is not
	before := len(k.records())
	for _, identities := range []string{"", anything, `{"Effect":"Deny","Action":"kms:*","Resource":"*"}`, conditioned} {
		k.rights.give(carolARN, identities)
		for name, ask := range asks {
			for there, absent := range map[string]string{
				arnOf(enabled.key): arnOf(absentID), arnOf(disabled.key): arnOf(absentID), arnOf(pending.key): arnOf(absentID),
				arnOf(asymmetric): arnOf(absentID), aliasOf(enabled.alias): aliasOf("alias/none"), aliasOf("alias/aws/s3"): aliasOf("alias/aws/none"),
			} {
				for _, key := range []string{there, absent} {
					err := ask(carol(), key)
					if err == nil {
						t.Fatalf("%s of %s was allowed", name, key)
					}
					asked = append(asked, question{name, identities, key, strings.ReplaceAll(err.Error(), key, "KEY")})
				}
			}
		}
	}
	records := k.records()[before:] // each call has one
	if len(records) != len(asked) {
		t.Fatalf("%d calls have %d records", len(asked), len(records))
	}
	for i := 0; i < len(asked); i += 2 {
		there, absent := asked[i], asked[i+1]
		of := func(q question, r record) string {
			return strings.NewReplacer(q.key, "KEY", r.EventID, "").Replace(r.raw)
		}
		if got, want := of(there, records[i]), of(absent, records[i+1]); there.text != absent.text || got != want {
			t.Errorf("%s, with %q: %s differs from a key that is not there:\n%s\n%s\n%s\n%s", there.name, there.identities, there.key, there.text, absent.text, got, want)
		}
	}
}
