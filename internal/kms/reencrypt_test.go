package kms_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

const incorrectKey = "The key ID in the request does not identify a CMK that can perform this operation."

func TestReEncrypt(t *testing.T) {
	k := newKit(t)
	from, to := k.createKey(), k.createKey()
	k.createAlias("alias/from", *from.KeyId)
	k.createAlias("alias/to", *to.KeyId)
	tenant, purpose := map[string]string{"tenant": "1"}, map[string]string{"purpose": "2"}
	blob := k.encrypt(*from.KeyId, "attack at dawn", tenant)
	for _, c := range []struct {
		name        string
		source      *string
		destination string
	}{
		{"ids", from.KeyId, *to.KeyId},
		{"ARNs", from.Arn, *to.Arn},
		{"aliases", new("alias/from"), "alias/to"},
		{"alias ARNs", new("arn:aws:kms:us-east-1:111122223333:alias/from"), "arn:aws:kms:us-east-1:111122223333:alias/to"},
		{"the source is in the blob", nil, *to.KeyId},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := k.ReEncrypt(t.Context(), alice(), &kmsapi.ReEncryptRequest{
				CiphertextBlob: blob, SourceKeyId: c.source, SourceEncryptionContext: tenant,
				DestinationKeyId: &c.destination, DestinationEncryptionContext: purpose,
			})
			if err != nil {
				t.Fatal(err)
			}
			if *r.SourceKeyId != *from.Arn || *r.KeyId != *to.Arn || *r.SourceEncryptionAlgorithm != "SYMMETRIC_DEFAULT" ||
				*r.DestinationEncryptionAlgorithm != "SYMMETRIC_DEFAULT" ||
				*r.SourceKeyMaterialId != *from.CurrentKeyMaterialId || *r.DestinationKeyMaterialId != *to.CurrentKeyMaterialId {
				t.Errorf("answer is %+v", r)
			}
			if got := decrypted(t, k, r.CiphertextBlob, purpose); got != "attack at dawn" {
				t.Errorf("the new blob opens to %q", got)
			}
			_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: r.CiphertextBlob, EncryptionContext: tenant})
			wantError(t, err, kmsapi.InvalidCiphertextException, "")
		})
	}
	t.Run("one key, another context", func(t *testing.T) {
		r, err := k.ReEncrypt(t.Context(), alice(), &kmsapi.ReEncryptRequest{
			CiphertextBlob: blob, SourceEncryptionContext: tenant, DestinationKeyId: from.KeyId,
		})
		k.check(err)
		if bytes.Equal(r.CiphertextBlob, blob) {
			t.Error("the blob is the same")
		}
		if got := decrypted(t, k, r.CiphertextBlob, nil); got != "attack at dawn" {
			t.Errorf("the new blob opens to %q", got)
		}
	})
}

