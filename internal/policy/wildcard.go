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

// hasWildcard reports whether a glob has a wildcard.
func hasWildcard(glob string) bool {
	return strings.IndexByte(glob, star) >= 0 || strings.IndexByte(glob, anyOne) >= 0
}

// matchGlob reports whether glob matches all of s. Wildcards match every
// character, newline and colon and slash included.
//
// What stands between two stars is looked for once, from the left, because a
// later place could not help what follows: there is no way back, and each piece
// costs one search in what is left of s.
func matchGlob(glob, s string) bool {
	piece, glob, more := strings.Cut(glob, starStr)
	n, ok := matchPrefix(piece, s)
	if !ok || !more {
		return ok && n == len(s)
	}
	s = s[n:]
	for {
		piece, glob, more = strings.Cut(glob, starStr)
		if !more {
			return matchSuffix(piece, s)
		}
		if n = findPiece(piece, s); n < 0 {
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

// matchAction reports whether glob, in lower case, matches an action in any
// case. Actions are short and in ASCII; glob may be long, so it is walked once,
// and only the run since the last star again.
func matchAction(glob, action string) bool {
	g, a := 0, 0
	lastStar, resume := -1, 0
	for a < len(action) {
		switch {
		case g < len(glob) && glob[g] == star:
			lastStar, resume = g, a
			g++
		case g < len(glob) && (glob[g] == anyOne || glob[g] == lower(action[a])):
			g++
			a++
		case lastStar >= 0:
			resume++
			g, a = lastStar+1, resume
		default:
			return false
		}
	}
	for g < len(glob) && glob[g] == star {
		g++
	}
	return g == len(glob)
}

// lower returns an ASCII letter in lower case, and any other byte as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
