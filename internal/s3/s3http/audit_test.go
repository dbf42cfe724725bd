package s3http_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// encodings of a text as it might lie on a disk.
func encodings(s string) []string {
	out := []string{s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for i := range 3 {
		// Without its first and last digits, which depend on what is around.
		e := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", i) + s))
		out = append(out, e[4:len(e)-4])
	}
	return out
}

func TestDataEvent(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("hello"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &arn, Metadata: map[string]string{"m": "private"}})
	k.check(err)
	records := k.records("PutObject")
	if len(records) != 1 {
		t.Fatalf("got %d records of PutObject, want 1", len(records))
	}
	r := records[0]
	params, extra := r["requestParameters"].(map[string]any), r["additionalEventData"].(map[string]any)
	for _, tt := range []struct{ name, got, want string }{
		{"eventCategory", str(r["eventCategory"]), "Data"},
		{"managementEvent", str(r["managementEvent"]), "false"},
		{"readOnly", str(r["readOnly"]), "false"},
		{"bucketName", str(params["bucketName"]), "bucket"},
		{"key", str(params["key"]), "k"},
		{"SSE", str(params["x-amz-server-side-encryption"]), "aws:kms"},
		{"SSE key", str(params["x-amz-server-side-encryption-aws-kms-key-id"]), arn},
		{"response", str(r["responseElements"].(map[string]any)["x-amz-server-side-encryption-aws-kms-key-id"]), arn},
		{"SignatureVersion", str(extra["SignatureVersion"]), "SigV4"},
		{"bytesTransferredIn", str(extra["bytesTransferredIn"]), "5"},
		{"SSEApplied", str(extra["SSEApplied"]), "SSE_KMS"},
		{"AuthenticationMethod", str(extra["AuthenticationMethod"]), "AuthHeader"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s %s, want %s", tt.name, tt.got, tt.want)
		}
	}
	if params["Host"] == "" || extra["x-amz-id-2"] == "" {
		t.Errorf("got %v and %v, want Host and x-amz-id-2", params, extra)
	}
	resources := r["resources"].([]any)
	if len(resources) != 2 || resources[0].(map[string]any)["ARN"] != "arn:aws:s3:::bucket/k" || resources[1].(map[string]any)["accountId"] != account {
		t.Errorf("got resources %v", resources)
	}
	if whole, _ := json.Marshal(r); strings.Contains(string(whole), "private") {
		t.Errorf("user metadata is in the trail: %s", whole)
	}
	if got := k.records("GenerateDataKey"); len(got) != 1 {
		t.Errorf("got %d records of GenerateDataKey, want 1", len(got))
	}
}

func str(v any) string {
	b, _ := json.Marshal(v)
	return strings.Trim(string(b), `"`)
}

// A GET has its decision in the trail before its first byte, and its outcome
// after the last.
func TestGetIsRecordedTwice(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", random(5000))
	_, err := k.get("k")
	k.check(err)
	records := k.records("GetObject")
	if len(records) != 2 {
		t.Fatalf("got %d records of GetObject, want 2", len(records))
	}
	if got := str(records[1]["additionalEventData"].(map[string]any)["bytesTransferredOut"]); got != "5000" {
		t.Errorf("got %s bytes out, want 5000", got)
	}
}

func TestRefusalsAreRecorded(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	_, err := k.client("AKIANOONE", region).GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	wantCode(t, err, "AccessDenied", 403)
	_, err = k.get("none")
	wantCode(t, err, "NoSuchKey", 404)
	records := k.records("GetObject")
	if len(records) != 2 || records[0]["errorCode"] != "AccessDenied" || records[1]["errorCode"] != "NoSuchKey" {
		t.Errorf("got %v, want AccessDenied and NoSuchKey", records)
	}
	if records[0]["requestParameters"] != nil {
		t.Errorf("got parameters %v of a refused call, want none", records[0]["requestParameters"])
	}
}

// Without a trail nothing is served: no byte of an object, and no change.
func TestNoTrailNoWork(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("secret"))
	k.check(k.trail.Close())
	resp := k.raw("GET", "/bucket/k", nil, "")
	b, err := io.ReadAll(resp.Body)
	k.check(err)
	if resp.StatusCode != 500 || strings.Contains(string(b), "secret") {
		t.Errorf("got status %d and %q, want 500 and nothing of the object", resp.StatusCode, b)
	}
	resp = k.raw("DELETE", "/bucket/k", nil, "")
	if resp.StatusCode != 500 {
		t.Errorf("got status %d from DELETE, want 500", resp.StatusCode)
	}
}
