package sts

import (
	"bytes"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	issued  = time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC)
	samples = map[string]claims{
		"role": {
			kind: ofRole, chained: true, issued: issued, expires: issued.Add(time.Hour), account: account, id: "AROAAPP",
			name: "s1", sourceIdentity: "alice", policies: []string{`{"Version":"2012-10-17"}`}, policyARNs: []string{"arn:a", "arn:b"},
			tags: map[string]string{"b": "2", "a": "1", "empty": ""}, transitive: []string{"a"},
		},
		"role with nothing more": {kind: ofRole, issued: issued, expires: issued, account: account, id: "AROAAPP", name: "s1"},
		"user":                   {kind: ofUser, issued: issued, expires: issued.Add(time.Second), account: account, id: "AIDAALICE"},
		"root":                   {kind: ofRoot, issued: issued, expires: issued.Add(time.Second), account: "000000000000"},
	}
)

func TestClaims(t *testing.T) {
	for name, want := range samples {
		t.Run(name, func(t *testing.T) {
			b := want.append(nil)
			got, ok := parseClaims(b)
			if !ok || !reflect.DeepEqual(*got, want) {
				t.Fatalf("got %+v, %v, want %+v", got, ok, want)
			}
			for i := range b {
				if _, ok := parseClaims(b[:i]); ok {
					t.Errorf("%d of %d bytes are taken for claims", i, len(b))
				}
			}
			if _, ok := parseClaims(append(bytes.Clone(b), 0)); ok {
				t.Error("a byte more is taken for claims")
			}
		})
	}
}

// TestLayout is the table of docs/formats/session-token.md, by hand.
func TestLayout(t *testing.T) {
	c := claims{
		kind: ofRole, chained: true, issued: time.Unix(0x0102, 0), expires: time.Unix(0x0304, 0), account: "111122223333", id: "AR",
		name: "n", policies: []string{"P"}, tags: map[string]string{"k": "v"}, transitive: []string{"k"},
	}
	want := "\x01\x01" + "\x00\x00\x00\x00\x00\x00\x01\x02" + "\x00\x00\x00\x00\x00\x00\x03\x04" + "111122223333" +
		"\x00\x02AR" + "\x00\x01n" + "\x00\x00" + "\x00\x01\x00\x01P" + "\x00\x00" + "\x00\x02\x00\x01k\x00\x01v" + "\x00\x01\x00\x01k"
	if got := string(c.append(nil)); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestClaimsRefuse(t *testing.T) {
	role := samples["role with nothing more"]
	fixed := string(role.append(nil)[:fixedClaims])
	for name, b := range map[string]string{
		"kind 0":          "\x00" + fixed[1:],
		"kind 4":          "\x04" + fixed[1:],
		"unknown flag":    fixed[:1] + "\x02" + fixed[2:] + strings.Repeat("\x00", 14),
		"odd tags":        fixed + strings.Repeat("\x00", 6+4) + "\x00\x01\x00\x01k" + "\x00\x00",
		"tags not sorted": fixed + strings.Repeat("\x00", 6+4) + "\x00\x04\x00\x01b\x00\x00\x00\x01a\x00\x00" + "\x00\x00",
		"tag twice":       fixed + strings.Repeat("\x00", 6+4) + "\x00\x04\x00\x01a\x00\x00\x00\x01a\x00\x00" + "\x00\x00",
		"endless list":    fixed + strings.Repeat("\x00", 6) + "\xff\xff",
		"text too long":   fixed + "\xff\xffx",
	} {
		if c, ok := parseClaims([]byte(b)); ok {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}

// FuzzParseClaims: what parses prints as the same bytes.
func FuzzParseClaims(f *testing.F) {
	for c := range maps.Values(samples) {
		f.Add(c.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := parseClaims(b)
		if ok && !bytes.Equal(c.append(nil), b) {
			t.Fatalf("%x parses as %+v, which prints as %x", b, c, c.append(nil))
		}
	})
}
