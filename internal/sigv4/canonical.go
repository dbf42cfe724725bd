package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxKept is how many bytes a canonical may hold on to between requests.
const maxKept = 16 << 10

// canonical builds a canonical request:
//
//	method \n path \n query \n (name:value \n)… \n signed headers \n payload hash
//
// "Create a signed AWS API request", step 1, IAM User Guide.
type canonical struct {
	buf   []byte
	sts   []byte // string to sign
	enc   []byte // encoded names and values of the query
	pairs []pair // they, one by one; point into enc
	path  []string
}

// release gives the memory back, unless a hostile request made it big.
func (c *canonical) release() {
	if cap(c.buf)+cap(c.enc) > maxKept || cap(c.path) > maxKept/16 {
		return
	}
	clear(c.path[:cap(c.path)]) // strings of the request
	clear(c.buf)                // may hold a customer's key, as enc may a token
	clear(c.enc)
	scratch.Put(c)
}

// request fills c.buf. It reports false when a signed header is not in the
// request: such a request cannot be genuine, even where the header was empty.
func (c *canonical) request(r *http.Request, s *Signature, s3 bool, payloadHash string) (complete bool, err error) {
	path, ok := rawPath(r)
	if !ok {
		return false, badPath(s.Presigned)
	}
	b := append(append(c.buf[:0], r.Method...), '\n')
	if s3 {
		b, ok = appendPathOnce(b, path)
		if !ok {
			c.buf = b
			return false, badPath(s.Presigned)
		}
	} else {
		b = c.appendPathTwice(b, path)
	}
	b = append(b, '\n')
	b, ok = c.appendQuery(b, rawQuery(r), s.Presigned)
	if !ok {
		c.buf = b
		return false, badEscape()
	}
	b = append(b, '\n')
	complete = true
	for _, name := range s.SignedHeaders {
		b = append(append(b, name...), ':')
		b, ok = appendHeader(b, r, name)
		complete = complete && ok
		b = append(b, '\n')
		if len(b) > maxCanonical {
			c.buf = b
			const text = "The signed headers are too long."
			return false, malformed(s.Presigned, text, text)
		}
	}
	b = append(b, '\n')
	b = append(append(b, s.signedHeaders...), '\n')
	c.buf = append(b, payloadHash...)
	return complete, nil
}

func badPath(presigned bool) error {
	const text = "The request target is not a path."
	return malformed(presigned, text, text)
}

// rawPath returns the path as sent, still encoded. A target in absolute form
// (RFC 9112, 3.2.2) is stripped of scheme and authority.
func rawPath(r *http.Request) (string, bool) {
	target, _, _ := strings.Cut(r.RequestURI, "?")
	if strings.HasPrefix(target, "/") {
		return target, true
	}
	_, rest, ok := strings.Cut(target, "://")
	if !ok {
		return "", false // asterisk or authority form: no AWS API has them
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:], true
	}
	return "/", true
}

// rawQuery returns the query as sent, still encoded.
func rawQuery(r *http.Request) string {
	_, q, _ := strings.Cut(r.RequestURI, "?")
	return q
}

// appendPathOnce is S3's rule: every byte of the decoded path encoded once,
// slashes kept, nothing normalised, since "a//b" and "a/../b" are keys of their own.
func appendPathOnce(b []byte, path string) ([]byte, bool) {
	for i := 0; i < len(path); i++ {
		ch := path[i]
		if ch == '%' {
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return b, false
			}
			ch = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		b = appendEncoded(b, ch, true)
	}
	return b, true
}

// appendPathTwice is the rule of all other services: dot segments and empty
// segments removed (RFC 3986, 6.2.2.3), then the encoded path encoded again.
func (c *canonical) appendPathTwice(b []byte, path string) []byte {
	if path == "/" {
		return append(b, '/')
	}
	segments := c.path[:0]
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, segment)
		}
	}
	c.path = segments
	for _, segment := range segments {
		b = append(b, '/')
		for i := range len(segment) {
			b = appendEncoded(b, segment[i], false)
		}
	}
	if len(segments) == 0 || strings.HasSuffix(path, "/") {
		b = append(b, '/')
	}
	return b
}

// pair is one parameter of the query: two ranges of the encoded bytes.
type pair struct{ name, value []byte }

// appendQuery decodes and encodes every parameter, sorts by encoded name and
// then value, and leaves the signature of a presigned request out.
func (c *canonical) appendQuery(b []byte, query string, presigned bool) ([]byte, bool) {
	if query == "" {
		return b, true
	}
	// At most three bytes come of one, so enc never moves under the pairs.
	enc := slices.Grow(c.enc[:0], 3*len(query))
	pairs := c.pairs[:0]
	for query != "" {
		var p string
		p, query, _ = strings.Cut(query, "&")
		if p == "" {
			continue
		}
		name, value, _ := strings.Cut(p, "=")
		start := len(enc)
		var ok bool
		if enc, ok = appendQueryEncoded(enc, name); !ok {
			return b, false
		}
		middle := len(enc)
		if presigned && string(enc[start:]) == querySignature {
			continue
		}
		if enc, ok = appendQueryEncoded(enc, value); !ok {
			return b, false
		}
		pairs = append(pairs, pair{enc[start:middle], enc[middle:]})
	}
	c.enc, c.pairs = enc, pairs
	slices.SortFunc(pairs, func(x, y pair) int {
		if n := slices.Compare(x.name, y.name); n != 0 {
			return n
		}
		return slices.Compare(x.value, y.value)
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, p.name...), '='), p.value...)
	}
	return b, true
}

// appendHeader appends the values of a signed header: trimmed, runs of spaces
// made one, repeated ones joined by commas. Net/http keeps three headers out of
// the map. It reports false when the request does not have the header.
func appendHeader(b []byte, r *http.Request, name string) ([]byte, bool) {
	switch name {
	case "host":
		return appendTrimmed(b, r.Host), r.Host != ""
	case "transfer-encoding":
		return append(b, strings.Join(r.TransferEncoding, ",")...), len(r.TransferEncoding) > 0
	}
	var key [maxHeaderName]byte
	values, ok := r.Header[string(canonicalKey(key[:], name))]
	if !ok {
		if name == "content-length" && r.ContentLength >= 0 {
			return strconv.AppendInt(b, r.ContentLength, 10), true
		}
		return b, false
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendTrimmed(b, v)
	}
	return b, true
}

// appendTrimmed appends v without space at its ends and with single spaces inside.
func appendTrimmed(b []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	if !strings.Contains(v, "  ") {
		return append(b, v...)
	}
	for i := range len(v) {
		if v[i] == ' ' && v[i+1] == ' ' { // v does not end in a space
			continue
		}
		b = append(b, v[i])
	}
	return b
}
