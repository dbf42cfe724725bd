package sigv4_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// TestBotocore verifies requests signed by the Python SDK.
func TestBotocore(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if err := exec.Command(python, "-c", "import botocore").Run(); err != nil {
		t.Skip("python3 has no botocore")
	}
	for _, token := range []string{"", testToken} {
		cmd := exec.Command(python, "testdata/botocore_requests.py", testKeyID, testSecret, token)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		var requests []struct {
			Name, Method, Host, Target, Service string
			Headers                             [][2]string
			Body                                []byte
		}
		if err := json.Unmarshal(stdout, &requests); err != nil {
			t.Fatal(err)
		}
		if len(requests) < 40 {
			t.Fatalf("got %d requests, want all that the script makes", len(requests))
		}
		modes := map[string]int{}
		for _, q := range requests {
			r := withBody(&http.Request{Method: q.Method, RequestURI: q.Target, Host: q.Host, Header: http.Header{},
				ContentLength: int64(len(q.Body))}, q.Body)
			for _, h := range q.Headers {
				r.Header.Add(h[0], h[1])
			}
			rules := rulesFor(q.Service, time.Now())
			if _, err := check(r, rules); err != nil {
				t.Errorf("%s %s: %v", q.Name, q.Target, err)
				if e, ok := errors.AsType[*sigv4.Error](err); ok && e.CanonicalRequest != "" {
					t.Log(e.CanonicalRequest)
				}
				continue
			}
			s, err := sigv4.Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if s.SessionToken != token {
				t.Errorf("%s: got token %q, want %q", q.Name, s.SessionToken, token)
			}
			if len(s.PayloadHash) == 64 {
				modes["hash"]++
			}
			modes[s.PayloadHash]++
			_, err = check(changed(r, func(r *http.Request) { r.Host += "x" }), rules)
			wantKind(t, err, sigv4.SignatureMismatch)
		}
		for _, mode := range []string{"hash", sigv4.UnsignedPayload, sigv4.StreamingUnsignedTrailer} {
			if modes[mode] == 0 {
				t.Errorf("got no request with %s among %d", mode, len(requests))
			}
		}
	}
	// The default of botocore against an endpoint of one's own is version 2.
	r := &http.Request{Method: "GET", RequestURI: "/b/k?AWSAccessKeyId=" + testKeyID + "&Signature=x%3D&Expires=1", Header: http.Header{}}
	if _, err := sigv4.Parse(r); !errors.Is(err, sigv4.SigV2) || !strings.Contains(err.Error(), "Please use AWS4-HMAC-SHA256.") {
		t.Errorf("got %v, want version 2 refused", err)
	}
}

func changed(r *http.Request, change func(*http.Request)) *http.Request {
	c := clone(r)
	change(c)
	return c
}
