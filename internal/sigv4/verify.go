package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The windows of AWS: how far a request's time may lie from the server's.
const (
	DefaultWindow   = 5 * time.Minute  // JSON and Query services
	DefaultS3Window = 15 * time.Minute // S3
)

// Rules are what an endpoint demands of a signature.
type Rules struct {
	Service string // of the credential scope, such as "kms"

	// S3 selects S3's rules: the path is encoded once and not normalised, and
	// x-amz-content-sha256 is required, its value being the payload hash.
	S3 bool

	Regions []string // accepted in the scope, not empty; the first is named in errors
	Now     time.Time
	Window  time.Duration // 0: DefaultWindow, or DefaultS3Window for S3
}

func (r *Rules) window() time.Duration {
	switch {
	case r.Window > 0:
		return r.Window
	case r.S3:
		return DefaultS3Window
	}
	return DefaultWindow
}

// scratch is memory for canonical requests.
var scratch = sync.Pool{New: func() any { return &canonical{buf: make([]byte, 0, 4096)} }}

// Verify checks the signature of r. PayloadHash is the hex SHA-256 of the body
// for the JSON and Query services; for S3 it is s.PayloadHash (or "", which
// means that), and the body is left to NewBody. Sign makes the HMAC-SHA-256 of
// its argument under the key for s.KeyID and s's scope; it must not keep the argument.
//
// For an access key that does not exist the caller passes a sign of the same cost
// that is never right, and turns SignatureMismatch into the error for an unknown key.
//
// The order of the checks is: scope (region, service, terminator, date), time,
// form of the payload hash, headers that had to be signed, signature. All errors
// are *Error. Verify does not change r and is safe for concurrent use.
func (s *Signature) Verify(r *http.Request, rules Rules, payloadHash string, sign func(stringToSign []byte) [32]byte) error {
	if err := s.checkScope(&rules); err != nil {
		return err
	}
	if err := s.checkTime(&rules); err != nil {
		return err
	}
	if rules.S3 {
		if payloadHash == "" {
			payloadHash = s.PayloadHash
		}
		if err := s.checkPayloadHash(payloadHash); err != nil {
			return err
		}
	}
	if err := s.checkRequired(r); err != nil {
		return err
	}

	c := scratch.Get().(*canonical)
	defer c.release()
	complete, err := c.request(r, s, rules.S3, payloadHash)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(c.buf)
	c.sts = s.appendStringToSign(c.sts[:0], algorithm)
	c.sts = hex.AppendEncode(c.sts, hash[:])
	want := sign(c.sts)
	if subtle.ConstantTimeCompare(want[:], s.Value[:]) == 1 && s.wellFormed && complete {
		return nil
	}
	return &Error{
		Kind: SignatureMismatch, Presigned: s.Presigned, KeyID: s.KeyID,
		Message: textMismatch, S3Message: textMismatchS3,
		StringToSign: string(c.sts), CanonicalRequest: string(c.buf), SignatureProvided: s.provided,
	}
}

// appendStringToSign begins a string to sign: algorithm, time and scope, a line each.
func (s *Signature) appendStringToSign(dst []byte, algorithm string) []byte {
	for _, line := range [...]string{algorithm, s.timestamp, s.scope} {
		dst = append(append(dst, line...), '\n')
	}
	return dst
}

