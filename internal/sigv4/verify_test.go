package sigv4_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/sigv4"
)

func TestPayloadHashes(t *testing.T) {
	for _, tc := range []struct {
		name, hash string
		want       sigv4.Kind
	}{
		{"hash of nothing", hexHash(nil), 0},
		{"hash of something", hexHash([]byte("x")), sigv4.PayloadMismatch},
		{"unsigned", "UNSIGNED-PAYLOAD", 0},
		{"missing", "", sigv4.MissingPayloadHash},
		{"upper-case hash", strings.ToUpper(hexHash(nil)), sigv4.BadPayloadHash},
		{"short hash", hexHash(nil)[1:], sigv4.BadPayloadHash},
		{"word", "PAYLOAD", sigv4.BadPayloadHash},
		{"signed chunks, no length", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", sigv4.MissingDecodedLength},
		{"version 4a chunks", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", sigv4.SigV4a},
		{"version 4a chunks and trailer", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", sigv4.SigV4a},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, list := map[string]string{"X-Amz-Date": "20260101T120000Z"}, "host;x-amz-date"
			if tc.hash != "" {
				h["X-Amz-Content-Sha256"], list = tc.hash, "host;x-amz-content-sha256;x-amz-date"
			}
			_, err := check(signedByHand("GET", "/b", h, list, "s3"), s3Rules(signTime))
			wantKind(t, err, tc.want)
		})
	}
}

// TestUnsignedHeaders names the headers that were not signed.
func TestUnsignedHeaders(t *testing.T) {
	r := signedByHand("GET", "/", map[string]string{
		"X-Amz-Date": "20260101T120000Z", "X-Amz-Target": "TrentService.ListKeys", "X-Amz-Acl": "private", "X-Amzn-Trace-Id": "free",
	}, "x-amz-date", "kms")
	_, err := check(r, rulesFor("kms", signTime))
	wantKind(t, err, sigv4.UnsignedHeaders)
	e, _ := errors.AsType[*sigv4.Error](err)
	if got, want := fields(e), "HeadersNotSigned=host, x-amz-acl, x-amz-target"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if want := "There were headers present in the request which were not signed"; e.S3Message != want {
		t.Errorf("got %q, want %q", e.S3Message, want)
	}
}

// TestSignedButAbsent: an empty header that was signed cannot be taken away.
func TestSignedButAbsent(t *testing.T) {
	const list = "accept;host;x-amz-date"
	r := signedByHand("GET", "/", map[string]string{"X-Amz-Date": "20260101T120000Z"}, list, "kms")
	_, err := check(r, rulesFor("kms", signTime))
	wantKind(t, err, sigv4.SignatureMismatch)
	r.Header["Accept"] = []string{""}
	_, err = check(r, rulesFor("kms", signTime))
	wantKind(t, err, 0)
}

// TestHugeHeaders: the canonical request has a bound.
func TestHugeHeaders(t *testing.T) {
	r := signedByHand("GET", "/", map[string]string{"X-Amz-Date": "20260101T120000Z", "Accept": strings.Repeat("a", 64<<10)}, "accept;host;x-amz-date", "kms")
	_, err := check(r, rulesFor("kms", signTime))
	wantKind(t, err, sigv4.Malformed)
}

// TestScopeTexts checks the words clients and people look for.
func TestScopeTexts(t *testing.T) {
	kms := encryptRequest(t)
	s3 := signed(t, request(t, "GET", "/b", ""), "s3", hexHash(nil), testCreds)
	for _, tc := range []struct {
		name         string
		s3           bool
		rules        sigv4.Rules
		text, s3Text string
	}{
		{"region", true, sigv4.Rules{Service: "s3", S3: true, Regions: []string{"us-east-2"}, Now: signTime},
			"Credential should be scoped to a valid region.",
			"The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-2'"},
		{"service", false, sigv4.Rules{Service: "sts", Regions: []string{"eu-west-1"}, Now: signTime},
			"Credential should be scoped to correct service: 'sts'.",
			`The authorization header is malformed; incorrect service "kms". This endpoint belongs to "sts".`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := kms
			if tc.s3 {
				r = s3
			}
			_, err := check(r, tc.rules)
			e, ok := errors.AsType[*sigv4.Error](err)
			if !ok || e.Message != tc.text || e.S3Message != tc.s3Text {
				t.Errorf("got %v, want %q and %q", err, tc.text, tc.s3Text)
			}
		})
	}
}

