package store

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzPrefixEnd(f *testing.F) {
	for _, seed := range []string{"", "a", "a/", "\x7f", "\u07FF", "\uD7FF", "\uFFFF", "\U0010FFFF", "a\U0010FFFF\U0010FFFF"} {
		f.Add(seed, "a")
		f.Add(seed, "\U0010FFFF")
	}
	f.Fuzz(func(t *testing.T, prefix, rest string) {
		if !utf8.ValidString(prefix) || !utf8.ValidString(rest) {
			t.Skip("not text")
		}
		end, ok := PrefixEnd(prefix)
		if !ok {
			if strings.Trim(prefix, "\U0010FFFF") != "" {
				t.Errorf("%q: got no end", prefix)
			}
			return
		}
		if !utf8.ValidString(end) {
			t.Errorf("%q: got end %q, which is not UTF-8", prefix, end)
		}
		if !(prefix+rest < end) {
			t.Errorf("%q: got end %q, want it above %q", prefix, end, prefix+rest)
		}
		// Nothing lies between the prefix and the end: what is below the end
		// and not below the prefix begins with the prefix.
		if rest < end && rest >= prefix && !strings.HasPrefix(rest, prefix) {
			t.Errorf("%q: got end %q, want it not above %q", prefix, end, rest)
		}
	})
}

func TestSumTellsFieldsApart(t *testing.T) {
	base := Row{Key: "key", Rev: 1, Doc: []byte("doc"), MAC: []byte("mac"), Ref: "ref"}
	seen := map[int64]string{sumRow(Users, base): "base"}
	for name, r := range map[string]Row{
		"key":   {Key: "kex", Rev: 1, Doc: base.Doc, MAC: base.MAC, Ref: "ref"},
		"rev":   {Key: "key", Rev: 2, Doc: base.Doc, MAC: base.MAC, Ref: "ref"},
		"doc":   {Key: "key", Rev: 1, Doc: []byte("dob"), MAC: base.MAC, Ref: "ref"},
		"moved": {Key: "key", Rev: 1, Doc: []byte("docm"), MAC: []byte("ac"), Ref: "ref"},
		"ref":   {Key: "key", Rev: 1, Doc: base.Doc, MAC: base.MAC},
	} {
		s := sumRow(Users, r)
		if other, ok := seen[s]; ok {
			t.Errorf("%s: got the checksum of %s", name, other)
		}
		seen[s] = name
	}
	if sumRow(Users, base) == sumRow(Accounts, base) {
		t.Error("got the same checksum in another table")
	}
}

func TestTablesAreInTheSchema(t *testing.T) {
	schema := strings.Join(slices.Concat(migrations...), "\n")
	for _, table := range Tables() {
		if !strings.Contains(schema, "CREATE TABLE "+string(table)+" (") {
			t.Errorf("%s is not made by the schema", table)
		}
	}
}

// TestStatementsAreDistinct: two operations of one number would share a text.
func TestStatementsAreDistinct(t *testing.T) {
	d := Dialect{Begin: "BEGIN", Placeholder: func(n int) string { return "$" + string(rune('0'+n)) }}
	seen := map[string]op{}
	for o := opBegin; o <= opList|listFrom|listBelow|listRef; o++ {
		if o > opLastSeq && o < opList {
			continue
		}
		text := d.bind(statement{o, Users}.text(d))
		if other, ok := seen[text]; ok {
			t.Errorf("operations %d and %d: got the same text %q", o, other, text)
		}
		seen[text] = o
	}
	got := d.bind(statement{opList | listBelow | listRef, Users}.text(d))
	if want := `SELECT key, rev, doc, mac, ref, sum FROM users WHERE ref = $1 AND key > $2 AND key < $3 ORDER BY key LIMIT $4`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
