package s3http_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestPutGetSizes(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, n := range []int{0, 1, 4096, 65535, 65536, 65537, 131072, 131073, 1 << 20, 3<<20 + 17} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			data := random(n)
			out, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: bytes.NewReader(data)})
			k.check(err)
			sum := md5.Sum(data)
			if got, want := *out.ETag, `"`+hex.EncodeToString(sum[:])+`"`; got != want {
				t.Errorf("got ETag %s, want %s", got, want)
			}
			if got := out.ServerSideEncryption; got != types.ServerSideEncryptionAes256 {
				t.Errorf("got mode %q, want AES256", got)
			}
			k.wantGet("k", data)
			head, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			k.check(err)
			if *head.ContentLength != int64(n) || *head.ETag != *out.ETag {
				t.Errorf("got length %d and ETag %s from HEAD, want %d and %s", *head.ContentLength, *head.ETag, n, *out.ETag)
			}
		})
	}
	k.waitBlobs(1)
}

func TestKeysOfEveryForm(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	keys := []string{"a", "a/", "a/b", "a//b", "a/b/", "/a", "//", ".", "./a", "a/../b", "a b+c%20d/é~*!()'", "%2F%252F",
		strings.Repeat("x", 1024), "日本語", "a\tb", "a&<>\"'b", "?#[]@", "...", "\U0010FFFF"}
	for _, key := range keys {
		k.put(key, []byte("content of "+key))
	}
	for _, key := range keys {
		k.wantGet(key, []byte("content of "+key))
	}
	var got []string
	pages := client.NewListObjectsV2Paginator(k, &client.ListObjectsV2Input{Bucket: aws.String(bucket), EncodingType: types.EncodingTypeUrl})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		k.check(err)
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
	}
	if len(got) != len(keys) {
		t.Errorf("got %d keys %q, want %d", len(got), got, len(keys))
	}
	for _, key := range keys {
		_, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
		k.check(err)
	}
	k.waitBlobs(0)
}

func TestPutRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	old := random(100_000)
	k.put("k", old)
	k.waitBlobs(1)
	put := func(in client.PutObjectInput) error {
		in.Bucket = aws.String(bucket)
		if in.Key == nil {
			in.Key = aws.String("k")
		}
		if in.Body == nil {
			in.Body = bytes.NewReader(random(200_000))
		}
		_, err := k.PutObject(t.Context(), &in)
		return err
	}
	for _, tt := range []struct {
		name, code string
		status     int
		in         client.PutObjectInput
	}{
		{"wrong Content-MD5", "BadDigest", 400, client.PutObjectInput{ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")}},
		{"malformed Content-MD5", "InvalidDigest", 400, client.PutObjectInput{ContentMD5: aws.String("abc")}},
		{"wrong checksum", "BadDigest", 400, client.PutObjectInput{ChecksumCRC32: aws.String("AAAAAA==")}},
		{"malformed checksum", "InvalidRequest", 400, client.PutObjectInput{ChecksumCRC32: aws.String("AAA")}},
		{"If-None-Match", "PreconditionFailed", 412, client.PutObjectInput{IfNoneMatch: aws.String("*")}},
		{"If-Match", "PreconditionFailed", 412, client.PutObjectInput{IfMatch: aws.String("abc")}},
		{"If-Match on nothing", "NoSuchKey", 404, client.PutObjectInput{Key: aws.String("none"), IfMatch: aws.String("abc")}},
		{"tagging", "NotImplemented", 501, client.PutObjectInput{Tagging: aws.String("a=b")}},
		{"public ACL", "NotImplemented", 501, client.PutObjectInput{ACL: types.ObjectCannedACLPublicRead}},
		{"storage class", "NotImplemented", 501, client.PutObjectInput{StorageClass: types.StorageClassGlacier}},
		{"object lock", "NotImplemented", 501, client.PutObjectInput{ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn}},
		{"website redirect", "NotImplemented", 501, client.PutObjectInput{WebsiteRedirectLocation: aws.String("/x")}},
		{"DSSE", "NotImplemented", 501, client.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKmsDsse}},
		{"bucket key", "NotImplemented", 501, client.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms, BucketKeyEnabled: aws.Bool(true)}},
		{"SSE-C", "NotImplemented", 501, client.PutObjectInput{SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: aws.String(strings.Repeat("k", 32))}},
		{"key id without aws:kms", "InvalidArgument", 400, client.PutObjectInput{SSEKMSKeyId: aws.String("x")}},
		{"unknown mode", "InvalidArgument", 400, client.PutObjectInput{ServerSideEncryption: "rot13"}},
		{"too much metadata", "MetadataTooLarge", 400, client.PutObjectInput{Metadata: map[string]string{"a": strings.Repeat("x", 2048)}}},
		{"key too long", "KeyTooLongError", 400, client.PutObjectInput{Key: aws.String(strings.Repeat("k", 1025))}},
		{"key leaves the bucket", "InvalidURI", 400, client.PutObjectInput{Key: aws.String("a/../../b")}},
		{"context that is no JSON", "InvalidArgument", 400, client.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSEncryptionContext: aws.String("e30x")}},
		{"context with another ARN", "InvalidArgument", 400, client.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms,
			SSEKMSEncryptionContext: aws.String("eyJhd3M6czM6YXJuIjoiYXJuOmF3czpzMzo6Om90aGVyIn0=")}},
		{"absent KMS key", "KMS.NotFoundException", 400, client.PutObjectInput{ServerSideEncryption: types.ServerSideEncryptionAwsKms,
			SSEKMSKeyId: aws.String("11111111-2222-3333-4444-555555555555")}},
	} {
		t.Run(tt.name, func(t *testing.T) { wantCode(t, put(tt.in), tt.code, tt.status) })
	}
	k.wantGet("k", old)
	k.waitBlobs(1)
}

