package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// traces is what a refused write could leave behind.
type traces struct {
	blobs   []string // published files
	staged  []string // files being written
	objects string   // listing of the bucket
	uploads string   // listing of the upload's parts
}

// files lists the files below dir, by their base names.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, d.Name())
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // published while we looked
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func look(t testing.TB, endpoint, dir, uploadID string) traces {
	t.Helper()
	listing := mustAsk(t, endpoint, "s3", message{method: "GET", path: "/bucket", query: "list-type=2"}).body
	parts := mustAsk(t, endpoint, "s3", message{method: "GET", path: "/bucket/parts", query: "uploadId=" + uploadID}).body
	return traces{
		blobs:  files(t, filepath.Join(objectsDir(dir), "objects")),
		staged: files(t, filepath.Join(objectsDir(dir), "staging")), objects: listing, uploads: parts,
	}
}

func (a traces) equal(b traces) bool {
	return slices.Equal(a.blobs, b.blobs) && slices.Equal(a.staged, b.staged) && a.objects == b.objects && a.uploads == b.uploads
}

// beginUpload begins a multipart upload and returns its id.
func beginUpload(t testing.TB, endpoint, path string) string {
	t.Helper()
	_, rest, _ := strings.Cut(mustAsk(t, endpoint, "s3", message{method: "POST", path: path, query: "uploads="}).body, "<UploadId>")
	id, _, ok := strings.Cut(rest, "</UploadId>")
	if !ok {
		t.Fatal("no upload id")
	}
	return id
}

// streaming makes the headers of an aws-chunked body.
func streaming(hash, decoded string, more ...field) message {
	m := message{method: "PUT", path: "/bucket/old", hash: hash, signed: append([]field{{"Content-Encoding", "aws-chunked"}}, more...)}
	if decoded != "" {
		m.signed = append(m.signed, field{"X-Amz-Decoded-Content-Length", decoded})
	}
	return m
}

