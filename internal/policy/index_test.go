package policy_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/policy"
)

// The pieces of the generated actions and resources: alike in much, so that
// documents and requests often meet and often just do not.
var (
	vendors   = []string{"kms", "s3", "s3-outposts", "KMS"}
	verbs     = []string{"Decrypt", "decrypt", "DescribeKey", "Describe", "GetObject", "Get"}
	texts     = []string{"arn:aws:kms:us-east-1:111122223333:key/", "arn:aws:kms:", "arn:aws:s3:::", "arn:aws:", "1234", "1235", "4321", "12", "a", "b", "/", ":", "é", "logs/", "${aws:username}", "${x:none}", "${*}", "${aws:username, 'x'}"}
	wildcards = []string{"*", "?", "**", "*?", "", "", ""}
)

// drawAction draws an action, or a pattern of one.
func drawAction(t *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(t, "every action") == 0 {
		return rapid.SampledFrom([]string{"*", "*:*"}).Draw(t, "every")
	}
	vendor, verb := rapid.SampledFrom(vendors).Draw(t, "vendor"), rapid.SampledFrom(verbs).Draw(t, "verb")
	at := rapid.IntRange(0, len(verb)-1).Draw(t, "at")
	return vendor + ":" + verb[:at] + rapid.SampledFrom(wildcards).Draw(t, "wildcard") + verb[at+rapid.IntRange(0, 1).Draw(t, "cut"):] + rapid.SampledFrom([]string{"*", "x", ""}).Draw(t, "end")
}

// drawResource draws a resource, or a pattern of some.
func drawResource(t *rapid.T) string {
	if rapid.IntRange(0, 9).Draw(t, "every resource") == 0 {
		return "*"
	}
	var b strings.Builder
	b.WriteString(rapid.SampledFrom(texts[:4]).Draw(t, "beginning"))
	for range rapid.IntRange(0, 4).Draw(t, "pieces") {
		b.WriteString(rapid.SampledFrom(wildcards).Draw(t, "wildcard"))
		b.WriteString(rapid.SampledFrom(texts).Draw(t, "piece"))
	}
	b.WriteString(rapid.SampledFrom(wildcards).Draw(t, "last"))
	if s := b.String(); strings.Contains(s, "*") || strings.Count(s, ":") >= 5 {
		return s
	}
	return b.String() + ":::::"
}

