package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

func TestBucketNames(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     bool
	}{
		{"plain", "logs", true},
		{"dots and dashes", "my.bucket-1.eu", true},
		{"digits", "123", true},
		{"63 bytes", strings.Repeat("a", 63), true},
		{"64 bytes", strings.Repeat("a", 64), false},
		{"two bytes", "ab", false},
		{"empty", "", false},
		{"upper case", "Logs", false},
		{"underscore", "my_bucket", false},
		{"leading dash", "-abc", false},
		{"trailing dash", "abc-", false},
		{"leading dot", ".abc", false},
		{"two dots", "a..b", false},
		{"IPv4 address", "192.168.5.4", false},
		{"IPv4 with leading zero", "192.168.5.04", false},
		{"five numbers", "1.2.3.4.5", true},
		{"number too big", "1.2.3.400", true},
		{"punycode", "xn--bucket", false},
		{"sthree", "sthree-x", false},
		{"demo", "amzn-s3-demo-bucket", false},
		{"alias suffix", "abc-s3alias", false},
		{"object lambda suffix", "abc--ol-s3", false},
		{"multi-region access point suffix", "abc.mrap", false},
		{"directory bucket suffix", "abc--x-s3", false},
		{"table bucket suffix", "abc--table-s3", false},
		{"not ASCII", "bücket", false},
		{"slash", "a/b", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := checkBucketName(tt.in)
			if got := err == nil; got != tt.want {
				t.Errorf("got %v for %q, want valid %v", err, tt.in, tt.want)
			}
			if err != nil && !errors.Is(err, s3api.InvalidBucketName) {
				t.Errorf("got %v, want InvalidBucketName", err)
			}
		})
	}
}

func TestObjectKeys(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     awserr.Code
	}{
		{"plain", "a", ""},
		{"double slash", "a//b", ""},
		{"leading slash", "/a", ""},
		{"trailing slash", "a/", ""},
		{"dot", ".", ""},
		{"dots inside a name", "a..b", ""},
		{"up and stays inside", "a/b/../c", ""},
		{"up as often as down", "a/../b/..", ""},
		{"up first", "../a", s3api.InvalidURI},
		{"up twice after one", "a/../../b", s3api.InvalidURI},
		{"comes back too late", "a/../../b/c/d", s3api.InvalidURI},
		{"only dots", "..", s3api.InvalidURI},
		{"dot does not count", "./../a", s3api.InvalidURI},
		{"1,024 bytes", strings.Repeat("é", 512), ""},
		{"1,025 bytes", strings.Repeat("é", 512) + "x", s3api.KeyTooLongError},
		{"NUL", "a\x00b", s3api.InvalidURI},
		{"not UTF-8", "a\xffb", s3api.InvalidURI},
		{"empty", "", s3api.InvalidURI},
		{"control byte", "a\x01", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := awserr.CodeOf(checkObjectKey(tt.in)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