const (
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// chunkedPut signs the headers and then the body that make returns for the seed.
func chunkedPut(s signer, m message, body func(seed string) string) []byte {
	_, seed := s.sign(m) // Content-Length is not signed
	m.body = body(seed)
	wire, _ := s.sign(m)
	return wire
}

// TestBadBodies sends writes that must not be done. Whatever is wrong with
// them, the old object stays, and no file of theirs.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	sig := wireSigner("s3")
	putBucket(t, s.Endpoint(), "bucket")
	putKey(t, s.Endpoint(), "/bucket/old", "the old content")
	upload := beginUpload(t, s.Endpoint(), "/bucket/parts")
	mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: "the old part"})
	eventually(t, "two blobs in their place", func() bool {
		return len(files(t, filepath.Join(objectsDir(dir), "objects"))) == 2 && len(files(t, filepath.Join(objectsDir(dir), "staging"))) == 0
	})
	before := look(t, s.Endpoint(), dir, upload)

	long := strings.Repeat("0123456789abcdef", 20_000) // several buffers of the server
	good := func(seed string) string { return sig.chunks(seed, long) }
	put := func(m message) []byte {
		if m.method == "" {
			m.method, m.path = "PUT", "/bucket/old"
		}
		wire, _ := sig.sign(m)
		return wire
	}
	complete := func(body string) []byte {
		return put(message{method: "POST", path: "/bucket/parts", query: "uploadId=" + upload, body: body})
	}
	n := fmt.Sprint(len(long))
	for _, tt := range []struct {
		name   string
		wire   []byte
		cut    bool // the client closes before the end
		status int
		code   string // empty: no answer can be asked for
	}{
		{"payload is not the signed one", put(message{body: long, hash: hexSum("other")}), false, 400, "XAmzContentSHA256Mismatch"},
		{"payload hash of no form", put(message{body: long, hash: "sha256"}), false, 400, "InvalidArgument"},
		{"wrong Content-MD5", put(message{body: long, signed: []field{{"Content-Md5", "XUFAKrxLKna5cZ2REBfFkg=="}}}), false, 400, "BadDigest"},
		{"Content-MD5 of no form", put(message{body: long, signed: []field{{"Content-Md5", "XUFAKr"}}}), false, 400, "InvalidDigest"},
		{"wrong checksum", put(message{body: long, signed: []field{{"X-Amz-Checksum-Crc32", "AAAAAA=="}}}), false, 400, "BadDigest"},
		{"checksum of no form", put(message{body: long, signed: []field{{"X-Amz-Checksum-Crc32", "AAAA"}}}), false, 400, "InvalidRequest"},
		{"two checksums", put(message{body: long, signed: []field{{"X-Amz-Checksum-Crc32", "AAAAAA=="}, {"X-Amz-Checksum-Crc32c", "AAAAAA=="}}}), false, 400, "InvalidRequest"},
		{"client closes early", put(message{body: long})[:200_000], true, 400, "IncompleteBody"},
		{"client closes in an unsigned payload", put(message{body: long, hash: "UNSIGNED-PAYLOAD"})[:200_000], true, 400, "IncompleteBody"},
		{"client closes before the payload", put(message{length: "10"}), true, 400, "IncompleteBody"},
		{"more than 5 GiB", put(message{length: "5368709121"}), true, 400, "EntityTooLarge"},
		{"no length", put(message{length: "-", unsigned: []field{{"Transfer-Encoding", "chunked"}}, body: "3\r\nabc\r\n0\r\n\r\n", hash: hexSum("abc")}), false, 411, "MissingContentLength"},
		{"SSE-C", put(message{body: "x", signed: []field{{"X-Amz-Server-Side-Encryption-Customer-Algorithm", "AES256"}}}), false, 501, "NotImplemented"},

		{"chunks: no decoded length", chunkedPut(sig, streaming(signedChunks, ""), good), false, 411, "MissingContentLength"},
		{"chunks: decoded length of no form", chunkedPut(sig, streaming(signedChunks, "-1"), good), false, 400, "InvalidArgument"},
		{"chunks: decoded length above the length", chunkedPut(sig, streaming(signedChunks, "999999999"), good), false, 400, "IncompleteBody"},
		{"chunks: decoded length too small", chunkedPut(sig, streaming(signedChunks, "10"), good), false, 400, "IncompleteBody"},
		{"chunks: decoded length one too large", chunkedPut(sig, streaming(signedChunks, fmt.Sprint(len(long)+1)), good), false, 400, "IncompleteBody"},
		{"chunks: second signature wrong", chunkedPut(sig, streaming(signedChunks, fmt.Sprint(2*len(long))), func(seed string) string {
			b := sig.chunks(seed, long, long)
			i := strings.LastIndex(b, long) - len("\r\n") - 1
			return b[:i] + string(b[i]^1) + b[i+1:]
		}), false, 403, "SignatureDoesNotMatch"},
		{"chunks: second chunk changed", chunkedPut(sig, streaming(signedChunks, fmt.Sprint(2*len(long))), func(seed string) string {
			b := sig.chunks(seed, long, long)
			i := strings.LastIndex(b, long)
			return b[:i] + "X" + b[i+1:]
		}), false, 403, "SignatureDoesNotMatch"},
		{"chunks: chained to another request", chunkedPut(sig, streaming(signedChunks, n), func(string) string {
			return sig.chunks(hexSum("another"), long)
		}), false, 403, "SignatureDoesNotMatch"},
		{"chunks: last chunk missing", chunkedPut(sig, streaming(signedChunks, n), func(seed string) string {
			b := sig.chunks(seed, long)
			return b[:strings.LastIndex(b, "0;chunk-signature")]
		}), false, 400, "IncompleteBody"},
		{"chunks: size of no form", chunkedPut(sig, streaming(signedChunks, n), func(seed string) string { return "+" + sig.chunks(seed, long) }), false, 400, "InvalidRequest"},
		{"chunks: no signature", chunkedPut(sig, streaming(signedChunks, n), func(string) string {
			return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(long), long)
		}), false, 400, "InvalidRequest"},
		{"chunks: line without end", chunkedPut(sig, streaming(signedChunks, n), func(string) string { return long }), false, 400, "InvalidRequest"},
		{"chunks: no CRLF after the data", chunkedPut(sig, streaming(signedChunks, n), func(seed string) string {
			return strings.Replace(sig.chunks(seed, long), long+"\r\n", long+"\n\n", 1)
		}), false, 400, "InvalidRequest"},
		{"chunks: bytes after the end", chunkedPut(sig, streaming(signedChunks, n), func(seed string) string { return sig.chunks(seed, long) + "more" }), false, 400, "InvalidRequest"},
		{"chunks: a chunk of 2 GiB announced", chunkedPut(sig, streaming(signedChunks, n), func(seed string) string {
			return "80000000" + sig.chunks(seed, long)[5:]
		}), false, 400, "IncompleteBody"},
		{"chunks: client closes", chunkedPut(sig, streaming(signedChunks, n), good)[:100_000], true, 400, "IncompleteBody"},

		{"trailer: wrong checksum", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
		}), false, 400, "BadDigest"},
		{"trailer: checksum of no form", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:zzz\r\n\r\n"
		}), false, 400, "InvalidRequest"},
		{"trailer: missing", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\n\r\n"
		}), false, 400, "MalformedTrailerError"},
		{"trailer: not announced", chunkedPut(sig, streaming(unsignedTrailer, "3"), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
		}), false, 400, "MalformedTrailerError"},
		{"trailer: no checksum", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "authorization"}), func(string) string {
			return "3\r\nabc\r\n0\r\nauthorization:x\r\n\r\n"
		}), false, 400, "InvalidRequest"},

		{"trailer: announced twice", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32,X-Amz-Checksum-Crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
		}), false, 400, "InvalidRequest"},
		{"trailer: announced without a name", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", " "}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
		}), false, 400, "InvalidRequest"},
		{"trailer: another than announced", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:Nks/tw==\r\n\r\n"
		}), false, 400, "MalformedTrailerError"},
		{"trailer: one and another than announced", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\nx-amz-checksum-crc32c:Nks/tw==\r\n\r\n"
		}), false, 400, "MalformedTrailerError"},
		{"trailer: of no algorithm", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-later"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-later:NSRBwg==\r\n\r\n"
		}), false, 400, "InvalidRequest"},
		{"trailer: nine announced", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-0,x-amz-checksum-1,x-amz-checksum-2,x-amz-checksum-3,x-amz-checksum-4,x-amz-checksum-5,x-amz-checksum-6,x-amz-checksum-7,x-amz-checksum-8"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
		}), false, 400, "InvalidRequest"},
		{"trailer: announced where none can come", chunkedPut(sig, streaming(signedChunks, n, field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), good), false, 400, "InvalidRequest"},
		{"trailer: signed by nobody", chunkedPut(sig, streaming(signedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(seed string) string {
			return strings.Replace(sig.trailed(seed, "abc", "x-amz-checksum-crc32", "NSRBwg=="), "x-amz-trailer-signature:", "x-amz-trailer-signature:0", 1)
		}), false, 400, "MalformedTrailerError"},
		{"trailer: signed as another", chunkedPut(sig, streaming(signedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(seed string) string {
			return strings.Replace(sig.trailed(seed, "abc", "x-amz-checksum-crc32", "AAAAAA=="), "AAAAAA==", "NSRBwg==", 1)
		}), false, 403, "SignatureDoesNotMatch"},

		{"chunks: chunk longer than its size", chunkedPut(sig, streaming(unsignedTrailer, "3"), func(string) string { return "2\r\nabc\r\n0\r\n\r\n" }), false, 400, "InvalidRequest"},
		{"chunks: chunk shorter than its size", chunkedPut(sig, streaming(unsignedTrailer, "3"), func(string) string { return "3\r\nab\r\n0\r\n\r\n" }), false, 400, "InvalidRequest"},
		{"chunks: unsigned, more than announced", chunkedPut(sig, streaming(unsignedTrailer, "2"), func(string) string { return "3\r\nabc\r\n0\r\n\r\n" }), false, 400, "IncompleteBody"},
		{"chunks: unsigned, fewer than announced", chunkedPut(sig, streaming(unsignedTrailer, "4"), func(string) string { return "3\r\nabc\r\n0\r\n\r\n" }), false, 400, "IncompleteBody"},
		{"chunks: unsigned, much more in many", chunkedPut(sig, streaming(unsignedTrailer, "3"), func(string) string {
			return strings.Repeat("3\r\nabc\r\n", 50_000) + "0\r\n\r\n"
		}), false, 400, "IncompleteBody"},
		{"chunks: Content-Length ends in the last line", func() []byte {
			m := streaming(unsignedTrailer, "3")
			body := "3\r\nabc\r\n0\r\n\r\n"
			m.length = fmt.Sprint(len(body) - 2)
			return chunkedPut(sig, m, func(string) string { return body })
		}(), false, 400, "IncompleteBody"},
		{"chunks: Content-Length goes on behind them", func() []byte {
			m := streaming(unsignedTrailer, "3")
			body := "3\r\nabc\r\n0\r\n\r\n"
			m.length = fmt.Sprint(len(body) + 5)
			return chunkedPut(sig, m, func(string) string { return body + "GET /" })
		}(), false, 400, "InvalidRequest"},
		{"payload longer than its length", func() []byte {
			// The length is not signed, the hash is.
			return put(message{body: long, length: fmt.Sprint(len(long) - 1)})
		}(), false, 400, "XAmzContentSHA256Mismatch"},
		{"part: payload longer than its length", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: long,
			length: fmt.Sprint(len(long) - 1)}), false, 400, "XAmzContentSHA256Mismatch"},
		{"part: payload shorter than its length", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: long,
			length: fmt.Sprint(len(long) + 1)}), true, 400, "IncompleteBody"},
		{"part: more than 5 GiB", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, length: "5368709121"}), true, 400, "EntityTooLarge"},
		{"part: chunks above their announced length", chunkedPut(sig, func() message {
			m := streaming(signedChunks, "10")
			m.path, m.query = "/bucket/parts", "partNumber=1&uploadId="+upload
			return m
		}(), good), false, 400, "IncompleteBody"},
		{"part: chunks below their announced length", chunkedPut(sig, func() message {
			m := streaming(signedChunks, fmt.Sprint(len(long)+1))
			m.path, m.query = "/bucket/parts", "partNumber=1&uploadId="+upload
			return m
		}(), good), false, 400, "IncompleteBody"},

		{"part: wrong digest", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: long,
			signed: []field{{"Content-Md5", "XUFAKrxLKna5cZ2REBfFkg=="}}}), false, 400, "BadDigest"},
		{"part: wrong checksum", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: long,
			signed: []field{{"X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA="}}}), false, 400, "BadDigest"},
		{"part: number 0", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=0&uploadId=" + upload, body: long}), false, 400, "InvalidArgument"},
		{"part: number 10001", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=10001&uploadId=" + upload, body: long}), false, 400, "InvalidArgument"},
		{"part: number of no form", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=one&uploadId=" + upload, body: long}), false, 400, "InvalidArgument"},
		{"part: no such upload", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=none", body: long}), false, 404, "NoSuchUpload"},
		{"part: upload of another key", put(message{method: "PUT", path: "/bucket/old", query: "partNumber=1&uploadId=" + upload, body: long}), false, 404, "NoSuchUpload"},
		{"part: client closes early", put(message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: long})[:100_000], true, 400, "IncompleteBody"},

		{"complete: nothing", complete(""), false, 400, "MalformedXML"},
		{"complete: no parts", complete("<CompleteMultipartUpload></CompleteMultipartUpload>"), false, 400, "MalformedXML"},
		{"complete: not closed", complete("<CompleteMultipartUpload><Part>"), false, 400, "MalformedXML"},
		{"complete: another root", complete("<Delete><Object><Key>old</Key></Object></Delete>"), false, 400, "MalformedXML"},
		{"complete: unknown element", complete("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><Size>1</Size></Part></CompleteMultipartUpload>"), false, 400, "MalformedXML"},
		{"complete: number of no form", complete("<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"), false, 400, "MalformedXML"},
		{"complete: external entity", complete(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&e;</ETag></Part></CompleteMultipartUpload>`), false, 400, "MalformedXML"},
		{"complete: entity bomb", complete(entityBomb()), false, 400, "MalformedXML"},
		{"complete: undefined entity", complete("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&e;</ETag></Part></CompleteMultipartUpload>"), false, 400, "MalformedXML"},
		{"complete: a hundred thousand levels", complete(strings.Repeat("<CompleteMultipartUpload>", 100_000)), false, 400, "MalformedXML"},
		{"complete: invalid UTF-8", complete("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\xff</ETag></Part></CompleteMultipartUpload>"), false, 400, "MalformedXML"},
		{"complete: two documents", complete("<CompleteMultipartUpload/><CompleteMultipartUpload/>"), false, 400, "MalformedXML"},
		{"complete: larger than any", complete("<CompleteMultipartUpload>" + strings.Repeat(" ", 5<<20)), false, 400, "MaxMessageLengthExceeded"},
		{"complete: wrong ETag", complete("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"), false, 400, "InvalidPart"},
		{"complete: body changed", put(message{method: "POST", path: "/bucket/parts", query: "uploadId=" + upload, hash: hexSum("x"),
			body: "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"}), false, 400, "XAmzContentSHA256Mismatch"},
		{"create bucket: malformed XML", put(message{method: "PUT", path: "/new-bucket", body: "<CreateBucketConfiguration>"}), false, 400, "MalformedXML"},
		{"create bucket: entity bomb", put(message{method: "PUT", path: "/new-bucket", body: entityBomb()}), false, 400, "MalformedXML"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a answer
			if tt.cut {
				a = cut(t, s.Endpoint(), tt.wire)
			} else {
				a = send(t, s.Endpoint(), tt.wire)
			}
			if code, _ := a.problem(); a.status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s\n%s%s", a.status, code, tt.status, tt.code, a.raw, a.body)
			}
			var after traces
			eventually(t, "no trace", func() bool {
				after = look(t, s.Endpoint(), dir, upload)
				return after.equal(before)
			})
			if got := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/old"}).body; got != "the old content" {
				t.Errorf("got old object %.40q", got)
			}
		})
	}
}

func entityBomb() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE x [<!ENTITY a0 "ha">`)
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, `<!ENTITY a%d "&a%d;&a%d;&a%d;">`, i, i-1, i-1, i-1)
	}
	b.WriteString(`]><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&a29;</ETag></Part></CompleteMultipartUpload>`)
	return b.String()
}

// TestGoodChunks shows that the requests of TestBadBodies are refused for what
// is wrong with them and for nothing else.
func TestGoodChunks(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	sig := wireSigner("s3")
	putBucket(t, s.Endpoint(), "bucket")
	long := strings.Repeat("0123456789abcdef", 20_000)
	for _, tt := range []struct {
		name, want string
		wire       []byte
	}{
		{"signed chunks", long + long, chunkedPut(sig, streaming(signedChunks, fmt.Sprint(2*len(long))), func(seed string) string { return sig.chunks(seed, long, long) })},
		{"no bytes", "", chunkedPut(sig, streaming(signedChunks, "0"), func(seed string) string { return sig.chunks(seed) })},
		{"trailer", "abc", chunkedPut(sig, streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-crc32"}), func(string) string {
			return "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"
		})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := send(t, s.Endpoint(), tt.wire); a.status != 200 {
				t.Fatalf("got %s%s", a.raw, a.body)
			}
			a := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/old"})
			if a.body != tt.want || a.header.Get("Content-Encoding") != "" {
				t.Errorf("got %d bytes with coding %q, want %d and none", len(a.body), a.header.Get("Content-Encoding"), len(tt.want))
			}
		})
	}
}

