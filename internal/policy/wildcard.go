package policy

import (
	"strings"
	"unicode/utf8"
)

// A glob is a pattern whose wildcards are bytes that no UTF-8 text has, so that
// an asterisk that came from a variable or an escape is an asterisk.
const (
	star    = '\xff' // any run of characters, none included
	anyOne  = '\xfe' // any one character
	starStr = string("\xff")
)

// firstWildcard returns the place of a glob's first wildcard, its length without one.
func firstWildcard(glob string) int {
	for i := range len(glob) {
		if glob[i] == star || glob[i] == anyOne {
			return i
		}
	}
	return len(glob)
}

// matchGlob reports whether glob matches all of s. Wildcards match every
// character, newline and colon and slash included.
//
// What stands between two stars is looked for once, from the left, because a
// later place could not help what follows: there is no way back, and each piece
// costs one search in what is left of s.
func matchGlob(glob, s string) bool {
	if glob == starStr {
		return true
	}
	if glob == "" || glob[0] != star { // what is before the first star
		piece, rest, more := strings.Cut(glob, starStr)
		n, ok := matchPrefix(piece, s)
		if !ok || !more {
			return ok && n == len(s)
		}
		glob, s = rest, s[n:]
	} else {
		glob = glob[1:]
	}
	for {
		piece, rest, more := strings.Cut(glob, starStr)
		if !more {
			return matchSuffix(piece, s)
		}
		glob = rest
		n := findPiece(piece, s)
		if n < 0 {
			return false
		}
		s = s[n:]
	}
}

// matchPrefix reports whether piece, which has no star, matches the beginning of
// s, and how many bytes of it.
func matchPrefix(piece, s string) (n int, ok bool) {
	if strings.IndexByte(piece, anyOne) < 0 {
		return len(piece), strings.HasPrefix(s, piece)
	}
	for i := 0; i < len(piece); i++ {
		if n == len(s) {
			return 0, false
		}
		if piece[i] == anyOne {
			_, size := utf8.DecodeRuneInString(s[n:])
			n += size
		} else if piece[i] != s[n] {
			return 0, false
		} else {
			n++
		}
	}
	return n, true
}

// matchSuffix reports whether piece, which has no star, matches the end of s.
func matchSuffix(piece, s string) bool {
	if strings.IndexByte(piece, anyOne) < 0 {
		return strings.HasSuffix(s, piece)
	}
	for i := len(piece) - 1; i >= 0; i-- {
		if s == "" {
			return false
		}
		if piece[i] == anyOne {
			_, size := utf8.DecodeLastRuneInString(s)
			s = s[:len(s)-size]
		} else if piece[i] != s[len(s)-1] {
			return false
		} else {
			s = s[:len(s)-1]
		}
	}
	return true
}

// findPiece returns where the first match of piece in s ends, -1 without one.
func findPiece(piece, s string) int {
	if strings.IndexByte(piece, anyOne) < 0 {
		i := strings.Index(s, piece)
		if i < 0 {
			return -1
		}
		return i + len(piece)
	}
	if len(piece) > 64 && len(s) > 64 {
		return newFinder(piece).find(s)
	}
	for i := 0; i < len(s); {
		if n, ok := matchPrefix(piece, s[i:]); ok {
			return i + n
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return -1
}

// lower returns an ASCII letter in lower case, and any other byte as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
