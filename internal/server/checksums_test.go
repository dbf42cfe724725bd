package server

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"
)

// digests makes the checksum of every algorithm of the API. (The tests of
// package s3 hold the libraries of xxHash against its reference implementation.)
var digests = map[string]func([]byte) []byte{
	"CRC32": func(b []byte) []byte { return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) },
	"CRC32C": func(b []byte) []byte {
		return binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	},
	"CRC64NVME": func(b []byte) []byte { return binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(b)) },
	"MD5":       func(b []byte) []byte { s := md5.Sum(b); return s[:] },
	"SHA1":      func(b []byte) []byte { s := sha1.Sum(b); return s[:] },
	"SHA256":    func(b []byte) []byte { s := sha256.Sum256(b); return s[:] },
	"SHA512":    func(b []byte) []byte { s := sha512.Sum512(b); return s[:] },
	"XXHASH64":  func(b []byte) []byte { return binary.BigEndian.AppendUint64(nil, xxhash.Sum64(b)) },
	"XXHASH3":   func(b []byte) []byte { return binary.BigEndian.AppendUint64(nil, xxh3.Hash(b)) },
	"XXHASH128": func(b []byte) []byte { s := xxh3.Hash128(b).Bytes(); return s[:] },
}

// checksumsOf returns the checksum of data and another of the same form.
func checksumsOf(name string, data ...byte) (right, wrong string) {
	sum := digests[name](data)
	right = base64.StdEncoding.EncodeToString(sum)
	sum[len(sum)-1] ^= 1
	return right, base64.StdEncoding.EncodeToString(sum)
}

// TestEveryChecksumIsKnownHere keeps the tests below whole: the SDK's list is
// that of the API.
func TestEveryChecksumIsKnownHere(t *testing.T) {
	for _, a := range s3types.ChecksumAlgorithm("").Values() {
		if digests[string(a)] == nil {
			t.Errorf("%s is an algorithm of the API and no test makes it", a)
		}
	}
	if got, want := len(digests), len(s3types.ChecksumAlgorithm("").Values()); got != want {
		t.Errorf("got %d algorithms, want %d", got, want)
	}
}

// header is the name of an algorithm's header.
func checksumHeader(name string) string { return "X-Amz-Checksum-" + strings.ToLower(name) }

const signedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"

// trailed encodes a payload of one chunk as aws-chunked with signatures that
// follow seed, and one signed trailer.
func (s signer) trailed(seed, payload, name, value string) string {
	b, _ := strings.CutSuffix(s.chunks(seed, payload), "\r\n")
	last := b[strings.LastIndex(b, "=")+1:]
	signature := s.sum("AWS4-HMAC-SHA256-TRAILER\n" + s.date() + "\n" + s.scope() + "\n" + strings.TrimSpace(last) + "\n" + hexSum(name+":"+value+"\n"))
	return b + name + ":" + value + "\r\nx-amz-trailer-signature:" + signature + "\r\n\r\n"
}

// checksumWays are the ways in which a checksum comes with a payload. Each
// returns the request as it goes over the wire.
var checksumWays = map[string]func(s signer, m message, name, value string) []byte{
	"header": func(s signer, m message, name, value string) []byte {
		m.signed = append(m.signed, field{checksumHeader(name), value})
		wire, _ := s.sign(m)
		return wire
	},
	"unsigned trailer": func(s signer, m message, name, value string) []byte {
		payload := m.body
		return chunkedPut(s, trailing(m, unsignedTrailer, name), func(string) string {
			return fmt.Sprintf("%x\r\n%s\r\n0\r\n%s:%s\r\n\r\n", len(payload), payload, strings.ToLower(checksumHeader(name)), value)
		})
	},
	"signed trailer": func(s signer, m message, name, value string) []byte {
		payload := m.body
		return chunkedPut(s, trailing(m, signedTrailer, name), func(seed string) string {
			return s.trailed(seed, payload, strings.ToLower(checksumHeader(name)), value)
		})
	},
}

