// Package sigv4 verifies AWS Signature Version 4: requests signed in the
// Authorization header, presigned URLs, and bodies in aws-chunked encoding.
//
// It implements "AWS Signature Version 4 for API requests" (IAM User Guide) and,
// for S3, "Authenticating Requests (AWS Signature Version 4)" (Amazon S3 API
// Reference). It verifies and never signs: the caller hands it a function that
// makes the HMAC, so no key is ever seen here.
//
// A request is taken in three steps:
//
//	s, err := sigv4.Parse(r)              // who claims to have signed what
//	sign := …                             // look up s.KeyID; a dummy when unknown
//	err = s.Verify(r, rules, hash, sign)  // did they
//	body, err := sigv4.NewBody(…)         // S3 only: the payload, verified as it is read
//
// Requests must be as net/http's server made them: header names in canonical
// form, Host in r.Host, the request target as sent in r.RequestURI.
package sigv4

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Names and values of the protocol.
const (
	algorithm      = "AWS4-HMAC-SHA256"
	algorithmV4a   = "AWS4-ECDSA-P256-SHA256"
	terminator     = "aws4_request"
	timeFormat     = "20060102T150405Z"
	headerDate     = "X-Amz-Date"
	headerToken    = "X-Amz-Security-Token"
	headerPayload  = "X-Amz-Content-Sha256"
	headerDecoded  = "X-Amz-Decoded-Content-Length"
	headerTrailer  = "X-Amz-Trailer"
	queryAlgorithm = "X-Amz-Algorithm"
	queryCred      = "X-Amz-Credential"
	queryDate      = headerDate
	queryExpires   = "X-Amz-Expires"
	queryHeaders   = "X-Amz-SignedHeaders"
	querySignature = "X-Amz-Signature"
	queryToken     = headerToken
	queryPayload   = headerPayload
)

// Bounds on what an unauthenticated client can make us look at. They lie well
// above what AWS's own clients send.
const (
	maxAuthorization = 8 << 10  // bytes of the Authorization header
	maxTarget        = 32 << 10 // bytes of the request target; an S3 key is at most 3 KiB of it
	maxKeyID         = 128      // bytes; AWS: 16 to 128
	maxScopePart     = 64       // bytes of region, service and terminator
	maxSignedHeaders = 128      // names
	maxHeaderName    = 128      // bytes
	maxSignature     = 256      // bytes, where 64 are right
	maxToken         = 16 << 10 // bytes of a security token
	maxCanonical     = 64 << 10 // bytes of the canonical request
)

// Signature is what a request claims about its signature; nothing of it is
// true before Verify. Its strings share memory with the request. It is safe for
// concurrent reading.
type Signature struct {
	KeyID      string // access key id; not covered by the signature itself
	Date       string // yyyymmdd of the credential scope
	Region     string
	Service    string
	Terminator string // aws4_request, or Verify refuses it

	// Time is when the request says it was signed, in UTC, to the second: from
	// X-Amz-Date or else Date.
	Time time.Time

	SignedHeaders []string // lower case, in the order sent, at least one, no name twice

	// Value is the signature. It is all zero when what was sent is not 64
	// lower-case hex digits: Verify then finds a mismatch, as AWS does.
	Value [32]byte

	// Presigned tells a signature in the query from one in the header.
	Presigned bool
	// Expires is the life of a presigned request, 1 s to 7 days; 0 when
	// X-Amz-Expires is absent, which S3 refuses and the other services allow.
	Expires time.Duration

	// PayloadHash is the value of x-amz-content-sha256, "" when there is none.
	// A presigned request without one has UNSIGNED-PAYLOAD.
	PayloadHash string

	// SessionToken is the value of X-Amz-Security-Token, "" when there is none.
	// The caller checks that it belongs to KeyID.
	SessionToken string

	signedHeaders string // SignedHeaders as sent
	provided      string // the signature as sent
	wellFormed    bool   // provided is 64 lower-case hex digits
	timestamp     string // Time in timeFormat
	scope         string // date/region/service/terminator
}

