package s3http

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Domain returns a domain name in the form that [Config] wants: lower case,
// without a dot at its end. It is false for what is no domain name, such as an
// IP address or a name with a port.
func Domain(name string) (domain string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "" || len(name) > 253 {
		return "", false
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	// No such name can be looked up (URL Standard, "ends in a number").
	last := name[strings.LastIndexByte(name, '.')+1:]
	return name, strings.Trim(last, "0123456789") != ""
}

// hostBucket returns the bucket that a Host header names in virtual-hosted
// style, "" when the request is path style. Of several domains that the host
// ends in, the longest counts: the rest, which may have dots, is the bucket, and
// a host that is a domain names none. So "s3.localhost" is no bucket s3 of
// "localhost", as long as both are domains.
//
// Names are compared without regard to case (RFC 9110, 4.2.3), and the dot that
// makes a name absolute (RFC 1034, 3.1) does not count.
//
// Source: Amazon S3 User Guide, "Virtual hosting of general purpose buckets".
func hostBucket(host string, domains []string) string {
	if strings.HasPrefix(host, "[") { // an IPv6 address
		return ""
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	bucket, longest := "", 0
	for _, d := range domains {
		if len(d) <= longest || !strings.HasSuffix(name, d) {
			continue
		}
		rest := name[:len(name)-len(d)]
		if rest == "" {
			return ""
		}
		if rest, ok := strings.CutSuffix(rest, "."); ok {
			bucket, longest = rest, len(d)
		}
	}
	return bucket
}

// hostedKey takes the key from the escaped path of a request whose host names
// the bucket: all that follows the first slash. It is false for a path that is
// no valid escape, or does not begin with a slash.
func hostedKey(escaped string) (key string, l level, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return "", 0, false
	}
	key, err := url.PathUnescape(rest)
	l = objectLevel
	if key == "" {
		l = bucketLevel
	}
	return key, l, err == nil
}