// trailing makes of m the headers of a body with a trailer.
func trailing(m message, hash, name string) message {
	m.hash = hash
	m.signed = append(m.signed, field{"Content-Encoding", "aws-chunked"}, field{"X-Amz-Decoded-Content-Length", fmt.Sprint(len(m.body))},
		field{"X-Amz-Trailer", strings.ToLower(checksumHeader(name))})
	m.body = ""
	return m
}

// TestChecksums walks every algorithm and every way to send a checksum with an
// object: the right one is kept and answered, a wrong one leaves nothing.
func TestChecksums(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, wireConfig(dir))
	sig := wireSigner("s3")
	putBucket(t, s.Endpoint(), "bucket")
	const content = "The quick brown fox jumps over the lazy dog"
	enabled := []field{{"X-Amz-Checksum-Mode", "ENABLED"}}
	stored := 0
	for name := range digests {
		right, wrong := checksumsOf(name, []byte(content)...)
		for way, send1 := range checksumWays {
			t.Run(name+" by "+way, func(t *testing.T) {
				path := "/bucket/" + name + "-" + strings.ReplaceAll(way, " ", "-")
				put := message{method: "PUT", path: path, body: content}
				a := send(t, s.Endpoint(), send1(sig, put, name, wrong))
				code, text := a.problem()
				if want := "The " + name + " you specified did not match the calculated checksum."; a.status != 400 || code != "BadDigest" || text != want {
					t.Errorf("wrong checksum: got %d %s %q, want 400 BadDigest %q", a.status, code, text, want)
				}
				a = send(t, s.Endpoint(), send1(sig, put, name, right[1:]))
				kind := " header is invalid."
				if way != "header" {
					kind = " trailing header is invalid."
				}
				if code, text := a.problem(); a.status != 400 || code != "InvalidRequest" || text != "Value for "+strings.ToLower(checksumHeader(name))+kind {
					t.Errorf("checksum of no form: got %d %s %q", a.status, code, text)
				}
				if a := ask(t, s.Endpoint(), "s3", message{method: "GET", path: path}); a.status != 404 {
					t.Fatalf("got %d of an object whose checksum was wrong, want 404", a.status)
				}
				a = send(t, s.Endpoint(), send1(sig, put, name, right))
				wantChecksum(t, "PUT", a, name, right, "FULL_OBJECT")
				stored++
				for _, method := range []string{"GET", "HEAD"} {
					a := ask(t, s.Endpoint(), "s3", message{method: method, path: path, signed: enabled})
					wantChecksum(t, method, a, name, right, "FULL_OBJECT")
					if method == "GET" && a.body != content {
						t.Errorf("got %q back", a.body)
					}
					wantChecksum(t, method+" without mode", ask(t, s.Endpoint(), "s3", message{method: method, path: path}), name, "", "")
				}
				small := ask(t, s.Endpoint(), "s3", message{method: "GET", path: path, signed: []field{{"X-Amz-Checksum-Mode", "enabled"}}})
				wantChecksum(t, "GET in small letters", small, name, right, "FULL_OBJECT")
				no := ask(t, s.Endpoint(), "s3", message{method: "GET", path: path, signed: []field{{"X-Amz-Checksum-Mode", "DISABLED"}}})
				if code, text := no.problem(); no.status != 400 || code != "InvalidRequest" || text != "Value for x-amz-checksum-mode header is invalid." {
					t.Errorf("another mode: got %d %s %q", no.status, code, text)
				}
				listing := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket", query: "list-type=2&prefix=" + path[len("/bucket/"):]}).body
				if want := "<ChecksumAlgorithm>" + name + "</ChecksumAlgorithm>"; !strings.Contains(listing, want) {
					t.Errorf("got listing %s without %s", listing, want)
				}
			})
		}
	}
	eventually(t, "the blobs of the objects and nothing staged", func() bool {
		return len(files(t, filepath.Join(objectsDir(dir), "objects"))) == stored && len(files(t, filepath.Join(objectsDir(dir), "staging"))) == 0
	})
}

// wantChecksum checks the checksum in the headers of a success; an empty value
// means that there is none.
func wantChecksum(t *testing.T, what string, a answer, name, value, kind string) {
	t.Helper()
	if got, gotKind := a.header.Get(checksumHeader(name)), a.header.Get("X-Amz-Checksum-Type"); a.status/100 != 2 || got != value || gotKind != kind {
		t.Errorf("%s: got %d, %s %q of type %q, want %q of type %q\n%s", what, a.status, name, got, gotKind, value, kind, a.body)
	}
}