// Parse reads the signature of r from its Authorization header or its query.
// It looks at nothing but the form. All its errors are *Error, of the kinds
// NoSignature, Malformed, MissingDate, Ambiguous, SigV2, SigV4a and BadPayloadHash.
func Parse(r *http.Request) (*Signature, error) {
	auth := r.Header["Authorization"]
	query := rawQuery(r)
	if len(r.RequestURI) > maxTarget {
		return nil, malformed(len(auth) == 0, "The request target is too long.", "the request target is too long.")
	}
	params, err := scanQuery(query)
	if err != nil {
		return nil, err
	}
	switch {
	case len(auth) > 1, len(auth) == 1 && params.present:
		return nil, &Error{Kind: Ambiguous, Presigned: params.present, Message: textAmbiguous, S3Message: textAmbiguous}
	case len(auth) == 1:
		return parseAuthorization(r, auth[0])
	case params.present:
		return parsePresigned(r, &params)
	case params.v2:
		return nil, &Error{Kind: SigV2, Presigned: true, Message: textUseV4, S3Message: textUseV4}
	}
	return nil, &Error{Kind: NoSignature, Message: "Missing Authentication Token", S3Message: "Access Denied"}
}

// String names the key and the scope. The signature and the token stay out of
// it: a presigned signature is a credential.
func (s Signature) String() string { return s.KeyID + "/" + s.scope }

// MarshalText implements [encoding.TextMarshaler] with String, for logs.
func (s Signature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// parseCredential splits keyid/date/region/service/terminator.
func (s *Signature) parseCredential(cred string) error {
	parts := strings.Count(cred, "/") + 1
	var ok bool
	if parts == 5 {
		s.KeyID, s.scope, ok = strings.Cut(cred, "/")
		s.Date, cred, _ = strings.Cut(s.scope, "/")
		s.Region, cred, _ = strings.Cut(cred, "/")
		s.Service, s.Terminator, _ = strings.Cut(cred, "/")
	}
	if !ok || s.KeyID == "" || len(s.KeyID) > maxKeyID || !visible(s.KeyID) || !visible(s.scope) ||
		len(s.Region) > maxScopePart || len(s.Service) > maxScopePart || len(s.Terminator) > maxScopePart {
		return malformedCredential(s.Presigned,
			"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
			`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	if _, ok := decodeTime(s.Date); !ok || len(s.Date) != 8 {
		return malformedCredential(s.Presigned,
			"Date in Credential scope must be in the format 'yyyyMMdd'",
			`incorrect date format. This date in the credential must be in the format "yyyyMMdd".`)
	}
	return nil
}

// parseSignedHeaders splits the list of names. It must be in lower case and
// name nothing twice; the order is the client's, because the list itself is signed.
func (s *Signature) parseSignedHeaders(list string) error {
	s.signedHeaders = list
	n := strings.Count(list, ";") + 1
	bad := list == "" || n > maxSignedHeaders
	if !bad {
		s.SignedHeaders = make([]string, 0, n)
		for name := range strings.SplitSeq(list, ";") {
			if !headerName(name) || slices.Contains(s.SignedHeaders, name) {
				bad = true
				break
			}
			s.SignedHeaders = append(s.SignedHeaders, name)
		}
	}
	if bad {
		return malformed(s.Presigned,
			"SignedHeaders must be a semicolon-separated list of distinct lower-case header names.",
			"SignedHeaders must be a semicolon-separated list of distinct lower-case header names.")
	}
	return nil
}

// parseValue keeps the signature; one that is not hex is a mismatch, not a
// malformed request, unless it is absurdly long.
func (s *Signature) parseValue(value string) error {
	if value == "" || len(value) > maxSignature {
		return malformed(s.Presigned, textNeedsSignature, textThreeComponents)
	}
	s.provided = value
	s.wellFormed = decodeHex(&s.Value, value)
	return nil
}

// parseTimestamp reads ISO 8601's basic form, to the second.
func (s *Signature) parseTimestamp(value string) bool {
	t, ok := decodeTime(value)
	if !ok || len(value) != len(timeFormat) {
		return false
	}
	s.Time, s.timestamp = t, value
	return true
}
