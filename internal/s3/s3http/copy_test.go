package s3http_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// copyTo copies source, as in the header, to a key of the bucket.
func (k *kit) copyTo(key, source string, change func(*client.CopyObjectInput)) (*client.CopyObjectOutput, error) {
	in := &client.CopyObjectInput{Bucket: aws.String(bucket), Key: &key, CopySource: &source}
	if change != nil {
		change(in)
	}
	return k.CopyObject(k.t.Context(), in)
}

func etagOf(data []byte) string {
	sum := md5.Sum(data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func TestCopyObject(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	data := append([]byte("a plaintext that the disk must not show "), random(200_000)...)
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("src"), Body: bytes.NewReader(data),
		ContentType: aws.String("text/x"), CacheControl: aws.String("no-store"), Metadata: map[string]string{"a": "1"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	k.check(err)
	k.now.Store(new(k.now.Load().Add(time.Hour)))
	out, err := k.copyTo("copy", bucket+"/src", nil)
	k.check(err)
	head, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), ChecksumMode: types.ChecksumModeEnabled})
	k.check(err)
	r := out.CopyObjectResult
	for _, tt := range []struct{ name, got, want string }{
		{"ETag", *r.ETag, etagOf(data)},
		{"ETag of HEAD", *head.ETag, etagOf(data)},
		{"time", r.LastModified.Format(time.RFC3339), "2026-11-23T12:02:03Z"},
		{"encryption", string(out.ServerSideEncryption), "AES256"},
		{"checksum", aws.ToString(r.ChecksumSHA256), aws.ToString(head.ChecksumSHA256)},
		{"type", string(r.ChecksumType), "FULL_OBJECT"},
		{"content type", *head.ContentType, "text/x"},
		{"cache control", *head.CacheControl, "no-store"},
		{"metadata", head.Metadata["a"], "1"},
	} {
		if tt.got != tt.want || tt.want == "" {
			t.Errorf("got %s %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	k.wantGet("copy", data)
	k.wantGet("src", data)

	// The copy has keys and a blob of its own: what becomes of the source does
	// not matter to it.
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("src")})
	k.check(err)
	k.waitBlobs(1)
	k.wantGet("copy", data)
	for _, path := range k.blobs() {
		raw, err := os.ReadFile(path)
		k.check(err)
		if bytes.Contains(raw, data[:30]) || bytes.Contains(raw, data[100_000:100_030]) {
			t.Errorf("%s holds plaintext", path)
		}
	}
}

// What the directives, the checksum and the encryption of the target ask for.
func TestCopyAttributes(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("src"), Body: strings.NewReader("hello"),
		ContentType: aws.String("text/x"), Metadata: map[string]string{"a": "1"}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	k.check(err)
	head := func(key string) *client.HeadObjectOutput {
		t.Helper()
		h, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		k.check(err)
		return h
	}
	// Without REPLACE the request's metadata do not count.
	_, err = k.copyTo("kept", bucket+"/src", func(in *client.CopyObjectInput) {
		in.ContentType, in.Metadata = aws.String("text/y"), map[string]string{"b": "2"}
		in.TaggingDirective = types.TaggingDirectiveCopy
	})
	k.check(err)
	if h := head("kept"); *h.ContentType != "text/x" || len(h.Metadata) != 1 || h.Metadata["a"] != "1" || h.ChecksumCRC32 == nil {
		t.Errorf("got %q, %v, %v, want what the source has", *h.ContentType, h.Metadata, h.ChecksumCRC32)
	}
	_, err = k.copyTo("replaced", bucket+"/src", func(in *client.CopyObjectInput) {
		in.MetadataDirective, in.Metadata, in.ContentLanguage = types.MetadataDirectiveReplace, map[string]string{"b": "2"}, aws.String("de")
	})
	k.check(err)
	if h := head("replaced"); *h.ContentType != "binary/octet-stream" || len(h.Metadata) != 1 || h.Metadata["b"] != "2" || *h.ContentLanguage != "de" {
		t.Errorf("got %q, %v, %v, want what the request has", *h.ContentType, h.Metadata, h.ContentLanguage)
	}
	out, err := k.copyTo("summed", bucket+"/src", func(in *client.CopyObjectInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmSha1 })
	k.check(err)
	if h := head("summed"); h.ChecksumCRC32 != nil || aws.ToString(h.ChecksumSHA1) != "qvTGHdzF6KLavt4PO0gs2a6pQ00=" || aws.ToString(out.CopyObjectResult.ChecksumSHA1) != *h.ChecksumSHA1 {
		t.Errorf("got SHA1 %v and CRC32 %v, want that of the text alone", h.ChecksumSHA1, h.ChecksumCRC32)
	}
	// Under a KMS key, by the requester's rights on both keys, and back.
	context := "eyJhIjoiMSJ9" // {"a":"1"}
	out, err = k.copyTo("sealed", bucket+"/src", func(in *client.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext = types.ServerSideEncryptionAwsKms, &arn, &context
	})
	k.check(err)
	if *out.SSEKMSKeyId != arn || *out.CopyObjectResult.ETag == etagOf([]byte("hello")) || aws.ToString(out.SSEKMSEncryptionContext) != context {
		t.Errorf("got key %s, ETag %s, context %v", *out.SSEKMSKeyId, *out.CopyObjectResult.ETag, out.SSEKMSEncryptionContext)
	}
	k.wantGet("sealed", []byte("hello"))
	out, err = k.copyTo("back", bucket+"/sealed", nil)
	k.check(err)
	if out.ServerSideEncryption != types.ServerSideEncryptionAes256 || *out.CopyObjectResult.ETag != etagOf([]byte("hello")) {
		t.Errorf("got %s and ETag %s, want SSE-S3 and the MD5", out.ServerSideEncryption, *out.CopyObjectResult.ETag)
	}
	k.disableKey(arn)
	_, err = k.copyTo("no", bucket+"/sealed", nil)
	wantCode(t, err, "KMS.DisabledException", 400)
	_, err = k.copyTo("no", bucket+"/src", func(in *client.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &arn
	})
	wantCode(t, err, "KMS.DisabledException", 400)
}

func TestCopyRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", []byte("hello"))
	k.put("there", []byte("there"))
	modified := *k.now.Load()
	for _, tt := range []struct {
		name, source string
		change       func(*client.CopyObjectInput)
		code         string
		status       int
		text         string
	}{
		{"no key", bucket, nil, "InvalidArgument", 400, "Invalid copy source object key"},
		{"empty key", bucket + "/", nil, "InvalidArgument", 400, "Invalid copy source object key"},
		{"bucket name", "Bucket/src", nil, "InvalidArgument", 400, "Invalid copy source bucket name"},
		{"bad escape", bucket + "/%zz", nil, "InvalidArgument", 400, "Invalid copy source encoding"},
		{"unknown parameter", bucket + "/src?x=1", nil, "InvalidArgument", 400, "Invalid copy source encoding"},
		{"escape from the bucket", bucket + "/../src", nil, "InvalidArgument", 400, "Invalid copy source object key"},
		{"odd version", bucket + "/src?versionId=1", nil, "InvalidArgument", 400, "Invalid version id specified"},
		{"empty version", bucket + "/src?versionId=", nil, "InvalidArgument", 400, "Invalid version id specified"},
		{"unknown version", bucket + "/src?versionId=HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD", nil, "NoSuchVersion", 404, "The specified version does not exist."},
		{"no such bucket", "nowhere/src", nil, "NoSuchBucket", 404, ""},
		{"no such key", bucket + "/none", nil, "NoSuchKey", 404, ""},
		{"to itself", bucket + "/src", func(in *client.CopyObjectInput) { in.Key = aws.String("src") }, "InvalidRequest", 400,
			"This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."},
		{"metadata directive", bucket + "/src", func(in *client.CopyObjectInput) { in.MetadataDirective = "copy" }, "InvalidArgument", 400, "Unknown metadata directive."},
		{"tagging directive", bucket + "/src", func(in *client.CopyObjectInput) { in.TaggingDirective = "x" }, "InvalidArgument", 400, "Unknown tagging directive."},
		{"new tags", bucket + "/src", func(in *client.CopyObjectInput) { in.TaggingDirective = "REPLACE" }, "NotImplemented", 501, ""},
		{"tags", bucket + "/src", func(in *client.CopyObjectInput) { in.Tagging = aws.String("a=b") }, "NotImplemented", 501, ""},
		{"website", bucket + "/src", func(in *client.CopyObjectInput) { in.WebsiteRedirectLocation = aws.String("/x") }, "NotImplemented", 501, ""},
		{"checksum algorithm", bucket + "/src", func(in *client.CopyObjectInput) { in.ChecksumAlgorithm = "ROT13" }, "InvalidRequest", 400, "Checksum algorithm provided is unsupported."},
		{"SSE-C source", bucket + "/src", func(in *client.CopyObjectInput) { in.CopySourceSSECustomerAlgorithm = aws.String("AES256") }, "InvalidRequest", 400, "not applicable"},
		{"SSE-C target", bucket + "/src", func(in *client.CopyObjectInput) { in.SSECustomerAlgorithm = aws.String("AES256") }, "NotImplemented", 501, ""},
		{"owner of the source", bucket + "/src", func(in *client.CopyObjectInput) { in.ExpectedSourceBucketOwner = aws.String(other) }, "AccessDenied", 403, ""},
		{"owner of the target", bucket + "/src", func(in *client.CopyObjectInput) { in.ExpectedBucketOwner = aws.String(other) }, "AccessDenied", 403, ""},
		{"metadata", bucket + "/src", func(in *client.CopyObjectInput) {
			in.MetadataDirective, in.Metadata = "REPLACE", map[string]string{"a": strings.Repeat("x", 2048)}
		}, "MetadataTooLarge", 400, ""},
		{"If-None-Match of the target", bucket + "/src", func(in *client.CopyObjectInput) { in.Key, in.IfNoneMatch = aws.String("there"), aws.String("*") }, "PreconditionFailed", 412, ""},
		{"If-Match of the target", bucket + "/src", func(in *client.CopyObjectInput) {
			in.Key, in.IfMatch = aws.String("there"), aws.String(etagOf(nil))
		}, "PreconditionFailed", 412, ""},
		{"If-Match of no target", bucket + "/src", func(in *client.CopyObjectInput) { in.IfMatch = aws.String(etagOf(nil)) }, "NoSuchKey", 404, ""},
		{"If-Match of any target", bucket + "/src", func(in *client.CopyObjectInput) { in.IfMatch = aws.String("*") }, "NotImplemented", 501, ""},
		{"source If-Match", bucket + "/src", func(in *client.CopyObjectInput) { in.CopySourceIfMatch = aws.String(etagOf(nil)) }, "PreconditionFailed", 412, ""},
		{"source If-None-Match", bucket + "/src", func(in *client.CopyObjectInput) {
			in.CopySourceIfNoneMatch = aws.String(etagOf([]byte("hello")))
			in.CopySourceIfModifiedSince = aws.Time(modified.Add(-time.Hour)) // holds, and does not count
		}, "PreconditionFailed", 412, ""},
		{"source If-Modified-Since", bucket + "/src", func(in *client.CopyObjectInput) { in.CopySourceIfModifiedSince = &modified }, "PreconditionFailed", 412, ""},
		{"source If-Unmodified-Since", bucket + "/src", func(in *client.CopyObjectInput) {
			in.CopySourceIfUnmodifiedSince = aws.Time(modified.Add(-time.Hour))
		}, "PreconditionFailed", 412, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.copyTo("no", tt.source, tt.change)
			wantCode(t, err, tt.code, tt.status)
			if err != nil && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
		})
	}
	if _, err := k.get("no"); err == nil {
		t.Error("a refused copy made an object")
	}
	k.wantGet("there", []byte("there"))
	k.waitBlobs(2)
	// The condition that failed is named as AWS names it.
	resp := k.raw("PUT", "/bucket/no", map[string]string{"X-Amz-Copy-Source": "bucket/src", "X-Amz-Copy-Source-If-Match": "x"}, "")
	k.wantError(resp, 412, "PreconditionFailed", "<Condition>x-amz-copy-source-If-Match</Condition>")
}

