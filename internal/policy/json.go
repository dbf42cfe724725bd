package policy

import (
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep a document nests. A value of a condition is the
// deepest there is: document, statements, statement, Condition, operator, values.
const maxDepth = 8

// shape is the kind of a JSON value.
type shape uint8

const (
	aNull shape = iota + 1
	aBoolean
	aNumber
	aString
	anArray
	anObject
)

var shapes = [...]string{aNull: "null", aBoolean: "a boolean", aNumber: "a number", aString: "a string", anArray: "an array", anObject: "an object"}

func (s shape) String() string { return name(shapes[:], s) }

// node is a JSON value that knows where it stands. encoding/json tells neither
// places nor duplicate names, takes names in any case, and replaces what is not
// UTF-8: a reader for documents that decide about access must do none of it.
type node struct {
	shape   shape
	at, end int    // offsets of the value in the text
	text    string // of a string, decoded; of a number or boolean, as written
	items   []node // of an array
	members []member
}

// member is one name and value of an object.
type member struct {
	name  string
	at    int // of the name
	value node
}

// reader reads RFC 8259 and nothing else.
type reader struct {
	text []byte
	at   int
}

// readJSON reads the one JSON object that text is. Its error is a *fault.
func readJSON(text []byte) (node, error) {
	for _, mark := range []string{"\xef\xbb\xbf", "\xfe\xff", "\xff\xfe"} {
		if strings.HasPrefix(string(text[:min(len(text), 3)]), mark) {
			return node{}, refuse(0, NotUTF8, "the document begins with a byte order mark; leave it out")
		}
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return node{}, refuse(i, NotUTF8, "byte %#02x is not UTF-8", text[i])
		}
		i += n
	}
	r := reader{text: text}
	r.space()
	if r.peek() != '{' {
		return node{}, refuse(r.at, NotJSON, "a policy is a JSON object and begins with '{'")
	}
	n, err := r.value(1)
	if err != nil {
		return node{}, err
	}
	r.space()
	if r.at < len(text) {
		return node{}, refuse(r.at, NotJSON, "there is something after the end of the document")
	}
	return n, nil
}

// peek returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// unexpected says that something else than wanted stands here.
func (r *reader) unexpected(wanted string) error {
	if r.at >= len(r.text) {
		return refuse(r.at, NotJSON, "the document ends where %s should stand", wanted)
	}
	c, _ := utf8.DecodeRune(r.text[r.at:])
	return refuse(r.at, NotJSON, "%q stands where %s should", c, wanted)
}

func (r *reader) value(depth int) (node, error) {
	if depth > maxDepth {
		return node{}, refuse(r.at, Syntax, "the document nests deeper than any policy does")
	}
	n := node{at: r.at}
	var err error
	switch c := r.peek(); {
	case c == '{':
		n.shape = anObject
		n.members, err = r.object(depth)
	case c == '[':
		n.shape = anArray
		n.items, err = r.array(depth)
	case c == '"':
		n.shape = aString
		n.text, err = r.string()
	case c == '-' || '0' <= c && c <= '9':
		n.shape = aNumber
		n.text, err = r.number()
	default:
		n.shape, n.text, err = r.word()
	}
	n.end = r.at
	return n, err
}

// list reads what stands between an opening and a closing character, separated
// by commas, one element by each call of element.
func (r *reader) list(closing byte, element func() error) error {
	r.at++
	r.space()
	if r.peek() == closing {
		r.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		r.space()
		switch c := r.peek(); {
		case c == closing:
			r.at++
			return nil
		case c == ',':
			r.at++
			r.space()
		default:
			return r.unexpected("',' or '" + string(rune(closing)) + "'")
		}
	}
}

func (r *reader) object(depth int) ([]member, error) {
	var members []member
	seen := map[string]bool{}
	err := r.list('}', func() error {
		m := member{at: r.at}
		if r.peek() != '"' {
			return r.unexpected("a name in quotes")
		}
		var err error
		if m.name, err = r.string(); err != nil {
			return err
		}
		if seen[m.name] {
			return refuse(m.at, DuplicateKey, "%q stands twice in one object", m.name)
		}
		seen[m.name] = true
		r.space()
		if r.peek() != ':' {
			return r.unexpected("':'")
		}
		r.at++
		r.space()
		m.value, err = r.value(depth + 1)
		members = append(members, m)
		return err
	})
	return members, err
}

func (r *reader) array(depth int) ([]node, error) {
	var items []node
	err := r.list(']', func() error {
		n, err := r.value(depth + 1)
		items = append(items, n)
		return err
	})
	return items, err
}

func (r *reader) word() (shape, string, error) {
	rest := r.text[r.at:]
	for _, w := range []struct {
		text  string
		shape shape
	}{{"true", aBoolean}, {"false", aBoolean}, {"null", aNull}} {
		if len(rest) >= len(w.text) && string(rest[:len(w.text)]) == w.text {
			r.at += len(w.text)
			return w.shape, w.text, nil
		}
	}
	return 0, "", r.unexpected("a value")
}

func (r *reader) digits() bool {
	from := r.at
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > from
}

func (r *reader) number() (string, error) {
	from := r.at
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else if !r.digits() {
		return "", r.unexpected("a digit")
	}
	if r.peek() == '.' {
		r.at++
		if !r.digits() {
			return "", r.unexpected("a digit")
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			return "", r.unexpected("a digit")
		}
	}
	return string(r.text[from:r.at]), nil
}
