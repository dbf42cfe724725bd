package policy_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// FuzzEvaluate: whatever a document and a request say, Evaluate answers what
// Explain explains and every statement in turn says, also once the document is
// stored.
func FuzzEvaluate(f *testing.F) {
	for _, c := range operatorCases()[:40] {
		for key, values := range c.context {
			f.Add(uint8(policy.Identity), `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+c.condition+`}}`,
				"s3:GetObject", "arn:aws:s3:::b/k", key, strings.Join(values, ","))
		}
	}
	for _, c := range elementCases() {
		f.Add(uint8(c.kind), c.document, c.request.Action, c.request.Resource, "aws:username", "alice")
	}
	for _, c := range variableStatements() {
		f.Add(uint8(c.kind), c.document, c.request.Action, c.request.Resource, "aws:username", "ann")
	}
	dir := newDirectory()
	f.Fuzz(func(t *testing.T, kind uint8, text, action, resource, key, value string) {
		d, err := policy.Parse(policy.Kind(kind%6+1), []byte(text))
		if err != nil {
			return
		}
		stored, err := d.Stored(dir)
		for _, caller := range []policy.Principal{rootA, alice, session, bob, s3service} {
			r := &policy.Request{Action: action, Resource: resource, Principal: caller, Context: facts{
				strings.ToLower(key): {value}, "aws:tagkeys*": strings.Split(value, ","),
			}}
			out := d.Evaluate(r)
			if concluded := policy.Conclude(d.Explain(r)); out != concluded {
				t.Fatalf("Evaluate says %+v, Explain %+v", out, concluded)
			}
			if naive := d.Naive(r, naiveMatch); out != naive {
				t.Fatalf("Evaluate says %+v, every statement in turn %+v", out, naive)
			}
			if err != nil {
				continue
			}
			if is := stored.Evaluate(r); is.Match < out.Match || (is.Allow == nil) != (out.Allow == nil) || (is.Deny == nil) != (out.Deny == nil) {
				t.Fatalf("stored, the document says %+v, before %+v", is, out)
			}
		}
	})
}