// TestBadRequests sends what is no request of KMS or STS, or hardly one of HTTP.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	key := createKey(t, s.Endpoint())
	before := len(records(t, dir))
	kms := func(op, body string) []byte {
		wire, _ := wireSigner("kms").sign(kmsCall(op, body))
		return wire
	}
	sts := func(m message) []byte {
		wire, _ := wireSigner("sts").sign(m)
		return wire
	}
	target := func(value string) []byte {
		m := kmsCall("", "{}")
		m.signed[0].value = value
		wire, _ := wireSigner("kms").sign(m)
		return wire
	}
	hugeHeader := kmsCall("ListKeys", "{}")
	hugeHeader.unsigned = []field{{"X-Padding", strings.Repeat("x", 200_000)}}
	for _, tt := range []struct {
		name   string
		wire   []byte
		cut    bool
		status int
		code   string
	}{
		{"no JSON", kms("Encrypt", ""), false, 400, "SerializationException"},
		{"half JSON", kms("Encrypt", `{"KeyId":"`), false, 400, "SerializationException"},
		{"two values", kms("ListKeys", `{}{}`), false, 400, "SerializationException"},
		{"a list", kms("ListKeys", `[]`), false, 400, "SerializationException"},
		{"null", kms("ListKeys", `null`), false, 400, "SerializationException"},
		{"number for a string", kms("DescribeKey", `{"KeyId":1}`), false, 400, "SerializationException"},
		{"string for a number", kms("ListKeys", `{"Limit":"1"}`), false, 400, "SerializationException"},
		{"fraction for an integer", kms("ListKeys", `{"Limit":1.5}`), false, 400, "SerializationException"},
		{"a number of a thousand digits", kms("ListKeys", `{"Limit":`+strings.Repeat("9", 1000)+`}`), false, 400, "SerializationException"},
		{"blob of no form", kms("Encrypt", `{"KeyId":"`+key+`","Plaintext":"%%%"}`), false, 400, "SerializationException"},
		{"context of lists", kms("Encrypt", `{"KeyId":"`+key+`","Plaintext":"eA==","EncryptionContext":{"a":["b"]}}`), false, 400, "SerializationException"},
		{"fifty thousand levels", kms("Encrypt", strings.Repeat(`{"a":`, 10_000)), false, 400, "SerializationException"},
		{"invalid UTF-8", kms("DescribeKey", "{\"KeyId\":\"\xff\"}"), false, 400, "SerializationException"},
		{"lone surrogate", kms("DescribeKey", `{"KeyId":"\ud800"}`), false, 400, "SerializationException"},
		{"control character", kms("DescribeKey", "{\"KeyId\":\"a\nb\"}"), false, 400, "SerializationException"},
		{"unknown operation", kms("EncryptEverything", "{}"), false, 400, "UnknownOperationException"},
		{"operation in small letters", kms("encrypt", "{}"), false, 400, "UnknownOperationException"},
		{"no operation", target("TrentService."), false, 400, "UnknownOperationException"},
		{"another service", target("DynamoDB_20120810.GetItem"), false, 400, "UnknownOperationException"},
		{"no service", target("Encrypt"), false, 400, "UnknownOperationException"},
		{"body larger than any", kms("ListKeys", `{"Marker":"`+strings.Repeat("x", 1<<20)+`"}`), false, 400, "RequestEntityTooLargeException"},
		{"length larger than any", mustSign("kms", message{method: "POST", path: "/", signed: kmsCall("Encrypt", "").signed, length: "99999999999"}), true, 400, "RequestEntityTooLargeException"},
		{"body cut", withoutEnd(kms("Encrypt", `{"KeyId":"`+key+`","Plaintext":"eA=="}`)), true, 400, "SerializationException"},
		{"STS: escape of no form", sts(stsCall("Action=%zz")), false, 400, "MalformedInput"},
		{"STS: unknown action", sts(stsCall("Action=AssumeRoleWithSAML&Version=2011-06-15")), false, 400, "InvalidAction"},
		{"STS: body larger than any", sts(stsCall("Action=GetCallerIdentity&x=" + strings.Repeat("x", 100_000))), false, 413, "RequestEntityTooLarge"},
		{"headers of 200 KB", mustSign("kms", hugeHeader), false, 431, ""},
		{"no HTTP", []byte("EHLO example.org\r\n\r\n"), false, 400, ""},
		{"HTTP/2 preface", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), false, 403, "AccessDenied"},
		{"length twice", []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), false, 400, ""},
		{"header with a space", []byte("GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n"), false, 400, ""},
		{"two hosts", []byte("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"), false, 400, ""},
		{"target of no form", []byte("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"), false, 400, ""},
		{"proxy request", []byte("GET http://elsewhere.example/bucket/key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), false, 403, "AccessDenied"},
		{"CONNECT", []byte("CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\nConnection: close\r\n\r\n"), false, 403, "AccessDenied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a answer
			if tt.cut {
				a = cut(t, s.Endpoint(), tt.wire)
			} else {
				a = send(t, s.Endpoint(), tt.wire)
			}
			if code, _ := a.problem(); a.status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s\n%s%.500s", a.status, code, tt.status, tt.code, a.raw, a.body)
			}
			mustAsk(t, s.Endpoint(), "kms", kmsCall("DescribeKey", `{"KeyId":"`+key+`"}`))
		})
	}
	if got := metric(t, s.Endpoint(), "strongroom_panics_total"); got != 0 {
		t.Errorf("got %v panics, want none", got)
	}
	stop()
	for _, r := range records(t, dir)[before:] {
		if !strings.Contains(r, `"DescribeKey"`) && !strings.Contains(r, `"errorCode"`) {
			t.Errorf("got record %s of something done", r)
		}
	}
}

