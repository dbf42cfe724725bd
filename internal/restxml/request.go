package restxml

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/secret"
)

// Codes of what BindRequest returns.
const (
	InvalidArgument awserr.Code = "InvalidArgument"
	MalformedXML    awserr.Code = "MalformedXML"
)

// BindRequest fills v, a pointer to a generated input structure that is empty,
// from a request: headers, query parameters, bucket and key as the caller took
// them from the path or the host, and body, which is the XML payload of the
// operations that have one and nil for the others. An empty body is an absent
// payload. The caller bounds the size of body.
//
// Values are not checked against the model beyond their type. Of a repeated
// query parameter the first counts; repeated headers are joined by a comma. An
// empty number, boolean or date is absent, and so is a conditional date that does
// not parse (RFC 9110, 13.1.3). User metadata has its names in lower case.
//
// The error is an *awserr.Error with code InvalidArgument, naming the argument,
// or MalformedXML.
func BindRequest(r *http.Request, bucket, key string, query url.Values, body []byte, v any) error {
	rv := reflect.ValueOf(v).Elem()
	p := planOf(rv.Type())
	for i := range p.fields {
		f := &p.fields[i]
		fv := rv.Field(f.index)
		var err error
		switch f.location {
		case inURI:
			err = f.bindURI(fv, bucket, key)
		case inQuery:
			if values := query[f.name]; len(values) > 0 {
				err = f.set(fv, values[0])
			}
		case inHeader:
			err = f.bindHeader(fv, r)
		case inHeaders:
			bindPrefix(fv, f.name, r.Header)
		case inPayload:
			if len(body) > 0 {
				err = f.bindPayload(fv, body)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bindURI sets Bucket or Key. An empty one is absent: no path names it.
func (f *field) bindURI(v reflect.Value, bucket, key string) error {
	s := bucket
	if f.name == "Key" {
		s = key
	}
	if s == "" {
		return nil
	}
	return f.set(v, s)
}

func (f *field) bindHeader(v reflect.Value, r *http.Request) error {
	if f.name == "Content-Length" { // net/http moves it out of the headers
		if r.ContentLength < 0 {
			return nil
		}
		return f.set(v, strconv.FormatInt(r.ContentLength, 10))
	}
	values := r.Header[f.name]
	if len(values) == 0 {
		return nil
	}
	text := strings.Join(values, ",")
	if f.kind != kindTexts {
		return f.set(v, text)
	}
	for part := range strings.SplitSeq(text, ",") {
		e := reflect.New(f.typ.Elem()).Elem()
		e.SetString(strings.TrimSpace(part))
		v.Set(reflect.Append(v, e))
	}
	return nil
}

// bindPrefix collects the headers whose names begin with prefix.
func bindPrefix(v reflect.Value, prefix string, h http.Header) {
	var m map[string]string
	for name, values := range h {
		if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		if m == nil {
			m = make(map[string]string)
		}
		m[strings.ToLower(name[len(prefix):])] = strings.Join(values, ",")
	}
	if m != nil {
		v.Set(reflect.ValueOf(m))
	}
}

// set parses the text of a scalar from a header, the query or the path.
func (f *field) set(v reflect.Value, text string) error {
	if text == "" && f.kind != kindText && f.kind != kindSecret {
		return nil
	}
	switch err := f.parse(v, text); {
	case err == nil:
		return nil
	case f.kind == kindTime && strings.HasPrefix(f.name, "If-"):
		return nil
	case f.kind == kindInt && f.name == "partNumber":
		return awserr.New(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive").
			With("ArgumentName", f.name).With("ArgumentValue", text)
	case f.kind == kindInt:
		return awserr.New(InvalidArgument, "Provided %s not an integer or within integer range", f.name).
			With("ArgumentName", f.name).With("ArgumentValue", text)
	default:
		return awserr.New(InvalidArgument, "The value of %s is not valid", f.name).
			With("ArgumentName", f.name).With("ArgumentValue", text)
	}
}

var errNotBool = errors.New("neither true nor false")

// parse sets a scalar from its text.
func (f *field) parse(v reflect.Value, text string) error {
	switch f.kind {
	case kindText:
		e := reflect.New(f.typ.Elem())
		e.Elem().SetString(text)
		v.Set(e)
	case kindSecret:
		v.Set(reflect.ValueOf(secret.New([]byte(text))))
	case kindInt:
		n, err := strconv.ParseInt(text, 10, f.typ.Elem().Bits())
		if err != nil {
			return err
		}
		e := reflect.New(f.typ.Elem())
		e.Elem().SetInt(n)
		v.Set(e)
	case kindBool:
		b := strings.EqualFold(text, "true")
		if !b && !strings.EqualFold(text, "false") {
			return errNotBool
		}
		v.Set(reflect.ValueOf(&b))
	case kindTime:
		t, err := f.layout.parse(text)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(&t))
	default:
		panic("restxml: " + f.name + " is no scalar")
	}
	return nil
}
