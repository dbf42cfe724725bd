package sigv4_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// upload is an aws-chunked request made by hand, from AWS's description.
type upload struct {
	mode      string
	chunks    []string
	trailers  [][2]string
	announced string // x-amz-trailer; "" when there is none
	length    string // x-amz-decoded-content-length; "" is the true length
}

// encoder makes the wire form of u, chained to the signature prev.
type encoder struct {
	bytes.Buffer
	prev string
	sign func([]byte) [32]byte
}

const handScope = "20260101T120000Z\n20260101/eu-west-1/s3/aws4_request\n"

func (e *encoder) chain(sts string) string {
	sum := e.sign([]byte(sts))
	e.prev = hex.EncodeToString(sum[:])
	return e.prev
}

func (e *encoder) chunk(data string, signed bool) {
	fmt.Fprintf(e, "%x", len(data))
	if signed {
		e.WriteString(";chunk-signature=" + e.chain("AWS4-HMAC-SHA256-PAYLOAD\n"+handScope+e.prev+"\n"+hexHash(nil)+"\n"+hexHash([]byte(data))))
	}
	e.WriteString("\r\n")
	if data != "" {
		e.WriteString(data + "\r\n")
	}
}

func (u upload) signed() bool { return u.mode != sigv4.StreamingUnsignedTrailer }

// build makes the request and its body. The request's own signature is real.
func (u upload) build() (*sigv4.Signature, http.Header, []byte) {
	payload := strings.Join(u.chunks, "")
	headers := map[string]string{
		"X-Amz-Date": "20260101T120000Z", "X-Amz-Content-Sha256": u.mode,
		"X-Amz-Decoded-Content-Length": u.length, "X-Amz-Trailer": u.announced,
	}
	if u.length == "" {
		headers["X-Amz-Decoded-Content-Length"] = strconv.Itoa(len(payload))
	}
	list := "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-trailer"
	if u.announced == "" {
		delete(headers, "X-Amz-Trailer")
		list = strings.TrimSuffix(list, ";x-amz-trailer")
	}
	r := signedByHand("PUT", "/b/k", headers, list, "s3")
	s, err := sigv4.Parse(r)
	if err == nil {
		err = s.Verify(r, s3Rules(signTime), s.PayloadHash, signFor(s))
	}
	if err != nil {
		panic(err)
	}
	e := encoder{prev: hex.EncodeToString(s.Value[:]), sign: signFor(s)}
	for _, c := range append(u.chunks, "") {
		e.chunk(c, u.signed())
	}
	lines := ""
	for _, t := range u.trailers {
		lines += t[0] + ":" + t[1] + "\n"
		e.WriteString(t[0] + ":" + t[1] + "\r\n")
	}
	if u.mode == sigv4.StreamingSignedTrailer {
		e.WriteString("x-amz-trailer-signature:" + e.chain("AWS4-HMAC-SHA256-TRAILER\n"+handScope+e.prev+"\n"+hexHash([]byte(lines))) + "\r\n")
	}
	e.WriteString("\r\n")
	return s, r.Header, e.Bytes()
}

// decode reads a body to its end.
func decode(s *sigv4.Signature, h http.Header, r io.Reader, length int64) ([]byte, http.Header, error) {
	b, err := sigv4.NewBody(r, s, h, length, signFor(s))
	if err != nil {
		return nil, nil, err
	}
	got, err := io.ReadAll(b)
	if _, again := b.Read(make([]byte, 1)); err != nil && again != err || err == nil && again != io.EOF {
		return got, nil, fmt.Errorf("got %v on a further read after %v", again, err)
	}
	return got, b.Trailer(), err
}

