package model_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

func TestValidateTexts(t *testing.T) {
	long := strings.Repeat("k", 2049)
	for _, tt := range []struct {
		name string
		op   string
		in   any
		want string // empty: valid
	}{
		{"valid", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: new("x")}, ""},
		{"missing member", "DescribeKey", &kmsapi.DescribeKeyRequest{},
			"1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"},
		{"too short", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: new("")},
			"1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"too long", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: &long},
			"1 validation error detected: Value '" + long + "' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{"length counts characters", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: new(strings.Repeat("é", 2048))}, ""},
		{"number too large", "GenerateDataKey", &kmsapi.GenerateDataKeyRequest{KeyId: new("x"), NumberOfBytes: new(int32(1025))},
			"1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{"number too small", "GenerateDataKey", &kmsapi.GenerateDataKeyRequest{KeyId: new("x"), NumberOfBytes: new(int32(0))},
			"1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"secret is not shown", "Encrypt", &kmsapi.EncryptRequest{KeyId: new("x"), Plaintext: secret.New(make([]byte, 4097))},
			"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{"empty secret is present", "Encrypt", &kmsapi.EncryptRequest{KeyId: new("x"), Plaintext: secret.New([]byte{})},
			"1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"blob is not shown", "Decrypt", &kmsapi.DecryptRequest{CiphertextBlob: make([]byte, 6145)},
			"1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144"},
		{"enumeration", "GenerateDataKey", &kmsapi.GenerateDataKeyRequest{KeyId: new("x"), KeySpec: new(kmsapi.DataKeySpec("AES_512"))},
			"1 validation error detected: Value 'AES_512' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]"},
		{"pattern", "CreateAlias", &kmsapi.CreateAliasRequest{AliasName: new("alias/a b"), TargetKeyId: new("x")},
			"1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"pattern is for the whole value", "CreateAlias", &kmsapi.CreateAliasRequest{AliasName: new("alias/a\n"), TargetKeyId: new("x")},
			"1 validation error detected: Value 'alias/a\n' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"pattern of Java escapes", "ListKeys", &kmsapi.ListKeysRequest{Marker: new("ÿ")}, ""},
		{"pattern of Java escapes, outside", "ListKeys", &kmsapi.ListKeysRequest{Marker: new("Ā")},
			`1 validation error detected: Value 'Ā' at 'marker' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0020-\u00FF]*`},
		{"two constraints of one member", "CreateAlias", &kmsapi.CreateAliasRequest{AliasName: new(""), TargetKeyId: new("x")},
			"2 validation errors detected: Value '' at 'aliasName' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value '' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"two members in the model's order", "Encrypt", &kmsapi.EncryptRequest{},
			"2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'plaintext' failed to satisfy constraint: Member must not be null"},
		{"list too long", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: new("x"), GrantTokens: strings.Split("a,b,c,d,e,f,g,h,i,j,k", ",")},
			"1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"element of a list", "DescribeKey", &kmsapi.DescribeKeyRequest{KeyId: new("x"), GrantTokens: []string{"a", ""}},
			"1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must have length less than or equal to 8192, Member must have length greater than or equal to 1]"},
		{"enumeration in a list", "Decrypt", &kmsapi.DecryptRequest{DryRunModifiers: []kmsapi.DryRunModifierType{"X"}},
			"1 validation error detected: Value '[X]' at 'dryRunModifiers' failed to satisfy constraint: Member must satisfy constraint: " +
				"[Member must satisfy enum value set: [IGNORE_CIPHERTEXT]]"},
		{"structure in a list", "CreateKey", &kmsapi.CreateKeyRequest{Tags: []kmsapi.Tag{
			{TagKey: new("a"), TagValue: new("")}, {TagKey: new(strings.Repeat("k", 129))}}},
			"2 validation errors detected: Value '" + strings.Repeat("k", 129) + "' at 'tags.2.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128; " +
				"Value null at 'tags.2.member.tagValue' failed to satisfy constraint: Member must not be null"},
		{"structure in a structure", "Decrypt", &kmsapi.DecryptRequest{Recipient: &kmsapi.RecipientInfo{AttestationDocument: []byte{}}},
			"1 validation error detected: Value at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length greater than or equal to 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := model.KMS().Validate(tt.op, tt.in)
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v, want none", err)
				}
				return
			}
			e, ok := errors.AsType[*awserr.Error](err)
			if !ok || e.Code != kmsapi.ValidationException {
				t.Fatalf("got %v, want a ValidationException", err)
			}
			if e.Message != tt.want {
				t.Errorf("got  %s\nwant %s", e.Message, tt.want)
			}
		})
	}
}