// TestMismatchFields: the S3 answer shows what was signed, so that the client can compare.
func TestMismatchFields(t *testing.T) {
	r := signed(t, request(t, "GET", "/bucket/k?x=1", ""), "s3", hexHash(nil), testCreds)
	good, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	err = good.Verify(r, s3Rules(signTime), "", func([]byte) [32]byte { return [32]byte{} })
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || !errors.Is(err, sigv4.SignatureMismatch) {
		t.Fatalf("got %v, want a mismatch", err)
	}
	wantCanonical := "GET\n/bucket/k\nx=1\nhost:localhost:8650\nx-amz-content-sha256:" + hexHash(nil) +
		"\nx-amz-date:20260101T120000Z\n\nhost;x-amz-content-sha256;x-amz-date\n" + hexHash(nil)
	if e.CanonicalRequest != wantCanonical {
		t.Errorf("got %q, want %q", e.CanonicalRequest, wantCanonical)
	}
	wantSTS := "AWS4-HMAC-SHA256\n20260101T120000Z\n20260101/eu-west-1/s3/aws4_request\n" + hexHash([]byte(wantCanonical))
	if e.StringToSign != wantSTS {
		t.Errorf("got %q, want %q", e.StringToSign, wantSTS)
	}
	got := map[string]string{}
	for name, value := range e.S3Fields() {
		got[name] = value
	}
	if len(got) != 6 || got["AWSAccessKeyId"] != testKeyID || !strings.HasSuffix(r.Header.Get("Authorization"), "Signature="+got["SignatureProvided"]) {
		t.Errorf("got fields %v", got)
	}
	if want := "41 57 53 34 2d"; !strings.HasPrefix(got["StringToSignBytes"], want) || len(got["StringToSignBytes"]) != 3*len(wantSTS)-1 {
		t.Errorf("got %q, want %q and so on", got["StringToSignBytes"], want)
	}
	if want := "47 45 54 0a 2f"; !strings.HasPrefix(got["CanonicalRequestBytes"], want) {
		t.Errorf("got %q, want %q and so on", got["CanonicalRequestBytes"], want)
	}
}

// TestNothingSecretPrinted: a customer's key and a token reach the client that
// sent them, and no log.
func TestNothingSecretPrinted(t *testing.T) {
	const customerKey = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U="
	creds := testCreds
	creds.SessionToken = testToken
	r := signed(t, request(t, "PUT", "/b/k", "", "X-Amz-Server-Side-Encryption-Customer-Key", customerKey), "s3", hexHash(nil), creds)
	s, err := sigv4.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Verify(r, s3Rules(signTime), "", func([]byte) [32]byte { return [32]byte{} })
	if e, ok := errors.AsType[*sigv4.Error](err); !ok || !strings.Contains(e.CanonicalRequest, customerKey) {
		t.Fatalf("got %v, want an error that has the canonical request", err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "err", err, "sig", *s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "err", err, "sig", s)
	log.WriteString(fmt.Sprintf("%v %+v %#v %s %q %v %+v %s", err, err, err, err, err, *s, s, fmt.Errorf("wrapped: %w", err)))
	for _, secret := range []string{customerKey, testToken, "Signature="} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("got %q in %s", secret, log.String())
		}
	}
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for k := range sigv4.Kinds() {
		if name := k.String(); name == "" || seen[name] || strings.HasPrefix(name, "invalid") {
			t.Errorf("got name %q of kind %d", name, k)
		}
		seen[k.String()] = true
		if err := fmt.Errorf("x: %w", &sigv4.Error{Kind: k}); !errors.Is(err, k) || sigv4.KindOf(err) != k {
			t.Errorf("%v: not found through wrapping", k)
		}
	}
	if !seen["no signature"] || !seen["malformed trailer"] {
		t.Errorf("got %v, want the first kind and the last", seen)
	}
	if got := sigv4.Kind(0).String(); got != "invalid kind 0" {
		t.Errorf("got %q", got)
	}
}

func TestStripTransferCoding(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []string
	}{
		{"alone", []string{"aws-chunked"}, nil},
		{"behind another", []string{"gzip, aws-chunked"}, []string{"gzip"}},
		{"in a header of its own", []string{"gzip", "aws-chunked"}, []string{"gzip"}},
		{"not there", []string{"gzip, br"}, []string{"gzip, br"}},
		{"no header", nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{}
			if tc.in != nil {
				h["Content-Encoding"] = tc.in
			}
			sigv4.StripTransferCoding(h)
			if got := h["Content-Encoding"]; !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestStripAWSChunked(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""}, {"gzip", "gzip"}, {"gzip,  br", "gzip,  br"},
		{"aws-chunked", ""}, {"AWS-Chunked", ""}, {"aws-chunked,gzip", "gzip"}, {"gzip, aws-chunked", "gzip"},
		{"gzip, aws-chunked, br", "gzip,br"}, {"aws-chunked,", ""}, {"aws-chunked-not", "aws-chunked-not"},
	} {
		if got := sigv4.StripAWSChunked(tc.in); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
}