// Conditions that hold, and those that another one makes irrelevant.
func TestCopyConditions(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("src", []byte("hello"))
	etag, past, future := aws.String(etagOf([]byte("hello"))), aws.Time(k.now.Load().Add(-time.Hour)), aws.Time(k.now.Load().Add(time.Hour))
	for _, tt := range []struct {
		name   string
		change func(*client.CopyObjectInput)
	}{
		{"If-Match beside If-Unmodified-Since", func(in *client.CopyObjectInput) {
			in.CopySourceIfMatch, in.CopySourceIfUnmodifiedSince = etag, past
		}},
		{"If-None-Match beside If-Modified-Since", func(in *client.CopyObjectInput) {
			in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince = aws.String(`"x"`), k.now.Load()
		}},
		{"If-Modified-Since in the future", func(in *client.CopyObjectInput) { in.CopySourceIfModifiedSince = future }},
		{"If-Unmodified-Since", func(in *client.CopyObjectInput) { in.CopySourceIfUnmodifiedSince = future }},
		{"If-Match of the target", func(in *client.CopyObjectInput) { in.Key, in.IfMatch = aws.String("same"), etag }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.put("same", []byte("hello"))
			_, err := k.copyTo("copy", bucket+"/src", tt.change)
			k.check(err)
		})
	}
}

