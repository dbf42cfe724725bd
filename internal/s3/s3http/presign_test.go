package s3http_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// send sends a presigned request with the headers that it asks for.
func (k *kit) send(r *v4.PresignedHTTPRequest, body string) *http.Response {
	k.t.Helper()
	req, err := http.NewRequestWithContext(k.t.Context(), r.Method, r.URL, strings.NewReader(body))
	k.check(err)
	maps.Copy(req.Header, r.SignedHeader)
	req.Header.Del("Content-Length")
	resp, err := k.server.Client().Do(req)
	k.check(err)
	k.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// presigned sends a request with a signature in the query that is only parsed.
func (k *kit) presigned(method, path, query string, header http.Header, body string) *http.Response {
	k.t.Helper()
	signature := "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAROOT%2F20261123%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20261123T110203Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD" +
		"&x-id=PutObject&X-Amz-Signature=" + strings.Repeat("0", 64)
	r, err := http.NewRequestWithContext(k.t.Context(), method, k.server.URL+path+"?"+signature+"&"+query, strings.NewReader(body))
	k.check(err)
	maps.Copy(r.Header, header)
	resp, err := k.server.Client().Do(r)
	k.check(err)
	k.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// wantError checks status, code and a text of an error document.
func (k *kit) wantError(resp *http.Response, status int, code, text string) {
	k.t.Helper()
	b, err := io.ReadAll(resp.Body)
	k.check(err)
	if resp.StatusCode != status || !strings.Contains(string(b), "<Code>"+code+"</Code>") || !strings.Contains(string(b), text) {
		k.t.Errorf("got status %d and %s, want %d and %s with %q", resp.StatusCode, b, status, code, text)
	}
}

// everything moves all x-amz headers into the query, as some SDKs do.
func everything(r *v4.PresignedHTTPRequest) {
	for name, values := range r.SignedHeader {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			r.URL += "&" + strings.ToLower(name) + "=" + strings.NewReplacer("+", "%2B", "/", "%2F").Replace(values[0])
			r.SignedHeader.Del(name)
		}
	}
}

// What the SDK's presigner puts into a URL is done, wherever it puts it.
func TestPresignedBySDK(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	key := k.createKey()
	presign := client.NewPresignClient(k.Client)
	for name, hoist := range map[string]func(*v4.PresignedHTTPRequest){"as it is": func(*v4.PresignedHTTPRequest) {}, "all in the query": everything} {
		t.Run(name, func(t *testing.T) {
			put := func(owner, crc string) *http.Response {
				r, err := presign.PresignPutObject(t.Context(), &client.PutObjectInput{
					Bucket: aws.String(bucket), Key: aws.String("k"), ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key,
					Metadata: map[string]string{"Colour": "blue"}, ChecksumCRC32: &crc, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
					ACL: types.ObjectCannedACLPrivate, StorageClass: types.StorageClassStandard, ExpectedBucketOwner: &owner,
				})
				k.check(err)
				hoist(r)
				return k.send(r, "hello")
			}
			resp := put(account, "NhCmhg==")
			if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
				t.Fatalf("got status %d and %s, want 200", resp.StatusCode, b)
			}
			out, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
			k.check(err)
			got := []string{string(out.ServerSideEncryption), aws.ToString(out.SSEKMSKeyId), out.Metadata["colour"], aws.ToString(out.ChecksumCRC32)}
			if want := []string{"aws:kms", key, "blue", "NhCmhg=="}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			k.wantError(put(account, "AAAAAA=="), 400, "BadDigest", "")
			k.wantError(put(other, "NhCmhg=="), 403, "AccessDenied", "")

			get := func(owner string) *http.Response {
				r, err := presign.PresignGetObject(t.Context(), &client.GetObjectInput{
					Bucket: aws.String(bucket), Key: aws.String("k"), ExpectedBucketOwner: &owner, ChecksumMode: types.ChecksumModeEnabled,
				})
				k.check(err)
				hoist(r)
				return k.send(r, "")
			}
			resp = get(account)
			b, err := io.ReadAll(resp.Body)
			k.check(err)
			if resp.StatusCode != 200 || string(b) != "hello" || resp.Header.Get("X-Amz-Checksum-Crc32") != "NhCmhg==" {
				t.Errorf("got status %d, %q with CRC32 %q, want 200, hello, NhCmhg==", resp.StatusCode, b, resp.Header.Get("X-Amz-Checksum-Crc32"))
			}
			k.wantError(get(other), 403, "AccessDenied", "")
		})
	}
}

