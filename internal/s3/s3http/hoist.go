package s3http

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// querySignature is the parameter that makes a request a presigned one.
const querySignature = "X-Amz-Signature"

// signatureParams are the parameters of a presigned request that sign it, in
// the one spelling that they have.
var signatureParams = set("X-Amz-Algorithm", "X-Amz-Content-Sha256", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
	"X-Amz-Security-Token", "X-Amz-SignedHeaders", querySignature)

// headersOnly are the names that count where the signature and the transfer
// coding look for them, and nowhere else.
var headersOnly = set("x-amz-algorithm", "x-amz-content-sha256", "x-amz-credential", "x-amz-date", "x-amz-decoded-content-length",
	"x-amz-expires", "x-amz-security-token", "x-amz-signature", "x-amz-signedheaders", "x-amz-te", "x-amz-trailer")

// hoist makes headers of the x-amz parameters of a presigned query. Whoever
// signs a URL puts there what its user is to send, and SDKs do it unasked; it is
// an order like that of a header. Elsewhere such a parameter has no meaning, and
// is refused.
func (x *exchange) hoist() error {
	presigned := x.query.Has(querySignature)
	var header http.Header // a copy; the request is not ours to change
	for _, name := range slices.Sorted(maps.Keys(x.query)) {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") || presigned && signatureParams[name] {
			continue
		}
		if !presigned {
			return awserr.New(s3api.NotImplemented, "A header you provided implies functionality that is not implemented").With("Header", name)
		}
		values := x.query[name]
		value := strings.Trim(values[0], " \t") // as of a header
		switch {
		case headersOnly[lower], !isToken(name):
			return awserr.New(s3api.InvalidArgument, "%s is not supported in the query string.", printable(name)).
				With("ArgumentName", printable(name))
		case !isFieldValue(value):
			return invalidHeader(lower)
		}
		if header == nil {
			header = x.r.Header.Clone()
		}
		for _, other := range values[1:] {
			if strings.Trim(other, " \t") != value {
				return contradiction(lower)
			}
		}
		canonical := http.CanonicalHeaderKey(name)
		if sent, ok := header[canonical]; ok && strings.Join(sent, ",") != value {
			return contradiction(lower)
		}
		header[canonical] = []string{value}
	}
	if header != nil {
		x.r = x.r.WithContext(x.r.Context())
		x.r.Header = header
	}
	return nil
}

// contradiction refuses a name that was sent with two values. Like the other
// refusals here it shows none of them: they may be keys and credentials.
func contradiction(name string) error {
	return awserr.New(s3api.InvalidArgument, "%s is given more than once, with different values.", name).
		With("ArgumentName", name)
}

// invalidHeader refuses a value that could not be given back as it came.
func invalidHeader(name string) error {
	return awserr.New(s3api.InvalidArgument, "The value of %s is not valid: it must be UTF-8 without control characters.", name).
		With("ArgumentName", name)
}

// isToken reports whether s can name a header (RFC 9110, 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s can be a header's value (RFC 9110, 5.5).
func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// printable makes of any string one that an error's XML can carry.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r // U+FFFD for what is no UTF-8
	}, s)
}
