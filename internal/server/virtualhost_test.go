package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// anyHost is a client to whom every name is the server's.
func anyHost(s *Server) *http.Client {
	address := s.listener.Addr().String()
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}}
}

// TestVirtualHostedSDK is the SDK as it addresses buckets by itself, against
// the endpoints that people have.
func TestVirtualHostedSDK(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	o := client(t, s.Endpoint(), dir, 1).s3.Options()
	o.UsePathStyle, o.HTTPClient = false, anyHost(s)
	for endpoint, bucket := range map[string]string{
		"http://localhost:" + port:                  "bucket",
		"http://s3.localhost:" + port:               "with.dots.in.it",
		"http://s3.us-east-1.localhost:" + port:     "us-east-1",
		"http://s3.us-east-1.amazonaws.com:" + port: "s3.us-east-1",
		"http://S3.AmazonAWS.com:" + port:           "s3.localhost",
		"http://localhost":                          "localhost",
	} {
		t.Run(endpoint+" "+bucket, func(t *testing.T) {
			o := o.Copy()
			o.BaseEndpoint = &endpoint
			c, b := awss3.New(o), aws.String(bucket)
			check := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: b})
			check(err)
			_, err = c.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: b})
			check(err)
			keys := []string{"key", "/leading", "//", "a//b", "trailing/", "a b+c%20d/é~*!()'", "localhost", bucket + "/key", "?x=1&y", "."}
			for _, key := range keys {
				_, err := c.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: &key, Body: strings.NewReader(key), Metadata: map[string]string{"is": "kept"}})
				check(err)
				out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: &key})
				check(err)
				if got, err := io.ReadAll(out.Body); err != nil || string(got) != key || out.Metadata["is"] != "kept" {
					t.Errorf("got %q and %v of %q", got, err, key)
				}
			}
			listed, err := c.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: b})
			check(err)
			if len(listed.Contents) != len(keys) || *listed.Name != bucket {
				t.Errorf("got %d keys of %s, want %d of %s", len(listed.Contents), *listed.Name, len(keys), bucket)
			}
			pages, err := c.ListObjects(t.Context(), &awss3.ListObjectsInput{Bucket: b, Prefix: aws.String("/")})
			check(err)
			if len(pages.Contents) != 2 {
				t.Errorf("got %d keys that begin with a slash, want 2", len(pages.Contents))
			}

			up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("/up")})
			check(err)
			part, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: b, Key: up.Key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("part"))})
			check(err)
			done, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: b, Key: up.Key, UploadId: up.UploadId,
				MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}}})
			check(err)
			_, host, _ := strings.Cut(endpoint, "://")
			want := "http://" + bucket + "." + host + "//up"
			// The SDK does not make a host of a bucket with dots: no certificate fits it.
			hosted := !strings.Contains(bucket, ".")
			if !hosted {
				want = "http://" + host + "/" + bucket + "//up"
			}
			if !strings.EqualFold(*done.Location, want) {
				t.Errorf("got location %s, want %s", *done.Location, want)
			}

			presign := awss3.NewPresignClient(c)
			put, err := presign.PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: aws.String("/by/hand")})
			check(err)
			if status, body := fetch(t, o.HTTPClient, put.Method, put.URL, "by hand"); status != 200 {
				t.Errorf("got %d %s of a presigned PUT", status, body)
			}
			get, err := presign.PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: aws.String("/by/hand")})
			check(err)
			if status, body := fetch(t, o.HTTPClient, get.Method, get.URL, ""); status != 200 || body != "by hand" {
				t.Errorf("got %d %s of a presigned GET", status, body)
			}
			// The bucket is in what is signed: at another host the URL is no good.
			other := strings.Replace(get.URL, bucket, "other", 1)
			if status, body := fetch(t, o.HTTPClient, get.Method, other, ""); status != 403 || !strings.Contains(body, "<Code>SignatureDoesNotMatch<") {
				t.Errorf("got %d %s of a presigned GET for another bucket, want 403 SignatureDoesNotMatch", status, body)
			}
			_, err = c.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: b, Key: aws.String("none")})
			if err == nil || !strings.Contains(err.Error(), "404") {
				t.Errorf("got %v of no object, want 404", err)
			}
			for _, key := range append(keys, "/up", "/by/hand") {
				_, err := c.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: b, Key: &key})
				check(err)
			}
			_, err = c.DeleteBucket(t.Context(), &awss3.DeleteBucketInput{Bucket: b})
			check(err)
		})
	}
}