func TestPresignedParameters(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	signed := func(name, value string) http.Header { return http.Header{name: {value}} }
	for _, tt := range []struct {
		name, query string
		header      http.Header
		status      int
		code, text  string
	}{
		{"nothing", "", nil, 200, "", ""},
		{"metadata in any case", "X-AMZ-Meta-A=1&x-amz-meta-b=2", nil, 200, "", ""},
		{"client's name", "x-amz-user-agent=aws-sdk-js", nil, 200, "", ""},
		{"same in a header", "x-amz-meta-a=1", signed("X-Amz-Meta-A", "1"), 200, "", ""},
		{"same twice", "x-amz-meta-a=1&X-Amz-Meta-A=1&x-amz-meta-a=1", nil, 200, "", ""},
		{"other in a header", "x-amz-meta-a=1", signed("X-Amz-Meta-A", "2"), 400, "InvalidArgument", "x-amz-meta-a"},
		{"other twice", "x-amz-meta-a=1&x-amz-meta-a=2", nil, 400, "InvalidArgument", "x-amz-meta-a"},
		{"other in another case", "x-amz-meta-a=1&X-Amz-Meta-A=2", nil, 400, "InvalidArgument", "x-amz-meta-a"},
		{"public ACL", "x-amz-acl=public-read", nil, 501, "NotImplemented", "x-amz-acl"},
		{"storage class", "x-amz-storage-class=GLACIER", nil, 501, "NotImplemented", "x-amz-storage-class"},
		{"tagging", "X-Amz-Tagging=a%3Db", nil, 501, "NotImplemented", "x-amz-tagging"},
		{"object lock", "x-amz-object-lock-mode=GOVERNANCE", nil, 501, "NotImplemented", "x-amz-object-lock-mode"},
		{"SSE-C", "x-amz-server-side-encryption-customer-algorithm=AES256", nil, 501, "NotImplemented", "customer"},
		{"SSE-C key twice", "x-amz-server-side-encryption-customer-key=a&x-amz-server-side-encryption-customer-key=b", nil, 400, "InvalidArgument",
			"<ArgumentName>x-amz-server-side-encryption-customer-key</ArgumentName><Resource>"},
		{"copy", "x-amz-copy-source=bucket%2Fx", nil, 404, "NoSuchKey", "<Key>x</Key>"},
		{"unknown", "x-amz-later=1", nil, 501, "NotImplemented", "x-amz-later"},
		{"wrong owner", "x-amz-expected-bucket-owner=" + other, nil, 403, "AccessDenied", ""},
		{"wrong checksum", "x-amz-checksum-crc32=AAAAAA%3D%3D", nil, 400, "BadDigest", ""},
		{"checksum of no form", "x-amz-checksum-sha512=AAAA", nil, 400, "InvalidRequest", "Value for x-amz-checksum-sha512 header is invalid."},
		{"checksum of no algorithm", "x-amz-checksum-later=AAAA", nil, 400, "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid."},
		{"unknown mode", "x-amz-server-side-encryption=rot13", nil, 400, "InvalidArgument", ""},
		{"signature in another case", "x-amz-date=20261123T110203Z", nil, 400, "InvalidArgument", "x-amz-date"},
		{"token in another case", "x-amz-security-token=a", nil, 400, "InvalidArgument", "x-amz-security-token"},
		{"transfer coding", "x-amz-decoded-content-length=1", nil, 400, "InvalidArgument", "x-amz-decoded-content-length"},
		{"trailer", "X-Amz-Trailer=x-amz-checksum-crc32", nil, 400, "InvalidArgument", "X-Amz-Trailer"},
		{"no header's name", "x-amz-meta-a%0D%0Ab=1", nil, 400, "InvalidArgument", "x-amz-meta-a"},
		{"no header's value", "x-amz-meta-a=1%0D%0Ax-amz-meta-b:2", nil, 400, "InvalidArgument", "x-amz-meta-a"},
		{"no UTF-8", "x-amz-meta-a=caf%E9", nil, 400, "InvalidArgument", "x-amz-meta-a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := k.presigned("PUT", "/bucket/k", tt.query, tt.header, "hello")
			if tt.code != "" {
				k.wantError(resp, tt.status, tt.code, tt.text)
				return
			}
			if b, _ := io.ReadAll(resp.Body); resp.StatusCode != tt.status {
				t.Fatalf("got status %d and %s, want %d", resp.StatusCode, b, tt.status)
			}
		})
	}

	resp := k.presigned("PUT", "/bucket/k", "X-AMZ-Meta-Aa=%20caf%C3%A9+%2B%20", nil, "hello")
	if resp.StatusCode != 200 {
		t.Fatalf("got status %d, want 200", resp.StatusCode)
	}
	out, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	if got, want := fmt.Sprint(out.Metadata), "map[aa:café +]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Without a signature in the query an x-amz parameter is no order, and is not