// withoutEnd takes the last bytes off.
func withoutEnd(wire []byte) []byte { return wire[:len(wire)-5] }

func mustSign(service string, m message) []byte {
	wire, _ := wireSigner(service).sign(m)
	return wire
}

// TestEndlessBody sends a body without end, as fast as the server takes it: it
// must stop by itself.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	for _, service := range []string{"kms", "sts"} {
		t.Run(service, func(t *testing.T) {
			m := map[string]message{"kms": kmsCall("Encrypt", ""), "sts": stsCall("")}[service]
			m.length, m.unsigned = "-", []field{{"Transfer-Encoding", "chunked"}}
			conn := dial(t, s.Endpoint())
			sent := make(chan int, 1)
			go func() {
				n, _ := conn.Write(mustSign(service, m))
				chunk := []byte("10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n")
				for {
					k, err := conn.Write(chunk)
					n += k
					if err != nil {
						sent <- n
						return
					}
				}
			}()
			a := readAnswer(t, bufio.NewReader(conn), "POST")
			if code, _ := a.problem(); !strings.HasPrefix(code, "RequestEntityTooLarge") {
				t.Errorf("got %d %s, want RequestEntityTooLarge", a.status, a.body)
			}
			_ = conn.Close()
			// What the sockets of both sides hold, and a little.
			if n := <-sent; n > 64<<20 {
				t.Errorf("the server let %d bytes come", n)
			}
		})
	}
}

