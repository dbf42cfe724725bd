package s3http_test

import (
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestCreateBucketTwice(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.createBucket() // us-east-1: the owner gets 200 again
	_, err := k.client("AKIAOTHER", region).CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String(bucket)})
	wantCode(t, err, "BucketAlreadyExists", 409)

	eu := k.client("AKIAROOT", region2)
	in := &client.CreateBucketInput{Bucket: aws.String("eu"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region2}}
	in.Bucket = aws.String("eu-bucket")
	_, err = eu.CreateBucket(t.Context(), in)
	k.check(err)
	_, err = eu.CreateBucket(t.Context(), in)
	wantCode(t, err, "BucketAlreadyOwnedByYou", 409)
}

func TestLocationConstraint(t *testing.T) {
	k := newKit(t)
	for _, tt := range []struct {
		name, region string
		constraint   types.BucketLocationConstraint
		code         string
	}{
		{"none in us-east-1", region, "", ""},
		{"none elsewhere", region2, "", "IllegalLocationConstraintException"},
		{"own region", region2, region2, ""},
		{"another region from us-east-1", region, region2, ""},
		{"another region from elsewhere", region2, "us-west-2", "IllegalLocationConstraintException"},
		{"us-east-1 from elsewhere", region2, region, "IllegalLocationConstraintException"},
		{"us-east-1 by name", region, region, "InvalidLocationConstraint"},
		{"a region that is not enabled", region, "us-west-2", "InvalidLocationConstraint"},
		{"no region", region, "foo", "InvalidLocationConstraint"},
		{"Europe", region2, "EU", ""},
		{"EU from us-east-1", region, "EU", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &client.CreateBucketInput{Bucket: aws.String(strings.ToLower(strings.ReplaceAll(tt.name, " ", "-")))}
			if tt.constraint != "" {
				in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: tt.constraint}
			}
			_, err := k.client("AKIAROOT", tt.region).CreateBucket(t.Context(), in)
			if tt.code == "" {
				k.check(err)
				return
			}
			wantCode(t, err, tt.code, 400)
		})
	}
	for name, want := range map[string]types.BucketLocationConstraint{
		"own-region": region2, "another-region-from-us-east-1": region2, "eu-from-us-east-1": "EU", "none-in-us-east-1": "",
	} {
		out, err := k.GetBucketLocation(t.Context(), &client.GetBucketLocationInput{Bucket: &name})
		k.check(err)
		if got := out.LocationConstraint; got != want {
			t.Errorf("got location %q of %s, want %q", got, name, want)
		}
	}
	// What us-east-1 made elsewhere is not made again as if it were here.
	_, err := k.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("none-in-us-east-1"),
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region2}})
	wantCode(t, err, "BucketAlreadyOwnedByYou", 409)
	_, err = k.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String("own-region")})
	wantCode(t, err, "AuthorizationHeaderMalformed", 400)
	resp := k.raw("GET", "/own-region/k", nil, "")
	if got := resp.Header.Get("X-Amz-Bucket-Region"); got != region2 {
		t.Errorf("got x-amz-bucket-region %q, want %q", got, region2)
	}
}

func TestDeleteBucket(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	in := &client.DeleteBucketInput{Bucket: aws.String(bucket)}
	k.put("k", []byte("x"))
	_, err := k.DeleteBucket(t.Context(), in)
	wantCode(t, err, "BucketNotEmpty", 409)
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	up := k.begin(nil)
	k.part(up, 1, random(100))
	_, err = k.DeleteBucket(t.Context(), in) // uploads in progress go with it
	k.check(err)
	k.waitBlobs(0)
	_, err = k.DeleteBucket(t.Context(), in)
	wantCode(t, err, "NoSuchBucket", 404)
}

func TestListBuckets(t *testing.T) {
	k := newKit(t)
	for _, name := range []string{"aaa", "bbb", "ccc"} {
		_, err := k.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: &name})
		k.check(err)
	}
	_, err := k.client("AKIAOTHER", region).CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("bb-of-another")})
	k.check(err)
	var got []string
	pages := client.NewListBucketsPaginator(k, &client.ListBucketsInput{MaxBuckets: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		k.check(err)
		for _, b := range page.Buckets {
			got = append(got, *b.Name)
		}
	}
	if strings.Join(got, " ") != "aaa bbb ccc" {
		t.Errorf("got %q, want aaa bbb ccc", got)
	}
}

