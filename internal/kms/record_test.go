package kms

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a caller sends, the record stays JSON and says what was sent.
func FuzzRecordStrings(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\t\n", "é😀", "\xff", "a\xc3", "\u2028", strings.Repeat("\"", 100)} {
		f.Add(s, "v")
		f.Add("k", s)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		b := newObject().context(map[string]string{name: value, "other": "x"}).str("keyId", value).end()
		if !utf8.Valid(b) {
			t.Fatalf("%q is not UTF-8", b)
		}
		var got struct {
			EncryptionContext map[string]string `json:"encryptionContext"`
			KeyID             string            `json:"keyId"`
		}
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if want := replaceInvalid(value); got.KeyID != want {
			t.Errorf("got %q, want %q", got.KeyID, want)
		}
		if name != "other" && got.EncryptionContext[replaceInvalid(name)] != replaceInvalid(value) {
			t.Errorf("context is %q, want %q: %q", got.EncryptionContext, name, value)
		}
	})
}

// replaceInvalid puts U+FFFD in the place of each byte that is not UTF-8.
func replaceInvalid(s string) string { return string([]rune(s)) }

func TestEmptyObject(t *testing.T) {
	if got := string(newObject().end()); got != "{}" {
		t.Errorf("got %s, want {}", got)
	}
	if got := listParameters(nil, nil, nil); got != nil {
		t.Errorf("got %s, want null parameters", got)
	}
}
