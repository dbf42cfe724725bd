package restxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
)

// Namespace is that of all elements of S3's API.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// malformed is S3's answer to every XML that it does not take.
func malformed(cause error) error {
	return awserr.Wrap(cause, MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
}

// bindPayload parses an XML body. It takes what S3's schema takes: the one root
// element, with S3's namespace or none, known elements only, each at most once
// unless it is a list, and no text between them. Document types, and with them
// entities, are refused, as are processing instructions. Depth is bounded by the
// shapes, since unknown elements are refused; so is the length of lists, and of
// each token, so that a small body cannot become a large structure.
func (f *field) bindPayload(v reflect.Value, body []byte) error {
	r := &tokenReader{Reader: bytes.NewReader(body)}
	d := payloadDecoder{xml.NewDecoder(r), r}
	root, err := d.start()
	if err != nil {
		return malformed(err)
	}
	if root.Name.Local != f.name {
		return malformed(errors.New("unexpected root element"))
	}
	e := reflect.New(f.typ.Elem())
	v.Set(e)
	if err := d.structure(f.nested, e.Elem()); err != nil {
		return malformed(err)
	}
	if err := d.end(); err != nil {
		return malformed(err)
	}
	return nil
}

// The bounds of what is read into memory. No list of S3's requests is longer
// than the parts of an upload, and no valid tag, text or comment is nearly as
// long as a token may be.
const (
	maxElements = 10_000
	maxToken    = 64 << 10 // bytes
)

// tokenReader ends with an error when one token is longer than maxToken: the
// parser reads a tag with all of its attributes before anybody can refuse them.
type tokenReader struct {
	*bytes.Reader
	read int // bytes of the token so far
}

// ReadByte implements io.ByteReader, by which alone the parser reads.
func (t *tokenReader) ReadByte() (byte, error) {
	if t.read++; t.read > maxToken {
		return 0, errTooLong
	}
	return t.Reader.ReadByte()
}

type payloadDecoder struct {
	*xml.Decoder
	r *tokenReader
}

// Token returns the next token, of at most maxToken bytes.
func (d payloadDecoder) Token() (xml.Token, error) {
	d.r.read = 0
	return d.Decoder.Token()
}

var (
	errTooLong    = errors.New("token or list is too long")
	errUnexpected = errors.New("unexpected content")
	errNamespace  = errors.New("unknown namespace")
	errRepeated   = errors.New("repeated element")
)

// start returns the root element, after an XML declaration, comments and white space.
func (d payloadDecoder) start() (xml.StartElement, error) {
	for first := true; ; first = false {
		tok, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return t, checkElement(t)
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return xml.StartElement{}, errUnexpected
			}
		default:
			if err := d.ignorable(tok); err != nil {
				return xml.StartElement{}, err
			}
		}
	}
}

// end makes sure that nothing but comments and white space follows the root.
func (d payloadDecoder) end() error {
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = d.ignorable(tok)
		}
		if err != nil {
			return err
		}
	}
}

// ignorable returns nil for comments and white space.
func (d payloadDecoder) ignorable(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.Comment:
		return nil
	case xml.CharData:
		if len(bytes.TrimSpace(t)) == 0 {
			return nil
		}
	}
	return errUnexpected
}

// checkElement refuses foreign elements and all attributes but namespace
// declarations and those of XML Schema instances (xsi:type).
func checkElement(e xml.StartElement) error {
	if e.Name.Space != "" && e.Name.Space != Namespace {
		return errNamespace
	}
	for _, a := range e.Attr {
		isDeclaration := a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns"
		if !isDeclaration && a.Name.Space != "http://www.w3.org/2001/XMLSchema-instance" {
			return errUnexpected
		}
	}
	return nil
}

// structure reads the children of an element whose start has been read, to its end.
func (d payloadDecoder) structure(p *plan, v reflect.Value) error {
	seen := make([]bool, len(p.fields))
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := checkElement(t); err != nil {
				return err
			}
			i := p.element(t.Name.Local)
			if i < 0 {
				return errUnexpected
			}
			f := &p.fields[i]
			if seen[i] && !f.flattened {
				return errRepeated
			}
			seen[i] = true
			if err := d.member(f, v.Field(f.index)); err != nil {
				return err
			}
		default:
			if err := d.ignorable(tok); err != nil {
				return err
			}
		}
	}
}

// element returns the position of the body member of that name, or -1.
func (p *plan) element(name string) int {
	for _, i := range p.body {
		if p.fields[i].name == name {
			return i
		}
	}
	return -1
}

func (d payloadDecoder) member(f *field, v reflect.Value) error {
	switch {
	case f.kind == kindStruct:
		e := reflect.New(f.typ.Elem())
		v.Set(e)
		return d.structure(f.nested, e.Elem())
	case f.kind != kindStructs && f.kind != kindTexts:
		text, err := d.text()
		if err != nil {
			return err
		}
		if f.kind != kindText {
			text = strings.TrimSpace(text) // XML Schema collapses white space around all but strings
		}
		return f.parse(v, text)
	case f.flattened:
		return d.element(f, v)
	}
	v.Set(reflect.MakeSlice(f.typ, 0, 0))
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if t.Name.Local != f.element {
				return errUnexpected
			}
			if err := checkElement(t); err != nil {
				return err
			}
			if err := d.element(f, v); err != nil {
				return err
			}
		default:
			if err := d.ignorable(tok); err != nil {
				return err
			}
		}
	}
}

// element appends one element of a list.
func (d payloadDecoder) element(f *field, v reflect.Value) error {
	if v.Len() == maxElements {
		return errTooLong
	}
	e := reflect.New(f.typ.Elem()).Elem()
	if f.kind == kindStructs {
		if err := d.structure(f.nested, e); err != nil {
			return err
		}
	} else {
		text, err := d.text()
		if err != nil {
			return err
		}
		e.SetString(text)
	}
	v.Set(reflect.Append(v, e))
	return nil
}

// text reads the text of an element that has no children, to its end.
func (d payloadDecoder) text() (string, error) {
	var b strings.Builder
	for {
		tok, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := tok.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.Comment:
		case xml.EndElement:
			return b.String(), nil
		default:
			return "", errUnexpected
		}
	}
}
