package s3http_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (k *kit) putKMS(key, keyID string, data []byte) *client.PutObjectOutput {
	k.t.Helper()
	in := &client.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(data), ServerSideEncryption: types.ServerSideEncryptionAwsKms}
	if keyID != "" {
		in.SSEKMSKeyId = &keyID
	}
	out, err := k.PutObject(k.t.Context(), in)
	k.check(err)
	return out
}

func TestKMSMode(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	data := []byte("hello")
	for _, id := range []string{arn, arn[strings.LastIndexByte(arn, '/')+1:]} {
		out := k.putKMS("k", id, data)
		if *out.SSEKMSKeyId != arn || out.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
			t.Errorf("got %s under %s, want %s", out.ServerSideEncryption, *out.SSEKMSKeyId, arn)
		}
		if strings.Contains(*out.ETag, "5d41402abc4b2a76b9719d911017c592") {
			t.Error("the ETag is the MD5 of the plaintext")
		}
	}
	k.wantGet("k", data)
	// A context of the caller's is kept beside aws:s3:arn.
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("c"), Body: bytes.NewReader(data),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &arn, SSEKMSEncryptionContext: aws.String("eyJhIjoiYiJ9")})
	k.check(err)
	k.wantGet("c", data)
	decrypts := k.records("Decrypt")
	last := decrypts[len(decrypts)-1]["requestParameters"].(map[string]any)["encryptionContext"].(map[string]any)
	if last["a"] != "b" || last["aws:s3:arn"] != "arn:aws:s3:::bucket/c" {
		t.Errorf("got context %v in the record of Decrypt", last)
	}
}

func TestManagedKey(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	out := k.putKMS("k", "", []byte("x"))
	if !strings.HasPrefix(*out.SSEKMSKeyId, "arn:aws:kms:us-east-1:111122223333:key/") {
		t.Errorf("got key %s, want a full ARN", *out.SSEKMSKeyId)
	}
	k.wantGet("k", []byte("x"))
}

// HEAD and listings make no call to KMS; GET and a HEAD for a checksum do.
func TestDisabledKey(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	k.putKMS("k", arn, []byte("x"))
	k.put("plain", []byte("y"))
	k.disableKey(arn)
	_, err := k.get("k")
	wantCode(t, err, "KMS.DisabledException", 400)
	if err == nil || !strings.Contains(err.Error(), arn+" is disabled.") {
		t.Errorf("got %v, want the key's ARN", err)
	}
	_, err = k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	if resp := k.raw("HEAD", "/bucket/k", map[string]string{"X-Amz-Checksum-Mode": "ENABLED"}, ""); resp.StatusCode != 400 {
		t.Errorf("got status %d from HEAD for a checksum, want 400", resp.StatusCode)
	}
	list, err := k.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String(bucket)})
	k.check(err)
	if len(list.Contents) != 2 {
		t.Errorf("got %d objects, want 2", len(list.Contents))
	}
	_, err = k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("z"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &arn})
	wantCode(t, err, "KMS.DisabledException", 400)
	// What a disabled key sealed can still be deleted.
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	k.waitBlobs(1)
}

func TestKMSMultipart(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	up := k.begin(&client.CreateMultipartUploadInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &arn,
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	data := random(100)
	part := k.part(up, 1, data)
	out, err := k.complete(up, part)
	k.check(err)
	if !strings.HasSuffix(*out.ETag, `-1"`) || *out.SSEKMSKeyId != arn {
		t.Errorf("got ETag %s and key %s", *out.ETag, *out.SSEKMSKeyId)
	}
	k.wantGet("k", data)
	k.disableKey(arn)
	up2 := *up
	_, err = k.tryPart(&up2, 1, data)
	wantCode(t, err, "NoSuchUpload", 404)
}
