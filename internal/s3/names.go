package s3

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// maxBucketName is the length of the longest name of a bucket.
const maxBucketName = 63

// maxKeyLength is the length limit of an object key, in bytes of UTF-8.
const maxKeyLength = 1024

// Prefixes and suffixes that AWS keeps for itself.
var (
	reservedPrefixes = []string{"xn--", "sthree-", "amzn-s3-demo-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// checkBucketName applies the rules for general purpose buckets.
//
// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
func checkBucketName(name string) error {
	if validBucketName(name) {
		return nil
	}
	return awserr.New(s3api.InvalidBucketName, "The specified bucket is not valid.").With("BucketName", name)
}

func validBucketName(name string) bool {
	if len(name) < 3 || len(name) > maxBucketName || strings.Contains(name, "..") {
		return false
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		inner := i > 0 && i < len(name)-1
		if !alnum && (!inner || c != '.' && c != '-') {
			return false
		}
	}
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	return !looksLikeIPv4(name)
}

// looksLikeIPv4 is wider than netip: 192.168.5.04 is refused as well.
func looksLikeIPv4(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return false
	}
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 8); err != nil {
			return false
		}
	}
	return true
}

// checkObjectKey applies what S3 asks of a key: 1 to 1,024 bytes of UTF-8, and
// no ".." element that leaves the bucket when the key is read from left to
// right ("Constraints on relative key elements" in the User Guide's "Naming
// Amazon S3 objects"). A NUL is refused too, because XML 1.0 cannot list it.
func checkObjectKey(key string) error {
	switch {
	case len(key) > maxKeyLength:
		return awserr.New(s3api.KeyTooLongError, "Your key is too long").
			With("Size", strconv.Itoa(len(key))).With("MaxSizeAllowed", strconv.Itoa(maxKeyLength))
	case key == "", !utf8.ValidString(key), strings.IndexByte(key, 0) >= 0, escapesBucket(key):
		return awserr.New(s3api.InvalidURI, "Couldn't parse the specified URI.").With("URI", showable(key))
	}
	return nil
}

// showable makes of any string one that an error's XML can carry.
func showable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// escapesBucket reports whether, at some point from the left, more ".."
// elements than others were seen.
func escapesBucket(key string) bool {
	if !strings.Contains(key, "..") {
		return false
	}
	depth := 0
	for element := range strings.SplitSeq(key, "/") {
		switch element {
		case "..":
			depth--
		case "", ".":
			// Neither goes anywhere.
		default:
			depth++
		}
		if depth < 0 {
			return true
		}
	}
	return false
}
