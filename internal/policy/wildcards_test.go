package policy_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/policy"
)

// wildcardCase is a resource pattern, a resource, and whether it matches.
type wildcardCase struct {
	name, source, pattern, text string
	want                        bool
}

func TestWildcards(t *testing.T) {
	for _, tt := range wildcardCases() {
		t.Run(tt.name, func(t *testing.T) {
			sourced(t, tt.source)
			d := parse(t, policy.Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"`+tt.pattern+`"}}`)
			expect(t, d, &policy.Request{Action: "s3:GetObject", Resource: tt.text}, tt.want)
			if naive := naiveMatch([]rune(tt.pattern), []rune(tt.text)); naive != tt.want {
				t.Errorf("the reference says %v", naive)
			}
		})
	}
}

func wildcardCases() []wildcardCase {
	const arns = resourcePage + "Using wildcards in resource ARNs"
	const b = "arn:aws:s3:::amzn-s3-demo-bucket/"
	return []wildcardCase{
		{"All objects of a bucket", arns, b + "*", b + "a/b/c.jpg", true},
		{"A star takes slashes: none needed", arns, b + "*/test/*", b + "1/test/", true},
		{"A star takes slashes: many", arns, b + "*/test/*", b + "1///test///object.jpg", true},
		{"A star may take nothing", arns, b + "*/test/*", b + "/test/object.jpg", true},
		{"A star's neighbours must be there: dash", arns, b + "*/test/*", b + "1-test/object.jpg", false},
		{"A star's neighbours must be there: first", arns, b + "*/test/*", b + "test/object.jpg", false},
		{"A star's neighbours must be there: dot", arns, b + "*/test/*", b + "1/2/test.jpg", false},
		{"Users of a path", arns, "arn:aws:iam::111122223333:user/accounting/*", "arn:aws:iam::111122223333:user/accounting/eu/ann", true},
		{"Names are case sensitive", resourcePage + "IAM JSON policy elements: Resource", "arn:aws:iam::111122223333:user/Bob", "arn:aws:iam::111122223333:user/bob", false},
		{"A question mark is one character", arns, b + "a?c", b + "abc", true},
		{"A question mark is a slash too", arns, b + "a?c", b + "a/c", true},
		{"A question mark is not nothing", arns, b + "a?c", b + "ac", false},
		{"A question mark is one character of several bytes", arns, b + "a?c", b + "aéc", true},
		{"A question mark is one character beyond 16 bits", arns, b + "a?c", b + "a😀c", true},
		{"Two question marks are not one character of two bytes", arns, b + "a??c", b + "aéc", false},
		{"A star at the end of a part runs over colons", arns, "arn:aws:kms:*:key/*", keyARN, true},
		{"A star after the service", arns, "arn:aws:kms:*", keyARN, true},
		{"A star after arn", arns, "arn:*", keyARN, true},
		{"A star for the region", arns, "arn:aws:kms:*:111122223333:key/*", keyARN, true},
		{"A star for the region, another account", arns, "arn:aws:kms:*:444455556666:key/*", keyARN, false},
		{"The end must match", arns, b + "*.jpg", b + "a.jpg.exe", false},
		{"The first of two ends is not the end", arns, b + "*.jpg", b + "a.jpg.jpg", true},
		{"Beginning and end do not overlap", arns, b + "ab*ba", b + "aba", false},
		{"Two stars are as one", arns, b + "a**b", b + "ab", true},
		{"Star and question mark", arns, b + "a*?", b + "a", false},
		{"Question mark in a floating piece", arns, b + "*x?z*", b + "aaxyxyz", true},
		{"A lone star", arns, "*", "", true},
		{"Brackets are no wildcard", arns, b + "[ab]", b + "a", false},
		{"Nothing else than the pattern", arns, b + "a", b + "ab", false},
	}
}

// naiveMatch says what a pattern means, by trying everything it could.
func naiveMatch(pattern, s []rune) bool {
	// reached[i] says that pattern[:i] matches what of s was read.
	reached := make([]bool, len(pattern)+1)
	reached[0] = true
	skip := func() {
		for i, c := range pattern {
			reached[i+1] = reached[i+1] || c == '*' && reached[i]
		}
	}
	skip()
	for _, r := range s {
		next := make([]bool, len(pattern)+1)
		for i, c := range pattern {
			switch {
			case c == '*':
				next[i] = next[i] || reached[i]
				next[i+1] = next[i+1] || reached[i]
			case c == '?' || c == r:
				next[i+1] = next[i+1] || reached[i]
			}
		}
		reached = next
		skip()
	}
	return reached[len(pattern)]
}

// characters splits s so that each byte that is not UTF-8 is a character of its own.
func characters(s string) []rune {
	var all []rune
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			r = utf8.MaxRune + 1 + rune(s[i])
		}
		all = append(all, r)
		i += n
	}
	return all
}

// FuzzWildcards compares the matcher with its meaning.
func FuzzWildcards(f *testing.F) {
	for _, c := range wildcardCases() {
		f.Add(c.pattern, c.text)
	}
	f.Add(strings.Repeat("*a?", 30), strings.Repeat("ab", 60))
	f.Add("*"+strings.Repeat("ab?", 30)+"*", "x"+strings.Repeat("abc", 40))
	f.Add("*?é*", "a\xffé\xc3")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !utf8.ValidString(pattern) || len(pattern) > 300 || len(s) > 300 {
			t.Skip("patterns are of documents, which are UTF-8")
		}
		want := naiveMatch([]rune(pattern), characters(s))
		if got := policy.MatchPattern(pattern, s); got != want {
			t.Errorf("MatchPattern(%q, %q) = %v, want %v", pattern, s, got, want)
		}
		if piece := strings.ReplaceAll(pattern, "*", ""); piece != "" {
			if long, short := policy.FindLong(piece, s), policy.FindShort(piece, s); long != short {
				t.Errorf("finding %q in %q: %d in long texts, %d in short ones", piece, s, long, short)
			}
		}
		if action := "s3:" + s; policy.MatchAction("s3:"+pattern, action) != (validAction(pattern) && naiveMatch([]rune(strings.ToLower("s3:"+pattern)), []rune(asciiLower(action)))) {
			t.Errorf("MatchAction(%q, %q) is wrong", "s3:"+pattern, action)
		}
	})
}

func validAction(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*?-_.") == "" &&
		strings.IndexFunc(s, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*?-_.", r)
		}) < 0
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	// One rune for each byte: actions are in ASCII, and matched by bytes.
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// TestHostileWildcards: patterns that make a matcher with backtracking run for
// ever are answered. Each is as long as a document may be.
func TestHostileWildcards(t *testing.T) {
	s := "arn:aws:s3:::b/" + strings.Repeat("a", 1024)
	for _, pattern := range []string{
		"arn:aws:s3:::b/" + strings.Repeat("*a", 16000) + "b",
		"arn:aws:s3:::b/" + strings.Repeat("a*", 16000) + "b",
		"arn:aws:s3:::b/*" + strings.Repeat("a?", 500) + "b*",
		"arn:aws:s3:::b/" + strings.Repeat("*?", 16000) + "b",
		"arn:aws:s3:::b/" + strings.Repeat("*"+strings.Repeat("?a", 60)+"b", 200),
		"arn:aws:s3:::b/*" + strings.Repeat("?", 30000) + "*",
	} {
		if policy.MatchPattern(pattern, s) {
			t.Errorf("%.40s… matches", pattern)
		}
	}
	if policy.MatchAction("s3:"+strings.Repeat("*e", 10000)+"x", "s3:"+strings.Repeat("e", 125)) {
		t.Error("the action matches")
	}
	if !policy.MatchPattern(strings.Repeat("*a", 1000), s) {
		t.Error("a thousand stars do not match")
	}
}
