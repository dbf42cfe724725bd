package sigv4_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// clone copies r so that a row can spoil it.
func clone(r *http.Request) *http.Request {
	c := *r
	c.Header = r.Header.Clone()
	return &c
}

// flip changes one character into another of its sort.
func flip(c byte) string {
	switch {
	case c == '9':
		return "8"
	case c == 'f' || c == 'z' || c == 'Z':
		return "a"
	case '0' <= c && c < '9', 'a' <= c && c < 'z', 'A' <= c && c < 'Z':
		return string(c + 1)
	}
	return "x"
}

// mutationRequests are one request per service and place of the signature.
func mutationRequests(t *testing.T) map[string]*http.Request {
	creds := testCreds
	creds.SessionToken = testToken
	const form = "Action=GetCallerIdentity&Version=2011-06-15"
	put := func() *http.Request {
		return request(t, "PUT", "/bucket/a%20b//c?partNumber=1&uploadId=u%2Fv&X-Amz-Expires=600", "hello",
			"Content-Type", "text/plain", "X-Amz-Meta-Color", "green", "X-Amz-Server-Side-Encryption", "AES256")
	}
	get := request(t, "GET", "/?"+form+"&X-Amz-Expires=60", "")
	return map[string]*http.Request{
		"kms":           encryptRequest(t),
		"sts":           signed(t, request(t, "POST", "/", form, "Content-Type", "application/x-www-form-urlencoded"), "sts", hexHash([]byte(form)), creds),
		"sts presigned": presigned(t, get, "sts", hexHash(nil), creds),
		"s3": signed(t, request(t, "PUT", "/bucket/a%20b//c?partNumber=1&uploadId=u%2Fv", "hello", "X-Amz-Meta-Color", "green", "Content-Type", "text/plain"),
			"s3", hexHash([]byte("hello")), creds),
		"s3 unsigned payload": signed(t, put(), "s3", sigv4.UnsignedPayload, testCreds),
		"s3 presigned":        presigned(t, put(), "s3", sigv4.UnsignedPayload, creds),
	}
}

// TestMutations spoils every part of a good request, one at a time.
func TestMutations(t *testing.T) {
	for name, good := range mutationRequests(t) {
		t.Run(name, func(t *testing.T) {
			service, _, _ := strings.Cut(name, " ")
			rules := rulesFor(service, signTime)
			if _, err := check(good, rules); err != nil {
				t.Fatal(err)
			}
			s, err := sigv4.Parse(good)
			if err != nil {
				t.Fatal(err)
			}
			refused := func(what string, r *http.Request, want sigv4.Kind) {
				t.Helper()
				_, err := check(r, rules)
				if got := sigv4.KindOf(err); got != want {
					t.Errorf("%s: got %v (%v), want %v", what, got, err, want)
				}
			}

			for _, method := range []string{"GET", "HEAD", "DELETE", "post", ""} {
				if method != good.Method {
					r := clone(good)
					r.Method = method
					refused("method "+method, r, sigv4.SignatureMismatch)
				}
			}
			r := clone(good)
			r.Host = "localhost:8651"
			refused("host", r, sigv4.SignatureMismatch)
			mutateHeaders(good, s, refused)
			mutateTarget(good, refused)
			if !s.Presigned {
				mutateAuthorization(t, good, s, rules, refused)
			}

			want := sigv4.SignatureMismatch
			switch {
			case s.PayloadHash == sigv4.UnsignedPayload && service == "s3":
				return
			case service == "s3":
				want = sigv4.PayloadMismatch
			}
			body := bodyOf(good)
			for i := range body {
				spoilt := append([]byte(nil), body...)
				spoilt[i] ^= 1
				refused("body", withBody(clone(good), spoilt), want)
			}
			refused("longer body", withBody(clone(good), append(body, '!')), want)
			if len(body) > 0 {
				refused("no body", withBody(clone(good), nil), want)
			}
		})
	}
}