// A client that is cut off leaves nothing, whichever way it sends.
func TestTruncatedPut(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	old := random(1000)
	k.put("k", old)
	resp := k.raw("PUT", "/bucket/k", map[string]string{
		"X-Amz-Content-Sha256":         "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length": "10",
		"X-Amz-Trailer":                "x-amz-checksum-crc32",
	}, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
	if got := resp.StatusCode; got != 400 {
		t.Errorf("got status %d, want 400", got)
	}
	k.wantGet("k", old)
	k.waitBlobs(1)
}

func TestTrailerChecksum(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, tt := range []struct {
		name, value string
		status      int
	}{{"right", "NhCmhg==", 200}, {"wrong", "AAAAAA==", 400}, {"malformed", "AAAA", 400}} {
		t.Run(tt.name, func(t *testing.T) {
			resp := k.raw("PUT", "/bucket/"+tt.name, map[string]string{
				"X-Amz-Content-Sha256":         "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
				"X-Amz-Decoded-Content-Length": "5",
				"X-Amz-Trailer":                "x-amz-checksum-crc32",
				"Content-Encoding":             "gzip,aws-chunked",
			}, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:"+tt.value+"\r\n\r\n")
			if resp.StatusCode != tt.status {
				b, _ := io.ReadAll(resp.Body)
				t.Fatalf("got status %d and %s, want %d", resp.StatusCode, b, tt.status)
			}
			if tt.status != 200 {
				return
			}
			out, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: &tt.name, ChecksumMode: types.ChecksumModeEnabled})
			k.check(err)
			if aws.ToString(out.ContentEncoding) != "gzip" || aws.ToString(out.ChecksumCRC32) != tt.value || out.ChecksumType != types.ChecksumTypeFullObject {
				t.Errorf("got encoding %q, CRC32 %q of type %s, want gzip, %s, FULL_OBJECT", aws.ToString(out.ContentEncoding), aws.ToString(out.ChecksumCRC32), out.ChecksumType, tt.value)
			}
		})
	}
}

func TestStoredHeadersComeBack(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x"),
		CacheControl: aws.String("no-store"), ContentDisposition: aws.String("attachment"), ContentLanguage: aws.String("de"),
		ContentEncoding: aws.String("gzip, br"),
		ContentType:     aws.String("text/plain"), Metadata: map[string]string{"Colour": "blue", "empty": ""},
	})
	k.check(err)
	out, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ResponseContentType: aws.String("text/html")})
	k.check(err)
	got := []string{*out.CacheControl, *out.ContentDisposition, *out.ContentEncoding, *out.ContentLanguage, *out.ContentType, out.Metadata["colour"], out.LastModified.Format(time.RFC3339)}
	want := []string{"no-store", "attachment", "gzip, br", "de", "text/html", "blue", "2026-11-23T11:02:03Z"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, ok := out.Metadata["empty"]; !ok {
		t.Error("an empty metadata value was lost")
	}
}

