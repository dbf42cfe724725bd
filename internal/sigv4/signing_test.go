package sigv4_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// The key of AWS's published examples.
const (
	testKeyID  = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	testToken  = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI"
)

var (
	signTime  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	testCreds = aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}

	errUnknownKey = errors.New("the test has one key, and it is another")
)

func mac(key, data []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil)
}

// signFunc derives the signing key as the IAM User Guide says.
func signFunc(date, region, service string) func([]byte) [32]byte {
	k := []byte("AWS4" + testSecret)
	for _, part := range []string{date, region, service, "aws4_request"} {
		k = mac(k, []byte(part))
	}
	return func(sts []byte) [32]byte { return [32]byte(mac(k, sts)) }
}

func signFor(s *sigv4.Signature) func([]byte) [32]byte { return signFunc(s.Date, s.Region, s.Service) }

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// asReceived sends r over a wire and reads it as a server does.
func asReceived(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	r.URL.Opaque = strings.TrimPrefix(r.URL.Opaque, "//localhost:8650") // origin form
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	return readRequest(t, wire.Bytes())
}

// readRequest parses a request, its body read into memory.
func readRequest(t testing.TB, wire []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
	if err != nil {
		t.Fatalf("reading %q: %v", wire, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return withBody(r, body)
}

func withBody(r *http.Request, body []byte) *http.Request {
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return r
}

func bodyOf(r *http.Request) []byte {
	rc, err := r.GetBody()
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(rc)
	if err != nil {
		panic(err)
	}
	return b
}

// check does what an endpoint does with a request. For S3 it returns the
// payload. It may be called again on the same request.
func check(r *http.Request, rules sigv4.Rules) ([]byte, error) {
	s, err := sigv4.Parse(r)
	if err != nil {
		return nil, err
	}
	if s.KeyID != testKeyID {
		return nil, errUnknownKey
	}
	body := bodyOf(r)
	if !rules.S3 {
		return body, s.Verify(r, rules, hexHash(body), signFor(s))
	}
	if err := s.Verify(r, rules, s.PayloadHash, signFor(s)); err != nil {
		return nil, err
	}
	b, err := sigv4.NewBody(bytes.NewReader(body), s, r.Header, int64(len(body)), signFor(s))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(b)
}

func s3Rules(now time.Time) sigv4.Rules {
	return sigv4.Rules{Service: "s3", S3: true, Regions: []string{"eu-west-1", "us-east-1"}, Now: now}
}

func rulesFor(service string, now time.Time) sigv4.Rules {
	r := s3Rules(now)
	r.Service, r.S3 = service, service == "s3"
	return r
}

// request makes a client's request. The target is sent as it stands.
func request(t testing.TB, method, target, body string, headers ...string) *http.Request {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	r, err := http.NewRequest(method, "http://localhost:8650/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque, r.URL.RawQuery = "//localhost:8650"+path, query
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// signed signs r with the Go SDK and sends it.
func signed(t testing.TB, r *http.Request, service, hash string, creds aws.Credentials) *http.Request {
	t.Helper()
	if service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(context.Background(), creds, r, hash, service, "eu-west-1", signTime); err != nil {
		t.Fatal(err)
	}
	return asReceived(t, r)
}

// presigned presigns r with the Go SDK and sends it with the headers it names.
func presigned(t testing.TB, r *http.Request, service, hash string, creds aws.Credentials) *http.Request {
	t.Helper()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	uri, headers, err := signer.PresignHTTP(context.Background(), creds, r, hash, service, "eu-west-1", signTime)
	if err != nil {
		t.Fatal(err)
	}
	body := ""
	if r.GetBody != nil {
		body = string(bodyOf(r))
	}
	sent := request(t, r.Method, strings.TrimPrefix(uri, "http://localhost:8650"), body)
	sent.Header = headers
	return asReceived(t, sent)
}

const encryptBody = `{"KeyId":"alias/strongroom","Plaintext":"aGVsbG8gd29ybGQ=","EncryptionContext":{"tenant":"a"}}`

// encryptRequest is KMS Encrypt, as the Go SDK sends it.
func encryptRequest(t testing.TB) *http.Request {
	return signed(t, request(t, "POST", "/", encryptBody,
		"Content-Type", "application/x-amz-json-1.1", "X-Amz-Target", "TrentService.Encrypt",
		"Amz-Sdk-Invocation-Id", "0f1f7a38-2f5a-4b9c-9a6c-8f1f2d7a1b11", "Amz-Sdk-Request", "attempt=1; max=3",
		"Accept-Encoding", "identity",
	), "kms", hexHash([]byte(encryptBody)), testCreds)
}

func wantKind(t *testing.T, err error, want sigv4.Kind) {
	t.Helper()
	if got := sigv4.KindOf(err); got != want || want == 0 && err != nil {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}