func fetch(t *testing.T, c awss3.HTTPClient, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestHosts sends one object's requests to hosts of every form.
func TestHosts(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "bucket")
	putBucket(t, s.Endpoint(), "us-east-1")
	putKey(t, s.Endpoint(), "/bucket/key", "of bucket")
	putKey(t, s.Endpoint(), "/us-east-1/key", "of us-east-1")
	putBucket(t, s.Endpoint(), "with.dots")
	putKey(t, s.Endpoint(), "/with.dots/key", "of with.dots")
	putBucket(t, s.Endpoint(), "s3.us-east-1")
	putKey(t, s.Endpoint(), "/s3.us-east-1/key", "of s3.us-east-1")
	for _, tt := range []struct {
		name, host, path string
		status           int
		want             string // in the answer
	}{
		{"bucket", "bucket.localhost:8650", "/key", 200, "of bucket"},
		{"capitals", "BUCKET.LocalHost", "/key", 200, "of bucket"},
		{"absolute", "bucket.localhost.:1", "/key", 200, "of bucket"},
		{"region as a bucket", "us-east-1.s3.localhost", "/key", 200, "of us-east-1"},
		{"region in the domain", "s3.us-east-1.localhost", "/bucket/key", 200, "of bucket"},
		{"domain", "s3.amazonaws.com", "/bucket/key", 200, "of bucket"},
		{"IPv4", "127.0.0.1", "/bucket/key", 200, "of bucket"},
		{"IPv6", "[::1]:8650", "/bucket/key", 200, "of bucket"},
		{"other name", "bucket.example.org", "/bucket/key", 200, "of bucket"},
		{"dots", "with.dots.s3.localhost", "/key", 200, "of with.dots"},
		{"dots of the domain", "s3.us-east-1.s3.localhost", "/key", 200, "of s3.us-east-1"},
		{"list", "bucket.localhost", "/", 200, "<ListBucketResult"},
		{"buckets", "localhost", "/", 200, "<ListAllMyBucketsResult"},
		{"key of a bucket's name", "bucket.localhost", "/bucket/key", 404, "<Key>bucket/key</Key><Resource>/bucket/bucket/key</Resource>"},
		{"no such bucket", "nothing.localhost", "/key", 404, "<BucketName>nothing</BucketName><Resource>/nothing/key</Resource>"},
		{"bucket of no form", "b_.localhost", "/key", 400, "<Code>InvalidBucketName<"},
		{"bucket that ends in a dot", "bucket..localhost", "/key", 400, "<Code>InvalidBucketName<"},
		{"key too long", "bucket.localhost", "/" + strings.Repeat("x", 1025), 400, "<Code>KeyTooLongError<"},
		{"key that climbs", "bucket.localhost", "/../key", 400, "<Code>InvalidURI<"},
		{"our own page", "bucket.localhost", "/_/health", 200, `"status":"ok"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, s.Endpoint(), "s3", message{method: "GET", host: tt.host, path: tt.path})
			if a.status != tt.status || !strings.Contains(a.body, tt.want) {
				t.Errorf("got %d %s, want %d with %s", a.status, a.body, tt.status, tt.want)
			}
		})
	}
	// A body is not taken for a bucket's creation, nor a bucket for a key.
	if a := ask(t, s.Endpoint(), "s3", message{method: "PUT", host: "bucket.localhost", path: "/another", body: "x"}); a.status != 200 {
		t.Errorf("got %d %s of a PUT", a.status, a.body)
	}
	if a := ask(t, s.Endpoint(), "s3", message{method: "HEAD", path: "/another"}); a.status != 404 {
		t.Errorf("got %d of a bucket named by a key, want 404", a.status)
	}
	if a := ask(t, s.Endpoint(), "s3", message{method: "DELETE", host: "bucket.localhost", path: "/"}); a.status != 409 {
		t.Errorf("got %d of DeleteBucket of a full one, want 409", a.status)
	}
	// The service is that of the signature, whatever the host.
	if a := ask(t, s.Endpoint(), "kms", func() message { m := kmsCall("ListKeys", "{}"); m.host = "bucket.localhost"; return m }()); a.status != 200 {
		t.Errorf("got %d %s of KMS at a bucket's host", a.status, a.body)
	}
	// Nobody's request fails as one for the bucket.
	a := send(t, s.Endpoint(), message{method: "GET", path: "/key"}.wire([]field{{"Host", "bucket.localhost"}}))
	if a.status != 403 || !strings.Contains(a.body, "<Resource>/bucket/key</Resource>") {
		t.Errorf("got %d %s without a signature, want 403 for /bucket/key", a.status, a.body)
	}
	stop()
	type parameters struct{ BucketName, Key, Host string }
	var r struct {
		EventName         string
		RequestParameters parameters
	}
	found := 0
	for _, raw := range records(t, dir) {
		if err := json.Unmarshal([]byte(raw), &r); err != nil {
			t.Fatal(err)
		}
		if r.EventName == "GetObject" && r.RequestParameters == (parameters{"us-east-1", "key", "us-east-1.s3.localhost"}) {
			found++
		}
	}
	if found == 0 {
		t.Error("no record has host, bucket and key of a request to a bucket's host")
	}
}