func mutateHeaders(good *http.Request, s *sigv4.Signature, refused func(string, *http.Request, sigv4.Kind)) {
	for _, name := range s.SignedHeaders {
		key := http.CanonicalHeaderKey(name)
		if len(good.Header[key]) == 0 {
			continue // host, and a length the server keeps elsewhere
		}
		for i, c := range []byte(good.Header[key][0]) {
			want := sigv4.SignatureMismatch
			switch key {
			case "X-Amz-Date":
				if i == 8 || i == 15 {
					want = sigv4.MissingDate // no longer a date: T or Z is gone
				} else if i < 8 {
					continue // another day: TestScope has it
				} else {
					continue // another hour: TestWindow has it; seconds below
				}
			case "X-Amz-Content-Sha256":
				if s.PayloadHash == sigv4.UnsignedPayload {
					want = sigv4.BadPayloadHash
				}
			}
			r := clone(good)
			v := r.Header[key][0]
			r.Header[key][0] = v[:i] + flip(c) + v[i+1:]
			refused(name+": "+r.Header[key][0], r, want)
		}
		want, twice := sigv4.SignatureMismatch, sigv4.SignatureMismatch
		switch key {
		case "X-Amz-Date":
			want, twice = sigv4.MissingDate, sigv4.MissingDate
		case "X-Amz-Content-Sha256":
			want, twice = sigv4.MissingPayloadHash, sigv4.BadPayloadHash
		case "X-Amz-Security-Token":
			twice = sigv4.Malformed
		case "Content-Length":
			want = 0 // net/http's own count stands in
		}
		r := clone(good)
		r.Header.Del(key)
		refused("without "+name, r, want)
		r = clone(good)
		r.Header.Add(key, good.Header[key][0])
		refused("twice "+name, r, twice)
	}
	r := clone(good)
	r.Header.Set("X-Amz-Acl", "public-read")
	refused("added x-amz-acl", r, sigv4.UnsignedHeaders)
	if d := good.Header.Get("X-Amz-Date"); d != "" {
		r := clone(good)
		r.Header.Set("X-Amz-Date", d[:14]+"1Z")
		refused("one second later", r, sigv4.SignatureMismatch)
	}
}

// mutateTarget spoils path and query. A signature in the query has kinds of its own.
func mutateTarget(good *http.Request, refused func(string, *http.Request, sigv4.Kind)) {
	path, query, _ := strings.Cut(good.RequestURI, "?")
	send := func(target string, want sigv4.Kind) {
		r := clone(good)
		r.RequestURI = target
		refused(target, r, want)
	}
	suffix := ""
	if query != "" {
		suffix = "?" + query
	}
	send(path+"x"+suffix, sigv4.SignatureMismatch)
	if path != "/" {
		for i := 1; i < len(path); i++ {
			if path[i] != '/' && path[i] != '%' {
				send(path[:i]+flip(path[i])+path[i+1:]+suffix, sigv4.SignatureMismatch)
			}
		}
	}
	if query == "" {
		send(path+"?a", sigv4.SignatureMismatch)
		return
	}
	send(path+suffix+"&a=", sigv4.SignatureMismatch)
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if strings.HasPrefix(name, "X-Amz-Sec") || !strings.HasPrefix(name, "X-Amz-") || name == "X-Amz-Signature" {
			for j := range value {
				if value[j] == '%' || j > 0 && value[j-1] == '%' || j > 1 && value[j-2] == '%' {
					continue
				}
				m := append([]string(nil), pairs...)
				m[i] = name + "=" + value[:j] + flip(value[j]) + value[j+1:]
				send(path+"?"+strings.Join(m, "&"), sigv4.SignatureMismatch)
			}
		}
		presign := strings.HasPrefix(name, "X-Amz-")
		want := sigv4.SignatureMismatch
		if presign && name != "X-Amz-Security-Token" && good.Header.Get("Authorization") == "" {
			want = sigv4.Malformed
		}
		without := append(append([]string(nil), pairs[:i]...), pairs[i+1:]...)
		if name == "X-Amz-Expires" && strings.Contains(query, "Action=") {
			want = sigv4.SignatureMismatch // not required by STS
		}
		send(path+"?"+strings.Join(without, "&"), want)
		want = sigv4.SignatureMismatch
		if presign {
			want = sigv4.Malformed
		}
		send(path+"?"+query+"&"+p, want)
	}
	if strings.Contains(query, "X-Amz-Expires=60") && good.Header.Get("Authorization") == "" {
		send(path+"?"+strings.Replace(query, "X-Amz-Expires=60", "X-Amz-Expires=61", 1), sigv4.SignatureMismatch)
		send(path+"?"+strings.Replace(query, "T120000Z", "T120001Z", 1), sigv4.SignatureMismatch)
		send(path+"?"+strings.Replace(query, "SignedHeaders=", "SignedHeaders=accept%3B", 1), sigv4.SignatureMismatch)
		send(path+"?"+strings.Replace(query, "eu-west-1", "us-east-1", 1), sigv4.SignatureMismatch) // one of the regions served
		send(path+"?"+strings.Replace(query, "aws4_request", "aws4_requesu", 1), sigv4.WrongTerminator)
		send(path+"?"+strings.Replace(query, "%2F20260101%2F", "%2F20260102%2F", 1), sigv4.DateMismatch)
	}
}