// drawDocument draws a document of any kind, and what it names.
func drawDocument(t *rapid.T) (d *policy.Document, actions, resources []string) {
	kind := rapid.SampledFrom([]policy.Kind{policy.Identity, policy.Key, policy.Bucket, policy.Trust, policy.ServiceControl, policy.Endpoint}).Draw(t, "kind")
	var statements []statement
	for i := range rapid.IntRange(1, 24).Draw(t, "statements") {
		s := drawStatement(t, rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, "effect"))
		s["Sid"] = fmt.Sprint("S", i)
		if kind == policy.Identity || kind == policy.ServiceControl || kind == policy.Trust {
			delete(s, "NotPrincipal")
		}
		if kind == policy.Identity || kind == policy.ServiceControl {
			delete(s, "Principal")
		} else if s["NotPrincipal"] == nil && s["Principal"] == nil {
			s["Principal"] = "*"
		}
		if rapid.IntRange(0, 3).Draw(t, "conditional still") > 0 {
			delete(s, "Condition")
		}
		for _, e := range []struct {
			name string
			draw func(*rapid.T) string
			all  *[]string
		}{{"Action", drawAction, &actions}, {"Resource", drawResource, &resources}} {
			delete(s, e.name)
			delete(s, "Not"+e.name)
			values := rapid.SliceOfN(rapid.Custom(e.draw), 1, 4).Draw(t, e.name)
			*e.all = append(*e.all, values...)
			if rapid.IntRange(0, 4).Draw(t, "not") == 0 {
				s["Not"+e.name] = values
			} else {
				s[e.name] = values
			}
		}
		if kind == policy.Trust {
			delete(s, "Resource")
			delete(s, "NotResource")
		}
		if kind == policy.Key && rapid.IntRange(0, 7).Draw(t, "inert") == 0 {
			delete(s, rapid.SampledFrom([]string{"Action", "Resource"}).Draw(t, "without"))
		}
		statements = append(statements, s)
	}
	text, err := json.Marshal(map[string]any{"Version": rapid.SampledFrom([]string{policy.Version2008, policy.Version2012}).Draw(t, "version"), "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	if d, err = policy.Parse(kind, text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d, actions, resources
}

// instance makes a pattern one of the texts that it matches, or nearly one.
func instance(t *rapid.T, pattern string) string {
	for _, v := range []string{"${aws:username}", "${aws:username, 'x'}", "${x:none}", "${*}"} {
		pattern = strings.ReplaceAll(pattern, v, rapid.SampledFrom([]string{"ann", "*", "x"}).Draw(t, "value"))
	}
	var b strings.Builder
	for _, c := range pattern {
		switch {
		case c == '*':
			b.WriteString(rapid.SampledFrom([]string{"", "us-east-1", "a", "1234", ":", strings.Repeat("long", 70)}).Draw(t, "run"))
		case c == '?':
			b.WriteString(rapid.SampledFrom([]string{"a", "é", "\xff", "1", ""}).Draw(t, "one"))
		case rapid.IntRange(0, 60).Draw(t, "typo") == 0:
			b.WriteString(rapid.SampledFrom([]string{"", "x", "\xfe"}).Draw(t, "typed"))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// TestEvaluateIsNaive: with its index Evaluate says what every statement in turn
// says, of one request after another in the same place, by one document after
// another, whichever were asked before.
func TestEvaluateIsNaive(t *testing.T) {
	allowed, denied, neither := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var documents []*policy.Document
		var actions, resources []string
		for range rapid.IntRange(1, 3).Draw(t, "documents") {
			d, a, r := drawDocument(t)
			documents, actions, resources = append(documents, d), append(actions, a...), append(resources, r...)
		}
		r := drawRequest(t)
		for range 6 {
			if rapid.Bool().Draw(t, "another action") {
				r.Action = instance(t, rapid.SampledFrom(actions).Draw(t, "of the actions"))
			}
			if rapid.Bool().Draw(t, "another resource") {
				r.Resource = instance(t, rapid.SampledFrom(resources).Draw(t, "of the resources"))
			}
			for _, d := range documents {
				got, want := d.Evaluate(r), d.Naive(r, naiveMatch)
				if got != want {
					t.Errorf("%s on %q: got %+v, want %+v\n%s", r.Action, r.Resource, got, want, d.Text())
				}
				if concluded := policy.Conclude(d.Explain(r)); concluded != want {
					t.Errorf("%s on %q: explained %+v, want %+v\n%s", r.Action, r.Resource, concluded, want, d.Text())
				}
				switch {
				case want.Deny != nil:
					denied++
				case want.Allow != nil:
					allowed++
				default:
					neither++
				}
			}
		}
	})
	if min(allowed, denied, neither) == 0 {
		t.Errorf("%d are allowed, %d denied, %d neither: too few of a kind to tell", allowed, denied, neither)
	}
}

// TestFirstStatement: of several statements that apply it is the first that is
// told, in whichever way each says what action it is about.
func TestFirstStatement(t *testing.T) {
	about := []string{`"Action":"kms:Decrypt"`, `"Action":["kms:Encrypt","KMS:decrypt"]`, `"Action":"kms:Dec*"`, `"Action":["kms:*","kms:Decrypt"]`, `"Action":"*"`, `"NotAction":"s3:*"`}
	for _, effect := range []string{"Allow", "Deny"} {
		for i, first := range about {
			for j, second := range about {
				t.Run(fmt.Sprint(effect, i, j), func(t *testing.T) {
					var statements []string
					for _, action := range []string{`"Action":"kms:Encrypt"`, `"Action":"s3:*"`, first, second, first} {
						statements = append(statements, `{"Effect":"`+effect+`",`+action+`,"Resource":"*"}`)
					}
					d := parse(t, policy.Identity, `{"Statement":[`+strings.Join(statements, ",")+`]}`)
					out := d.Evaluate(&policy.Request{Action: "kms:Decrypt", Resource: keyARN})
					if got, want := cmp.Or(out.Allow, out.Deny), &d.Statements()[2]; got != want {
						t.Errorf("got %+v, want %+v", got, want)
					}
				})
			}
		}
	}
}

// TestNextRequest: a Request that was asked and is changed is another one.
func TestNextRequest(t *testing.T) {
	d := parse(t, policy.Identity, `{"Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"`+keyARN+`"},{"Effect":"Deny","Action":"s3:Get*","Resource":"arn:aws:s3:::b/*"}]}`)
	key, object, long := keyARN, "arn:aws:s3:::b/k", "arn:aws:s3:::b/"+strings.Repeat("k", 1024)
	r := &policy.Request{}
	for i, tt := range []struct {
		action, resource string
		allowed, denied  bool
	}{
		{"kms:Decrypt", object, false, false},
		{"kms:Decrypt", key, true, false},
		{"s3:GetObject", key, false, false},
		{"s3:GetObject", object, false, true},
		{"s3:PutObject", object, false, false},
		{"s3:GetObject", long, false, true},
		{"kms:Decrypt", long, false, false},
		{"s3:Get" + strings.Repeat("x", 200), object, false, true},
		{"s3:Put" + strings.Repeat("x", 200), object, false, false},
		{"kms:Decrypt", key, true, false},
		{"", "", false, false},
	} {
		r.Action, r.Resource = tt.action, tt.resource
		for range 2 {
			if out := d.Evaluate(r); (out.Allow != nil) != tt.allowed || (out.Deny != nil) != tt.denied {
				t.Errorf("request %d: got %+v, want allowed %v, denied %v", i, out, tt.allowed, tt.denied)
			}
		}
	}
}

// TestIndexIsLinear: what a document is compiled to grows as its text does, also
// with many services and statements about all of them.
func TestIndexIsLinear(t *testing.T) {
	size := func(n int) (text, index int) {
		var statements []string
		for i := range n {
			statements = append(statements,
				fmt.Sprintf(`{"Effect":"Allow","Action":["v%d:*","v%[1]d:Get","*"],"Resource":["arn:aws:v%[1]d:*","*"]}`, i),
				fmt.Sprintf(`{"Effect":"Deny","NotAction":["v%d:*","w%[1]d:Get"],"NotResource":"arn:aws:v%[1]d:*"}`, i))
		}
		d := parse(t, policy.Identity, `{"Statement":[`+strings.Join(statements, ",")+`]}`)
		return len(d.Text()), d.IndexSize()
	}
	text, index := size(64)
	longText, longIndex := size(1024)
	if got, want := float64(longIndex)/float64(index), 1.1*float64(longText)/float64(text); got > want {
		t.Errorf("a text %.1f times as long has an index %.1f times as long", want/1.1, got)
	}
}

// TestScreen: of many statements about resources of the same service and account
// few are left to be compared, and all that match.
func TestScreen(t *testing.T) {
	for _, tt := range []struct{ name, pattern, resource string }{
		{"other keys", "arn:aws:kms:us-east-1:111122223333:key/%08[1]x-12ab-34cd-56ef-1234567890ab", keyARN},
		{"other keys in any region", "arn:aws:kms:*:111122223333:key/%08[1]x-12ab-34cd-56ef-1234567890ab", keyARN},
		{"other things in any region", "arn:aws:kms:*:111122223333:thing/%[1]d-*", keyARN},
		{"objects of other buckets", "arn:aws:s3:::amzn-s3-demo-bucket-%[1]d/*", "arn:aws:s3:::amzn-s3-demo-bucket-xy/photos/a.jpg"},
		{"objects of other ends", "arn:aws:s3:::*/photos/*.%03[1]d", "arn:aws:s3:::amzn-s3-demo-bucket/photos/2026/a.jpg"},
		{"several each", `arn:aws:s3:::bucket-%[1]d","arn:aws:s3:::bucket-%[1]d/${aws:username}/*`, "arn:aws:s3:::bucket-xy/ann/a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var statements []string
			for i := range 190 {
				statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Action":"*","Resource":["`+tt.pattern+`"]}`, i))
			}
			all := func(more ...string) *policy.Document {
				return parse(t, policy.Identity, `{"Version":"2012-10-17","Statement":[`+strings.Join(slices.Concat(statements, more), ",")+`]}`)
			}
			few := all().Passing(tt.resource)
			if few > 190/8 {
				t.Errorf("%d statements of 190 are left to compare", few)
			}
			if got := all(`{"Effect":"Deny","Action":"*","Resource":"`+tt.resource+`"}`, `{"Effect":"Deny","Action":"*","Resource":["arn:aws:x:*","arn:*:?*"]}`,
				`{"Effect":"Deny","Action":"*","NotResource":"arn:aws:x:*"}`, `{"Effect":"Deny","Action":"*","Resource":"*"}`).Passing(tt.resource); got != few+4 {
				t.Errorf("with 4 statements that match, %d are left, and should be %d", got, few+4)
			}
		})
	}
}
