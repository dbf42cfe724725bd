package server

import (
	"encoding/xml"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// escapeKey escapes an object key as SigV4 asks, for the path.
func escapeKey(key string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/", "%7E", "~").Replace(strings.ReplaceAll(url.QueryEscape(key), "*", "%2A"))
}

// tree lists every path below dir, apart from the blobs, whose names are
// random digits.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	blob := regexp.MustCompile(`/(staging|objects/[0-9a-f]{2})/[0-9a-f]{32}$`)
	var paths []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil // gone while we looked
		}
		if err == nil && !blob.MatchString(path) && !strings.HasSuffix(path, ".tmp") {
			paths = append(paths, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

// TestObjectKeys puts objects under keys that a careless store would turn into
// paths. Each is refused or is an object of its own with just that key.
func TestObjectKeys(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, wireConfig(dir))
	putBucket(t, s.Endpoint(), "bucket")
	before := tree(t, filepath.Dir(dir))

	good := []string{
		"a", "a/b", "a/b/c", "a/", "a//b", "/a", "//a", "///", "/", ".", "./a", "a/.", "a/./b", "a/../b", "a/b/../../c", "a/..",
		"...", "..a", "a..", ".../a", "-", "~", "a b", " a", "a ", "a+b", "a%2Fb", "%2e%2e", "a?b", "a#b", "a&b=c", "a*b", `a\b`, `..\..\a`,
		`C:\a`, "con", "a:b", "a;b", "a|b", "a\"b", "a'b", "<a>", "a\tb", "a\nb", "a\rb", "\x7f", "ä", "a\u0308", "日本語", "\U0001f511", "\u202egnp.a", "\ufffd",
		"strongroom.db", "objects/00/x", "lock", "etc/passwd", ".root-key", "_/health", "a/_/b",
		strings.Repeat("k", 1024), strings.Repeat("ä", 512), strings.Repeat("/", 1024), strings.Repeat("a/", 512),
	}
	bad := []struct{ name, key, code string }{
		{"up", "..", "InvalidURI"},
		{"up and down", "../a", "InvalidURI"},
		{"up to the root", "../../../../../../etc/passwd", "InvalidURI"},
		{"down and up twice", "a/../../b", "InvalidURI"},
		{"up behind a slash", "/../a", "InvalidURI"},
		{"up behind dots", "./../a", "InvalidURI"},
		{"NUL", "a\x00b", "InvalidURI"},
		{"only NUL", "\x00", "InvalidURI"},
		{"invalid UTF-8", "a\xffb", "InvalidURI"},
		{"overlong slash", "a\xc0\xafb", "InvalidURI"},
		{"surrogate", "\xed\xa0\x80", "InvalidURI"},
		{"half a rune at the end", "a\xc3", "InvalidURI"},
		{"1025 bytes", strings.Repeat("k", 1025), "KeyTooLongError"},
		{"1025 bytes of runes", strings.Repeat("ä", 512) + "k", "KeyTooLongError"},
	}
	for _, key := range good {
		a := ask(t, s.Endpoint(), "s3", message{method: "PUT", path: "/bucket/" + escapeKey(key), body: "content of " + key})
		if a.status != 200 {
			t.Errorf("putting %.50q: got %d %s", key, a.status, a.body)
		}
	}
	for _, tt := range bad {
		for _, method := range []string{"PUT", "GET", "DELETE"} {
			m := message{method: method, path: "/bucket/" + escapeKey(tt.key)}
			if method == "PUT" {
				m.body = "x"
			}
			a := ask(t, s.Endpoint(), "s3", m)
			if code, _ := a.problem(); a.status != 400 || code != tt.code {
				t.Errorf("%s %s: got %d %s, want 400 %s", method, tt.name, a.status, code, tt.code)
			}
		}
		a := ask(t, s.Endpoint(), "s3", message{method: "POST", path: "/bucket/" + escapeKey(tt.key), query: "uploads="})
		if code, _ := a.problem(); a.status != 400 || code != tt.code {
			t.Errorf("beginning an upload of %s: got %d %s, want 400 %s", tt.name, a.status, code, tt.code)
		}
	}
	for _, key := range good {
		a := ask(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/" + escapeKey(key)})
		if a.status != 200 || a.body != "content of "+key {
			t.Errorf("getting %.50q: got %d %.80q", key, a.status, a.body)
		}
	}

	// The listing has just these keys, in bytewise order, and its XML parses.
	var list struct {
		Contents []struct{ Key string }
	}
	a := mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket", query: "encoding-type=url&list-type=2"})
	if err := xml.Unmarshal([]byte(a.body), &list); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list.Contents {
		key, err := url.QueryUnescape(c.Key)
		if err != nil {
			t.Errorf("listed key %q: %v", c.Key, err)
		}
		got = append(got, key)
	}
	slices.Sort(good)
	if !slices.Equal(got, good) {
		t.Errorf("got listing\n%q\nwant\n%q", got, good)
	}

	// Deleting one leaves its neighbours.
	mustAsk(t, s.Endpoint(), "s3", message{method: "DELETE", path: "/bucket/a"})
	mustAsk(t, s.Endpoint(), "s3", message{method: "GET", path: "/bucket/a/b"})
	if after := tree(t, filepath.Dir(dir)); !slices.Equal(after, before) {
		t.Errorf("got files\n%q\nwant no other than\n%q", after, before)
	}
	stop()
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// TestPathsAsSent: nothing on the way to the key cleans, redirects or unescapes
// twice, and nobody reaches the server's own pages by a key.
func TestPathsAsSent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	putBucket(t, s.Endpoint(), "bucket")
	for _, tt := range []struct {
		name, path string
		status     int
	}{
		{"double slash", "/bucket//x", 404},
		{"dots", "/bucket/a/../x", 404},
		{"escaped slash in the bucket's place", "/bucket%2Fx", 400},
		{"bucket up", "/../x", 400},
		{"no bucket", "//x", 400},
		{"health by dots", "/bucket/../_/health", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := message{method: "GET", path: tt.path}
			if strings.Contains(tt.path, "%2F") {
				// S3 signs the path decoded and encoded again, where / stays.
				s1 := wireSigner("s3")
				signed, _ := s1.sign(message{method: "GET", path: "/bucket/x"})
				a := send(t, s.Endpoint(), []byte(strings.Replace(string(signed), "/bucket/x", tt.path, 1)))
				if a.status != tt.status {
					t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
				}
				return
			}
			if a := ask(t, s.Endpoint(), "s3", m); a.status != tt.status {
				t.Errorf("got %d %s%s, want %d", a.status, a.raw, a.body, tt.status)
			}
		})
	}
}
