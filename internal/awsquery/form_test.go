package awsquery

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
)

type colour string

type inner struct {
	A *string `aws:"A"`
	B *int32  `aws:"B"`
}

// sample has a member of every kind.
type sample struct {
	Text   *string    `aws:"Text"`
	Enum   *colour    `aws:"Enum"`
	Long   *int64     `aws:"Long"`
	Flag   *bool      `aws:"Flag"`
	When   *time.Time `aws:"When"`
	Inner  *inner     `aws:"Inner"`
	Texts  []string   `aws:"Texts"`
	None   []string   `aws:"None"`
	Inners []inner    `aws:"Inners"`
}

func TestDecode(t *testing.T) {
	form, err := url.ParseQuery("Action=X&Text=a+b&Enum=red&Long=-5&Flag=true&When=2014-04-29T18:30:38Z&Inner.B=1" +
		"&Texts.member.1=x&Texts.member.2=&None=&Inners.member.1.A=y&Inners.member.2.B=2&Unknown.member.1=z")
	if err != nil {
		t.Fatal(err)
	}
	var got sample
	if err := Decode(form, &got); err != nil {
		t.Fatal(err)
	}
	want := sample{
		Text: new("a b"), Enum: new(colour("red")), Long: new(int64(-5)), Flag: new(true),
		When: new(time.Date(2014, 4, 29, 18, 30, 38, 0, time.UTC)), Inner: &inner{B: new(int32(1))},
		Texts: []string{"x", ""}, Inners: []inner{{A: new("y")}, {B: new(int32(2))}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	var empty sample
	if err := Decode(nil, &empty); err != nil || !reflect.DeepEqual(empty, sample{}) {
		t.Errorf("got %+v, %v from nothing", empty, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := url.Values{}
	for n := range maxElements + 1 {
		long.Set(fmt.Sprintf("Texts.member.%d", n+1), "x")
	}
	for name, form := range map[string]url.Values{
		"number":              {"Long": {"x"}},
		"empty number":        {"Long": {""}},
		"number out of range": {"Inner.B": {"2147483648"}},
		"flag":                {"Flag": {"yes"}},
		"date":                {"When": {"yesterday"}},
		"in a list":           {"Inners.member.1.B": {"x"}},
		"long list":           long,
		"repeated":            {"Text": {"a", "b"}},
		"repeated in a list":  {"Texts.member.1": {"a", "b"}},
		"gap":                 {"Texts.member.1": {"x"}, "Texts.member.3": {"y"}},
		"list from 0":         {"Texts.member.0": {"x"}},
		"number with a zero":  {"Texts.member.01": {"x"}},
		"list without member": {"Texts.1": {"x"}},
		"text as a list":      {"Texts": {"x"}},
		"unknown element":     {"Inners.member.1.A": {"x"}, "Inners.member.1.C": {"y"}},
		"element of a text":   {"Text.member.1": {"x"}},
		"unknown in a struct": {"Inner.C": {"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Decode(form, new(sample)); !errors.Is(err, MalformedInput) {
				t.Errorf("got %v, want MalformedInput", err)
			}
		})
	}
}

// FuzzDecode makes sure that no form makes the decoder fail otherwise than by
// MalformedInput, and that a text arrives as it was sent.
func FuzzDecode(f *testing.F) {
	f.Add("Text=a&Long=1&Flag=true&When=2014-04-29T18:30:38Z&Inner.A=x&Texts.member.1=y&Inners.member.1.B=2")
	f.Add("Text=%00%ff&Inners.member.1.B=x")
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		var got sample
		if err := Decode(form, &got); err != nil {
			if e, ok := errors.AsType[*awserr.Error](err); !ok || e.Code != MalformedInput {
				t.Fatalf("got %v, want MalformedInput", err)
			}
			return
		}
		if want, sent := form["Text"]; sent != (got.Text != nil) || sent && *got.Text != want[0] {
			t.Fatalf("got %v, want %v", got.Text, want)
		}
		for i, s := range got.Texts {
			if want := form.Get(fmt.Sprintf("Texts.member.%d", i+1)); s != want {
				t.Fatalf("got %q at %d, want %q", s, i, want)
			}
		}
		if len(got.Texts) > 0 && !strings.Contains(raw, "member") && !strings.Contains(raw, "%") {
			t.Fatal("a list came from nothing")
		}
	})
}
