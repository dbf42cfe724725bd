package sigv4

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxExpires is the longest life of a presigned request: seven days.
const maxExpires = 7 * 24 * time.Hour

// queryParams are the parameters of the query that have to do with signatures.
type queryParams struct {
	present bool // X-Amz-Algorithm, X-Amz-Credential or X-Amz-Signature is there
	v2      bool // AWSAccessKeyId and Signature are there

	algorithm, credential, date, expires, headers, signature, token, payload *string
}

// scanQuery finds the parameters without decoding the others. Names are
// matched exactly, as the SDKs write them. One that appears twice is refused:
// another reader of the query might take the other value.
func scanQuery(query string) (queryParams, error) {
	var q queryParams
	var v2key, v2sig bool
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, _ := strings.Cut(pair, "=")
		name, ok := unescapeQuery(name)
		if !ok {
			return q, badEscape()
		}
		var field **string
		switch name {
		case queryAlgorithm:
			field = &q.algorithm
		case queryCred:
			field = &q.credential
		case queryDate:
			field = &q.date
		case queryExpires:
			field = &q.expires
		case queryHeaders:
			field = &q.headers
		case querySignature:
			field = &q.signature
		case queryToken:
			field = &q.token
		case queryPayload:
			field = &q.payload
		case "AWSAccessKeyId":
			v2key = true
			continue
		case "Signature":
			v2sig = true
			continue
		default:
			continue
		}
		value, ok = unescapeQuery(value)
		if !ok {
			return q, badEscape()
		}
		if *field != nil {
			return q, malformed(true, name+" is given more than once.", name+" is given more than once.")
		}
		*field = &value
	}
	q.present = q.algorithm != nil || q.credential != nil || q.signature != nil
	q.v2 = v2key && v2sig
	return q, nil
}

// badEscape refuses a query that decoders disagree about.
func badEscape() error {
	const text = "The query string has an invalid percent-encoding."
	return malformed(true, text, text)
}

// parsePresigned reads a signature out of the query.
func parsePresigned(r *http.Request, q *queryParams) (*Signature, error) {
	if q.algorithm != nil && *q.algorithm != algorithm {
		if *q.algorithm == algorithmV4a {
			return nil, &Error{Kind: SigV4a, Presigned: true, Message: textUseV4, S3Message: textUseV4}
		}
		const text = `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`
		return nil, malformed(true, text, text)
	}
	if q.algorithm == nil || q.credential == nil || q.signature == nil || q.date == nil || q.headers == nil {
		return nil, malformed(true, textQueryNeeds, textQueryNeeds)
	}
	s := &Signature{Presigned: true}
	if err := s.parseCredential(*q.credential); err != nil {
		return nil, err
	}
	if err := s.parseSignedHeaders(*q.headers); err != nil {
		return nil, err
	}
	if err := s.parseValue(*q.signature); err != nil {
		return nil, err
	}
	if !s.parseTimestamp(*q.date) {
		const text = `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`
		return nil, malformed(true, text, text)
	}
	if q.expires != nil {
		if err := s.parseExpires(*q.expires); err != nil {
			return nil, err
		}
	}
	if q.token != nil {
		if len(*q.token) > maxToken {
			return nil, malformed(true, "X-Amz-Security-Token is too long.", "X-Amz-Security-Token is too long.")
		}
		s.SessionToken = *q.token
	}
	if err := s.parseExtras(r.Header); err != nil {
		return nil, err
	}
	// The JavaScript SDK puts the hash into the query, the Go and Python SDKs
	// leave it out; a header, which must be signed, goes first.
	if s.PayloadHash == "" {
		s.PayloadHash = UnsignedPayload
		if q.payload != nil {
			s.PayloadHash = *q.payload
		}
	}
	return s, nil
}

// parseExpires reads a whole number of seconds from 1 to 604800.
func (s *Signature) parseExpires(value string) error {
	n, err := strconv.ParseInt(value, 10, 64)
	text := ""
	switch {
	case err != nil:
		text = "X-Amz-Expires should be a number"
	case n < 0:
		text = "X-Amz-Expires must be non-negative"
	case n == 0:
		text = "X-Amz-Expires must be at least 1"
	case n > int64(maxExpires/time.Second):
		text = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds"
	}
	if text != "" {
		return malformed(true, text, text)
	}
	s.Expires = time.Duration(n) * time.Second
	return nil
}