// Another account, and a user without a policy, get AccessDenied everywhere.
func TestStrangers(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	for _, who := range []string{"AKIAOTHER", "AKIANOONE"} {
		t.Run(who, func(t *testing.T) {
			c := k.client(who, region)
			_, err := c.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			wantCode(t, err, "AccessDenied", 403)
			_, err = c.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("y")})
			wantCode(t, err, "AccessDenied", 403)
			_, err = c.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			wantCode(t, err, "AccessDenied", 403)
			_, err = c.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String(bucket)})
			wantCode(t, err, "AccessDenied", 403)
			_, err = c.DeleteBucket(t.Context(), &client.DeleteBucketInput{Bucket: aws.String(bucket)})
			wantCode(t, err, "AccessDenied", 403)
			_, err = c.CreateMultipartUpload(t.Context(), &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			wantCode(t, err, "AccessDenied", 403)
		})
	}
	_, err := k.HeadBucket(t.Context(), &client.HeadBucketInput{Bucket: aws.String(bucket), ExpectedBucketOwner: aws.String(other)})
	if err == nil || !strings.Contains(err.Error(), "StatusCode: 403") {
		t.Errorf("got %v for another expected owner, want 403", err)
	}
	k.wantGet("k", []byte("x"))
}

func TestNotServed(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	for _, tt := range []struct {
		name, method, target string
		headers              map[string]string
		status               int
		code                 string
	}{
		{"versioning", "GET", "/bucket?versioning", nil, 501, "NotImplemented"},
		{"acl", "GET", "/bucket?acl", nil, 501, "NotImplemented"},
		{"encryption", "PUT", "/bucket?encryption", nil, 501, "NotImplemented"},
		{"object acl", "PUT", "/bucket/k?acl", nil, 501, "NotImplemented"},
		{"tagging", "GET", "/bucket/k?tagging", nil, 501, "NotImplemented"},
		{"attributes", "GET", "/bucket/k?attributes", nil, 501, "NotImplemented"},
		{"version", "GET", "/bucket/k?versionId=null", nil, 501, "NotImplemented"},
		{"delete version", "DELETE", "/bucket/k?versionId=1", nil, 501, "NotImplemented"},
		{"source of a read", "GET", "/bucket/k", map[string]string{"X-Amz-Copy-Source": "/bucket/k"}, 501, "NotImplemented"},
		{"empty source", "PUT", "/bucket/k2", map[string]string{"X-Amz-Copy-Source": ""}, 501, "NotImplemented"},
		{"payer", "GET", "/bucket/k", map[string]string{"X-Amz-Request-Payer": "requester"}, 501, "NotImplemented"},
		{"SSE on a read", "GET", "/bucket/k", map[string]string{"X-Amz-Server-Side-Encryption": "AES256"}, 400, "InvalidArgument"},
		{"SSE-C on a read", "GET", "/bucket/k", map[string]string{"X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256"}, 400, "InvalidRequest"},
		{"POST on an object", "POST", "/bucket/k", nil, 405, "MethodNotAllowed"},
		{"PATCH", "PATCH", "/bucket/k", nil, 405, "MethodNotAllowed"},
		{"PUT on the service", "PUT", "/", nil, 405, "MethodNotAllowed"},
		{"bad escape", "GET", "/bucket/%zz", nil, 400, ""},
		{"bucket name", "GET", "/Bucket", nil, 400, "InvalidBucketName"},
		{"slash in a bucket name", "GET", "/a%2Fb/k", nil, 400, "InvalidBucketName"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := k.raw(tt.method, tt.target, tt.headers, "")
			body, err := io.ReadAll(resp.Body)
			k.check(err)
			if resp.StatusCode != tt.status || !strings.Contains(string(body), tt.code) {
				t.Errorf("got status %d and %s, want %d and %s", resp.StatusCode, body, tt.status, tt.code)
			}
		})
	}
	k.wantGet("k", []byte("x"))
	if _, err := k.get("k2"); err == nil {
		t.Error("a copy of nothing made an object")
	}
}

func TestAnswerHeaders(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("x"))
	resp := k.raw("GET", "/bucket/k", nil, "")
	for name, want := range map[string]string{
		"Etag": `"9dd4e461268c8034f5c8564e155c67a6"`, "Accept-Ranges": "bytes", "Content-Length": "1", "Server": "Strongroom",
		"Last-Modified": "Mon, 23 Nov 2026 11:02:03 GMT", "X-Amz-Server-Side-Encryption": "AES256", "Content-Type": "application/octet-stream",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("got %s %q, want %q", name, got, want)
		}
	}
	if len(resp.Header.Get("X-Amz-Request-Id")) != 16 || resp.Header.Get("X-Amz-Id-2") == "" || resp.Header.Get("Date") == "" {
		t.Errorf("got %v, want request ids and a date", resp.Header)
	}
}