func TestReEncryptRefusals(t *testing.T) {
	k := newKit(t)
	from, to, disabled := k.createKey(), k.createKey(), k.createKey()
	k.disable(*disabled.KeyId)
	signing := k.createKey()
	k.change(*signing.KeyId, func(key *kmsdb.Key) { key.KeyUsage = kmsapi.KeyUsageTypeSignVerify })
	tenant := map[string]string{"tenant": "1"}
	blob := k.encrypt(*from.KeyId, "p", tenant)
	flipped := bytes.Clone(blob)
	flipped[len(flipped)-1] ^= 1
	header := bytes.Clone(blob)
	header[3] ^= 1
	abroad, err := k.CreateKey(t.Context(), caller(account, region2), &kmsapi.CreateKeyRequest{})
	k.check(err)
	r, err := k.Encrypt(t.Context(), caller(account, region2), encryptRequest(*abroad.KeyMetadata.KeyId, "p", nil))
	k.check(err)
	foreign := "arn:aws:kms:us-east-1:444455556666:key/" + absentID
	long := map[string]string{"k": string(make([]byte, 8<<10))}
	const cannot = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	for _, c := range []struct {
		name string
		req  kmsapi.ReEncryptRequest
		code awserr.Code
		text string
	}{
		{"no blob", kmsapi.ReEncryptRequest{DestinationKeyId: to.KeyId}, kmsapi.ValidationException, "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null"},
		{"no destination", kmsapi.ReEncryptRequest{CiphertextBlob: blob}, kmsapi.ValidationException, "1 validation error detected: Value null at 'destinationKeyId' failed to satisfy constraint: Member must not be null"},
		{"wrong source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: to.KeyId, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant}, kmsapi.IncorrectKeyException, incorrectKey},
		{"absent source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: new(absentID), DestinationKeyId: to.KeyId}, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/" + absentID + "' does not exist"},
		{"absent destination", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: new("alias/none")}, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found."},
		{"another source context", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId}, kmsapi.InvalidCiphertextException, ""},
		{"flipped bit", kmsapi.ReEncryptRequest{CiphertextBlob: flipped, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant}, kmsapi.InvalidCiphertextException, ""},
		{"flipped bit in the header", kmsapi.ReEncryptRequest{CiphertextBlob: header, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant}, kmsapi.InvalidCiphertextException, ""},
		{"the same, with the source", kmsapi.ReEncryptRequest{CiphertextBlob: header, SourceKeyId: from.KeyId, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant}, kmsapi.InvalidCiphertextException, ""},
		{"blob of another region", kmsapi.ReEncryptRequest{CiphertextBlob: r.CiphertextBlob, DestinationKeyId: to.KeyId}, gate.AccessDenied, cannot},
		{"disabled destination", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: disabled.KeyId, SourceEncryptionContext: tenant}, kmsapi.DisabledException, *disabled.Arn + " is disabled."},
		{"usage of the destination", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: signing.KeyId, SourceEncryptionContext: tenant}, kmsapi.InvalidKeyUsageException, *signing.Arn + " key usage is SIGN_VERIFY which is not valid for ReEncrypt."},
		{"source algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: from.KeyId, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant, SourceEncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecRsaesOaepSha1)}, kmsapi.InvalidKeyUsageException, "Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"destination algorithm", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant, DestinationEncryptionAlgorithm: new(kmsapi.EncryptionAlgorithmSpecSm2pke)}, kmsapi.InvalidKeyUsageException, "Algorithm SM2PKE is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"long source context", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, SourceEncryptionContext: long}, kmsapi.ValidationException, "The encryption context exceeds the maximum of 8192 bytes."},
		{"long destination context", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, DestinationEncryptionContext: long}, kmsapi.ValidationException, "The encryption context exceeds the maximum of 8192 bytes."},
		{"grant token", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, GrantTokens: []string{"t"}}, kmsapi.InvalidGrantTokenException, "The grant token is not valid."},
		{"another account's source", kmsapi.ReEncryptRequest{CiphertextBlob: blob, SourceKeyId: &foreign, DestinationKeyId: to.KeyId}, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:ReEncryptFrom" + undisclosed},
		{"another account's destination", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: &foreign}, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:ReEncryptTo" + undisclosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := k.ReEncrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	k.disable(*from.KeyId)
	_, err = k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, SourceEncryptionContext: tenant})
	wantError(t, err, kmsapi.DisabledException, *from.Arn+" is disabled.")
}

// DryRun comes last: what would fail fails.
func TestReEncryptDryRun(t *testing.T) {
	k := newKit(t)
	from, to := k.createKey(), k.createKey()
	blob := k.encrypt(*from.KeyId, "p", nil)
	ignore := []kmsapi.DryRunModifierType{kmsapi.DryRunModifierTypeIgnoreCiphertext}
	const would = "The request would have succeeded, but the DryRun option is set."
	for _, c := range []struct {
		name string
		req  kmsapi.ReEncryptRequest
		code awserr.Code
		text string
	}{
		{"good", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId}, kmsapi.DryRunOperationException, would},
		{"another context", kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId, SourceEncryptionContext: map[string]string{"a": "b"}}, kmsapi.InvalidCiphertextException, ""},
		{"no blob", kmsapi.ReEncryptRequest{SourceKeyId: from.KeyId, DestinationKeyId: to.KeyId, DryRunModifiers: ignore}, kmsapi.DryRunOperationException, would},
		{"no blob and no source", kmsapi.ReEncryptRequest{DestinationKeyId: to.KeyId, DryRunModifiers: ignore}, kmsapi.ValidationException, "SourceKeyId is required when DryRunModifiers contains IGNORE_CIPHERTEXT."},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.req.DryRun = new(true)
			_, err := k.ReEncrypt(t.Context(), root(), &c.req)
			wantError(t, err, c.code, c.text)
		})
	}
	_, err := k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{SourceKeyId: from.KeyId, DestinationKeyId: to.KeyId, DryRunModifiers: ignore})
	wantError(t, err, kmsapi.ValidationException, "DryRunModifiers can only be specified when DryRun is true.")
}

