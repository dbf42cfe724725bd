package awsjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/secret"
)

// FuzzDecode holds Decode against encoding/json: what that package refuses,
// Decode refuses; what both take has the same values, as a plain conversion of
// encoding/json's maps gives them. Decode is stricter in named ways only. What it
// takes, it prints and takes again unchanged.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"Text":"x","Enum":"red","Int":1,"Long":2,"Flag":true,"Float":1.5,"When":1607472987.918}`,
		`{"Blob":"AQID","Secret":"AA==","Inner":{"A":"x","B":1},"Texts":["a"],"Enums":["b"],"Inners":[{"A":"y"},{}],"Map":{"k":"v"}}`,
		`{"Text":"\ud83d\ude00\u00e9\n","Text":null,"X":[[],{},-0.5e-3,null,"\u2028"]}`,
		`{"Text":"\ud83d"}`, "{\"Text\":\"\xff\"}", `{"Int":1e2}`, `{"When":-0.0001}`, `{"Texts":[null]}`, `{"Map":{"a":null}}`,
		"{\"Text\":\"0123456\x1f\"}", `[]`, `null`, `{"Blob":"A\nA==="}`, `{"Blob":"QR=="}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got sample
		err := Decode(data, &got)

		want, wantErr := reference(data)
		switch {
		case err == nil && wantErr != nil:
			t.Fatalf("got %+v, want a refusal: %v", got, wantErr)
		case err != nil && wantErr == nil && !stricter(data, err):
			t.Fatalf("got %v, want %+v", err, want)
		case err != nil:
			return
		case !equal(got, want):
			t.Fatalf("got %+v, want %+v", got, want)
		}

		text, err := Append(nil, &got)
		if err != nil || !json.Valid(text) {
			t.Fatalf("got %s, %v from %+v", text, err, got)
		}
		var again sample
		if err := Decode(text, &again); err != nil {
			t.Fatalf("got %v for our own %s", err, text)
		}
		got.Listing = append([]string{}, got.Listing...) // always sent
		if !equal(again, got) {
			t.Fatalf("got %+v from our own %s, want %+v", again, text, got)
		}
	})
}

// stricter reports whether a refusal is one that encoding/json does not share.
func stricter(data []byte, err error) bool {
	lower := bytes.ToLower(data)
	return err == errSize || err == errDepth && bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) > maxDepth ||
		err == errUTF8 && !utf8.Valid(data) ||
		bytes.Contains(lower, []byte(`\ud`)) || // surrogates
		repeats(json.NewDecoder(bytes.NewReader(data))) // a wrong value that a later one replaces
}

// repeats reports whether the next value has an object with two members of one name.
func repeats(dec *json.Decoder) bool {
	tok, _ := dec.Token()
	delim, ok := tok.(json.Delim)
	if !ok {
		return false
	}
	found, names := false, map[string]bool{}
	for dec.More() {
		if delim == '{' {
			name, _ := dec.Token()
			text, _ := name.(string)
			found = found || names[text]
			names[text] = true
		}
		found = repeats(dec) || found
	}
	_, _ = dec.Token()
	return found
}

// reference decodes by way of encoding/json's maps.
func reference(data []byte) (sample, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var top any
	if err := dec.Decode(&top); err != nil {
		return sample{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return sample{}, fmt.Errorf("trailing text")
	}
	m, ok := top.(map[string]any)
	if !ok {
		return sample{}, fmt.Errorf("no object")
	}
	var s sample
	return s, convertStruct(m, reflect.ValueOf(&s).Elem())
}

func convertStruct(m map[string]any, v reflect.Value) error {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
		if x := m[name]; x != nil {
			if err := convert(x, v.Field(i)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func convert(x any, v reflect.Value) error {
	wrong := fmt.Errorf("%T for %v", x, v.Type())
	switch p := v.Addr().Interface().(type) {
	case *[]byte:
		s, ok := x.(string)
		if !ok {
			return wrong
		}
		b, err := base64.StdEncoding.DecodeString(s)
		*p = append([]byte{}, b...)
		return err
	case *secret.Bytes:
		s, ok := x.(string)
		if !ok {
			return wrong
		}
		b, err := base64.StdEncoding.DecodeString(s)
		*p = secret.New(append([]byte{}, b...))
		return err
	case **time.Time:
		n, ok := x.(json.Number)
		if !ok {
			return wrong
		}
		sec, err := n.Float64()
		if err == nil && (sec < minSeconds || sec >= maxSeconds) {
			return wrong
		}
		*p = new(time.UnixMilli(int64(math.Round(sec * 1000))).UTC())
		return err
	case *string:
		s, ok := x.(string)
		if !ok {
			return wrong
		}
		*p = s
		return nil
	case *map[string]string:
		m, ok := x.(map[string]any)
		if !ok {
			return wrong
		}
		*p = map[string]string{}
		for k, x := range m {
			s, ok := x.(string)
			if !ok {
				return wrong
			}
			(*p)[k] = s
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return convert(x, v.Elem())
	case reflect.Slice:
		l, ok := x.([]any)
		if !ok {
			return wrong
		}
		v.Set(reflect.MakeSlice(v.Type(), len(l), len(l)))
		for i, x := range l {
			if err := convert(x, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Struct:
		m, ok := x.(map[string]any)
		if !ok {
			return wrong
		}
		return convertStruct(m, v)
	case reflect.String: // an enumeration
		s, ok := x.(string)
		if !ok {
			return wrong
		}
		v.SetString(s)
		return nil
	case reflect.Bool:
		b, ok := x.(bool)
		if !ok {
			return wrong
		}
		v.SetBool(b)
		return nil
	case reflect.Int32, reflect.Int64:
		n, ok := x.(json.Number)
		if !ok {
			return wrong
		}
		i, err := strconv.ParseInt(n.String(), 10, v.Type().Bits())
		v.SetInt(i)
		return err
	case reflect.Float64:
		n, ok := x.(json.Number)
		if !ok {
			return wrong
		}
		d, err := n.Float64()
		v.SetFloat(d)
		return err
	}
	return wrong
}
