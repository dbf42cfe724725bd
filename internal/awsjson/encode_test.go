package awsjson

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestAppend(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   any
		want string
	}{
		{"nil", (*inner)(nil), `{}`},
		{"empty", &inner{}, `{}`},
		{"list that is always sent", &sample{}, `{"Listing":[]}`},
		{"scalars", &sample{Text: new("x"), Enum: new(colour("red")), Int: new(int32(-1)), Long: new(int64(1 << 62)), Flag: new(false), Float: new(0.5)},
			`{"Text":"x","Enum":"red","Int":-1,"Long":4611686018427387904,"Flag":false,"Float":0.5,"Listing":[]}`},
		{"blobs", &sample{Blob: []byte{}, Secret: secret.New([]byte("abc"))}, `{"Blob":"","Secret":"YWJj","Listing":[]}`},
		{"containers", &sample{Inner: &inner{}, Texts: []string{"a", "b"}, Enums: []colour{}, Inners: []inner{{A: new("x")}, {}}, Map: map[string]string{"b": "2", "a": "1"}},
			`{"Inner":{},"Texts":["a","b"],"Enums":[],"Inners":[{"A":"x"},{}],"Map":{"a":"1","b":"2"},"Listing":[]}`},
		{"escapes", &inner{A: new("\"\\\n\r\t\x00\x1f<é😀")}, `{"A":"\"\\\n\r\t\u0000\u001f<é😀"}`},
		{"invalid UTF-8", &inner{A: new("a\xffb")}, "{\"A\":\"a\ufffdb\"}"},
		{"trailing comma in a text", &inner{A: new(",")}, `{"A":","}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Append(nil, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if !json.Valid(got) {
				t.Error("that is no JSON")
			}
		})
	}
}

func TestAppendTime(t *testing.T) {
	for _, tt := range []struct {
		in   time.Time
		want string
	}{
		{time.Unix(1607472987, 0), "1607472987"},
		{time.UnixMilli(1607472987918), "1607472987.918"},
		{time.UnixMilli(1607472987910), "1607472987.91"},
		{time.UnixMilli(1607472987001), "1607472987.001"},
		{time.Unix(1607472987, 999999), "1607472987"},
		{time.UnixMilli(-500), "-0.5"},
	} {
		if got := string(appendTime(nil, tt.in)); got != tt.want {
			t.Errorf("got %s for %v, want %s", got, tt.in, tt.want)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	for _, in := range []any{"x", &sample{Float: new(math.NaN())}, &struct{ A chan int }{}, &struct {
		A chan int `aws:"A"`
	}{}} {
		if got, err := Append(nil, in); err == nil {
			t.Errorf("got %s for %T, want an error", got, in)
		} else if strings.Contains(err.Error(), "panic") {
			t.Error(err)
		}
	}
}

func TestPrintThenParse(t *testing.T) {
	want := sample{
		Text: new("\x00\"\\é😀\u2028"), Enum: new(colour("red")), Int: new(int32(7)), Long: new(int64(-7)), Flag: new(true),
		Float: new(1e300), When: new(time.UnixMilli(1607472987918).UTC()), Blob: []byte{0xff}, Secret: secret.New([]byte("s")),
		Inner: &inner{A: new("")}, Texts: []string{""}, Enums: []colour{"x"}, Inners: []inner{{B: new(int32(0))}},
		Map: map[string]string{"": "\n", "k": "v"}, Listing: []string{},
	}
	text, err := Append(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	if err := Decode(text, &got); err != nil {
		t.Fatal(err)
	}
	if !equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