// Two decisions, each on its key, and one record.
func TestReEncryptAuthorization(t *testing.T) {
	k := newKit(t)
	from, to := k.createKey(), k.createKey()
	blob := k.encrypt(*from.KeyId, "p", nil)
	req := kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: to.KeyId}
	before := len(k.records())
	_, err := k.ReEncrypt(t.Context(), bob(), &req)
	wantError(t, err, gate.AccessDenied, "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	req.SourceKeyId = from.KeyId
	_, err = k.ReEncrypt(t.Context(), bob(), &req)
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:ReEncryptFrom on resource: "+*from.Arn+" because no identity-based policy allows the kms:ReEncryptFrom action")
	if got := len(k.records()) - before; got != 2 {
		t.Errorf("two calls made %d records", got)
	}
	// A key whose policy allows nothing: as source and as destination.
	k.change(*to.KeyId, func(key *kmsdb.Key) { key.Policy = allowsNothing })
	_, err = k.ReEncrypt(t.Context(), root(), &req)
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:ReEncryptTo on resource: "+*to.Arn+" because no resource-based policy allows the kms:ReEncryptTo action")
	if r := k.last("ReEncrypt"); r.RequestParameters != nil || len(r.Resources) != 2 {
		t.Errorf("record is %s, want both keys and no parameters", r.raw)
	}
	k.change(*from.KeyId, func(key *kmsdb.Key) { key.Policy = allowsNothing })
	_, err = k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{CiphertextBlob: blob, DestinationKeyId: from.KeyId})
	if !errors.Is(err, gate.AccessDenied) {
		t.Errorf("error is %v, want a denial", err)
	}
}

// S3 may re-encrypt with its AWS managed key for a caller, who may not.
func TestReEncryptWithAManagedKey(t *testing.T) {
	k := newKit(t)
	d, err := k.NewDataKey(t.Context(), root(), "", nil)
	k.check(err)
	to := k.createKey()
	req := &kmsapi.ReEncryptRequest{CiphertextBlob: d.Blob, SourceKeyId: &d.KeyARN, DestinationKeyId: to.KeyId}
	_, err = k.ReEncrypt(t.Context(), root(), req)
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:ReEncryptFrom on resource: "+d.KeyARN+" because no resource-based policy allows the kms:ReEncryptFrom action")
	_, err = k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{CiphertextBlob: k.encrypt(*to.KeyId, "p", nil), DestinationKeyId: &d.KeyARN})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:ReEncryptTo on resource: "+d.KeyARN+" because no resource-based policy allows the kms:ReEncryptTo action")
	_, err = k.ReEncrypt(t.Context(), root().Via("s3"), req)
	k.check(err)
	// A blob of S3's own key is of no key that anybody has.
	service, err := k.NewServiceDataKey(t.Context(), account, region)
	k.check(err)
	_, err = k.ReEncrypt(t.Context(), root(), &kmsapi.ReEncryptRequest{CiphertextBlob: service.Blob, DestinationKeyId: to.KeyId})
	if !errors.Is(err, gate.AccessDenied) {
		t.Errorf("error is %v, want a denial", err)
	}
}

func TestReEncryptRecord(t *testing.T) {
	k := newKit(t)
	from, to := k.createKey(), k.createKey()
	blob := k.encrypt(*from.KeyId, "attack at dawn", map[string]string{"b": "2", "a": "1"})
	_, err := k.ReEncrypt(t.Context(), alice(), &kmsapi.ReEncryptRequest{
		CiphertextBlob: blob, DestinationKeyId: to.KeyId,
		SourceEncryptionContext: map[string]string{"a": "1", "b": "2"}, DestinationEncryptionContext: map[string]string{"c": "3"},
	})
	k.check(err)
	r := k.last("ReEncrypt")
	wantParameters(t, r.RequestParameters, `{"destinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT","destinationEncryptionContext":{"c":"3"},"destinationKeyId":"`+*to.KeyId+`","sourceEncryptionAlgorithm":"SYMMETRIC_DEFAULT","sourceEncryptionContext":{"a":"1","b":"2"}}`)
	wantParameters(t, r.AdditionalEventData, `{"destinationKeyMaterialId":"`+*to.CurrentKeyMaterialId+`","sourceKeyMaterialId":"`+*from.CurrentKeyMaterialId+`"}`)
	if !r.ReadOnly || r.ResponseElements != nil || len(r.Resources) != 2 || r.Resources[0].ARN != *from.Arn || r.Resources[1].ARN != *to.Arn {
		t.Errorf("record is %s, want a read of source and destination", r.raw)
	}
	if bytes.Contains([]byte(r.raw), []byte("dawn")) {
		t.Errorf("the plaintext is in the record: %s", r.raw)
	}
}
