package sigv4

import (
	"strings"
	"time"
)

const upperHex = "0123456789ABCDEF"

// appendEncoded appends ch as AWS's UriEncode does: the unreserved characters of
// RFC 3986 bare, all others as % and two upper-case hex digits.
func appendEncoded(b []byte, ch byte, keepSlash bool) []byte {
	switch {
	case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9',
		ch == '-', ch == '.', ch == '_', ch == '~', ch == '/' && keepSlash:
		return append(b, ch)
	}
	return append(b, '%', upperHex[ch>>4], upperHex[ch&15])
}

// appendQueryEncoded decodes s and encodes it again. A plus is a space, as
// net/url reads it: were it a plus here, the service would see another value
// than the one that was signed.
func appendQueryEncoded(b []byte, s string) ([]byte, bool) {
	for i := 0; i < len(s); i++ {
		ch := s[i]
		switch ch {
		case '+':
			ch = ' '
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return b, false
			}
			ch = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b = appendEncoded(b, ch, false)
	}
	return b, true
}

// unescapeQuery decodes s; without anything to decode it does not allocate.
func unescapeQuery(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; ch {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			b = append(b, ch)
		}
	}
	return string(b), true
}

func isHex(ch byte) bool {
	return '0' <= ch && ch <= '9' || 'a' <= ch && ch <= 'f' || 'A' <= ch && ch <= 'F'
}

// unhex is the value of a digit that isHex accepts.
func unhex(ch byte) byte {
	if ch <= '9' {
		return ch - '0'
	}
	return ch&^0x20 - 'A' + 10
}

// decodeHex reads exactly 64 lower-case hex digits. It leaves dst zero
// otherwise: AWS compares the text, so upper case is no signature.
func decodeHex(dst *[32]byte, s string) bool {
	if len(s) != 64 {
		return false
	}
	var sum [32]byte
	for i := range sum {
		hi, lo := s[2*i], s[2*i+1]
		if !isHex(hi) || !isHex(lo) || 'A' <= hi && hi <= 'F' || 'A' <= lo && lo <= 'F' {
			return false
		}
		sum[i] = unhex(hi)<<4 | unhex(lo)
	}
	*dst = sum
	return true
}

// decodeTime reads yyyymmddThhmmssZ, or yyyymmdd alone. [time.Parse] would do,
// at ten times the cost, and would let fractions of a second through.
func decodeTime(s string) (t time.Time, ok bool) {
	if len(s) != 8 && (len(s) != 16 || s[8] != 'T' || s[15] != 'Z') {
		return t, false
	}
	number := func(from, to int) (n int) {
		for ; from < to; from++ {
			if s[from] < '0' || s[from] > '9' {
				return -1
			}
			n = n*10 + int(s[from]-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(4, 6), number(6, 8)
	var hour, minute, second int
	if len(s) == 16 {
		hour, minute, second = number(9, 11), number(11, 13), number(13, 15)
	}
	if year < 0 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return t, false
	}
	t = time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, t.Day() == day // a 31st of June would be the 1st of July
}

// canonicalKey writes a header's name as net/http keys it: x-amz-date becomes
// X-Amz-Date. Buf must be as long as name; no allocation is the point of it.
func canonicalKey(buf []byte, name string) []byte {
	upper := true
	for i := range len(name) {
		ch := name[i]
		if upper && 'a' <= ch && ch <= 'z' {
			ch -= 'a' - 'A'
		}
		upper = ch == '-'
		buf[i] = ch
	}
	return buf[:len(name)]
}

// headerName reports whether name is a lower-case field name (RFC 9110, 5.6.2),
// of a length we take.
func headerName(name string) bool {
	if name == "" || len(name) > maxHeaderName {
		return false
	}
	for i := range len(name) {
		ch := name[i]
		if !('a' <= ch && ch <= 'z' || '0' <= ch && ch <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", ch) >= 0) {
			return false
		}
	}
	return true
}

// visible reports whether s is visible ASCII without quotes, which is all that
// keys and scopes are made of; the texts of errors repeat them.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\'' {
			return false
		}
	}
	return true
}
