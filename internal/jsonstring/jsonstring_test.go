package jsonstring

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", `""`},
		{"plain", "plain text, longer than eight bytes", `"plain text, longer than eight bytes"`},
		{"quote and backslash", `say "a\b" twice`, `"say \"a\\b\" twice"`},
		{"short escapes", "a\nb\rc\td", `"a\nb\rc\td"`},
		{"other controls", "a\x00b\x1fc", `"a\u0000b\u001fc"`},
		{"not ASCII", "ünïcødé €", `"ünïcødé €"`},
		{"not UTF-8", "a\xffb\xc3", "\"a\ufffdb\ufffd\""},
		{"no HTML escapes", "<a&b>", `"<a&b>"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(Append([]byte("x"), tt.in)); got != "x"+tt.want {
				t.Errorf("got %s, want x%s", got, tt.want)
			}
		})
	}
}

// FuzzAppend: whatever goes in, encoding/json reads back what was valid of it.
func FuzzAppend(f *testing.F) {
	f.Add("12345678\"2345678\\234567\x01")
	f.Add("\xc3\x28 ü \u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(Append(nil, s), &got); err != nil {
			t.Fatalf("got no JSON for %q: %v", s, err)
		}
		want := s
		if !utf8.ValidString(s) {
			// One replacement for each bad byte, as ranging over a string has it.
			var b strings.Builder
			for _, r := range s {
				b.WriteRune(r)
			}
			want = b.String()
		}
		if got != want {
			t.Errorf("got %q back, want %q", got, want)
		}
	})
}
