package sigv4_test

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// TestPublishedExamples verifies the examples of the Amazon S3 API Reference:
// "Signature Calculations for the Authorization Header", "Authenticating
// Requests: Using Query Parameters", "Transferring Payload in Multiple Chunks"
// and "… Including Trailing Headers".
func TestPublishedExamples(t *testing.T) {
	const (
		auth = "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders="
		date = "x-amz-date: 20130524T000000Z\r\n"
		none = "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n"
	)
	a65536, a1024 := strings.Repeat("a", 65536), strings.Repeat("a", 1024)
	for _, tc := range []struct {
		name, wire, body, want string
		length                 int64
	}{
		{
			name: "GET object",
			wire: "GET /test.txt HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nRange: bytes=0-9\r\n" + none + date + auth +
				"host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n",
		},
		{
			name: "PUT object",
			wire: "PUT /test$file.text HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n" + date +
				"x-amz-storage-class: REDUCED_REDUNDANCY\r\n" +
				"x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\r\n" + auth +
				"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd\r\n",
			body: "Welcome to Amazon S3.", want: "Welcome to Amazon S3.",
		},
		{
			name: "GET bucket lifecycle",
			wire: "GET /?lifecycle HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n" + date + none + auth +
				"host;x-amz-content-sha256;x-amz-date,Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543\r\n",
		},
		{
			name: "list objects",
			wire: "GET /?max-keys=2&prefix=J HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n" + date + none + auth +
				"host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7\r\n",
		},
		{
			name: "presigned GET",
			wire: "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
				"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
				"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1\r\nHost: examplebucket.s3.amazonaws.com\r\n",
		},
		{
			name: "chunked upload",
			wire: "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\n" + date +
				"x-amz-storage-class: REDUCED_REDUNDANCY\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 66560\r\n" +
				"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\nContent-Length: 66824\r\n" + auth +
				"content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class," +
				"Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9\r\n",
			body: "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + a65536 + "\r\n" +
				"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + a1024 + "\r\n" +
				"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
			want: a65536 + a1024, length: 66824,
		},
		{
			name: "chunked upload with a trailer",
			wire: "PUT /examplebucket/chunkObject.txt HTTP/1.1\r\nHost: s3.amazonaws.com\r\n" + date +
				"x-amz-storage-class: REDUCED_REDUNDANCY\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 66560\r\n" +
				"x-amz-trailer: x-amz-checksum-crc32c\r\nx-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\n" + auth +
				"content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer," +
				"Signature=106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e\r\n",
			body: "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" + a65536 + "\r\n" +
				"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" + a1024 + "\r\n" +
				"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
				"x-amz-checksum-crc32c:sOO8/Q==\r\n" +
				"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
			want: a65536 + a1024,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.length != 0 && tc.length != int64(len(tc.body)) {
				t.Fatalf("got a body of %d bytes, want %d", len(tc.body), tc.length)
			}
			wire := tc.wire
			if tc.body != "" && tc.length == 0 {
				wire += "Content-Length: " + strconv.Itoa(len(tc.body)) + "\r\n"
			}
			r := readRequest(t, []byte(wire+"\r\n"+tc.body))
			rules := s3Rules(time.Date(2013, 5, 24, 0, 1, 0, 0, time.UTC))
			rules.Regions = []string{"us-east-1"}
			got, err := check(r, rules)
			if err != nil || string(got) != tc.want {
				t.Fatalf("got %d bytes, %v, want %d bytes", len(got), err, len(tc.want))
			}
			if h := r.Header.Get("X-Amz-Trailer"); h != "" {
				s, err := sigv4.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				b, err := sigv4.NewBody(strings.NewReader(tc.body), s, r.Header, -1, signFor(s))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, b); err != nil {
					t.Fatal(err)
				}
				if got := b.Trailer().Get(h); got != "sOO8/Q==" {
					t.Errorf("got trailer %q, want the checksum", got)
				}
			}
		})
	}
}