// checkScope compares the credential scope with what the endpoint serves.
func (s *Signature) checkScope(rules *Rules) error {
	switch {
	case !slices.Contains(rules.Regions, s.Region):
		expected := ""
		if len(rules.Regions) > 0 {
			expected = rules.Regions[0]
		}
		e := s.scopeError(WrongRegion, "Credential should be scoped to a valid region.",
			"the region '"+s.Region+"' is wrong; expecting '"+expected+"'")
		e.Region = expected
		return e
	case s.Service != rules.Service:
		return s.scopeError(WrongService, "Credential should be scoped to correct service: '"+rules.Service+"'.",
			fmt.Sprintf("incorrect service %q. This endpoint belongs to %q.", s.Service, rules.Service))
	case s.Terminator != terminator:
		return s.scopeError(WrongTerminator, "Credential should be scoped with a valid terminator: 'aws4_request'.",
			fmt.Sprintf("incorrect terminal %q. This endpoint uses %q.", s.Terminator, terminator))
	case s.Date != s.timestamp[:8]:
		return s.scopeError(DateMismatch,
			fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
				s.Date, s.timestamp[:8], s.timestamp),
			fmt.Sprintf("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.Date, s.timestamp[:8]))
	}
	return nil
}

// scopeError makes an error about the credential scope.
func (s *Signature) scopeError(kind Kind, text, s3 string) *Error {
	e := malformedCredential(s.Presigned, text, s3)
	e.Kind, e.KeyID = kind, s.KeyID
	return e
}

// checkTime compares the request's time with the server's. A presigned request
// lives as long as it says, from its own time; without a life it has the window.
func (s *Signature) checkTime(rules *Rules) error {
	if s.Presigned && s.Expires == 0 && rules.S3 {
		return malformed(true, textQueryNeeds, textQueryNeeds)
	}
	window := rules.window()
	now := rules.Now.UTC().Truncate(time.Second) // the request's time has no finer unit
	begin, end := now.Add(-window), now.Add(window)
	switch {
	case s.Time.After(end):
		e := s.timeError(Skewed, rules, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %g min.)",
			s.timestamp, end.Format(timeFormat), now.Format(timeFormat), window.Minutes()))
		if s.Presigned {
			e.Kind, e.S3Message = NotYetValid, "Request is not yet valid"
		}
		return e
	case s.Expires > 0 && now.After(s.Time.Add(s.Expires)):
		e := s.timeError(ExpiredPresign, rules, fmt.Sprintf("Signature expired: %s is now earlier than %s",
			s.Time.Add(s.Expires).Format(timeFormat), now.Format(timeFormat)))
		e.S3Message = "Request has expired"
		return e
	case s.Expires == 0 && s.Time.Before(begin):
		e := s.timeError(Skewed, rules, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %g min.)",
			s.timestamp, begin.Format(timeFormat), now.Format(timeFormat), window.Minutes()))
		if s.Presigned {
			e.Kind, e.Expires = ExpiredPresign, window
		}
		return e
	}
	return nil
}

// timeError makes an error about the request's time.
func (s *Signature) timeError(kind Kind, rules *Rules, text string) *Error {
	return &Error{
		Kind: kind, Presigned: s.Presigned, KeyID: s.KeyID, Message: text,
		S3Message:   "The difference between the request time and the current time is too large.",
		RequestTime: s.Time, ServerTime: rules.Now, MaxSkew: rules.window(), Expires: s.Expires,
	}
}

// checkRequired finds headers that had to be signed and were not: host, without
// which a request could be sent to another server, and every x-amz-* header,
// which would otherwise be an order nobody gave.
func (s *Signature) checkRequired(r *http.Request) error {
	var missing []string
	if !slices.Contains(s.SignedHeaders, "host") {
		missing = append(missing, "host")
	}
	for name := range r.Header {
		if len(name) >= 6 && name[0]|0x20 == 'x' && strings.EqualFold(name[:6], "x-amz-") && !s.signs(name) {
			missing = append(missing, strings.ToLower(name))
		}
	}
	if missing == nil {
		return nil
	}
	slices.Sort(missing)
	return &Error{
		Kind: UnsignedHeaders, Presigned: s.Presigned, KeyID: s.KeyID,
		Message:   "'" + missing[0] + "' must be a 'SignedHeader' in the AWS Authorization.",
		S3Message: textUnsigned, HeadersNotSigned: missing,
	}
}

// signs reports whether the header called name is in the list.
func (s *Signature) signs(name string) bool {
	for _, n := range s.SignedHeaders {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