// TestPartChecksums walks every algorithm and every type that it has through a
// multipart upload: of the parts and of the object, right and wrong.
func TestPartChecksums(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	sig := wireSigner("s3")
	putBucket(t, s.Endpoint(), "bucket")
	first, second := strings.Repeat("0123456789abcdef", 5<<16), "the last part"
	for name := range digests {
		kinds := []string{"COMPOSITE"}
		switch name {
		case "CRC64NVME":
			kinds = []string{"FULL_OBJECT"}
		case "CRC32", "CRC32C":
			kinds = []string{"COMPOSITE", "FULL_OBJECT"}
		}
		right1, wrong1 := checksumsOf(name, []byte(first)...)
		right2, wrong2 := checksumsOf(name, []byte(second)...)
		for _, kind := range kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				whole, wrongWhole := checksumsOf(name, []byte(first+second)...)
				if kind == "COMPOSITE" {
					whole, wrongWhole = checksumsOf(name, slices.Concat(digests[name]([]byte(first)), digests[name]([]byte(second)))...)
					whole, wrongWhole = whole+"-2", wrongWhole+"-2"
				}
				path := "/bucket/" + name + kind
				begin := mustAsk(t, s.Endpoint(), "s3", message{method: "POST", path: path, query: "uploads=",
					signed: []field{{"X-Amz-Checksum-Algorithm", name}, {"X-Amz-Checksum-Type", kind}}})
				if got, gotKind := begin.header.Get("X-Amz-Checksum-Algorithm"), begin.header.Get("X-Amz-Checksum-Type"); got != name || gotKind != kind {
					t.Errorf("got algorithm %s of type %s, want %s of type %s", got, gotKind, name, kind)
				}
				_, rest, _ := strings.Cut(begin.body, "<UploadId>")
				id, _, _ := strings.Cut(rest, "</UploadId>")
				part := func(number, body string) message {
					return message{method: "PUT", path: path, query: "partNumber=" + number + "&uploadId=" + id, body: body}
				}
				for way, send1 := range checksumWays {
					if code, _ := send(t, s.Endpoint(), send1(sig, part("2", second), name, wrong2)).problem(); code != "BadDigest" {
						t.Errorf("wrong checksum of a part by %s: got %s, want BadDigest", way, code)
					}
				}
				other := "SHA1"
				if name == other {
					other = "CRC32"
				}
				otherSum, _ := checksumsOf(other, []byte(second)...)
				a := send(t, s.Endpoint(), checksumWays["header"](sig, part("2", second), other, otherSum))
				want := fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", strings.ToLower(name), strings.ToLower(other))
				if code, text := a.problem(); code != "InvalidRequest" || text != want {
					t.Errorf("another algorithm: got %s %q, want InvalidRequest %q", code, text, want)
				}
				if parts := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: path, query: "uploadId=" + id}).body; strings.Contains(parts, "<Part>") {
					t.Fatalf("got %s, want no part", parts)
				}
				a = send(t, s.Endpoint(), checksumWays["header"](sig, part("1", first), name, right1))
				wantChecksum(t, "part 1", a, name, right1, "")
				etag1 := a.header.Get("Etag")
				a = send(t, s.Endpoint(), checksumWays["unsigned trailer"](sig, part("2", second), name, right2))
				wantChecksum(t, "part 2", a, name, right2, "")
				a = send(t, s.Endpoint(), checksumWays["signed trailer"](sig, part("2", second), name, right2))
				wantChecksum(t, "part 2 again", a, name, right2, "")
				etag2 := a.header.Get("Etag")

				listed := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: path, query: "uploadId=" + id}).body
				for _, want := range []string{"<ChecksumAlgorithm>" + name + "<", "<ChecksumType>" + kind + "<", "<Checksum" + name + ">" + right1 + "<", "<Checksum" + name + ">" + right2 + "<"} {
					if !strings.Contains(listed, want) {
						t.Errorf("got parts %s without %s", listed, want)
					}
				}
				complete := func(sum1, sum2 string, more ...field) answer {
					one := func(number, etag, sum string) string {
						return "<Part><PartNumber>" + number + "</PartNumber><ETag>" + etag + "</ETag>" + sum + "</Part>"
					}
					return ask(t, s.Endpoint(), "s3", message{method: "POST", path: path, query: "uploadId=" + id, signed: more,
						body: "<CompleteMultipartUpload>" + one("1", etag1, sum1) + one("2", etag2, sum2) + "</CompleteMultipartUpload>"})
				}
				in := func(name, value string) string { return "<Checksum" + name + ">" + value + "</Checksum" + name + ">" }
				header := checksumHeader(name)
				for _, tt := range []struct {
					what, code, text string
					a                answer
				}{
					{"wrong part", "InvalidPart", "", complete(in(name, wrong1), in(name, right2))},
					{"part of no form", "InvalidArgument", "Invalid Base64 or multiple checksums present in request", complete(in(name, "!"), in(name, right2))},
					{"two of a part", "InvalidArgument", "Invalid Base64 or multiple checksums present in request", complete(in(name, right1), in(name, right2)+in(other, otherSum))},
					{"part by another algorithm", "BadDigest", fmt.Sprintf("The %s you specified for part 2 did not match what we received.", strings.ToLower(other)), complete(in(name, right1), in(other, otherSum))},
					{"wrong object", "BadDigest", "The " + name + " you specified did not match the calculated checksum.", complete(in(name, right1), in(name, right2), field{header, wrongWhole})},
					{"object of no form", "InvalidRequest", "Value for " + strings.ToLower(header) + " header is invalid.", complete(in(name, right1), in(name, right2), field{header, "AAAA!"})},
					{"object of no number of parts", "InvalidRequest", "Value for " + strings.ToLower(header) + " header is invalid.", complete(in(name, right1), in(name, right2), field{header, whole + "x-2"})},
					{"object by another algorithm", "InvalidRequest", "", complete(in(name, right1), in(name, right2), field{checksumHeader(other), otherSum})},
					{"object by two", "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
						complete(in(name, right1), in(name, right2), field{header, whole}, field{checksumHeader(other), otherSum})},
					{"object by no algorithm", "InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.",
						complete(in(name, right1), in(name, right2), field{"X-Amz-Checksum-Later", "AAAA"})},
					{"no type", "InvalidRequest", "Value for x-amz-checksum-type header is invalid.", complete(in(name, right1), in(name, right2), field{"X-Amz-Checksum-Type", "WHOLE"})},
					{"wrong size", "InvalidRequest", fmt.Sprintf("The provided 'x-amz-mp-object-size' header value 7 does not match what was computed: %d", len(first)+len(second)),
						complete(in(name, right1), in(name, right2), field{"X-Amz-Mp-Object-Size", "7"})},
				} {
					if code, text := tt.a.problem(); tt.a.status != 400 || code != tt.code || tt.text != "" && text != tt.text {
						t.Errorf("%s: got %d %s %q, want 400 %s %q", tt.what, tt.a.status, code, text, tt.code, tt.text)
					}
				}
				a = complete("", "")
				code, text := a.problem()
				if want := fmt.Sprintf("The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part 1 in the request.", strings.ToLower(name)); kind == "COMPOSITE" && (code != "InvalidRequest" || text != want) {
					t.Errorf("no checksums of parts: got %s %q, want InvalidRequest %q", code, text, want)
				}
				if kind == "COMPOSITE" {
					a = complete(in(name, right1), in(name, right2), field{header, whole}, field{"X-Amz-Checksum-Type", kind}, field{"X-Amz-Mp-Object-Size", fmt.Sprint(len(first) + len(second))})
				}
				if want := in(name, whole) + "<ChecksumType>" + kind + "</ChecksumType>"; a.status != 200 || !strings.Contains(a.body, in(name, whole)) || !strings.Contains(a.body, "<ChecksumType>"+kind+"<") {
					t.Fatalf("got %d %s, want %s", a.status, a.body, want)
				}
				enabled := []field{{"X-Amz-Checksum-Mode", "ENABLED"}}
				wantChecksum(t, "HEAD", ask(t, s.Endpoint(), "s3", message{method: "HEAD", path: path, signed: enabled}), name, whole, kind)
				value, valueKind := right2, kind
				if kind == "FULL_OBJECT" { // a part's is not the object's
					value, valueKind = "", ""
				}
				wantChecksum(t, "HEAD of part 2", ask(t, s.Endpoint(), "s3", message{method: "HEAD", path: path, query: "partNumber=2", signed: enabled}), name, value, valueKind)
				got := ask(t, s.Endpoint(), "s3", message{method: "GET", path: path, query: "partNumber=2", signed: enabled})
				wantChecksum(t, "GET of part 2", got, name, value, valueKind)
				if got.body != second {
					t.Errorf("got %q of part 2, want %q", got.body, second)
				}
				wantChecksum(t, "range", ask(t, s.Endpoint(), "s3", message{method: "GET", path: path, signed: append(enabled, field{"Range", "bytes=0-5"})}), name, "", "")
			})
		}
	}
}