// uploads are good bodies of every mode.
func uploads() map[string]upload {
	crc := [][2]string{{"x-amz-checksum-crc32c", "sOO8/Q=="}}
	long := strings.Repeat("0123456789abcdef", 5000)
	return map[string]upload{
		"signed":                    {mode: sigv4.StreamingSigned, chunks: []string{"hello, ", "world"}},
		"signed, empty":             {mode: sigv4.StreamingSigned},
		"signed, long":              {mode: sigv4.StreamingSigned, chunks: []string{long, long + "x", "y"}},
		"signed and trailer":        {mode: sigv4.StreamingSignedTrailer, chunks: []string{"hello\r\n", "0\r\n"}, trailers: crc, announced: "x-amz-checksum-crc32c"},
		"signed and trailer, empty": {mode: sigv4.StreamingSignedTrailer, trailers: crc, announced: "x-amz-checksum-crc32c"},
		"signed and no trailer":     {mode: sigv4.StreamingSignedTrailer, chunks: []string{"hello"}},
		"unsigned":                  {mode: sigv4.StreamingUnsignedTrailer, chunks: []string{"a", "bcd"}, trailers: crc, announced: "X-Amz-Checksum-CRC32C"},
		"unsigned, empty":           {mode: sigv4.StreamingUnsignedTrailer, trailers: crc, announced: "x-amz-checksum-crc32c"},
		"unsigned, long":            {mode: sigv4.StreamingUnsignedTrailer, chunks: []string{long}, trailers: crc, announced: "x-amz-checksum-crc32c"},
		"unsigned, two trailers": {mode: sigv4.StreamingUnsignedTrailer, chunks: []string{"a"}, announced: "x-amz-checksum-crc32c, x-amz-checksum-sha256",
			trailers: append(crc, [2]string{"x-amz-checksum-sha256", " 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU= "})},
		"unsigned, no trailer": {mode: sigv4.StreamingUnsignedTrailer, chunks: []string{"a"}},
	}
}

func TestChunked(t *testing.T) {
	for name, u := range uploads() {
		t.Run(name, func(t *testing.T) {
			s, h, wire := u.build()
			want := strings.Join(u.chunks, "")
			for reader, r := range map[string]io.Reader{
				"whole":         bytes.NewReader(wire),
				"byte by byte":  iotest.OneByteReader(bytes.NewReader(wire)),
				"halves":        iotest.HalfReader(bytes.NewReader(wire)),
				"EOF with data": iotest.DataErrReader(bytes.NewReader(wire)),
			} {
				b, err := sigv4.NewBody(r, s, h, int64(len(wire)), signFor(s))
				if err != nil {
					t.Fatal(err)
				}
				if b.DecodedLength() != int64(len(want)) || b.Trailer() != nil {
					t.Errorf("%s: got length %d and trailer %v at the start", reader, b.DecodedLength(), b.Trailer())
				}
				if err := iotest.TestReader(b, []byte(want)); err != nil {
					t.Errorf("%s: %v", reader, err)
				}
				if len(b.Trailer()) != len(u.trailers) {
					t.Errorf("%s: got trailer %v, want %v", reader, b.Trailer(), u.trailers)
				}
				for _, tr := range u.trailers {
					if got, want := b.Trailer().Get(tr[0]), strings.TrimSpace(tr[1]); got != want {
						t.Errorf("%s: got %s %q, want %q", reader, tr[0], got, want)
					}
				}
			}
		})
	}
}

// TestChunkedTruncated cuts every body after each of its bytes.
func TestChunkedTruncated(t *testing.T) {
	for name, u := range uploads() {
		t.Run(name, func(t *testing.T) {
			s, h, wire := u.build()
			step := 1 + len(wire)/2000
			for n := 0; n < len(wire); n += step {
				for _, length := range []int64{-1, int64(len(wire))} {
					got, trailer, err := decode(s, h, bytes.NewReader(wire[:n]), length)
					if !errors.Is(err, sigv4.Truncated) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
						t.Fatalf("%d of %d bytes: got %v, want truncation", n, len(wire), err)
					}
					if trailer != nil {
						t.Fatalf("%d of %d bytes: got trailer %v", n, len(wire), trailer)
					}
					if want := strings.Join(u.chunks, ""); !strings.HasPrefix(want, string(got)) {
						t.Fatalf("%d of %d bytes: got %q", n, len(wire), got)
					}
				}
			}
			if _, _, err := decode(s, h, bytes.NewReader(append(wire, 'x')), -1); !errors.Is(err, sigv4.ChunkMalformed) {
				t.Errorf("one byte more: got %v", err)
			}
		})
	}
}

// TestChunkedBitFlips: in a signed body no changed bit reaches a reader, and
// none goes unseen.
func TestChunkedBitFlips(t *testing.T) {
	for name, u := range uploads() {
		if !u.signed() || strings.Contains(name, "long") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s, h, wire := u.build()
			want := strings.Join(u.chunks, "")
			for i := range wire {
				for bit := range 8 {
					spoilt := bytes.Clone(wire)
					spoilt[i] ^= 1 << bit
					got, trailer, err := decode(s, h, bytes.NewReader(spoilt), -1)
					if err == nil && string(got) == want && strings.EqualFold(string(spoilt), string(wire)) && len(trailer) == len(u.trailers) {
						continue // the case of a trailer's name says nothing
					}
					if sigv4.KindOf(err) == 0 || !strings.HasPrefix(want, string(got)) {
						t.Fatalf("bit %d of byte %d (%q): got %q, %v", bit, i, spoilt[max(0, i-5):i+1], got, err)
					}
				}
			}
		})
	}
}