func TestGetConditions(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("hello"))
	etag := `"5d41402abc4b2a76b9719d911017c592"`
	before, after := time.Date(2026, 11, 23, 11, 2, 2, 0, time.UTC), time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		in     client.GetObjectInput
		status int // 0: success
	}{
		{"If-Match holds", client.GetObjectInput{IfMatch: &etag}, 0},
		{"If-Match star", client.GetObjectInput{IfMatch: aws.String("*")}, 0},
		{"If-Match fails", client.GetObjectInput{IfMatch: aws.String(`"x"`)}, 412},
		{"If-None-Match holds", client.GetObjectInput{IfNoneMatch: aws.String(`"x"`)}, 0},
		{"If-None-Match fails", client.GetObjectInput{IfNoneMatch: aws.String(`"x", ` + etag)}, 304},
		{"modified since", client.GetObjectInput{IfModifiedSince: &before}, 0},
		{"not modified since", client.GetObjectInput{IfModifiedSince: &after}, 304},
		{"unmodified since", client.GetObjectInput{IfUnmodifiedSince: &after}, 0},
		{"modified after all", client.GetObjectInput{IfUnmodifiedSince: &before}, 412},
		{"If-Match wins", client.GetObjectInput{IfMatch: &etag, IfUnmodifiedSince: &before}, 0},
		{"If-None-Match wins", client.GetObjectInput{IfNoneMatch: aws.String(`"x"`), IfModifiedSince: &after}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Bucket, tt.in.Key = aws.String(bucket), aws.String("k")
			_, err := k.GetObject(t.Context(), &tt.in)
			switch tt.status {
			case 0:
				if err != nil {
					t.Errorf("got %v, want success", err)
				}
			case 412:
				wantCode(t, err, "PreconditionFailed", 412)
			default:
				if err == nil || !strings.Contains(err.Error(), "StatusCode: 304") {
					t.Errorf("got %v, want status 304", err)
				}
			}
		})
	}
}

func TestRanges(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	data := random(200_000)
	k.put("k", data)
	for _, tt := range []struct {
		header   string
		from, to int // of data; to 0: 416
		status   int
	}{
		{"bytes=0-0", 0, 1, 206},
		{"bytes=0-", 0, 200_000, 206},
		{"bytes=65530-65541", 65530, 65542, 206},
		{"bytes=65536-131071", 65536, 131072, 206},
		{"bytes=199999-300000", 199_999, 200_000, 206},
		{"bytes=-5", 199_995, 200_000, 206},
		{"bytes=-300000", 0, 200_000, 206},
		{"bytes=200000-", 0, 0, 416},
		{"bytes=-0", 0, 0, 416},
		{"bytes=0-1,3-4", 0, 200_000, 200},
		{"bytes=5-4", 0, 200_000, 200},
		{"bytes=a-b", 0, 200_000, 200},
		{"lines=1-2", 0, 200_000, 200},
		{"bytes=-", 0, 200_000, 200},
		{"bytes=99999999999999999999-", 0, 0, 416},
		{"bytes=1-99999999999999999999", 1, 200_000, 206},
	} {
		t.Run(tt.header, func(t *testing.T) {
			resp := k.raw("GET", "/bucket/k", map[string]string{"Range": tt.header}, "")
			got, err := io.ReadAll(resp.Body)
			k.check(err)
			if resp.StatusCode != tt.status {
				t.Fatalf("got status %d, want %d", resp.StatusCode, tt.status)
			}
			if tt.status == 416 {
				if !strings.Contains(string(got), "<ActualObjectSize>200000</ActualObjectSize>") || resp.Header.Get("Content-Range") != "bytes */200000" {
					t.Errorf("got %s with Content-Range %q", got, resp.Header.Get("Content-Range"))
				}
				return
			}
			if !bytes.Equal(got, data[tt.from:tt.to]) {
				t.Errorf("got %d bytes, want %d to %d", len(got), tt.from, tt.to)
			}
			if want := fmt.Sprintf("bytes %d-%d/200000", tt.from, tt.to-1); tt.status == 206 && resp.Header.Get("Content-Range") != want {
				t.Errorf("got Content-Range %q, want %q", resp.Header.Get("Content-Range"), want)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	k := newKit(t)
	_, err := k.get("k")
	wantCode(t, err, "NoSuchBucket", 404)
	k.createBucket()
	_, err = k.get("k")
	wantCode(t, err, "NoSuchKey", 404)
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	resp := k.raw("HEAD", "/bucket/k", nil, "")
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 404 || len(b) != 0 {
		t.Errorf("got status %d and %d bytes from HEAD, want 404 and none", resp.StatusCode, len(b))
	}
}
