package sigv4_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/sigv4"
)

func TestWindow(t *testing.T) {
	s3 := signed(t, request(t, "GET", "/b", ""), "s3", hexHash(nil), testCreds)
	kms := encryptRequest(t)
	for _, tc := range []struct {
		name    string
		service string
		now     time.Duration // the server's clock after the signature's
		window  time.Duration
		want    sigv4.Kind
		message string
	}{
		{"kms, same", "kms", 0, 0, 0, ""},
		{"kms, 5 min old", "kms", 5 * time.Minute, 0, 0, ""},
		{"kms, 5 min old and a fraction", "kms", 5*time.Minute + 999*time.Millisecond, 0, 0, ""},
		{"kms, older", "kms", 5*time.Minute + time.Second, 0, sigv4.Skewed,
			"Signature expired: 20260101T120000Z is now earlier than 20260101T120001Z (20260101T120501Z - 5 min.)"},
		{"kms, 5 min ahead", "kms", -5 * time.Minute, 0, 0, ""},
		{"kms, further ahead", "kms", -5*time.Minute - time.Second, 0, sigv4.Skewed,
			"Signature not yet current: 20260101T120000Z is still later than 20260101T115959Z (20260101T115459Z + 5 min.)"},
		{"kms, window of 15 min", "kms", 15 * time.Minute, 15 * time.Minute, 0, ""},
		{"kms, older than a window of 15 min", "kms", 16 * time.Minute, 15 * time.Minute, sigv4.Skewed,
			"Signature expired: 20260101T120000Z is now earlier than 20260101T120100Z (20260101T121600Z - 15 min.)"},
		{"s3, 15 min old", "s3", 15 * time.Minute, 0, 0, ""},
		{"s3, older", "s3", 15*time.Minute + time.Second, 0, sigv4.Skewed, ""},
		{"s3, 15 min ahead", "s3", -15 * time.Minute, 0, 0, ""},
		{"s3, further ahead", "s3", -15*time.Minute - time.Second, 0, sigv4.Skewed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := kms
			if tc.service == "s3" {
				r = s3
			}
			rules := rulesFor(tc.service, signTime.Add(tc.now))
			rules.Window = tc.window
			_, err := check(r, rules)
			wantKind(t, err, tc.want)
			e, ok := errors.AsType[*sigv4.Error](err)
			if !ok {
				return
			}
			if tc.message != "" && e.Message != tc.message {
				t.Errorf("got %q, want %q", e.Message, tc.message)
			}
			if tc.service != "s3" {
				return
			}
			if want := "The difference between the request time and the current time is too large."; e.S3Message != want {
				t.Errorf("got %q, want %q", e.S3Message, want)
			}
			got := fields(e)
			want := "RequestTime=20260101T120000Z ServerTime=" + rules.Now.Format("2006-01-02T15:04:05Z") + " MaxAllowedSkewMilliseconds=900000"
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestPresignedLife(t *testing.T) {
	s3 := presigned(t, request(t, "GET", "/b/k?X-Amz-Expires=604800", ""), "s3", sigv4.UnsignedPayload, testCreds)
	short := presigned(t, request(t, "GET", "/b/k?X-Amz-Expires=1", ""), "s3", sigv4.UnsignedPayload, testCreds)
	endless := presigned(t, request(t, "GET", "/b/k", ""), "s3", sigv4.UnsignedPayload, testCreds)
	sts := presigned(t, request(t, "GET", "/?Action=GetCallerIdentity", ""), "sts", hexHash(nil), testCreds)
	week := 7 * 24 * time.Hour
	for _, tc := range []struct {
		name    string
		request string
		now     time.Duration
		want    sigv4.Kind
		fields  string
	}{
		{"at once", "s3", 0, 0, ""},
		{"a week later", "s3", week, 0, ""},
		{"a second after that", "s3", week + time.Second, sigv4.ExpiredPresign,
			"X-Amz-Expires=604800 Expires=2026-01-08T12:00:00Z ServerTime=2026-01-08T12:00:01Z"},
		{"one second of life", "short", time.Second, 0, ""},
		{"two seconds later", "short", 2 * time.Second, sigv4.ExpiredPresign,
			"X-Amz-Expires=1 Expires=2026-01-01T12:00:01Z ServerTime=2026-01-01T12:00:02Z"},
		{"a little early", "s3", -15 * time.Minute, 0, ""},
		{"too early", "s3", -15*time.Minute - time.Second, sigv4.NotYetValid, "ServerTime=2026-01-01T11:44:59Z"},
		{"without expiry", "endless", 0, sigv4.Malformed, ""},
		{"sts without expiry", "sts", 5 * time.Minute, 0, ""},
		{"sts without expiry, old", "sts", 5*time.Minute + time.Second, sigv4.ExpiredPresign,
			"X-Amz-Expires=300 Expires=2026-01-01T12:05:00Z ServerTime=2026-01-01T12:05:01Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, service := s3, "s3"
			switch tc.request {
			case "short":
				r = short
			case "endless":
				r = endless
			case "sts":
				r, service = sts, "sts"
			}
			_, err := check(r, rulesFor(service, signTime.Add(tc.now)))
			wantKind(t, err, tc.want)
			if e, ok := errors.AsType[*sigv4.Error](err); ok {
				if got := fields(e); got != tc.fields {
					t.Errorf("got %q, want %q", got, tc.fields)
				}
			}
		})
	}
}

// fields joins the elements of the S3 error body.
func fields(e *sigv4.Error) string {
	var f []string
	for name, value := range e.S3Fields() {
		f = append(f, name+"="+value)
	}
	return strings.Join(f, " ")
}