// An upload that was begun without an algorithm takes the older checksums of
// parts, and the newer ones only by name.
func TestPartChecksumsWithoutAlgorithm(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	putBucket(t, s.Endpoint(), "bucket")
	id := beginUpload(t, s.Endpoint(), "/bucket/parts")
	for name := range digests {
		right, wrong := checksumsOf(name, []byte("part")...)
		m := message{method: "PUT", path: "/bucket/parts", query: "partNumber=1&uploadId=" + id, body: "part"}
		a := send(t, s.Endpoint(), checksumWays["header"](wireSigner("s3"), m, name, right))
		code, text := a.problem()
		if slices.Contains([]string{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}, name) {
			if a.status != 200 {
				t.Errorf("%s: got %d %s, want 200", name, a.status, code)
			}
			if code, _ := send(t, s.Endpoint(), checksumWays["header"](wireSigner("s3"), m, name, wrong)).problem(); code != "BadDigest" {
				t.Errorf("%s: got %q for a wrong one, want BadDigest", name, code)
			}
			continue
		}
		if want := "Checksum Type mismatch occurred, expected checksum Type: null, actual checksum Type: " + strings.ToLower(name); a.status != 400 || text != want {
			t.Errorf("%s: got %d %s %q, want 400 %q", name, a.status, code, text, want)
		}
	}
}

