package s3http

import (
	"net/url"
	"strings"
	"testing"
)

var testDomains = []string{"localhost", "s3.localhost", "s3.us-east-1.localhost", "s3.us-east-1.amazonaws.com", "s3.amazonaws.com", "example"}

func TestHostBucket(t *testing.T) {
	for _, tt := range []struct{ name, host, want string }{
		{"domain", "localhost", ""},
		{"domain with port", "localhost:8650", ""},
		{"longer domain", "s3.localhost", ""},
		{"longest domain", "s3.us-east-1.localhost:8650", ""},
		{"bucket", "bucket.localhost", "bucket"},
		{"bucket with port", "bucket.localhost:8650", "bucket"},
		{"port of nothing", "bucket.localhost:", "bucket"},
		{"bucket of longer domain", "bucket.s3.localhost", "bucket"},
		{"bucket of longest domain", "bucket.s3.us-east-1.localhost", "bucket"},
		{"bucket with dots", "my.own.bucket.s3.localhost", "my.own.bucket"},
		{"bucket named s3", "s3.s3.localhost", "s3"},
		{"bucket named like a domain's start", "s3.us-east-1.s3.localhost", "s3.us-east-1"},
		{"bucket named like a region", "us-east-1.localhost", "us-east-1"},
		{"bucket named like a region, longer domain", "us-east-1.s3.localhost", "us-east-1"},
		{"bucket named like a domain", "s3.amazonaws.com.s3.localhost", "s3.amazonaws.com"},
		{"AWS", "bucket.s3.us-east-1.amazonaws.com", "bucket"},
		{"AWS without region", "bucket.s3.amazonaws.com", "bucket"},
		{"AWS in a region that is not there", "bucket.s3.eu-west-1.amazonaws.com", ""},
		{"capitals", "Bucket.LOCALHOST", "bucket"},
		{"absolute name", "bucket.localhost.", "bucket"},
		{"absolute name with port", "bucket.localhost.:8650", "bucket"},
		{"absolute domain", "localhost.", ""},
		{"other name", "strongroom:8650", ""},
		{"other name with dots", "bucket.s3.example.org", ""},
		{"name that ends in the same letters", "mylocalhost", ""},
		{"bucket before such a name", "bucket.mylocalhost", ""},
		{"domain inside", "bucket.localhost.example.org", ""},
		{"IPv4", "127.0.0.1:8650", ""},
		{"IPv6", "[::1]:8650", ""},
		{"IPv6 without port", "[::1]", ""},
		{"name in brackets", "[bucket.localhost]:8650", ""},
		{"IPv6 with zone", "[fe80::1%25localhost]:8650", ""},
		{"nothing", "", ""},
		{"dot", ".", ""},
		{"empty bucket", ".localhost", ""},
		{"bucket that ends in a dot", "bucket..localhost", "bucket."},
		{"bucket of no form", "-_-.localhost", "-_-"},
	} {
		for range 2 { // the order of the domains does not matter
			if got := hostBucket(tt.host, testDomains); got != tt.want {
				t.Errorf("%s: %s: got %q, want %q", tt.name, tt.host, got, tt.want)
			}
			last := len(testDomains) - 1
			testDomains[0], testDomains[last] = testDomains[last], testDomains[0]
		}
	}
	if got := hostBucket("bucket.localhost", nil); got != "" {
		t.Errorf("got %q without domains, want none", got)
	}
}

func TestHostedKey(t *testing.T) {
	for _, tt := range []struct {
		path, key string
		level     level
		ok        bool
	}{
		{"/", "", bucketLevel, true}, {"/key", "key", objectLevel, true}, {"//key", "/key", objectLevel, true}, {"//", "/", objectLevel, true},
		{"/a//b/../c", "a//b/../c", objectLevel, true}, {"/%2Fa%20b", "/a b", objectLevel, true}, {"", "", 0, false}, {"*", "", 0, false}, {"/%zz", "", objectLevel, false},
	} {
		if key, l, ok := hostedKey(tt.path); ok != tt.ok || ok && (key != tt.key || l != tt.level) {
			t.Errorf("%q: got %q, %v, %v, want %q, %v, %v", tt.path, key, l, ok, tt.key, tt.level, tt.ok)
		}
	}
}

func TestDomain(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, want := range map[string]string{
		"localhost": "localhost", "S3.Example.Com.": "s3.example.com", "my_host": "my_host", long + ".x": long + ".x",
		"": "", ".": "", "a..b": "", "a.b..": "", "a b": "", "a:80": "", "*.a": "", "127.0.0.1": "", "::1": "", "[::1]": "", "a.1": "", "127.1": "",
		"-a.b": "", "a-.b": "", "é.b": "", long + "a.x": "", strings.Repeat("a.", 130) + "a": "",
	} {
		if got, ok := Domain(name); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, ok, want)
		}
	}
}

// A host that names a bucket is that bucket, a dot and a domain; and a host that
// is made of the two names the bucket, unless it is a longer domain's.
func FuzzHostBucket(f *testing.F) {
	for _, seed := range []string{"bucket.localhost:8650", "s3.localhost", "a.b.s3.us-east-1.localhost.", "[::1]:80", "127.0.0.1", ".localhost", "", "x:y:z", "BUCKET.Example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		bucket := hostBucket(host, testDomains)
		if bucket == "" {
			return
		}
		name := strings.ToLower(host)
		found := false
		for _, d := range testDomains {
			if rest, ok := strings.CutPrefix(name, bucket+"."+d); ok && (rest == "" || rest == "." || strings.HasPrefix(strings.TrimPrefix(rest, "."), ":")) {
				found = true
			}
		}
		if !found {
			t.Errorf("got bucket %q of host %q", bucket, host)
		}
		for _, d := range testDomains {
			got := hostBucket(bucket+"."+d+":80", testDomains)
			if strings.ContainsAny(bucket, ":[]") { // no host can have them
				continue
			}
			if got != bucket && !strings.HasPrefix(bucket+"."+d, got+".") {
				t.Errorf("got bucket %q of %q under %s", got, bucket, d)
			}
		}
	})
}

// The path of a bucket's host is its key, byte for byte.
func FuzzHostedKey(f *testing.F) {
	for _, seed := range []string{"/", "//", "/a%2Fb", "/..", "*", "", "/%zz", "/é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		key, l, ok := hostedKey(path)
		if !ok {
			return
		}
		if (l == bucketLevel) != (key == "") {
			t.Errorf("got key %q at level %v", key, l)
		}
		if again, l2, ok := hostedKey("/" + url.PathEscape(key)); !ok || again != key || l2 != l {
			t.Errorf("got %q at level %v back, want %q at level %v", again, l2, key, l)
		}
		// Path style, with any bucket before it, names the same key.
		if _, same, _, ok := splitPath("/bucket" + path); !ok || same != key {
			t.Errorf("got key %q in path style, want %q", same, key)
		}
	})
}