// TestStalledBody announces a body and does not send it. Nobody without a
// credential may keep a connection in that way, or wait long for an answer.
func TestStalledBody(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	for name, wire := range map[string][]byte{
		"s3 without credentials":  message{method: "PUT", path: "/bucket/key", length: "1000", keepAlive: true}.wire([]field{{"Host", wireHost}}),
		"kms without credentials": message{method: "POST", path: "/", length: "1000", keepAlive: true}.wire([]field{{"Host", wireHost}, {"X-Amz-Target", "TrentService.Encrypt"}}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, s.Endpoint())
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(wire); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			if a := readAnswer(t, r, ""); a.status/100 != 4 {
				t.Errorf("got %d, want a refusal", a.status)
			}
			_, err := io.Copy(io.Discard, r)
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Error("the connection stays open for a body that nobody will send")
			}
		})
	}
}

// TestStalledPut begins a PUT and stops in the middle: S3's own word for that,
// and no file.
func TestStalledPut(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.limits = limits{patience: time.Second}
	s, _ := start(t, cfg)
	putBucket(t, s.Endpoint(), "bucket")
	a := send(t, s.Endpoint(), withoutEnd(mustSign("s3", message{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 1<<20)})))
	if code, _ := a.problem(); a.status != 400 || code != "RequestTimeout" {
		t.Errorf("got %d %s, want 400 RequestTimeout", a.status, code)
	}
	eventually(t, "no file", func() bool { return len(files(t, objectsDir(dir))) == 0 })
}

