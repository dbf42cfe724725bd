package server

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// TestExpectContinue: a client that asks before it sends its body is told to go
// on only when its request would be worked on, and gets its refusal without
// having sent a byte of it otherwise.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "bucket")
	putKey(t, s.Endpoint(), "/bucket/old", "old")
	upload := beginUpload(t, s.Endpoint(), "/bucket/parts")
	before := look(t, s.Endpoint(), dir, upload)
	const body = "the body"
	asks := func(m message) message {
		m.method, m.body, m.keepAlive = "PUT", body, true
		if m.path == "" {
			m.path = "/bucket/old"
		}
		m.unsigned = append(m.unsigned, field{"Expect", "100-continue"})
		return m
	}
	sig := wireSigner("s3")
	signed := func(m message) []byte {
		wire, _ := sig.sign(asks(m))
		return wire
	}
	wrong := wireSigner("s3")
	wrong.secret = "not-the-secret"
	wrongWire, _ := wrong.sign(asks(message{}))
	large := streaming(signedChunks, "5368709121")
	large.length = "5400000000"
	largeWire, _ := sig.sign(asks(large))
	chunkedWire, _ := sig.sign(asks(streaming(unsignedTrailer, "3", field{"X-Amz-Trailer", "x-amz-checksum-later"})))
	for _, tt := range []struct {
		name   string
		wire   []byte
		status int
		code   string
	}{
		{"nobody", asks(message{}).wire([]field{{"Host", wireHost}}), 403, "AccessDenied"},
		{"wrong secret", wrongWire, 403, "SignatureDoesNotMatch"},
		{"no such bucket", signed(message{path: "/no-such-bucket/key"}), 404, "NoSuchBucket"},
		{"no such upload", signed(message{path: "/bucket/parts", query: "partNumber=1&uploadId=none"}), 404, "NoSuchUpload"},
		{"part of no number", signed(message{path: "/bucket/parts", query: "partNumber=0&uploadId=" + upload}), 400, "InvalidArgument"},
		{"header that is not served", signed(message{signed: []field{{"X-Amz-Tagging", "a=b"}}}), 501, "NotImplemented"},
		{"checksum of no form", signed(message{signed: []field{{"X-Amz-Checksum-Sha512", "AAAA"}}}), 400, "InvalidRequest"},
		{"trailer of no algorithm", chunkedWire, 400, "InvalidRequest"},
		{"digest of no form", signed(message{signed: []field{{"Content-Md5", "x"}}}), 400, "InvalidDigest"},
		{"condition that fails", signed(message{signed: []field{{"If-None-Match", "*"}}}), 412, "PreconditionFailed"},
		{"too large", signed(message{length: "5368709121"}), 400, "EntityTooLarge"},
		{"chunks too large", largeWire, 400, "EntityTooLarge"},
		{"no KMS key", signed(message{signed: []field{{"X-Amz-Server-Side-Encryption", "aws:kms"}, {"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "alias/none"}}}), 400, "KMS.NotFoundException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head, _, _ := strings.Cut(string(tt.wire), "\r\n\r\n")
			conn := dial(t, s.Endpoint())
			if _, err := conn.Write([]byte(head + "\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			a := readAnswer(t, r, "") // would be a 100
			if code, _ := a.problem(); a.status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s\n%s", a.status, code, tt.status, tt.code, a.raw)
			}
			// The body may come all the same; it must not be taken for a request.
			_, _ = conn.Write(mustSign("s3", message{method: "DELETE", path: "/bucket/old"}))
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("got %q after the refusal, want the end of the connection", rest)
			}
		})
	}
	if after := look(t, s.Endpoint(), dir, upload); !after.equal(before) {
		t.Errorf("got %v after the refusals, want %v", after, before)
	}
	t.Run("welcome", func(t *testing.T) {
		head, _, _ := strings.Cut(string(signed(message{})), "\r\n\r\n")
		conn := dial(t, s.Endpoint())
		if _, err := conn.Write([]byte(head + "\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
			if line, err := r.ReadString('\n'); line != want || err != nil {
				t.Fatalf("got %q and %v, want %q", line, err, want)
			}
		}
		if _, err := conn.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
		if a := readAnswer(t, r, ""); a.status != 200 {
			t.Errorf("got %s%s", a.raw, a.body)
		}
		if got := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/old"}).body; got != body {
			t.Errorf("got %q, want %q", got, body)
		}
	})
}

// TestBodyOfAnotherLength sends objects and parts whose bodies go on behind
// their Content-Length, or stop before it, over connections that stay open. What
// goes on is no part of the object, and no request; what stops leaves nothing.
func TestBodyOfAnotherLength(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	sig := wireSigner("s3")
	putBucket(t, s.Endpoint(), "bucket")
	upload := beginUpload(t, s.Endpoint(), "/bucket/parts")
	for _, target := range []message{{path: "/bucket/key"}, {path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload}} {
		target.method, target.keepAlive = "PUT", true
		t.Run("longer "+target.path, func(t *testing.T) {
			m := target
			m.body = "0123456789"
			wire, _ := sig.sign(m)
			conn := dial(t, s.Endpoint())
			r := bufio.NewReader(conn)
			if _, err := conn.Write(append(wire, "and more of it\r\n\r\n"...)); err != nil {
				t.Fatal(err)
			}
			if a := readAnswer(t, r, ""); a.status != 200 {
				t.Errorf("got %s%s, want the announced bytes stored", a.raw, a.body)
			}
			if a := readAnswer(t, r, ""); a.status != 400 {
				t.Errorf("got %s for what follows, want 400", a.raw)
			}
			if rest, _ := io.ReadAll(r); len(rest) > 0 {
				t.Errorf("got %q, want the end of the connection", rest)
			}
		})
	}
	if got := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/key"}).body; got != "0123456789" {
		t.Errorf("got object %q, want the announced bytes", got)
	}
	eventually(t, "two blobs in their place", func() bool {
		return len(files(t, filepath.Join(objectsDir(dir), "objects"))) == 2 && len(files(t, filepath.Join(objectsDir(dir), "staging"))) == 0
	})
	before := look(t, s.Endpoint(), dir, upload)

	// Many at once stop in the middle, by every way to send a body, and hold
	// their connections; others are served meanwhile, and when all have gone
	// nothing is left of them.
	long := strings.Repeat("0123456789abcdef", 30_000)
	var stopped []io.Closer
	for i := range 24 {
		m := message{method: "PUT", path: fmt.Sprintf("/bucket/stopped-%d", i)}
		if i%2 == 1 {
			m.path, m.query = "/bucket/parts", fmt.Sprintf("partNumber=%d&uploadId=%s", i+1, upload)
		}
		var wire []byte
		switch i % 4 {
		case 0, 1:
			m.body = long
			wire, _ = sig.sign(m)
		default:
			m.hash = signedChunks
			m.signed = []field{{"Content-Encoding", "aws-chunked"}, {"X-Amz-Decoded-Content-Length", fmt.Sprint(2 * len(long))}}
			wire = chunkedPut(sig, m, func(seed string) string { return sig.chunks(seed, long, long) })
		}
		conn := dial(t, s.Endpoint())
		if _, err := conn.Write(wire[:len(wire)*2/3]); err != nil {
			t.Fatal(err)
		}
		stopped = append(stopped, conn)
	}
	eventually(t, "files in the staging area", func() bool { return len(files(t, filepath.Join(objectsDir(dir), "staging"))) == len(stopped) })
	for i := range 5 {
		path := fmt.Sprintf("/bucket/other-%d", i)
		putKey(t, s.Endpoint(), path, path)
		if got := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: path}).body; got != path {
			t.Errorf("got %q, want %q", got, path)
		}
		mustAsk(t, s.Endpoint(), "s3", message{method: "DELETE", path: path})
	}
	for _, c := range stopped {
		_ = c.Close()
	}
	eventually(t, "no trace", func() bool { return look(t, s.Endpoint(), dir, upload).equal(before) })
	// The record comes after the file has gone: the answer waits for both.
	eventually(t, "a record of each cut off body", func() bool {
		failed := 0
		for _, r := range records(t, dir) {
			if strings.Contains(r, `"errorCode":"IncompleteBody"`) {
				failed++
			}
		}
		return failed == len(stopped)
	})
}

