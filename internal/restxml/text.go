package restxml

import (
	"strconv"
	"unicode/utf8"
)

// appendText escapes text for an element's content. Control characters become
// character references, which S3 sends too for keys that hold them, although XML
// 1.0 allows no more than tab, line feed and carriage return: a client that
// cannot have them asks for encoding-type=url. To replace them would name another
// key. Invalid UTF-8 becomes U+FFFD.
func appendText(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		switch c {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		default:
			if c < ' ' || c == 0x7f {
				dst = append(strconv.AppendInt(append(dst, "&#"...), int64(c), 10), ';')
			} else {
				dst = append(dst, c)
			}
		}
		i++
	}
	return dst
}