// TestConnectionsAfterErrors sends several requests over one connection, good
// and refused ones: each gets its own answer, or the connection ends.
func TestConnectionsAfterErrors(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	putBucket(t, s.Endpoint(), "bucket")
	get := message{method: "GET", path: "/bucket/old", keepAlive: true}
	smuggled := string(mustSign("s3", get))
	for _, tt := range []struct {
		name  string
		first []byte
		again bool // the connection must serve on
	}{
		{"not found", mustSign("s3", get), true},
		{"no credentials", get.wire([]field{{"Host", wireHost}}), true},
		{"wrong digest, body read", mustSign("s3", message{method: "PUT", path: "/bucket/x", body: "x", keepAlive: true, signed: []field{{"Content-Md5", "XUFAKrxLKna5cZ2REBfFkg=="}}}), true},
		// A refused body that looks like a request must not become one.
		{"refused before its body", mustSign("s3", message{method: "PUT", path: "/no-such-bucket/x", body: smuggled, keepAlive: true}), false},
		{"no caller, with a body", message{method: "PUT", path: "/bucket/x", body: smuggled, keepAlive: true}.wire([]field{{"Host", wireHost}}), false},
		{"malformed chunks", chunkedPut(wireSigner("s3"), func() message {
			m := streaming(signedChunks, "3")
			m.keepAlive = true
			return m
		}(), func(string) string { return smuggled }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, s.Endpoint())
			r := bufio.NewReader(conn)
			if _, err := conn.Write(tt.first); err != nil {
				t.Fatal(err)
			}
			first := readAnswer(t, r, "")
			if first.status/100 != 4 {
				t.Errorf("got %d for the first request, want a refusal", first.status)
			}
			_, _ = conn.Write(mustSign("kms", func() message { m := kmsCall("ListKeys", "{}"); return m }()))
			if _, err := r.Peek(1); err != nil {
				if tt.again {
					t.Errorf("the connection ended: %v", err)
				}
				return
			}
			if second := readAnswer(t, r, ""); second.status != 200 || !strings.Contains(second.body, `"Keys"`) {
				t.Errorf("got %s%s for the second request: part of the first one was taken for it", second.raw, second.body)
			}
		})
	}
}
