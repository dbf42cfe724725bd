package sigv4_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// parsed checks what holds for every result of Parse, then whether Verify
// copes with it. A fuzzer cannot sign, so nothing may pass.
func parsed(t *testing.T, r *http.Request, s *sigv4.Signature, err error) {
	if err != nil {
		if sigv4.KindOf(err) == 0 || s != nil {
			t.Fatalf("got %v, %v, want a kind and nothing else", s, err)
		}
		return
	}
	if len(s.Date) != 8 || s.KeyID == "" || len(s.SignedHeaders) == 0 || s.Time.Year() < 0 ||
		s.String() != strings.Join([]string{s.KeyID, s.Date, s.Region, s.Service, s.Terminator}, "/") {
		t.Fatalf("got %+v", s)
	}
	for _, s3 := range []bool{false, true} {
		rules := sigv4.Rules{Service: s.Service, S3: s3, Regions: []string{s.Region}, Now: s.Time}
		err := s.Verify(r, rules, "", func(sts []byte) [32]byte {
			if !bytes.HasPrefix(sts, []byte("AWS4-HMAC-SHA256\n")) || bytes.Count(sts, []byte("\n")) != 3 {
				t.Fatalf("got string to sign %q", sts)
			}
			return [32]byte{}
		})
		// The zero signature, when that is what was sent, equals what sign made.
		if sigv4.KindOf(err) == 0 && (err != nil || s.Value != [32]byte{}) {
			t.Fatalf("got %v for a forged signature", err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"AWS4-HMAC-SHA256 Credential=" + goodCredential + ", SignedHeaders=" + goodHeaders + ", Signature=" + goodValue,
		"AWS4-HMAC-SHA256 Signature=0,Credential=a/20260101/b/c/d,SignedHeaders=host",
		"AWS4-ECDSA-P256-SHA256 x", "AWS a:b", "Basic eA==", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 =,=,=",
	} {
		f.Add(seed, "20260101T120000Z", "", "/a/../b?x=1&y=%20")
	}
	f.Add("", "", "Thu, 01 Jan 2026 12:00:00 GMT", "*")
	f.Fuzz(func(t *testing.T, auth, amzDate, date, target string) {
		r := &http.Request{Method: "GET", RequestURI: target, Host: "h", Header: http.Header{"Authorization": {auth}}}
		if amzDate != "" {
			r.Header.Set("X-Amz-Date", amzDate)
		}
		if date != "" {
			r.Header.Set("Date", date)
		}
		s, err := sigv4.Parse(r)
		parsed(t, r, s, err)
		if err != nil {
			return
		}
		// Print it, parse it again: the same signature.
		value := auth[strings.Index(auth, "Signature=")+len("Signature="):]
		value, _, _ = strings.Cut(value, ",")
		value = strings.Trim(value, " ")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.String()+", SignedHeaders="+strings.Join(s.SignedHeaders, ";")+", Signature="+value)
		again, err := sigv4.Parse(r)
		if err != nil || again.Value != s.Value || again.String() != s.String() || !again.Time.Equal(s.Time) {
			t.Fatalf("got %v, %v, want %v again", again, err, s)
		}
		if s.Value != [32]byte{} && hex.EncodeToString(s.Value[:]) != value {
			t.Fatalf("got value %x, want %s", s.Value, value)
		}
	})
}

func FuzzPresigned(f *testing.F) {
	f.Add("/b/k", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="+url.QueryEscape(goodCredential)+
		"&X-Amz-Date=20260101T120000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature="+goodValue)
	f.Add("/b/%6b//..", "AWSAccessKeyId=a&Signature=b&Expires=1")
	f.Add("/", "a=b&a=+&%41=%2b&=&&c")
	f.Fuzz(func(t *testing.T, path, query string) {
		r := &http.Request{Method: "GET", RequestURI: path + "?" + query, Host: "h", Header: http.Header{}}
		s, err := sigv4.Parse(r)
		parsed(t, r, s, err)

		// Signed with the same target, our reading of the query is net/url's.
		if strings.ContainsAny(path, "?") || !strings.HasPrefix(path, "/") || sigv4.KindOf(err) != sigv4.NoSignature {
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			return // a semicolon, which AWS takes as it is
		}
		signed := signedByHand("GET", r.RequestURI, map[string]string{"X-Amz-Date": "20260101T120000Z"}, "host;x-amz-date", "s3")
		canonical := func(target string) string {
			signed.RequestURI = target
			s, err := sigv4.Parse(signed)
			if err != nil {
				return err.Error()
			}
			err = s.Verify(signed, s3Rules(signTime), sigv4.UnsignedPayload, func([]byte) [32]byte { return [32]byte{} })
			e, ok := errors.AsType[*sigv4.Error](err)
			if !ok || e.Kind != sigv4.SignatureMismatch {
				return err.Error()
			}
			return e.CanonicalRequest
		}
		if got, want := canonical(path+"?"+query), canonical(path+"?"+values.Encode()); got != want {
			t.Fatalf("got %q for %q, want %q", got, query, want)
		}
	})
}

func FuzzBody(f *testing.F) {
	modes := []string{sigv4.StreamingSigned, sigv4.StreamingSignedTrailer, sigv4.StreamingUnsignedTrailer}
	for _, u := range uploads() {
		if _, _, wire := u.build(); len(wire) < 1000 {
			for i, mode := range modes {
				if mode == u.mode {
					f.Add(wire, i, len(strings.Join(u.chunks, "")))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, mode, length int) {
		if mode < 0 || mode >= len(modes) || length < 0 || length > 1<<20 {
			return
		}
		u := upload{mode: modes[mode], chunks: []string{strings.Repeat("x", length)}}
		if modes[mode] != sigv4.StreamingSigned {
			u.announced = "x-amz-checksum-crc32c"
		}
		s, h, _ := u.build()
		got, trailer, err := decode(s, h, bytes.NewReader(wire), -1)
		slowly, trailer2, err2 := decode(s, h, iotest.OneByteReader(bytes.NewReader(wire)), -1)
		if !bytes.Equal(got, slowly) || sigv4.KindOf(err) != sigv4.KindOf(err2) || len(trailer) != len(trailer2) {
			t.Fatalf("got %q, %v and %q, %v", got, err, slowly, err2)
		}
		if err != nil {
			if sigv4.KindOf(err) == 0 || errors.Is(err, io.EOF) || trailer != nil || len(got) > length {
				t.Fatalf("got %d bytes, %v, %v", len(got), trailer, err)
			}
			return
		}
		if len(got) != length || u.announced != "" && len(trailer) != 1 {
			t.Fatalf("got %d bytes, %v, want %d", len(got), trailer, length)
		}
	})
}
