package awsjson

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/strongroom/strongroom/internal/jsonstring"
	"github.com/strongroom/strongroom/internal/secret"
)

// Append appends the JSON object of v, a pointer to a generated structure, to
// dst. Absent members are left out, except for the lists that AWS always sends;
// an empty structure, and a nil pointer, are {}. Times are seconds since 1970 with
// up to three decimals. Maps are written in the order of their keys.
//
// The error is for a type or a number that JSON cannot carry: a bug, not an input.
func Append(dst []byte, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer {
		return dst, fmt.Errorf("awsjson: %T is not a pointer to a structure", v)
	}
	p, err := planOf(rv.Type().Elem())
	if err != nil {
		return dst, err
	}
	if rv.IsNil() {
		return append(dst, "{}"...), nil
	}
	return p.append(dst, rv.Elem())
}

func (p *plan) append(dst []byte, v reflect.Value) ([]byte, error) {
	dst = append(dst, '{')
	var err error
	for i := range p.fields {
		f := &p.fields[i]
		fv := v.Field(f.index)
		if f.kind == kindSecret {
			if s := fv.Addr().Interface().(*secret.Bytes); !s.IsNil() {
				dst = appendBlob(append(dst, f.key...), s.Expose())
				dst = append(dst, ',')
			}
			continue
		}
		if fv.IsNil() && !f.always {
			continue
		}
		if dst, err = f.append(append(dst, f.key...), fv); err != nil {
			return dst, err
		}
		dst = append(dst, ',')
	}
	return closed(dst, '}'), nil
}

// closed ends an object or array, over the comma of its last element if any.
func closed(dst []byte, end byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = end
		return dst
	}
	return append(dst, end)
}

// append writes a member that is present.
func (f *field) append(dst []byte, v reflect.Value) ([]byte, error) {
	switch f.kind {
	case kindString, kindEnum:
		return jsonstring.Append(dst, v.Elem().String()), nil
	case kindInt:
		return strconv.AppendInt(dst, v.Elem().Int(), 10), nil
	case kindBool:
		return strconv.AppendBool(dst, v.Elem().Bool()), nil
	case kindFloat:
		n := v.Elem().Float()
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return dst, fmt.Errorf("awsjson: %s is no number", f.name)
		}
		return strconv.AppendFloat(dst, n, 'g', -1, 64), nil
	case kindTime:
		return appendTime(dst, *v.Interface().(*time.Time)), nil
	case kindBlob:
		return appendBlob(dst, v.Bytes()), nil
	case kindStruct:
		return f.nested.append(dst, v.Elem())
	case kindMap:
		return appendMap(dst, v.Interface().(map[string]string)), nil
	}
	dst = append(dst, '[')
	for i := range v.Len() {
		if f.kind == kindStructs {
			var err error
			if dst, err = f.nested.append(dst, v.Index(i)); err != nil {
				return dst, err
			}
		} else {
			dst = jsonstring.Append(dst, v.Index(i).String())
		}
		dst = append(dst, ',')
	}
	return closed(dst, ']'), nil
}

func appendMap(dst []byte, m map[string]string) []byte {
	dst = append(dst, '{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		dst = append(jsonstring.Append(dst, k), ':')
		dst = append(jsonstring.Append(dst, m[k]), ',')
	}
	return closed(dst, '}')
}

func appendBlob(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

// appendTime writes 1607472987.918: no exponent, no trailing zeros.
func appendTime(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		dst, ms = append(dst, '-'), -ms
	}
	dst = strconv.AppendInt(dst, ms/1000, 10)
	frac := ms % 1000
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
