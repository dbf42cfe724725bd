package sigv4_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// TestSDKSigner verifies what the Go SDK's signer signs, in the header and in the query.
func TestSDKSigner(t *testing.T) {
	const form = "Action=GetCallerIdentity&Version=2011-06-15"
	for _, tc := range []struct {
		name, service, method, target, body string
		headers                             []string
	}{
		{"kms", "kms", "POST", "/", encryptBody, []string{"X-Amz-Target", "TrentService.Encrypt", "Content-Type", "application/x-amz-json-1.1"}},
		{"kms, no body", "kms", "POST", "/", "", []string{"X-Amz-Target", "TrentService.ListKeys"}},
		{"kms, path", "kms", "POST", "/a/b%20c/arn%3Aaws%3Akms", "{}", nil},
		{"sts form", "sts", "POST", "/", form, []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
		{"sts query", "sts", "GET", "/?" + form, "", nil},
		{"s3 list", "s3", "GET", "/", "", nil},
		{"s3 query", "s3", "GET", "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&max-keys=10", "", nil},
		{"s3 query without value", "s3", "GET", "/bucket?uploads", "", nil},
		{"s3 query names that sort across =", "s3", "GET", "/bucket?a-b=1&a=2&a.b=3&a=1&A=0&%C3%A9=%F0%9F%98%80", "", nil},
		{"s3 odd key", "s3", "PUT", "/bucket/a%20b%2Bc%2520d/%C3%A9~%2A%21%28%29%27", "x", nil},
		{"s3 dots and slashes", "s3", "PUT", "/bucket/a//b/../c/./d//", "x", nil},
		{"s3 encoded percent", "s3", "GET", "/bucket/%252F%25252F", "", nil},
		{"s3 headers", "s3", "PUT", "/bucket/k", "hello", []string{
			"Content-Type", "text/plain;  charset=utf-8", "X-Amz-Meta-Spaces", "  a   b    c ", "X-Amz-Meta-Twice", "1", "X-Amz-Meta-Twice", "2",
			"X-Amz-Server-Side-Encryption", "aws:kms", "Cache-Control", "no-cache", "Range", "bytes=0-4"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rules := rulesFor(tc.service, signTime.Add(time.Minute))
			for _, withToken := range []bool{false, true} {
				creds := testCreds
				if withToken {
					creds.SessionToken = testToken
				}
				r := signed(t, request(t, tc.method, tc.target, tc.body, tc.headers...), tc.service, hexHash([]byte(tc.body)), creds)
				body, err := check(r, rules)
				if err != nil || string(body) != tc.body {
					t.Errorf("header: got %q, %v, want %q", body, err, tc.body)
				}
				s, err := sigv4.Parse(r)
				if err != nil {
					t.Fatal(err)
				}
				if s.Presigned || s.SessionToken != creds.SessionToken || s.Service != tc.service || !s.Time.Equal(signTime) {
					t.Errorf("header: got %+v", *s)
				}

				hash, target := hexHash([]byte(tc.body)), tc.target
				if tc.service == "s3" {
					hash = sigv4.UnsignedPayload
				}
				target = addQuery(target, "X-Amz-Expires=600")
				p := presigned(t, request(t, tc.method, target, tc.body, tc.headers...), tc.service, hash, creds)
				body, err = check(p, rules)
				if err != nil || string(body) != tc.body {
					t.Errorf("presigned: got %q, %v, want %q", body, err, tc.body)
				}
				s, err = sigv4.Parse(p)
				if err != nil {
					t.Fatal(err)
				}
				if !s.Presigned || s.Expires != 10*time.Minute || s.SessionToken != creds.SessionToken {
					t.Errorf("presigned: got %+v", *s)
				}
			}
		})
	}
}

func addQuery(target, param string) string {
	for i := range len(target) {
		if target[i] == '?' {
			return target + "&" + param
		}
	}
	return target + "?" + param
}

// TestEquivalentTargets: other spellings of the same target keep their
// signature, and spellings of another target do not.
func TestEquivalentTargets(t *testing.T) {
	for _, tc := range []struct {
		name, service, signed, sent string
		want                        sigv4.Kind
	}{
		{"bare reserved characters", "s3", "/b/k%2A%21%28%29", "/b/k*!()", 0},
		{"lower-case hex", "s3", "/b/%C3%A9", "/b/%c3%a9", 0},
		{"needless encoding", "s3", "/b/key", "/b/%6Bey", 0},
		{"absolute form", "s3", "/b/key", "http://localhost:8650/b/key", 0},
		{"absolute form without path", "s3", "/", "http://localhost:8650", 0},
		{"plus for a space in the query", "s3", "/b?prefix=a%20b", "/b?prefix=a+b", 0},
		{"plus for a plus in the query", "s3", "/b?prefix=a%2Bb", "/b?prefix=a+b", sigv4.SignatureMismatch},
		{"plus for a space in the path", "s3", "/b/a%20b", "/b/a+b", sigv4.SignatureMismatch},
		{"other order", "s3", "/b?x=1&y=2", "/b?y=2&x=1", 0},
		{"empty parameters", "s3", "/b?x=1", "/b?&x=1&&", 0},
		{"double slash", "s3", "/b/a", "/b//a", sigv4.SignatureMismatch},
		{"dot segment", "s3", "/b/a", "/b/./a", sigv4.SignatureMismatch},
		{"bad escape in the query", "s3", "/b?x=1", "/b?x=1&y=%zz", sigv4.Malformed},
		{"cut escape in the query", "s3", "/b?x=1", "/b?x=1%2", sigv4.Malformed},
		{"bad escape in the path", "s3", "/b/a", "/b/a%2", sigv4.Malformed},
		{"asterisk form", "s3", "/b/a", "*", sigv4.Malformed},
		{"normalised path", "kms", "/a/c", "/a//b/.././c", 0},
		{"above the root", "kms", "/a", "/../../a", 0},
		{"slash at the end", "kms", "/a/", "/a", sigv4.SignatureMismatch},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := signed(t, request(t, "GET", tc.signed, ""), tc.service, hexHash(nil), testCreds)
			r.RequestURI = tc.sent
			_, err := check(r, rulesFor(tc.service, signTime))
			wantKind(t, err, tc.want)
		})
	}
}

// TestContentLength: a length that net/http keeps out of the headers is found.
func TestContentLength(t *testing.T) {
	r := encryptRequest(t)
	r.Header.Del("Content-Length")
	if _, err := check(r, rulesFor("kms", signTime)); err != nil {
		t.Error(err)
	}
	r.ContentLength++
	_, err := check(r, rulesFor("kms", signTime))
	wantKind(t, err, sigv4.SignatureMismatch)
}

// TestDateHeader: without X-Amz-Date the time comes from Date, in either form.
func TestDateHeader(t *testing.T) {
	for _, date := range []string{signTime.Format(http.TimeFormat), signTime.Format(time.RFC850), signTime.Format("20060102T150405Z")} {
		r := signedByHand("GET", "/", map[string]string{"Date": date}, "host;date", "kms")
		if _, err := check(r, rulesFor("kms", signTime)); err != nil {
			t.Errorf("%s: %v", date, err)
		}
		r.Header["Date"][0] = signTime.Add(time.Second).Format(http.TimeFormat)
		_, err := check(r, rulesFor("kms", signTime))
		wantKind(t, err, sigv4.SignatureMismatch)
	}
}