// TestChecksumOfXML: a checksum of a payload that is no object is verified too.
func TestChecksumOfXML(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	const xml = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`
	for name := range digests {
		right, wrong := checksumsOf(name, []byte(xml)...)
		m := message{method: "PUT", path: "/of-" + strings.ToLower(name), body: xml}
		for value, want := range map[string]string{wrong: "BadDigest", right[2:]: "InvalidRequest"} {
			m.signed = []field{{checksumHeader(name), value}}
			if code, _ := ask(t, s.Endpoint(), "s3", m).problem(); code != want {
				t.Errorf("%s %q: got %s, want %s", name, value, code, want)
			}
		}
		m.signed = []field{{checksumHeader(name), right}}
		mustAsk(t, s.Endpoint(), "s3", m)
	}
	for _, more := range [][]field{{{"X-Amz-Checksum-Later", "AAAA"}}, {{"X-Amz-Checksum-Crc32", "AAAAAA=="}, {"X-Amz-Checksum-Sha1", "AAAA"}}} {
		if a := ask(t, s.Endpoint(), "s3", message{method: "PUT", path: "/never", body: xml, signed: more}); a.status != 400 {
			t.Errorf("%v: got %d, want 400", more, a.status)
		}
	}
	if a := ask(t, s.Endpoint(), "s3", message{method: "HEAD", path: "/never"}); a.status != 404 {
		t.Errorf("got %d of a bucket that was refused, want 404", a.status)
	}
}

// TestSDKChecksums lets the SDK make and check what it can, which it does
// unasked with its default algorithm, and gives it the others ready-made.
func TestSDKChecksums(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	o := client(t, s.Endpoint(), dir, 1).s3.Options()
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported // what config.LoadDefaultConfig sets
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	c := awss3.New(o)
	bucket := aws.String("bucket")
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("a body of some length "), 10_000)
	makes := []s3types.ChecksumAlgorithm{"", "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512"}
	for _, a := range append(makes, "MD5", "XXHASH64", "XXHASH3", "XXHASH128") {
		t.Run("algorithm "+string(a), func(t *testing.T) {
			key := aws.String("whole-" + string(a))
			in := &awss3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(content), ChecksumAlgorithm: a}
			if !slices.Contains(makes, a) {
				right, wrong := checksumsOf(string(a), content...)
				in.ChecksumAlgorithm = ""
				setSDKChecksum(in, a, wrong)
				if _, err := c.PutObject(t.Context(), in); err == nil || !strings.Contains(err.Error(), "BadDigest") {
					t.Errorf("got %v for a wrong checksum, want BadDigest", err)
				}
				in.Body = bytes.NewReader(content)
				setSDKChecksum(in, a, right)
			}
			if _, err := c.PutObject(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			want := string(a)
			if want == "" {
				want = "CRC32" // the SDK's default
			}
			out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: s3types.ChecksumModeEnabled})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(out.Body) // the SDK compares at its end
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("got %d bytes and %v", len(got), err)
			}
			right, _ := checksumsOf(want, content...)
			if value := sdkChecksum(out, want); value != right || out.ChecksumType != s3types.ChecksumTypeFullObject {
				t.Errorf("got %s %q of type %s, want %q of type FULL_OBJECT", want, value, out.ChecksumType, right)
			}
			if slices.Contains(makes, a) {
				sdkMultipart(t, c, "parts-"+string(a), a)
			}
		})
	}
}

// sdkMultipart uploads two parts with checksums that the SDK makes.
func sdkMultipart(t *testing.T, c *awss3.Client, key string, a s3types.ChecksumAlgorithm) {
	t.Helper()
	bucket := aws.String("bucket")
	up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: &key, ChecksumAlgorithm: a})
	if err != nil {
		t.Fatal(err)
	}
	parts := [][]byte{bytes.Repeat([]byte{'1'}, 5<<20), []byte("the end")}
	var done s3types.CompletedMultipartUpload
	for i, p := range parts {
		out, err := c.UploadPart(t.Context(), &awss3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)),
			Body: bytes.NewReader(p), ChecksumAlgorithm: a})
		if err != nil {
			t.Fatal(err)
		}
		done.Parts = append(done.Parts, s3types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: out.ETag,
			ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
			ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256, ChecksumSHA512: out.ChecksumSHA512})
	}
	if _, err := c.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &done}); err != nil {
		t.Fatal(err)
	}
	for number, want := range map[int32][]byte{0: slices.Concat(parts...), 1: parts[0], 2: parts[1]} {
		in := &awss3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: s3types.ChecksumModeEnabled}
		if number > 0 {
			in.PartNumber = &number
		}
		out, err := c.GetObject(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, want) {
			t.Errorf("part %d: got %d bytes and %v, want %d", number, len(got), err, len(want))
		}
	}
}

func setSDKChecksum(in *awss3.PutObjectInput, a s3types.ChecksumAlgorithm, value string) {
	*map[s3types.ChecksumAlgorithm]**string{"MD5": &in.ChecksumMD5, "XXHASH64": &in.ChecksumXXHASH64, "XXHASH3": &in.ChecksumXXHASH3, "XXHASH128": &in.ChecksumXXHASH128}[a] = &value
}

func sdkChecksum(out *awss3.GetObjectOutput, name string) string {
	return aws.ToString(map[string]*string{
		"CRC32": out.ChecksumCRC32, "CRC32C": out.ChecksumCRC32C, "CRC64NVME": out.ChecksumCRC64NVME, "MD5": out.ChecksumMD5,
		"SHA1": out.ChecksumSHA1, "SHA256": out.ChecksumSHA256, "SHA512": out.ChecksumSHA512,
		"XXHASH64": out.ChecksumXXHASH64, "XXHASH3": out.ChecksumXXHASH3, "XXHASH128": out.ChecksumXXHASH128,
	}[name])
}