// TestChunkOrder: signed chunks cannot be swapped, dropped or repeated.
func TestChunkOrder(t *testing.T) {
	u := upload{mode: sigv4.StreamingSigned, chunks: []string{"aaaa", "bbbb"}}
	s, h, wire := u.build()
	n := len("4;chunk-signature=") + 64 + len("\r\naaaa\r\n")
	a, b, last := string(wire[:n]), string(wire[n:2*n]), string(wire[2*n:])
	for _, tc := range []struct{ name, wire string }{
		{"swapped", b + a + last}, {"repeated", a + a + last},
	} {
		_, _, err := decode(s, h, strings.NewReader(tc.wire), -1)
		if e, ok := errors.AsType[*sigv4.Error](err); !ok || e.Kind != sigv4.ChunkSignatureMismatch || e.StringToSign == "" || e.SignatureProvided == "" {
			t.Errorf("%s: got %v, want a chunk's mismatch", tc.name, err)
		}
	}
	_, _, err := decode(s, h, strings.NewReader(a+last), -1)
	wantKind(t, err, sigv4.ChunkSignatureMismatch)
}

func TestChunkFraming(t *testing.T) {
	const head = "x-amz-checksum-crc32c"
	unsigned := upload{mode: sigv4.StreamingUnsignedTrailer, chunks: []string{"hello"}, announced: head}
	us, uh, _ := unsigned.build()
	signed := upload{mode: sigv4.StreamingSigned, chunks: []string{"hello"}}
	ss, sh, sw := signed.build()
	sig := string(sw[len("5;chunk-signature="):][:64])
	const trailer = "x-amz-checksum-crc32c:sOO8/Q==\r\n"
	for _, tc := range []struct {
		name, wire string
		signed     bool
		want       sigv4.Kind
	}{
		{"good", "5\r\nhello\r\n0\r\n" + trailer + "\r\n", false, 0},
		{"leading zeros", "0005\r\nhello\r\n000\r\n" + trailer + "\r\n", false, 0},
		{"trailer as minio-go ends it", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\n\r\n\r\n", false, 0},
		{"spaces round a trailer", "5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32C: sOO8/Q== \r\n\r\n", false, 0},
		{"bad hex", "5g\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"no size", "\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"signed size", "+5\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"negative size", "-5\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"size with a prefix", "0x5\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"size with a space", "5 \r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"size beyond 64 bits", "ffffffffffffffff\r\nhello", false, sigv4.ChunkMalformed},
		{"size of 17 digits", "00000000000000005\r\nhello", false, sigv4.ChunkMalformed},
		{"size beyond the length", "7fffffffffffffff\r\nhello", false, sigv4.DecodedLengthMismatch},
		{"line too long", strings.Repeat("0", 200) + "\r\n", false, sigv4.ChunkMalformed},
		{"line without end", strings.Repeat("0", 10000), false, sigv4.ChunkMalformed},
		{"extension in the unsigned mode", "5;a=b\r\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"LF after the size", "5\nhello\r\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"no CRLF after data", "5\r\nhello0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"LF after data", "5\r\nhello\n0\r\n" + trailer + "\r\n", false, sigv4.ChunkMalformed},
		{"bytes after the end", "5\r\nhello\r\n0\r\n" + trailer + "\r\n\r\n", false, sigv4.ChunkMalformed},
		{"too few bytes", "4\r\nhell\r\n0\r\n" + trailer + "\r\n", false, sigv4.DecodedLengthMismatch},
		{"too many bytes", "5\r\nhello\r\n1\r\n!\r\n0\r\n" + trailer + "\r\n", false, sigv4.DecodedLengthMismatch},
		{"missing trailer", "5\r\nhello\r\n0\r\n\r\n", false, sigv4.TrailerMalformed},
		{"unannounced trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:eA==\r\n" + trailer + "\r\n", false, sigv4.TrailerMalformed},
		{"trailer signature where none is due", "5\r\nhello\r\n0\r\n" + trailer + "x-amz-trailer-signature:" + sig + "\r\n\r\n", false, sigv4.TrailerMalformed},
		{"trailer twice", "5\r\nhello\r\n0\r\n" + trailer + trailer + "\r\n", false, sigv4.TrailerMalformed},
		{"trailer without colon", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c\r\n\r\n", false, sigv4.TrailerMalformed},
		{"trailer without value", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:\r\n\r\n", false, sigv4.TrailerMalformed},
		{"control character in a trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:a\rb\r\n\r\n", false, sigv4.TrailerMalformed},
		{"LF after a trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\n\nx", false, sigv4.TrailerMalformed},
		{"LF for the empty line", "5\r\nhello\r\n0\r\n" + trailer + "\nxx", false, sigv4.TrailerMalformed},
		{"trailer over 512 bytes", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:" + strings.Repeat("a", 512) + "\r\n\r\n", false, sigv4.TrailerMalformed},
		{"trailer without end", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:" + strings.Repeat("a", 10000), false, sigv4.TrailerMalformed},
		{"signed, no signature", "5\r\nhello\r\n0\r\n\r\n", true, sigv4.ChunkMalformed},
		{"signed, other parameter", "5;chunk-signatura=" + sig + "\r\nhello\r\n0\r\n\r\n", true, sigv4.ChunkMalformed},
		{"signed, short signature", "5;chunk-signature=" + sig[1:] + "\r\nhello\r\n0\r\n\r\n", true, sigv4.ChunkMalformed},
		{"signed, upper-case signature", "5;chunk-signature=" + strings.ToUpper(sig) + "\r\nhello\r\n0\r\n\r\n", true, sigv4.ChunkMalformed},
		{"signed, something after it", "5;chunk-signature=" + sig + ";x\r\nhello\r\n0\r\n\r\n", true, sigv4.ChunkMalformed},
		{"signed, no CRLF after data", "5;chunk-signature=" + sig + "\r\nhelloxx", true, sigv4.ChunkMalformed},
		{"signed, trailer where none is due", string(sw[:len(sw)-2]) + trailer + "\r\n", true, sigv4.ChunkMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, h := us, uh
			if tc.signed {
				s, h = ss, sh
			}
			_, _, err := decode(s, h, strings.NewReader(tc.wire), -1)
			wantKind(t, err, tc.want)
		})
	}
}

func TestTrailerSignature(t *testing.T) {
	u := upload{mode: sigv4.StreamingSignedTrailer, chunks: []string{"a"}, announced: "x-amz-checksum-crc32c",
		trailers: [][2]string{{"x-amz-checksum-crc32c", "sOO8/Q=="}}}
	s, h, wire := u.build()
	for _, tc := range []struct {
		name, old, new string
		want           sigv4.Kind
	}{
		{"other value", "sOO8/Q==", "sOO8/A==", sigv4.ChunkSignatureMismatch},
		{"none", "x-amz-trailer-signature:", "x-amz-checksum-sha1:", sigv4.TrailerMalformed},
		{"not hex", "x-amz-trailer-signature:", "x-amz-trailer-signature:g", sigv4.TrailerMalformed},
		{"trailer dropped", "x-amz-checksum-crc32c:sOO8/Q==\r\n", "", sigv4.ChunkSignatureMismatch},
		{"empty line too soon", "x-amz-trailer-signature:", "\r\nx-amz-trailer-signature:", sigv4.TrailerMalformed},
	} {
		_, trailer, err := decode(s, h, strings.NewReader(strings.Replace(string(wire), tc.old, tc.new, 1)), -1)
		if sigv4.KindOf(err) != tc.want || trailer != nil {
			t.Errorf("%s: got %v, %v, want %v", tc.name, trailer, err, tc.want)
		}
	}
	_, _, err := decode(s, h, strings.NewReader(string(wire[:len(wire)-2])+"x-amz-checksum-sha1:a\r\n\r\n"), -1)
	wantKind(t, err, sigv4.TrailerMalformed)

	// A body whose trailer was dropped before it was signed.
	u.trailers = nil
	s, h, wire = u.build()
	_, _, err = decode(s, h, bytes.NewReader(wire), -1)
	wantKind(t, err, sigv4.TrailerMalformed)
}

func TestNewBodyRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, mode, length, trailer string
		contentLength               int64
		want                        sigv4.Kind
	}{
		{"no number", sigv4.StreamingSigned, "five", "", -1, sigv4.BadDecodedLength},
		{"negative", sigv4.StreamingSigned, "-1", "", -1, sigv4.BadDecodedLength},
		{"plus", sigv4.StreamingSigned, "+1", "", -1, sigv4.BadDecodedLength},
		{"beyond 63 bits", sigv4.StreamingSigned, "9223372036854775808", "", -1, sigv4.BadDecodedLength},
		{"more than the body", sigv4.StreamingSigned, "6", "", 5, sigv4.DecodedLengthMismatch},
		{"trailer in a mode without", sigv4.StreamingSigned, "5", "x-amz-checksum-crc32", -1, sigv4.BadTrailerNames},
		{"trailer that is no checksum", sigv4.StreamingUnsignedTrailer, "5", "x-amz-acl", -1, sigv4.BadTrailerNames},
		{"trailer with no algorithm", sigv4.StreamingUnsignedTrailer, "5", "x-amz-checksum-", -1, sigv4.BadTrailerNames},
		{"trailer twice", sigv4.StreamingUnsignedTrailer, "5", "x-amz-checksum-crc32,X-Amz-Checksum-Crc32", -1, sigv4.BadTrailerNames},
		{"nine trailers", sigv4.StreamingUnsignedTrailer, "5", "x-amz-checksum-a,x-amz-checksum-b,x-amz-checksum-c,x-amz-checksum-d," +
			"x-amz-checksum-e,x-amz-checksum-f,x-amz-checksum-g,x-amz-checksum-h,x-amz-checksum-i", -1, sigv4.BadTrailerNames},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, h, wire := upload{mode: tc.mode, chunks: []string{"hello"}, length: tc.length, announced: tc.trailer}.build()
			_, err := sigv4.NewBody(bytes.NewReader(wire), s, h, tc.contentLength, signFor(s))
			wantKind(t, err, tc.want)
		})
	}
}

// TestChunkSize: a signed chunk is bounded, and what it announces is not
// allocated before it arrives.
func TestChunkSize(t *testing.T) {
	s, h, _ := upload{mode: sigv4.StreamingSigned, length: strconv.Itoa(1 << 30)}.build()
	line := func(n int) string { return fmt.Sprintf("%x;chunk-signature=%s\r\n", n, strings.Repeat("0", 64)) }
	_, _, err := decode(s, h, strings.NewReader(line(sigv4.MaxSignedChunk+1)), -1)
	wantKind(t, err, sigv4.ChunkTooLarge)
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, _, err := decode(s, h, strings.NewReader(line(sigv4.MaxSignedChunk)+"x"), -1); !errors.Is(err, sigv4.Truncated) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 256<<10 {
		t.Errorf("got %d bytes allocated for a chunk that never came, want at most 256 KiB", allocated)
	}

	big := make([]byte, sigv4.MaxSignedChunk)
	rng := rand.NewChaCha8([32]byte{})
	_, _ = rng.Read(big)
	s, h, wire := upload{mode: sigv4.StreamingSigned, chunks: []string{string(big)}}.build()
	got, _, err := decode(s, h, bytes.NewReader(wire), -1)
	if err != nil || !bytes.Equal(got, big) {
		t.Errorf("got %d bytes, %v, want the largest chunk", len(got), err)
	}
}

// TestPlainBody: lengths and causes of bodies without framing.
func TestPlainBody(t *testing.T) {
	broken := errors.New("connection reset")
	for _, tc := range []struct {
		name   string
		r      io.Reader
		length int64
		want   sigv4.Kind
	}{
		{"as announced", strings.NewReader("hello"), 5, 0},
		{"length unknown", strings.NewReader("hello"), -1, 0},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("hello")), 5, 0},
		{"EOF with data", iotest.DataErrReader(strings.NewReader("hello")), 5, 0},
		{"short", strings.NewReader("hell"), 5, sigv4.Truncated},
		{"long", strings.NewReader("hello!"), 5, sigv4.DecodedLengthMismatch},
		{"other bytes", strings.NewReader("hallo"), 5, sigv4.PayloadMismatch},
		{"broken", io.MultiReader(strings.NewReader("he"), iotest.ErrReader(broken)), 5, sigv4.Truncated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &sigv4.Signature{PayloadHash: hexHash([]byte("hello"))}
			got, _, err := decode(s, nil, tc.r, tc.length)
			wantKind(t, err, tc.want)
			if tc.want == 0 && string(got) != "hello" {
				t.Errorf("got %q", got)
			}
			if tc.name == "broken" && !errors.Is(err, broken) {
				t.Errorf("got %v, want the cause in it", err)
			}
			if e, ok := errors.AsType[*sigv4.Error](err); ok && tc.want == sigv4.PayloadMismatch {
				if got, want := fields(e), "ClientComputedContentSHA256="+hexHash([]byte("hello"))+" S3ComputedContentSHA256="+hexHash([]byte("hallo")); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}