// passed over either. What SDKs send beside it is.
func TestUnsignedQueryParameters(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, query := range []string{"x-amz-acl=public-read", "X-Amz-Meta-A=1", "x-amz-expected-bucket-owner=" + other,
		"X-Amz-Date=20261123T110203Z", "x-amz-signature=0", "x-id=PutObject&x-amz-server-side-encryption=aws:kms"} {
		k.wantError(k.raw("PUT", "/bucket/k?"+query, nil, "x"), 501, "NotImplemented", "<Header>")
	}
	if resp := k.raw("PUT", "/bucket/k?x-id=PutObject", nil, "x"); resp.StatusCode != 200 {
		t.Errorf("got status %d with x-id, want 200", resp.StatusCode)
	}
	k.waitBlobs(1)
}

// A checksum that is announced is verified, or refused: before the body is read
// where the names say so.
func TestAnnouncedTrailers(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	const unsupported = "The value specified in the x-amz-trailer header is not supported"
	const many = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
	for _, tt := range []struct{ name, hash, announced, sent, code, text string }{
		{"none of its form", "", "x-amz-checksum-sha512", "x-amz-checksum-sha512:AAAA\r\n", "InvalidRequest", "Value for x-amz-checksum-sha512 trailing header is invalid."},
		{"no algorithm", "", "x-amz-checksum-later", "x-amz-checksum-later:AAAA\r\n", "InvalidRequest", unsupported},
		{"checksum's type", "", "x-amz-checksum-type", "x-amz-checksum-type:FULL_OBJECT\r\n", "InvalidRequest", unsupported},
		{"two", "", "x-amz-checksum-crc32, x-amz-checksum-sha512", "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-sha512:AAAA\r\n", "InvalidRequest", many},
		{"one and no algorithm", "", "x-amz-checksum-crc32,x-amz-checksum-later", "x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-later:AAAA\r\n", "InvalidRequest", unsupported},
		{"in no trailer", "UNSIGNED-PAYLOAD", "x-amz-checksum-crc32", "", "InvalidRequest", "Value for x-amz-checksum-crc32 trailing header is invalid."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.hash == "" {
				tt.hash = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
			}
			resp := k.raw("PUT", "/bucket/k", map[string]string{
				"X-Amz-Content-Sha256":         tt.hash,
				"X-Amz-Decoded-Content-Length": "5",
				"X-Amz-Trailer":                tt.announced,
			}, "5\r\nhello\r\n0\r\n"+tt.sent+"\r\n")
			k.wantError(resp, 400, tt.code, tt.text)
		})
	}
	resp := k.raw("PUT", "/trailed", map[string]string{
		"X-Amz-Content-Sha256":         "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"X-Amz-Decoded-Content-Length": "0",
		"X-Amz-Trailer":                "x-amz-checksum-crc32",
	}, "0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")
	k.wantError(resp, 501, "NotImplemented", "x-amz-trailer")
	k.waitBlobs(0)
}

