package awsjson

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/secret"
)

type colour string

// sample has a member of every kind.
type sample struct {
	Text    *string           `aws:"Text"`
	Enum    *colour           `aws:"Enum"`
	Int     *int32            `aws:"Int"`
	Long    *int64            `aws:"Long"`
	Flag    *bool             `aws:"Flag"`
	Float   *float64          `aws:"Float"`
	When    *time.Time        `aws:"When"`
	Blob    []byte            `aws:"Blob"`
	Secret  secret.Bytes      `aws:"Secret"`
	Inner   *inner            `aws:"Inner"`
	Texts   []string          `aws:"Texts"`
	Enums   []colour          `aws:"Enums"`
	Inners  []inner           `aws:"Inners"`
	Map     map[string]string `aws:"Map"`
	Listing []string          `aws:"Listing,always"`
}

type inner struct {
	A *string `aws:"A"`
	B *int32  `aws:"B"`
}

func TestDecode(t *testing.T) {
	date := time.UnixMilli(1607472987918).UTC()
	for _, tt := range []struct {
		name, in string
		want     sample
	}{
		{"empty object", ` { } `, sample{}},
		{"text", `{"Text":"x"}`, sample{Text: new("x")}},
		{"null is absent", `{"Text":null,"Int":null,"Map":null,"Texts":null,"Inner":null,"Blob":null,"Secret":null}`, sample{}},
		{"unknown members", `{"X":{"Y":[1,{"Z":"\u00e9"},true,null,-1.5e+3]},"Text":"x"}`, sample{Text: new("x")}},
		{"names are exact", `{"text":"x","TEXT":"y"}`, sample{}},
		{"escaped name", `{"\u0054ext":"x"}`, sample{Text: new("x")}},
		{"escapes", `{"Text":"\"\\\/\b\f\n\r\t\u00e9"}`, sample{Text: new("\"\\/\b\f\n\r\té")}},
		{"surrogate pair", `{"Text":"\ud83d\ude00"}`, sample{Text: new("😀")}},
		{"raw UTF-8", `{"Text":"é😀"}`, sample{Text: new("é😀")}},
		{"last member counts", `{"Text":"a","Text":"b","Map":{"k":"v"},"Map":{"l":"w"}}`, sample{Text: new("b"), Map: map[string]string{"l": "w"}}},
		{"last member is null", `{"Text":"a","Text":null,"Secret":"AA==","Secret":null}`, sample{}},
		{"last entry counts", `{"Map":{"k":"v","k":"w"}}`, sample{Map: map[string]string{"k": "w"}}},
		{"last structure counts", `{"Inner":{"A":"x"},"Inner":{"B":1}}`, sample{Inner: &inner{B: new(int32(1))}}},
		{"enumeration", `{"Enum":"red","Enums":["red","blue"]}`, sample{Enum: new(colour("red")), Enums: []colour{"red", "blue"}}},
		{"numbers", `{"Int":-2147483648,"Long":9223372036854775807,"Float":-1.5e3}`,
			sample{Int: new(int32(math.MinInt32)), Long: new(int64(math.MaxInt64)), Float: new(-1500.0)}},
		{"flags", `{"Flag":false}`, sample{Flag: new(false)}},
		{"blobs", `{"Blob":"AQID","Secret":"\u0041\u0041=="}`, sample{Blob: []byte{1, 2, 3}, Secret: secret.New([]byte{0})}},
		{"empty blobs are present", `{"Blob":"","Secret":""}`, sample{Blob: []byte{}, Secret: secret.New([]byte{})}},
		{"empty containers are present", `{"Texts":[],"Map":{},"Inners":[]}`, sample{Texts: []string{}, Map: map[string]string{}, Inners: []inner{}}},
		{"lists", `{"Texts":["a","b"],"Inners":[{"A":"x"},{"B":2}]}`,
			sample{Texts: []string{"a", "b"}, Inners: []inner{{A: new("x")}, {B: new(int32(2))}}}},
		{"time in whole seconds", `{"When":0}`, sample{When: new(time.Unix(0, 0).UTC())}},
		{"time with fraction", `{"When":1607472987.918}`, sample{When: &date}},
		{"time with exponent", `{"When":1.607472987918E9}`, sample{When: &date}},
		{"time before 1970", `{"When":-0.5}`, sample{When: new(time.UnixMilli(-500).UTC())}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got sample
			if err := Decode([]byte(tt.in), &got); err != nil {
				t.Fatal(err)
			}
			if !equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// equal compares by value; secrets hold pointers, which reflection compares by
// what they point to: one byte, not all.
func equal(a, b sample) bool {
	same := a.Secret.Equal(b.Secret) && a.Secret.IsNil() == b.Secret.IsNil()
	a.Secret, b.Secret = secret.Bytes{}, secret.Bytes{}
	return same && reflect.DeepEqual(a, b)
}

func TestDecodeRefuses(t *testing.T) {
	deep := `{"X":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`
	for _, tt := range []struct{ name, in, message string }{
		{"nothing", "", ""},
		{"null", "null", ""},
		{"list", "[]", ""},
		{"cut off", `{"Text":"x"`, ""},
		{"cut off in a string", `{"Text":"x`, ""},
		{"cut off in an escape", `{"Text":"\`, ""},
		{"cut off in a literal", `{"Flag":tru`, ""},
		{"trailing comma", `{"Text":"x",}`, ""},
		{"trailing text", `{} {}`, ""},
		{"trailing NUL", "{}\x00", ""},
		{"name without quotes", `{Text:"x"}`, ""},
		{"no colon", `{"Text" "x"}`, ""},
		{"bad escape", `{"Text":"\x"}`, ""},
		{"bad hexadecimal", `{"Text":"\u00zz"}`, ""},
		{"control character", "{\"Text\":\"a\nb\"}", ""},
		{"control character far in", "{\"Text\":\"0123456789abcdef\x1f\"}", ""},
		{"leading zero", `{"Int":01}`, ""},
		{"leading plus", `{"Int":+1}`, ""},
		{"bare point", `{"Float":1.}`, ""},
		{"no value", `{"Text":}`, ""},
		{"lone high surrogate", `{"Text":"\ud83d"}`, "Invalid unicode surrogate pair"},
		{"lone low surrogate", `{"Text":"\ude00"}`, "Invalid unicode surrogate pair"},
		{"two high surrogates", `{"Text":"\ud83d\ud83d"}`, "Invalid unicode surrogate pair"},
		{"invalid UTF-8", "{\"Text\":\"\xff\"}", "Request body is not valid UTF-8"},
		{"encoded surrogate", "{\"Text\":\"\xed\xa0\x80\"}", "Request body is not valid UTF-8"},
		{"deep", deep, "Request body is nested too deeply"},
		{"large", `{"Text":"` + strings.Repeat("x", maxSize) + `"}`, "Request body is too large"},
		{"number for text", `{"Text":1}`, "NUMBER_VALUE can not be converted to a String"},
		{"text for number", `{"Int":"1"}`, "STRING_VALUE can not be converted to an Integer"},
		{"text for long", `{"Long":"1"}`, "STRING_VALUE can not be converted to a Long"},
		{"fraction for number", `{"Int":1.0}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"number out of range", `{"Int":2147483648}`, "NUMBER_VALUE can not be converted to an Integer"},
		{"long out of range", `{"Long":9223372036854775808}`, "NUMBER_VALUE can not be converted to a Long"},
		{"float out of range", `{"Float":1e999}`, "NUMBER_VALUE can not be converted to a Double"},
		{"text for flag", `{"Flag":"true"}`, "STRING_VALUE can not be converted to a Boolean"},
		{"text for time", `{"When":"2026-01-01T00:00:00Z"}`, "STRING_VALUE can not be converted to a Timestamp"},
		{"time out of range", `{"When":1e15}`, "NUMBER_VALUE can not be converted to a Timestamp"},
		{"list for blob", `{"Blob":[1]}`, "START_ARRAY can not be converted to a Blob"},
		{"bad base64", `{"Blob":"*"}`, "STRING_VALUE can not be converted to a Blob"},
		{"base64 without padding", `{"Secret":"AA"}`, "STRING_VALUE can not be converted to a Blob"},
		{"text for structure", `{"Inner":"x"}`, "STRING_VALUE can not be converted to a structure"},
		{"object for list", `{"Texts":{}}`, "START_OBJECT can not be converted to a list"},
		{"null in list", `{"Texts":[null]}`, "NULL_VALUE can not be converted to a String"},
		{"flag in list of structures", `{"Inners":[false]}`, "FALSE_VALUE can not be converted to a structure"},
		{"list for map", `{"Map":[]}`, "START_ARRAY can not be converted to a map"},
		{"number in map", `{"Map":{"k":1}}`, "NUMBER_VALUE can not be converted to a String"},
		{"true in map", `{"Map":{"k":true}}`, "TRUE_VALUE can not be converted to a String"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Decode([]byte(tt.in), new(sample))
			e, ok := errors.AsType[*awserr.Error](err)
			if !ok || e.Code != SerializationException {
				t.Fatalf("got %v, want a SerializationException", err)
			}
			if e.Message != tt.message {
				t.Errorf("got %q, want %q", e.Message, tt.message)
			}
		})
	}
}

// TestDecodeKeepsNothing makes sure that the caller may reuse the body's memory.
func TestDecodeKeepsNothing(t *testing.T) {
	data := []byte(`{"Text":"abc","Map":{"k":"v"},"Blob":"AQID","Texts":["x"]}`)
	var got sample
	if err := Decode(data, &got); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = '#'
	}
	want := sample{Text: new("abc"), Map: map[string]string{"k": "v"}, Blob: []byte{1, 2, 3}, Texts: []string{"x"}}
	if !equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
