package sigv4_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// BenchmarkEncrypt is Parse and Verify of a KMS Encrypt request without the
// HMAC and the body's hash, which the caller makes.
func BenchmarkEncrypt(b *testing.B) {
	r := encryptRequest(b)
	s, err := sigv4.Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	value := s.Value
	rules, hash := rulesFor("kms", signTime), hexHash(bodyOf(r))
	sign := func([]byte) [32]byte { return value }
	b.ReportAllocs()
	for b.Loop() {
		s, err := sigv4.Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, rules, hash, sign); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPresigned is the same of an S3 GET with the signature in its query.
func BenchmarkPresigned(b *testing.B) {
	r := presigned(b, request(b, "GET", "/bucket/some/key?X-Amz-Expires=600", ""), "s3", sigv4.UnsignedPayload, testCreds)
	s, err := sigv4.Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	value, rules := s.Value, s3Rules(signTime)
	sign := func([]byte) [32]byte { return value }
	b.ReportAllocs()
	for b.Loop() {
		s, err := sigv4.Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Verify(r, rules, "", sign); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBody reads 1 MiB in chunks of 64 KiB.
func BenchmarkBody(b *testing.B) {
	chunks := make([]string, 16)
	for i := range chunks {
		chunks[i] = strings.Repeat("x", 64<<10)
	}
	for name, mode := range map[string]string{"signed": sigv4.StreamingSigned, "unsigned": sigv4.StreamingUnsignedTrailer} {
		b.Run(name, func(b *testing.B) {
			s, h, wire := upload{mode: mode, chunks: chunks}.build()
			sign := signFor(s)
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				body, err := sigv4.NewBody(bytes.NewReader(wire), s, h, int64(len(wire)), sign)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
