package awsjson

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks over one JSON text (RFC 8259) without copying it. The text is
// known to be valid UTF-8.
type scanner struct {
	data []byte
	pos  int
}

// next skips white space and returns the byte it comes to, 0 at the end. A NUL
// in the text is a syntax error wherever next is used, so the two need not differ.
func (s *scanner) next() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// accept consumes c, after white space, and reports whether it was there.
func (s *scanner) accept(c byte) bool {
	if s.next() != c {
		return false
	}
	s.pos++
	return true
}

// literal consumes word, which is at the position or is a syntax error.
func (s *scanner) literal(word string) error {
	if len(s.data)-s.pos < len(word) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return errSyntax
	}
	s.pos += len(word)
	return nil
}

// null consumes null if that is the next value.
func (s *scanner) null() (bool, error) {
	if s.next() != 'n' {
		return false, nil
	}
	return true, s.literal("null")
}

// str reads a string. The bytes are those of the text when it has no escape, and
// a copy otherwise.
func (s *scanner) str() ([]byte, error) {
	start := s.pos + 1 // the caller has seen the quote
	for i := start + plainPrefix(s.data[start:]); i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			s.pos = i + 1
			return s.data[start:i], nil
		case c == '\\':
			s.pos = i
			return s.unescape(append(make([]byte, 0, 2*(i-start)+16), s.data[start:i]...))
		case c < ' ':
			return nil, errSyntax
		}
	}
	return nil, errSyntax
}

// plainPrefix returns a number of bytes at the start of b, a multiple of 8, that
// are neither a quote, nor a backslash, nor a control character. It tests eight
// bytes at once: x-lo&^x&hi is zero only if no byte of x is (Bit Twiddling Hacks,
// "Determine if a word has a zero byte").
func plainPrefix(b []byte) int {
	const lo, hi = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := x^lo*'"', x^lo*'\\'
		if ((quote-lo)&^quote|(backslash-lo)&^backslash|(x-lo*' ')&^x)&hi != 0 {
			break
		}
	}
	return i
}

// unescape reads the rest of a string, from its first backslash on.
func (s *scanner) unescape(b []byte) ([]byte, error) {
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return b, nil
		case c < ' ':
			return nil, errSyntax
		case c != '\\':
			b = append(b, c)
			continue
		}
		if s.pos == len(s.data) {
			return nil, errSyntax
		}
		c = s.data[s.pos]
		s.pos++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, err := s.unicode()
			if err != nil {
				return nil, err
			}
			b = utf8.AppendRune(b, r)
		default:
			return nil, errSyntax
		}
	}
	return nil, errSyntax
}

// unicode reads what follows \u. Half a surrogate pair is refused: there is no
// UTF-8 for it, and to replace it would make two different strings equal.
func (s *scanner) unicode() (rune, error) {
	r, ok := s.hex4()
	if !ok {
		return 0, errSyntax
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if s.literal(`\u`) != nil {
		return 0, errSurrogate
	}
	low, ok := s.hex4()
	if !ok {
		return 0, errSyntax
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errSurrogate
	}
	return r, nil
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.data)-s.pos < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.pos += 4
	return r, true
}

// number reads a number and returns its text; whole reports that it has neither
// fraction nor exponent.
func (s *scanner) number() (text []byte, whole bool, err error) {
	start := s.pos
	if s.at('-') {
		s.pos++
	}
	if s.at('0') {
		s.pos++
	} else if s.digits() == 0 {
		return nil, false, errSyntax
	}
	whole = true
	if s.at('.') {
		s.pos++
		whole = false
		if s.digits() == 0 {
			return nil, false, errSyntax
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		whole = false
		if s.at('+') || s.at('-') {
			s.pos++
		}
		if s.digits() == 0 {
			return nil, false, errSyntax
		}
	}
	return s.data[start:s.pos], whole, nil
}

func (s *scanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// digits consumes digits and returns how many there were.
func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// skip passes over one value of any type, checking its syntax.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	switch c := s.next(); {
	case c == '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.str()
		return err
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case isNumber(c):
		_, _, err := s.number()
		return err
	}
	return errSyntax
}

// isNumber reports whether c begins a number.
func isNumber(c byte) bool { return c == '-' || '0' <= c && c <= '9' }

// object walks over an object, whose brace the caller has seen. Member is called
// at each value and must consume it; name is good for the time of the call.
func (s *scanner) object(member func(name []byte) error) error {
	s.pos++
	if s.accept('}') {
		return nil
	}
	for {
		if s.next() != '"' {
			return errSyntax
		}
		name, err := s.str()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return errSyntax
		}
		if err := member(name); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return errSyntax
		}
	}
}

// array walks over an array, whose bracket the caller has seen. Element is called
// at each value and must consume it.
func (s *scanner) array(element func() error) error {
	s.pos++
	if s.accept(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.accept(']') {
			return nil
		}
		if !s.accept(',') {
			return errSyntax
		}
	}
}