func mutateAuthorization(t *testing.T, good *http.Request, s *sigv4.Signature, rules sigv4.Rules, refused func(string, *http.Request, sigv4.Kind)) {
	auth := good.Header.Get("Authorization")
	send := func(value string, want sigv4.Kind) {
		t.Helper()
		r := clone(good)
		r.Header.Set("Authorization", value)
		refused(value, r, want)
	}
	at := strings.Index(auth, "Signature=") + len("Signature=")
	for i := at; i < len(auth); i++ {
		send(auth[:i]+flip(auth[i])+auth[i+1:], sigv4.SignatureMismatch)
	}
	send(auth[:at]+strings.ToUpper(auth[at:]), sigv4.SignatureMismatch)
	send(auth[:len(auth)-1], sigv4.SignatureMismatch)
	send(auth+"0", sigv4.SignatureMismatch)
	send(auth[:at]+"bad", sigv4.SignatureMismatch)
	send(auth[:at]+strings.Repeat("0", 64), sigv4.SignatureMismatch)

	for i, name := range s.SignedHeaders {
		left := append(append([]string(nil), s.SignedHeaders[:i]...), s.SignedHeaders[i+1:]...)
		want := sigv4.SignatureMismatch
		if name == "host" || strings.HasPrefix(name, "x-amz-") {
			want = sigv4.UnsignedHeaders
		}
		list := strings.Join(s.SignedHeaders, ";")
		send(strings.Replace(auth, list, strings.Join(left, ";"), 1), want)
		send(strings.Replace(auth, list, list+";"+name, 1), sigv4.Malformed)
	}
	scope := "/" + s.Date + "/eu-west-1/" + s.Service + "/aws4_request"
	for _, tc := range []struct {
		scope string
		want  sigv4.Kind
	}{
		{"/20260102/eu-west-1/" + s.Service + "/aws4_request", sigv4.DateMismatch},
		{"/" + s.Date + "/eu-west-2/" + s.Service + "/aws4_request", sigv4.WrongRegion},
		{"/" + s.Date + "//" + s.Service + "/aws4_request", sigv4.WrongRegion},
		{"/" + s.Date + "/us-east-1/" + s.Service + "/aws4_request", sigv4.SignatureMismatch},
		{"/" + s.Date + "/eu-west-1/iam/aws4_request", sigv4.WrongService},
		{"/" + s.Date + "/eu-west-1/" + s.Service + "/aws3_request", sigv4.WrongTerminator},
		{"/" + s.Date + "/eu-west-1/" + s.Service, sigv4.Malformed},
		{scope + "/x", sigv4.Malformed},
		{"/2026010/eu-west-1/" + s.Service + "/aws4_request", sigv4.Malformed},
		{"/20261301/eu-west-1/" + s.Service + "/aws4_request", sigv4.Malformed},
	} {
		send(strings.Replace(auth, scope, tc.scope, 1), tc.want)
	}
	r := clone(good)
	r.Header.Set("Authorization", strings.Replace(auth, testKeyID, "AKIAIOSFODNN7EXAMPLF", 1))
	if _, err := check(r, rules); !errors.Is(err, errUnknownKey) {
		t.Errorf("other key: got %v, want %v", err, errUnknownKey)
	}
}