// TestMetadataWhereNothingIsStored: metadata on an operation that stores none
// asks for nothing, as with AWS; it is not kept, and changes no answer.
func TestMetadataWhereNothingIsStored(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	meta := []field{{"X-Amz-Meta-Colour", "blue"}}
	mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket", signed: meta})
	mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/key", body: "x", signed: []field{{"X-Amz-Meta-Own", "kept"}}})
	upload := beginUpload(t, s.Endpoint(), "/bucket/parts")
	part := mustAsk(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + upload, body: "x", signed: meta})
	mustAsk(t, s.Endpoint(), "s3", message{method: "POST", path: "/bucket/parts", query: "uploadId=" + upload, signed: meta,
		body: "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + part.header.Get("Etag") + "</ETag></Part></CompleteMultipartUpload>"})
	for path, want := range map[string]string{"/bucket/key": "kept", "/bucket/parts": ""} {
		for _, method := range []string{"GET", "HEAD"} {
			a := mustAsk(t, s.Endpoint(), "s3", message{method: method, path: path, signed: meta})
			if got := a.header.Get("X-Amz-Meta-Own"); got != want || a.header.Get("X-Amz-Meta-Colour") != "" {
				t.Errorf("%s %s: got metadata %q and %q, want %q and none", method, path, got, a.header.Get("X-Amz-Meta-Colour"), want)
			}
		}
	}
	mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket", query: "list-type=2", signed: meta})
	mustAsk(t, s.Endpoint(), "s3", message{method: "DELETE", path: "/bucket/key", signed: meta})
	// What asks for something is not passed over.
	for header, want := range map[string]int{"X-Amz-Tagging": 501, "X-Amz-Checksum-Algorithm": 501, "X-Amz-Server-Side-Encryption": 400, "X-Amz-Later": 501, "X-Amz-Checksum-Crc32": 501} {
		m := message{method: "GET", path: "/bucket/parts", signed: []field{{header, "AES256"}}}
		if a := ask(t, s.Endpoint(), "s3", m); a.status != want {
			t.Errorf("GET with %s: got %d, want %d", header, a.status, want)
		}
	}
	// An unsigned one is nobody's word.
	m := message{method: "GET", path: "/bucket/parts", unsigned: meta}
	a := ask(t, s.Endpoint(), "s3", m)
	if code, _ := a.problem(); a.status != 403 || code != "AccessDenied" {
		t.Errorf("got %d %s of unsigned metadata, want 403 AccessDenied", a.status, code)
	}
}