func TestListBucketsPrefix(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, tt := range []struct{ name, prefix, code, want string }{
		{"of a bucket", "buck", "", "<Name>bucket</Name>"},
		{"of none", "x", "", "<Prefix>x</Prefix>"},
		{"64 letters", strings.Repeat("b", 64), "", "<Prefix>bbb"},
		{"5,000 letters", strings.Repeat("b", 5000), "", "<Prefix>bbb"},
		{"5,000 letters of two bytes", strings.Repeat("%C3%A9", 5000), "", "<Prefix>éé"},
		{"no ASCII", "%C3%A9", "", "<Prefix>é</Prefix>"},
		{"NUL", "%00", "InvalidArgument", "<ArgumentName>prefix</ArgumentName>"},
		{"NUL inside", "b%00", "InvalidArgument", "<ArgumentName>prefix</ArgumentName>"},
		{"no UTF-8", "%ff", "InvalidArgument", "<ArgumentName>prefix</ArgumentName>"},
		{"5,000 bytes of no UTF-8", strings.Repeat("%ff", 5000), "InvalidArgument", "<ArgumentName>prefix</ArgumentName>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := k.raw("GET", "/?prefix="+tt.prefix, nil, "")
			if tt.code != "" {
				k.wantError(resp, 400, tt.code, tt.want)
				return
			}
			b, err := io.ReadAll(resp.Body)
			k.check(err)
			if resp.StatusCode != 200 || !strings.Contains(string(b), tt.want) || tt.name != "of a bucket" && strings.Contains(string(b), "<Name>") {
				t.Errorf("got status %d and %s, want 200 and %s", resp.StatusCode, b, tt.want)
			}
		})
	}
}

// A header comes back byte for byte, or is refused.
func TestHeaderBytes(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	headers := []string{"X-Amz-Meta-A", "Content-Disposition", "Content-Type", "Content-Language", "Cache-Control", "Expires"}
	for _, tt := range []struct {
		name, value string
		refused     bool
	}{
		{"ASCII", `attachment; filename="a b.txt"`, false},
		{"RFC 2047 base64", "=?UTF-8?B?Y2Fmw6k=?=", false},
		{"RFC 2047 quoted", "=?ISO-8859-1?Q?caf=E9?= =?UTF-8?q?=C3=A9?=", false},
		{"RFC 2047 broken", "=?UTF-8?B?!!?=", false},
		{"RFC 8187", "attachment; filename*=UTF-8''caf%C3%A9", false},
		{"UTF-8", "café 日本 \u2028 <&> \U0001F600", false},
		{"replacement character", "\uFFFD", false},
		{"tab", "a\tb", false},
		{"Latin-1", "caf\xe9", true},
		{"cut off", "caf\xc3", true},
		{"surrogate", "\xed\xa0\x80", true},
		{"overlong", "\xc0\xaf", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, header := range headers {
				resp := k.raw("PUT", "/bucket/k", map[string]string{header: tt.value}, "hello")
				if tt.refused {
					k.wantError(resp, 400, "InvalidArgument", "<ArgumentName>"+strings.ToLower(header)+"</ArgumentName>")
					k.wantError(k.raw("POST", "/bucket/k?uploads", map[string]string{header: tt.value}, ""), 400, "InvalidArgument", "")
					continue
				}
				if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
					t.Fatalf("%s: got status %d and %s, want 200", header, resp.StatusCode, b)
				}
				got := k.raw("HEAD", "/bucket/k", nil, "").Header
				if got.Get(header) != tt.value {
					t.Errorf("%s: got %q, want %q", header, got.Get(header), tt.value)
				}
			}
		})
	}
}
