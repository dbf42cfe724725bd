package sigv4

import (
	"net/http"
	"strings"
)

// parseAuthorization reads
//
//	AWS4-HMAC-SHA256 Credential=…/…/…/…/aws4_request, SignedHeaders=a;b, Signature=64hex
//
// The three parts come in any order, with or without space after the comma:
// AWS's own clients differ in both.
func parseAuthorization(r *http.Request, value string) (*Signature, error) {
	if len(value) > maxAuthorization {
		return nil, malformed(false, "Authorization header is too long.", "the authorization header is too long.")
	}
	scheme, rest, _ := strings.Cut(value, " ")
	switch {
	case scheme == algorithm:
	case scheme == algorithmV4a:
		return nil, &Error{Kind: SigV4a, Message: textUseV4, S3Message: textUseV4}
	case scheme == "AWS":
		return nil, &Error{Kind: SigV2, Message: textUseV4, S3Message: textUseV4}
	default:
		return nil, malformed(false,
			"Authorization header requires 'AWS4-HMAC-SHA256' as its algorithm.", "the authorization type is not supported.")
	}
	var cred, headers, signature string
	for part := range strings.SplitSeq(rest, ",") {
		key, val, ok := strings.Cut(strings.Trim(part, " "), "=")
		if !ok {
			return nil, malformed(false, "not a valid key=value pair (missing equal-sign) in Authorization header.", textThreeComponents)
		}
		var field *string
		switch key {
		case "Credential":
			field = &cred
		case "SignedHeaders":
			field = &headers
		case "Signature":
			field = &signature
		}
		if field == nil || *field != "" {
			return nil, malformed(false, "Authorization header has an unknown or repeated parameter.", textThreeComponents)
		}
		*field = val
	}
	if err := requireParts(cred, headers, signature); err != nil {
		return nil, err
	}
	s := &Signature{}
	if err := s.parseCredential(cred); err != nil {
		return nil, err
	}
	if err := s.parseSignedHeaders(headers); err != nil {
		return nil, err
	}
	if err := s.parseValue(signature); err != nil {
		return nil, err
	}
	if err := s.parseDate(r.Header); err != nil {
		return nil, err
	}
	if err := s.parseExtras(r.Header); err != nil {
		return nil, err
	}
	return s, nil
}

// requireParts names all the parts that are missing, as AWS does.
func requireParts(cred, headers, signature string) error {
	var missing []string
	for _, p := range [...]struct{ name, value string }{
		{"Credential", cred}, {"Signature", signature}, {"SignedHeaders", headers},
	} {
		if p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.name+"' parameter.")
		}
	}
	if missing == nil {
		return nil
	}
	return malformed(false, strings.Join(missing, " "), textThreeComponents)
}

// parseDate takes X-Amz-Date or, when there is none, Date, which HTTP writes
// in another form.
func (s *Signature) parseDate(h http.Header) error {
	v, ok := h[headerDate]
	if !ok {
		v = h["Date"]
	}
	if len(v) == 1 {
		if s.parseTimestamp(v[0]) {
			return nil
		}
		if t, err := http.ParseTime(v[0]); err == nil && !ok && 0 <= t.Year() && t.Year() <= 9999 {
			s.Time = t.UTC()
			s.timestamp = s.Time.Format(timeFormat)
			return nil
		}
	}
	return &Error{Kind: MissingDate, Message: textNeedsDate, S3Message: textNeedsDateS3}
}

// parseExtras takes the payload hash and the security token from the headers.
// A second value of either would leave two readings.
func (s *Signature) parseExtras(h http.Header) error {
	if v := h[headerPayload]; len(v) == 1 && v[0] != "" {
		s.PayloadHash = v[0]
	} else if len(v) > 0 {
		return &Error{Kind: BadPayloadHash, Presigned: s.Presigned, Message: textBadHash, S3Message: textBadHash}
	}
	v := h[headerToken]
	if len(v) == 0 {
		return nil
	}
	if len(v) > 1 || len(v[0]) > maxToken || s.SessionToken != "" {
		return malformed(s.Presigned, "X-Amz-Security-Token is repeated or too long.", "X-Amz-Security-Token is repeated or too long.")
	}
	s.SessionToken = v[0]
	return nil
}