// A source is named as clients name it.
func TestCopySourceNames(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for i, tt := range []struct{ name, key, source string }{
		{"plain", "a/b", "bucket/a/b"},
		{"leading slash", "a/b", "/bucket/a/b"},
		{"all escaped", "a/b", "bucket%2Fa%2Fb"},
		{"spaces", "a b", "bucket/a%20b"},
		{"plus for a space", "a b", "bucket/a+b"},
		{"plus", "a+b", "bucket/a%2Bb"},
		{"percent", "a%2Fb", "bucket/a%252Fb"},
		{"question mark", "a?versionId=x", "bucket/a%3FversionId=x"},
		{"two slashes", "/a//", "bucket//a//"},
		{"not ASCII", "é/日本", "bucket/é/日本"},
		{"not ASCII, escaped", "é", "bucket/%C3%A9"},
		{"the null version", "a/b", "bucket/a/b?versionId=null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.put(tt.key, []byte(tt.name))
			key := fmt.Sprintf("copy-%d", i)
			resp := k.raw("PUT", "/bucket/"+key, map[string]string{"X-Amz-Copy-Source": tt.source}, "")
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
				t.Fatalf("got status %d and %s, want 200", resp.StatusCode, body)
			}
			k.wantGet(key, []byte(tt.name))
		})
	}
}

