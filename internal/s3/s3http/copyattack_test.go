package s3http_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// A copy is one record, and one of each key's use.
func TestCopyIsRecorded(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	sealed := func(in *client.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &arn
	}
	k.put("plain", []byte("hello"))
	_, err := k.copyTo("src", bucket+"/plain", sealed)
	k.check(err)
	before := len(k.records("GenerateDataKey")) + len(k.records("Decrypt"))
	_, err = k.copyTo("copy", bucket+"/src", sealed)
	k.check(err)
	if after := len(k.records("GenerateDataKey")) + len(k.records("Decrypt")); after != before+2 {
		t.Errorf("got %d records of KMS, want one Decrypt and one GenerateDataKey", after-before)
	}
	records := k.records("CopyObject")
	if len(records) != 2 {
		t.Fatalf("got %d records of CopyObject, want 2", len(records))
	}
	r := records[1]
	params := r["requestParameters"].(map[string]any)
	if str(params["key"]) != "copy" || str(params["x-amz-copy-source"]) != "bucket/src" || str(r["additionalEventData"].(map[string]any)["bytesTransferredIn"]) != "0" {
		t.Errorf("got %v, want the key, the source, and no bytes from the client", r)
	}
	resources := ""
	for _, one := range r["resources"].([]any) {
		resources += str(one.(map[string]any)["ARN"]) + " "
	}
	if want := "arn:aws:s3:::bucket/copy arn:aws:s3:::bucket arn:aws:s3:::bucket/src arn:aws:s3:::bucket "; resources != want {
		t.Errorf("got resources %q, want %q", resources, want)
	}
	_, err = k.copyTo("no", bucket+"/none", func(in *client.CopyObjectInput) {
		in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey = aws.String("AES256"), aws.String("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I=")
	})
	wantCode(t, err, "InvalidRequest", 400)
	if last := fmt.Sprint(k.records("CopyObject")[2]); strings.Contains(last, "c2VjcmV0") {
		t.Errorf("the customer's key is in the trail: %s", last)
	}
}

// Between accounts the gate decides, on both ends.
func TestCopyBetweenAccounts(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", []byte("hello"))
	theirs := k.client("AKIAOTHER", region)
	_, err := theirs.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("theirs")})
	k.check(err)
	_, err = theirs.CopyObject(t.Context(), &client.CopyObjectInput{Bucket: aws.String("theirs"), Key: aws.String("k"), CopySource: aws.String(bucket + "/src")})
	wantCode(t, err, "AccessDenied", 403)
	if err == nil || !strings.Contains(err.Error(), "s3:GetObject on resource: arn:aws:s3:::bucket/src") {
		t.Errorf("got %v, want it to name s3:GetObject on the source", err)
	}
	_, err = k.copyTo("k", "theirs/k", nil)
	wantCode(t, err, "AccessDenied", 403)
	_, err = k.client("AKIANOONE", region).CopyObject(t.Context(), &client.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), CopySource: aws.String(bucket + "/src")})
	if wantCode(t, err, "AccessDenied", 403); err == nil || !strings.Contains(err.Error(), "s3:PutObject") {
		t.Errorf("got %v, want it to name s3:PutObject", err)
	}
}

// A source may be in another region, under a key of that region.
func TestCopyBetweenRegions(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	eu := k.client("AKIAROOT", region2)
	_, err := eu.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("far"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region2}})
	k.check(err)
	for _, mode := range []types.ServerSideEncryption{types.ServerSideEncryptionAes256, types.ServerSideEncryptionAwsKms} {
		_, err = eu.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String("far"), Key: aws.String("src"), Body: strings.NewReader("hello"), ServerSideEncryption: mode})
		k.check(err)
		_, err = k.copyTo("copy", "far/src", nil)
		k.check(err)
		k.wantGet("copy", []byte("hello"))
	}
}

// Damage of the source is the server's fault, makes no object and leaves nothing.
func TestCopyOfDamage(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", random(3<<20))
	k.put("target", []byte("old"))
	k.waitBlobs(2)
	for _, path := range k.blobs() {
		if info, err := os.Stat(path); err == nil && info.Size() > 1<<20 {
			k.flip(path, 2<<20)
		}
	}
	_, err := k.copyTo("target", bucket+"/src", nil)
	wantCode(t, err, "InternalError", 500)
	k.wantGet("target", []byte("old"))
	k.waitBlobs(2)
	if !strings.Contains(k.log.String(), "object bucket/src") {
		t.Errorf("the log does not name the source: %s", k.log)
	}
}

// The source is read to its end although it is deleted meanwhile.
func TestCopyOfWhatIsDeleted(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	data := random(1 << 20)
	k.put("src", data)
	fn := func() {
		k.opening.Store(nil)
		_, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("src")})
		k.check(err)
	}
	k.opening.Store(&fn)
	_, err := k.copyTo("copy", bucket+"/src", nil)
	k.check(err)
	k.wantGet("copy", data)
	k.waitBlobs(1)
}

// A client that hangs up leaves nothing behind.
func TestCopyGivenUp(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", random(1<<20))
	ctx, cancel := context.WithCancel(t.Context())
	fn := func() { k.opening.Store(nil); cancel() }
	k.opening.Store(&fn)
	c := callers["AKIAROOT"]
	c.Region = region
	_, err := k.s3.CopyObject(ctx, c, &s3api.CopyObjectRequest{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/src")})
	if awserr.CodeOf(err) != s3api.RequestTimeout && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a timeout", err)
	}
	if _, err := k.get("copy"); err == nil {
		t.Error("a copy that was given up is there")
	}
	k.waitBlobs(1)
}

// However large a copy is, it takes the buffers of a GET and of a PUT.
func TestCopyIsStreamed(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	const size = 24 << 20
	k.put("src", random(size))
	_, err := k.copyTo("copy", bucket+"/src", nil) // fills the pools
	k.check(err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = k.copyTo("copy", bucket+"/src", nil)
	k.check(err)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size/4 {
		t.Errorf("got %d bytes allocated for a copy of %d, want at most a quarter", got, size)
	}
}
