package sigv4_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/sigv4"
)

const (
	goodCredential = "AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/kms/aws4_request"
	goodHeaders    = "host;x-amz-date"
)

var goodValue = strings.Repeat("0123456789abcdef", 4)

func TestParseAuthorization(t *testing.T) {
	const scheme = "AWS4-HMAC-SHA256 "
	good := scheme + "Credential=" + goodCredential + ", SignedHeaders=" + goodHeaders + ", Signature=" + goodValue
	replace := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, tc := range []struct {
		name, auth string
		want       sigv4.Kind
		message    string
	}{
		{"good", good, 0, ""},
		{"no spaces", strings.ReplaceAll(good, ", ", ","), 0, ""},
		{"other order", scheme + "Signature=" + goodValue + ",Credential=" + goodCredential + ",SignedHeaders=" + goodHeaders, 0, ""},
		{"empty", "", sigv4.Malformed, ""},
		{"scheme alone", scheme, sigv4.Malformed, ""},
		{"without scheme", strings.TrimPrefix(good, scheme), sigv4.Malformed, ""},
		{"scheme in lower case", strings.ToLower(scheme) + strings.TrimPrefix(good, scheme), sigv4.Malformed, ""},
		{"basic", "Basic dXNlcjpwYXNz", sigv4.Malformed, ""},
		{"version 2", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=", sigv4.SigV2, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."},
		{"version 4a", "AWS4-ECDSA-P256-SHA256 Credential=x", sigv4.SigV4a, ""},
		{"no signature", scheme + "Credential=" + goodCredential + ", SignedHeaders=host", sigv4.Malformed, "Authorization header requires 'Signature' parameter."},
		{"nothing but a signature", scheme + "Signature=" + goodValue, sigv4.Malformed,
			"Authorization header requires 'Credential' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"no equal sign", scheme + "Credential", sigv4.Malformed, ""},
		{"unknown parameter", good + ", Extra=1", sigv4.Malformed, ""},
		{"signature twice", good + ", Signature=" + goodValue, sigv4.Malformed, ""},
		{"comma at the end", good + ",", sigv4.Malformed, ""},
		{"signature not hex", replace(goodValue, strings.Repeat("g", 64)), 0, ""}, // a mismatch, later
		{"signature too long", replace(goodValue, strings.Repeat("0", 257)), sigv4.Malformed, ""},
		{"four parts", replace("/kms", ""), sigv4.Malformed, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"},
		{"six parts", replace("/kms", "/kms/x"), sigv4.Malformed, ""},
		{"no key id", replace("AKIAIOSFODNN7EXAMPLE", ""), sigv4.Malformed, ""},
		{"key id of 128", replace("AKIAIOSFODNN7EXAMPLE", strings.Repeat("K", 128)), 0, ""},
		{"key id of 129", replace("AKIAIOSFODNN7EXAMPLE", strings.Repeat("K", 129)), sigv4.Malformed, ""},
		{"key id with a control character", replace("AKIA", "AKIA\x7f"), sigv4.Malformed, ""},
		{"region of 65", replace("eu-west-1", strings.Repeat("r", 65)), sigv4.Malformed, ""},
		{"service of 65", replace("kms", strings.Repeat("s", 65)), sigv4.Malformed, ""},
		{"terminator of 65", replace("aws4_request", strings.Repeat("t", 65)), sigv4.Malformed, ""},
		{"quote in region", replace("eu-west-1", "eu'west"), sigv4.Malformed, ""},
		{"date with dashes", replace("20260101", "2026-01-01"), sigv4.Malformed, ""},
		{"header in upper case", replace("host", "Host"), sigv4.Malformed, ""},
		{"header with a space", replace("host", "ho st"), sigv4.Malformed, ""},
		{"empty header", replace("host;", "host;;"), sigv4.Malformed, ""},
		{"header twice", replace("host;", "host;host;"), sigv4.Malformed, ""},
		{"128 headers", replace("host", many(127)), 0, ""},
		{"129 headers", replace("host", many(128)), sigv4.Malformed, ""},
		{"header of 129", replace("host", strings.Repeat("h", 129)), sigv4.Malformed, ""},
		{"over 8 KiB", good + strings.Repeat(" ", 8<<10), sigv4.Malformed, "Authorization header is too long."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{Method: "POST", RequestURI: "/", Host: "localhost", Header: http.Header{
				"Authorization": {tc.auth}, "X-Amz-Date": {"20260101T120000Z"}}}
			s, err := sigv4.Parse(r)
			wantKind(t, err, tc.want)
			if err == nil && (s.Region != "eu-west-1" || s.Service != "kms" || s.Terminator != "aws4_request" || s.Date != "20260101") {
				t.Errorf("got %v, want the scope", s)
			}
			if e, ok := err.(*sigv4.Error); ok && tc.message != "" && e.Message != tc.message {
				t.Errorf("got %q, want %q", e.Message, tc.message)
			}
		})
	}
}

// many lists n header names of three letters each.
func many(n int) string {
	var names []string
	for i := range n {
		names = append(names, "h"+string(rune('a'+i/26))+string(rune('a'+i%26)))
	}
	return strings.Join(names, ";")
}

func TestParseHeaders(t *testing.T) {
	for _, tc := range []struct {
		name   string
		spoil  func(*http.Request)
		want   sigv4.Kind
		s3Text string
	}{
		{"no signature at all", func(r *http.Request) { r.Header.Del("Authorization") }, sigv4.NoSignature, "Access Denied"},
		{"Authorization twice", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, sigv4.Ambiguous, ""},
		{"header and query", func(r *http.Request) { r.RequestURI = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256" }, sigv4.Ambiguous,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"},
		{"header and encoded query", func(r *http.Request) { r.RequestURI = "/?X%2DAmz-Signature=0" }, sigv4.Ambiguous, ""},
		{"no date", func(r *http.Request) { r.Header.Del("X-Amz-Date") }, sigv4.MissingDate, "AWS authentication requires a valid Date or x-amz-date header"},
		{"date in another form", func(r *http.Request) { r.Header.Set("X-Amz-Date", "2026-01-01T12:00:00Z") }, sigv4.MissingDate, ""},
		{"date with a fraction", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T120000.5Z") }, sigv4.MissingDate, ""},
		{"impossible date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260132T120000Z") }, sigv4.MissingDate, ""},
		{"date twice", func(r *http.Request) { r.Header.Add("X-Amz-Date", "20260101T120000Z") }, sigv4.MissingDate, ""},
		{"bad x-amz-date beside a good Date", func(r *http.Request) {
			r.Header.Set("X-Amz-Date", "x")
			r.Header.Set("Date", "Thu, 01 Jan 2026 12:00:00 GMT")
		}, sigv4.MissingDate, ""},
		{"bad Date", func(r *http.Request) { r.Header.Del("X-Amz-Date"); r.Header.Set("Date", "yesterday") }, sigv4.MissingDate, ""},
		{"token twice", func(r *http.Request) { r.Header["X-Amz-Security-Token"] = []string{"a", "b"} }, sigv4.Malformed, ""},
		{"token over 16 KiB", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", strings.Repeat("t", 16<<10+1)) }, sigv4.Malformed, ""},
		{"payload hash twice", func(r *http.Request) { r.Header["X-Amz-Content-Sha256"] = []string{"a", "b"} }, sigv4.BadPayloadHash, ""},
		{"target over 32 KiB", func(r *http.Request) { r.RequestURI = "/" + strings.Repeat("a", 32<<10) }, sigv4.Malformed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{Method: "POST", RequestURI: "/", Host: "localhost", Header: http.Header{
				"Authorization": {"AWS4-HMAC-SHA256 Credential=" + goodCredential + ",SignedHeaders=" + goodHeaders + ",Signature=" + goodValue},
				"X-Amz-Date":    {"20260101T120000Z"}}}
			tc.spoil(r)
			_, err := sigv4.Parse(r)
			wantKind(t, err, tc.want)
			if e, ok := err.(*sigv4.Error); ok && tc.s3Text != "" && e.S3Message != tc.s3Text {
				t.Errorf("got %q, want %q", e.S3Message, tc.s3Text)
			}
		})
	}
}

func TestParsePresigned(t *testing.T) {
	const alg, date, headers = "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Date=20260101T120000Z", "X-Amz-SignedHeaders=host"
	cred, expires, value := "X-Amz-Credential="+strings.ReplaceAll(goodCredential, "/", "%2F"), "X-Amz-Expires=60", "X-Amz-Signature="+goodValue
	for _, tc := range []struct {
		name  string
		query []string
		want  sigv4.Kind
		text  string
	}{
		{"good", []string{alg, cred, date, expires, headers, value}, 0, ""},
		{"slashes not encoded", []string{alg, "X-Amz-Credential=" + goodCredential, date, expires, headers, value}, 0, ""},
		{"encoded names", []string{alg, strings.Replace(cred, "-", "%2D", 1), date, expires, headers, value}, 0, ""},
		{"version 2", []string{"AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE", "Signature=x%3D", "Expires=1"}, sigv4.SigV2, ""},
		{"a query of its own", []string{"Signature=x", "Expires=1"}, sigv4.NoSignature, ""},
		{"version 4a", []string{"X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256", cred, date, expires, headers, value}, sigv4.SigV4a, ""},
		{"other algorithm", []string{"X-Amz-Algorithm=AWS4-HMAC-SHA1", cred, date, expires, headers, value}, sigv4.Malformed, ""},
		{"no algorithm", []string{cred, date, expires, headers, value}, sigv4.Malformed,
			"Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."},
		{"signature alone", []string{value}, sigv4.Malformed, ""},
		{"no date", []string{alg, cred, expires, headers, value}, sigv4.Malformed, ""},
		{"bad date", []string{alg, cred, date + "0", expires, headers, value}, sigv4.Malformed, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`},
		{"bad credential", []string{alg, cred + "%2Fx", date, expires, headers, value}, sigv4.Malformed, ""},
		{"no headers", []string{alg, cred, date, expires, "X-Amz-SignedHeaders=", value}, sigv4.Malformed, ""},
		{"empty signature", []string{alg, cred, date, expires, headers, "X-Amz-Signature="}, sigv4.Malformed, ""},
		{"credential twice", []string{alg, cred, cred, date, expires, headers, value}, sigv4.Malformed, ""},
		{"signature twice", []string{alg, cred, date, expires, headers, value, value}, sigv4.Malformed, ""},
		{"no expiry", []string{alg, cred, date, headers, value}, 0, ""},
		{"expiry no number", []string{alg, cred, date, "X-Amz-Expires=soon", headers, value}, sigv4.Malformed, "X-Amz-Expires should be a number"},
		{"negative expiry", []string{alg, cred, date, "X-Amz-Expires=-1", headers, value}, sigv4.Malformed, "X-Amz-Expires must be non-negative"},
		{"expiry of nothing", []string{alg, cred, date, "X-Amz-Expires=0", headers, value}, sigv4.Malformed, ""},
		{"expiry of a week", []string{alg, cred, date, "X-Amz-Expires=604800", headers, value}, 0, ""},
		{"expiry of more", []string{alg, cred, date, "X-Amz-Expires=604801", headers, value}, sigv4.Malformed,
			"X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"},
		{"expiry beyond 64 bits", []string{alg, cred, date, "X-Amz-Expires=99999999999999999999", headers, value}, sigv4.Malformed, ""},
		{"token over 16 KiB", []string{alg, cred, date, expires, headers, value, "X-Amz-Security-Token=" + strings.Repeat("t", 16<<10+1)}, sigv4.Malformed, ""},
		{"bad escape", []string{alg, cred, date, expires, headers, "X-Amz-Signature=%0"}, sigv4.Malformed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := &http.Request{Method: "GET", RequestURI: "/b/k?" + strings.Join(tc.query, "&"), Host: "localhost", Header: http.Header{}}
			s, err := sigv4.Parse(r)
			wantKind(t, err, tc.want)
			if err == nil && (!s.Presigned || s.PayloadHash != sigv4.UnsignedPayload) {
				t.Errorf("got %+v, want a presigned signature", s)
			}
			if e, ok := err.(*sigv4.Error); ok {
				if tc.want != sigv4.NoSignature && !e.Presigned {
					t.Error("got Presigned false")
				}
				if tc.text != "" && (e.S3Message != tc.text || e.Message != tc.text) {
					t.Errorf("got %q, want %q", e.S3Message, tc.text)
				}
			}
		})
	}
}