// An object is copied to itself when something changes.
func TestCopyToItself(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	data := random(100_000)
	k.put("k", data)
	for _, tt := range []struct {
		name   string
		change func(*client.CopyObjectInput)
	}{
		{"metadata", func(in *client.CopyObjectInput) {
			in.MetadataDirective, in.Metadata = types.MetadataDirectiveReplace, map[string]string{"a": "2"}
		}},
		{"storage class", func(in *client.CopyObjectInput) { in.StorageClass = types.StorageClassStandard }},
		{"encryption", func(in *client.CopyObjectInput) {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &arn
		}},
		{"default encryption", nil}, // from SSE-KMS
		{"the same encryption, asked for", func(in *client.CopyObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.copyTo("k", bucket+"/k", tt.change)
			k.check(err)
			k.wantGet("k", data)
			k.waitBlobs(1)
		})
	}
}

// A copy of a multipart object is one part.
func TestCopyOfParts(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	a, b := random(minPart), random(1000)
	_, err := k.complete(up, k.part(up, 1, a), k.part(up, 2, b))
	k.check(err)
	out, err := k.copyTo("copy", bucket+"/k", nil)
	k.check(err)
	whole := slicesConcat(a, b)
	if got := *out.CopyObjectResult.ETag; got != etagOf(whole) {
		t.Errorf("got ETag %s, want the MD5 %s", got, etagOf(whole))
	}
	if r := out.CopyObjectResult; r.ChecksumType != types.ChecksumTypeFullObject || r.ChecksumSHA256 == nil || strings.Contains(*r.ChecksumSHA256, "-") {
		t.Errorf("got checksum %v of type %s, want that of the whole object", aws.ToString(r.ChecksumSHA256), r.ChecksumType)
	}
	k.wantGet("copy", whole)
}
