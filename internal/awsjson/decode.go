package awsjson

import (
	"encoding/base64"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/secret"
)

// SerializationException is the code of what Decode returns.
const SerializationException awserr.Code = "SerializationException"

const (
	// maxSize bounds a request body. The largest that AWS KMS takes is an
	// ImportKeyMaterial or a Recipient's attestation document (262,144 bytes, so
	// 349,528 in base64) with room for the rest.
	maxSize = 1 << 20
	// maxDepth bounds the values in values. The deepest shape served nests four.
	maxDepth = 32
)

var (
	errSyntax    = awserr.Bare(SerializationException)
	errSurrogate = awserr.New(SerializationException, "Invalid unicode surrogate pair")
	errUTF8      = awserr.New(SerializationException, "Request body is not valid UTF-8")
	errDepth     = awserr.New(SerializationException, "Request body is nested too deeply")
	errSize      = awserr.New(SerializationException, "Request body is too large")
)

// Decode reads a JSON object into v, a pointer to a generated structure that is
// empty. Names are matched exactly; unknown members are passed over; a member
// that is null is absent; of repeated members the last counts. Blobs are base64
// (RFC 4648, section 4), timestamps are numbers of seconds since 1970.
//
// What v holds afterwards shares no memory with data. The error is an
// *awserr.Error with code SerializationException; v is then of no use.
func Decode(data []byte, v any) error {
	if len(data) > maxSize {
		return errSize
	}
	rv := reflect.ValueOf(v).Elem()
	p, err := planOf(rv.Type())
	if err != nil {
		return err
	}
	// Once for the whole text: no string needs to look again.
	if !utf8.Valid(data) {
		return errUTF8
	}
	d := decoder{scanner{data: data}}
	if d.next() != '{' {
		return errSyntax
	}
	if err := d.structure(p, rv, 1); err != nil {
		return err
	}
	if d.next() != 0 || d.pos != len(data) {
		return errSyntax
	}
	return nil
}

type decoder struct{ scanner }

// structure reads an object into v, whose brace the caller has seen. It repeats
// scanner.object so that the usual request costs no closure.
func (d *decoder) structure(p *plan, v reflect.Value, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	d.pos++
	if d.accept('}') {
		return nil
	}
	for {
		if d.next() != '"' {
			return errSyntax
		}
		name, err := d.str()
		if err != nil {
			return err
		}
		if !d.accept(':') {
			return errSyntax
		}
		if i, ok := p.byName[string(name)]; ok {
			f := &p.fields[i]
			err = d.member(f, v.Field(f.index), depth+1)
		} else {
			err = d.skip(depth + 1)
		}
		if err != nil {
			return err
		}
		if d.accept('}') {
			return nil
		}
		if !d.accept(',') {
			return errSyntax
		}
	}
}

// member reads the value of a known member into its field.
func (d *decoder) member(f *field, v reflect.Value, depth int) error {
	if null, err := d.null(); null || err != nil {
		v.SetZero()
		return err
	}
	switch f.kind {
	case kindString:
		s, err := d.text()
		if err != nil {
			return err
		}
		*v.Addr().Interface().(**string) = &s
	case kindEnum:
		s, err := d.text()
		if err != nil {
			return err
		}
		e := reflect.New(f.typ.Elem())
		e.Elem().SetString(s)
		v.Set(e)
	case kindInt:
		return d.integer(f, v)
	case kindBool:
		b, err := d.boolean()
		if err != nil {
			return err
		}
		*v.Addr().Interface().(**bool) = &b
	case kindFloat:
		n, err := d.float("a Double")
		if err != nil {
			return err
		}
		*v.Addr().Interface().(**float64) = &n
	case kindTime:
		t, err := d.time()
		if err != nil {
			return err
		}
		*v.Addr().Interface().(**time.Time) = &t
	case kindBlob:
		b, err := d.blob()
		if err != nil {
			return err
		}
		v.SetBytes(b)
	case kindSecret:
		b, err := d.blob()
		if err != nil {
			return err
		}
		*v.Addr().Interface().(*secret.Bytes) = secret.New(b)
	case kindStruct:
		if d.next() != '{' {
			return d.mismatch("a structure")
		}
		e := reflect.New(f.typ.Elem())
		v.Set(e)
		return d.structure(f.nested, e.Elem(), depth)
	case kindMap:
		return d.stringMap(v.Addr().Interface().(*map[string]string))
	default:
		return d.list(f, v, depth)
	}
	return nil
}

