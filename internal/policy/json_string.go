package policy

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string, whose first quote is the next byte.
func (r *reader) string() (string, error) {
	r.at++
	from := r.at
	for r.at < len(r.text) && r.text[r.at] != '"' && r.text[r.at] != '\\' && r.text[r.at] >= ' ' {
		r.at++
	}
	b := r.text[from:r.at:r.at]
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return string(b), nil
		case c < ' ':
			return "", refuse(r.at, NotJSON, "a control character in a string; write it as an escape")
		case c == '\\':
			char, err := r.escape()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, char)
		default:
			b = append(b, c)
			r.at++
		}
	}
	return "", refuse(r.at, NotJSON, "the document ends in a string")
}

// escape reads one escape, both halves of a pair of surrogates.
func (r *reader) escape() (rune, error) {
	at := r.at
	r.at++
	c := r.peek()
	r.at++
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		char, ok := r.hex4()
		if ok && !utf16.IsSurrogate(char) {
			return char, nil
		}
		if ok && r.peek() == '\\' && r.at+1 < len(r.text) && r.text[r.at+1] == 'u' {
			r.at += 2
			if low, ok := r.hex4(); ok {
				if char = utf16.DecodeRune(char, low); char != utf8.RuneError {
					return char, nil
				}
			}
		}
	}
	return 0, refuse(at, NotJSON, "an escape that there is not")
}

func (r *reader) hex4() (rune, bool) {
	if len(r.text)-r.at < 4 {
		return 0, false
	}
	digits := string(r.text[r.at : r.at+4])
	n, err := strconv.ParseUint(digits, 16, 16)
	if err != nil || strings.ContainsAny(digits, "+_") {
		return 0, false
	}
	r.at += 4
	return rune(n), true
}