// TestValidateOtherServices shows that the plans of S3 and STS compile: they
// panic where shape and type disagree.
func TestValidateOtherServices(t *testing.T) {
	if err := model.STS().Validate("GetCallerIdentity", &stsapi.GetCallerIdentityRequest{}); err != nil {
		t.Error(err)
	}
	inputs := map[string]any{
		"CreateBucket": &s3api.CreateBucketRequest{}, "HeadBucket": &s3api.HeadBucketRequest{},
		"DeleteBucket": &s3api.DeleteBucketRequest{}, "GetBucketLocation": &s3api.GetBucketLocationRequest{},
		"PutObject": &s3api.PutObjectRequest{}, "GetObject": &s3api.GetObjectRequest{},
		"HeadObject": &s3api.HeadObjectRequest{}, "DeleteObject": &s3api.DeleteObjectRequest{},
		"ListObjects": &s3api.ListObjectsRequest{}, "ListObjectsV2": &s3api.ListObjectsV2Request{},
		"CreateMultipartUpload": &s3api.CreateMultipartUploadRequest{}, "UploadPart": &s3api.UploadPartRequest{},
		"CompleteMultipartUpload": &s3api.CompleteMultipartUploadRequest{},
		"AbortMultipartUpload":    &s3api.AbortMultipartUploadRequest{}, "ListParts": &s3api.ListPartsRequest{},
		"CopyObject": &s3api.CopyObjectRequest{}, "DeleteObjects": &s3api.DeleteObjectsRequest{},
		"PutBucketPolicy": &s3api.PutBucketPolicyRequest{}, "GetBucketPolicy": &s3api.GetBucketPolicyRequest{},
		"DeleteBucketPolicy": &s3api.DeleteBucketPolicyRequest{}, "GetBucketPolicyStatus": &s3api.GetBucketPolicyStatusRequest{},
		"UploadPartCopy": &s3api.UploadPartCopyRequest{}, "ListMultipartUploads": &s3api.ListMultipartUploadsRequest{},
	}
	for _, op := range model.S3().Operations() {
		if op == "ListBuckets" { // nothing is required of it
			if err := model.S3().Validate(op, &s3api.ListBucketsRequest{}); err != nil {
				t.Error(err)
			}
			continue
		}
		if err := model.S3().Validate(op, inputs[op]); err == nil || !strings.Contains(err.Error(), "Value null at 'bucket'") {
			t.Errorf("got %v for an empty %s, want the bucket missed", err, op)
		}
	}
}

func TestValidAllocatesNothing(t *testing.T) {
	svc, in := model.KMS(), encryptRequest()
	allocs := testing.AllocsPerRun(100, func() {
		if err := svc.Validate("Encrypt", in); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("got %v allocations, want none", allocs)
	}
}

func encryptRequest() *kmsapi.EncryptRequest {
	return &kmsapi.EncryptRequest{
		KeyId:             new("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
		Plaintext:         secret.New(make([]byte, 32)),
		EncryptionContext: map[string]string{"purpose": "test"},
	}
}

func BenchmarkValidateEncrypt(b *testing.B) {
	svc, in := model.KMS(), encryptRequest()
	b.ReportAllocs()
	for b.Loop() {
		if err := svc.Validate("Encrypt", in); err != nil {
			b.Fatal(err)
		}
	}
}