// list reads an array of strings or structures.
func (d *decoder) list(f *field, v reflect.Value, depth int) error {
	if d.next() != '[' {
		return d.mismatch("a list")
	}
	v.Set(reflect.MakeSlice(f.typ, 0, 0)) // [] is present and empty
	return d.array(func() error {
		n := v.Len()
		v.Grow(1)
		v.SetLen(n + 1)
		e := v.Index(n)
		e.SetZero() // memory that Grow hands out is not promised to be
		if f.kind == kindStructs {
			if d.next() != '{' {
				return d.mismatch("a structure")
			}
			return d.structure(f.nested, e, depth+1)
		}
		s, err := d.text()
		e.SetString(s)
		return err
	})
}

func (d *decoder) stringMap(m *map[string]string) error {
	if d.next() != '{' {
		return d.mismatch("a map")
	}
	*m = make(map[string]string)
	return d.object(func(name []byte) error {
		key := string(name)
		s, err := d.text()
		if err == nil {
			(*m)[key] = s
		}
		return err
	})
}

func (d *decoder) text() (string, error) {
	if d.next() != '"' {
		return "", d.mismatch("a String")
	}
	b, err := d.str()
	return string(b), err
}

func (d *decoder) boolean() (bool, error) {
	switch d.next() {
	case 't':
		return true, d.literal("true")
	case 'f':
		return false, d.literal("false")
	}
	return false, d.mismatch("a Boolean")
}

func (d *decoder) integer(f *field, v reflect.Value) error {
	bits, what := f.typ.Elem().Bits(), "an Integer"
	if bits == 64 {
		what = "a Long"
	}
	if !isNumber(d.next()) {
		return d.mismatch(what)
	}
	text, whole, err := d.number()
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(string(text), 10, bits)
	if !whole || err != nil {
		return awserr.New(SerializationException, "NUMBER_VALUE can not be converted to %s", what)
	}
	e := reflect.New(f.typ.Elem())
	e.Elem().SetInt(n)
	v.Set(e)
	return nil
}

func (d *decoder) float(what string) (float64, error) {
	if !isNumber(d.next()) {
		return 0, d.mismatch(what)
	}
	text, _, err := d.number()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, awserr.New(SerializationException, "NUMBER_VALUE can not be converted to %s", what)
	}
	return n, nil
}

// maxSeconds is the first second of the year 10000 in Unix time: the end of what
// RFC 3339, and so the audit trail, can write. Times before 1 are refused alike.
const (
	maxSeconds = 253402300800
	minSeconds = -62135596800
)

// time reads seconds since 1970 with a fraction of which milliseconds count.
func (d *decoder) time() (time.Time, error) {
	n, err := d.float("a Timestamp")
	if err != nil {
		return time.Time{}, err
	}
	if n < minSeconds || n >= maxSeconds {
		return time.Time{}, awserr.New(SerializationException, "NUMBER_VALUE can not be converted to a Timestamp")
	}
	return time.UnixMilli(int64(math.Round(n * 1000))).UTC(), nil
}

func (d *decoder) blob() ([]byte, error) {
	if d.next() != '"' {
		return nil, d.mismatch("a Blob")
	}
	text, err := d.str()
	if err != nil {
		return nil, err
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(b, text)
	if err != nil {
		// The offset alone is no help and the text may be a secret: no cause.
		return nil, awserr.New(SerializationException, "STRING_VALUE can not be converted to a Blob")
	}
	return b[:n], nil
}

// mismatch is the error for a value of another type than want. A value that is
// no JSON at all is a syntax error.
func (d *decoder) mismatch(want string) error {
	var got string
	switch c := d.next(); {
	case c == '{':
		got = "START_OBJECT"
	case c == '[':
		got = "START_ARRAY"
	case c == '"':
		got = "STRING_VALUE"
	case c == 't':
		got = "TRUE_VALUE"
	case c == 'f':
		got = "FALSE_VALUE"
	case c == 'n':
		got = "NULL_VALUE"
	case isNumber(c):
		got = "NUMBER_VALUE"
	default:
		return errSyntax
	}
	return awserr.New(SerializationException, "%s can not be converted to %s", got, want)
}
