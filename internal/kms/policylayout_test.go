package kms

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestLayoutPolicy(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", `{}`, `{ }`},
		{"lists", `{"a":[],"b":["x","y"],"c":[[1,2],[]]}`, "{\n  \"a\" : [ ],\n  \"b\" : [ \"x\", \"y\" ],\n  \"c\" : [ [ 1, 2 ], [ ] ]\n}"},
		{"two statements", `{"s":[{"a":1},{"b":{"c":true}}]}`, "{\n  \"s\" : [ {\n    \"a\" : 1\n  }, {\n    \"b\" : {\n      \"c\" : true\n    }\n  } ]\n}"},
		{"what looks like layout in a text", `{"a":"{ [1,2] , \" : \\"}`, "{\n  \"a\" : " + `"{ [1,2] , \" : \\"` + "\n}"},
		{"a number", ` 7 `, `7`},
		{"no JSON", `{`, `{`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := layoutPolicy([]byte(c.in)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Whatever the document: the layout says the same, and is the same done again.
func FuzzLayoutPolicy(f *testing.F) {
	f.Add([]byte(defaultPolicy(testAccount)))
	f.Add([]byte(managedKeyPolicy(testAccount, "us-east-1")))
	f.Add([]byte(`{"a\"b":[1e3,null,"\\",{"c":[]}],"d":{}}`))
	f.Add([]byte(` [ { } , [ ] , "," , "]" ] `))
	f.Fuzz(func(t *testing.T, doc []byte) {
		if !json.Valid(doc) {
			return
		}
		compact := func(b []byte) string {
			var out bytes.Buffer
			if err := json.Compact(&out, b); err != nil {
				t.Fatalf("%q became %q: %v", doc, b, err)
			}
			return out.String()
		}
		got := layoutPolicy(doc)
		if compact([]byte(got)) != compact(doc) {
			t.Fatalf("%q became %q", doc, got)
		}
		if again := layoutPolicy([]byte(got)); again != got {
			t.Fatalf("%q became %q, and that %q", doc, got, again)
		}
	})
}
