package server

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/audit"
)

// TestFirstLight goes the thin way through the whole house with the AWS SDK:
// a key, real data, files sealed at rest, all of it there after a restart, and
// every call in the trail.
func TestFirstLight(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1)
	ctx := t.Context()

	who, err := c.sts.GetCallerIdentity(ctx, &awssts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := aws.ToString(who.Arn), "arn:aws:iam::"+DefaultAccount+":root"; got != want {
		t.Errorf("got caller %q, want %q", got, want)
	}

	key, err := c.kms.CreateKey(ctx, &awskms.CreateKeyInput{Description: aws.String("first light")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.kms.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: key.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	enc, err := c.kms.Encrypt(ctx, &awskms.EncryptInput{
		KeyId: aws.String("alias/app"), Plaintext: []byte("attack at dawn"), EncryptionContext: map[string]string{"purpose": "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("vault")}); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 300_000)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	put := func(name string, in *awss3.PutObjectInput) {
		t.Helper()
		in.Bucket, in.Key, in.Body = aws.String("vault"), aws.String(name), bytes.NewReader(body)
		if _, err := c.s3.PutObject(ctx, in); err != nil {
			t.Fatalf("putting %s: %v", name, err)
		}
	}
	put("plain", &awss3.PutObjectInput{})
	put("kms", &awss3.PutObjectInput{ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/app")})
	put("managed", &awss3.PutObjectInput{ServerSideEncryption: s3types.ServerSideEncryptionAwsKms})

	stop()
	s, stop = start(t, Config{DataDir: dir})
	c = client(t, s.Endpoint(), dir, 1)

	dec, err := c.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: map[string]string{"purpose": "test"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(dec.Plaintext) != "attack at dawn" {
		t.Errorf("got plaintext %q after a restart", dec.Plaintext)
	}
	for _, name := range []string{"plain", "kms", "managed"} {
		got, err := c.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("vault"), Key: &name})
		if err != nil {
			t.Fatalf("getting %s: %v", name, err)
		}
		b, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(b, body) {
			t.Errorf("%s: got %d bytes, %v, want the ones put", name, len(b), err)
		}
	}

	// A disabled key closes what it sealed, and nothing else.
	if _, err := c.kms.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: key.KeyMetadata.KeyId}); err != nil {
		t.Fatal(err)
	}
	_, err = c.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("vault"), Key: aws.String("kms")})
	if ae, ok := errors.AsType[smithy.APIError](err); !ok || ae.ErrorCode() != "KMS.DisabledException" {
		t.Errorf("got %v for an object of a disabled key, want KMS.DisabledException", err)
	}
	if _, err = c.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String("vault"), Key: aws.String("plain")}); err != nil {
		t.Errorf("got %v for an object of no such key, want none", err)
	}
	stop()

	var events []string
	for e, err := range audit.Entries(AuditDir(dir)) {
		if err != nil {
			t.Fatal(err)
		}
		var r struct{ EventName, ErrorCode string }
		if err := json.Unmarshal(e.Record, &r); err != nil {
			t.Fatal(err)
		}
		events = append(events, r.EventName+r.ErrorCode)
	}
	want := []string{
		"CreateAccount", "CreateAccessKey", "GetCallerIdentity", "CreateKey", "CreateAlias", "Encrypt", "CreateBucket",
		"PutObject", "GenerateDataKey", "Decrypt", "GetObject", "DisableKey", "DecryptDisabledException", "GetObjectKMS.DisabledException",
	}
	for _, w := range want {
		if !slices.Contains(events, w) {
			t.Errorf("the trail has no %s; it has %v", w, events)
		}
	}
	if _, err := VerifyAudit(ctx, dir); err != nil {
		t.Errorf("verifying the trail: %v", err)
	}
}
