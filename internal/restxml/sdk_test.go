package restxml_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/restxml"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// serve starts a server that binds every request to in and answers out, and
// returns an AWS SDK client for it.
func serve(t *testing.T, in, out any) *s3.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if err := restxml.BindRequest(r, bucket, key, r.URL.Query(), body, in); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		restxml.SetHeaders(w.Header(), out)
		if restxml.HasBody(out) {
			_, _ = w.Write(restxml.AppendBody(nil, out))
		}
	}))
	t.Cleanup(srv.Close)
	return s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(srv.URL), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	})
}

func TestSDKCompleteMultipartUpload(t *testing.T) {
	var in s3api.CompleteMultipartUploadRequest
	client := serve(t, &in, &s3api.CompleteMultipartUploadOutput{
		ETag: new(`"e-2"`), Bucket: new("b"), Key: new("a b/é"), ServerSideEncryption: new(s3api.ServerSideEncryptionAes256),
	})
	out, err := client.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String("b"), Key: aws.String("a b/é"), UploadId: aws.String("u&1"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
			{PartNumber: aws.Int32(1), ETag: aws.String(`"1"`), ChecksumCRC32: aws.String("AAAAAA==")}, {PartNumber: aws.Int32(2), ETag: aws.String(`"2"`)},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != `"e-2"` || *out.Key != "a b/é" || out.ServerSideEncryption != types.ServerSideEncryptionAes256 {
		t.Errorf("got %+v", out)
	}
	parts := in.MultipartUpload.Parts
	if *in.UploadId != "u&1" || *in.Key != "a b/é" || len(parts) != 2 || *parts[0].ETag != `"1"` || *parts[0].ChecksumCRC32 != "AAAAAA==" || *parts[1].PartNumber != 2 {
		t.Errorf("got %+v", in)
	}
}

func TestSDKCreateBucket(t *testing.T) {
	var in s3api.CreateBucketRequest
	client := serve(t, &in, &s3api.CreateBucketOutput{Location: new("/b")})
	out, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("b"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraintEuWest1, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
		},
	})
	if err != nil || *out.Location != "/b" {
		t.Fatalf("got %+v, %v", out, err)
	}
	c := in.CreateBucketConfiguration
	if c == nil || *c.LocationConstraint != "eu-west-1" || len(c.Tags) != 1 || *c.Tags[0].Value != "v" {
		t.Errorf("got %+v", c)
	}
}

func TestSDKListObjects(t *testing.T) {
	var in s3api.ListObjectsV2Request
	date := time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)
	client := serve(t, &in, &s3api.ListObjectsV2Output{
		IsTruncated: new(true), NextContinuationToken: new("n"), KeyCount: new(int32(1)), MaxKeys: new(int32(5)), Name: new("b"),
		Contents:       []s3api.Object{{Key: new("<k>&\r\n"), ETag: new(`"e"`), LastModified: &date, Size: new(int64(3)), ChecksumAlgorithm: []s3api.ChecksumAlgorithm{"CRC32", "SHA1"}}},
		CommonPrefixes: []s3api.CommonPrefix{{Prefix: new("p/")}, {Prefix: new("q/")}},
	})
	out, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b"), MaxKeys: aws.Int32(5), Delimiter: aws.String("/"), Prefix: aws.String("a b+")})
	if err != nil {
		t.Fatal(err)
	}
	if *in.MaxKeys != 5 || *in.Delimiter != "/" || *in.Prefix != "a b+" || *in.Bucket != "b" {
		t.Errorf("got %+v", in)
	}
	o := out.Contents[0]
	if *o.Key != "<k>&\r\n" || !o.LastModified.Equal(date) || *o.Size != 3 || len(o.ChecksumAlgorithm) != 2 || len(out.CommonPrefixes) != 2 || *out.NextContinuationToken != "n" {
		t.Errorf("got %+v", out)
	}
}

func TestSDKGetBucketLocation(t *testing.T) {
	for _, want := range []types.BucketLocationConstraint{"", "eu-west-1"} {
		out := &s3api.GetBucketLocationOutput{}
		if want != "" {
			out.LocationConstraint = new(s3api.BucketLocationConstraint(want))
		}
		got, err := serve(t, new(s3api.GetBucketLocationRequest), out).GetBucketLocation(t.Context(), &s3.GetBucketLocationInput{Bucket: aws.String("b")})
		if err != nil || got.LocationConstraint != want {
			t.Errorf("got %+v, %v, want %q", got, err, want)
		}
	}
}

func TestSDKPutAndGetHeaders(t *testing.T) {
	var in s3api.PutObjectRequest
	client := serve(t, &in, &s3api.PutObjectOutput{ETag: new(`"e"`), SSEKMSKeyId: new("arn"), BucketKeyEnabled: new(true)})
	out, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k"), Body: bytes.NewReader([]byte("hello")), ContentType: aws.String("text/x"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("alias/x"), Metadata: map[string]string{"Colour": "Red"},
		BucketKeyEnabled: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ETag != `"e"` || *out.SSEKMSKeyId != "arn" || !*out.BucketKeyEnabled {
		t.Errorf("got %+v", out)
	}
	if *in.ContentType != "text/x" || *in.SSEKMSKeyId != "alias/x" || in.Metadata["colour"] != "Red" || !*in.BucketKeyEnabled || *in.ServerSideEncryption != "aws:kms" {
		t.Errorf("got %+v", in)
	}

	date := time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)
	var get s3api.GetObjectRequest
	client = serve(t, &get, &s3api.GetObjectOutput{LastModified: &date, Metadata: map[string]string{"colour": "Red"}, ContentRange: new("bytes 0-0/1")})
	got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Range: aws.String("bytes=0-0"), IfModifiedSince: &date, ResponseExpires: &date, PartNumber: aws.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if !got.LastModified.Equal(date) || got.Metadata["colour"] != "Red" || *got.ContentRange != "bytes 0-0/1" {
		t.Errorf("got %+v", got)
	}
	if *get.Range != "bytes=0-0" || !get.IfModifiedSince.Equal(date) || !get.ResponseExpires.Equal(date) || *get.PartNumber != 3 {
		t.Errorf("got %+v", get)
	}
}
