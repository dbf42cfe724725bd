package policy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/policy"
)

// statement is a statement that rapid made.
type statement map[string]any

// The names the generated statements and requests are of, few enough to meet.
var (
	someActions    = []string{"kms:Decrypt", "kms:Encrypt", "s3:GetObject"}
	someGlobs      = []string{"*", "kms:*", "kms:?ncrypt", "s3:Get*", "kms:Decrypt", "kms:Encrypt", "s3:GetObject"}
	someResources  = []string{keyARN, "arn:aws:s3:::b/ann/k", "arn:aws:s3:::b/k"}
	resourceGlobs  = []string{"*", keyARN, "arn:aws:kms:*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/?"}
	somePrincipals = []string{"*", accountA, accountB, alice.ARN, bob.ARN, session.RoleARN, session.ARN}
	someConditions = []string{
		`{"StringEquals":{"aws:username":"ann"}}`, `{"StringNotEquals":{"aws:username":["ann","bob"]}}`,
		`{"StringLikeIfExists":{"aws:username":"a*"}}`, `{"Null":{"aws:username":"true"}}`,
		`{"ForAllValues:StringEquals":{"aws:TagKeys":["a","b"]}}`, `{"ForAnyValue:StringLike":{"aws:TagKeys":"a*"}}`,
		`{"NumericLessThan":{"s3:max-keys":10}}`, `{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`,
		`{"StringNotEquals":{"x:k":"${aws:username}"},"Bool":{"aws:SecureTransport":"true"}}`, `{}`,
	}
)

func drawStatement(t *rapid.T, effect string) statement {
	s := statement{"Effect": effect}
	not := func(name string, allowed bool) string {
		if allowed && rapid.Bool().Draw(t, "Not"+name) {
			return "Not" + name
		}
		return name
	}
	list := func(of []string, label string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(of), 1, 3).Draw(t, label)
	}
	s[not("Action", true)] = list(someGlobs, "actions")
	s[not("Resource", true)] = list(resourceGlobs, "resources")
	s[not("Principal", effect == "Deny")] = map[string]any{"AWS": list(somePrincipals, "principals")}
	if rapid.Bool().Draw(t, "conditional") {
		s["Condition"] = json.RawMessage(rapid.SampledFrom(someConditions).Draw(t, "condition"))
	}
	return s
}

func drawStatements(t *rapid.T) []statement {
	var all []statement
	for range rapid.IntRange(1, 6).Draw(t, "statements") {
		all = append(all, drawStatement(t, rapid.SampledFrom([]string{"Allow", "Deny"}).Draw(t, "effect")))
	}
	return all
}

func compile(t *rapid.T, statements []statement) *policy.Document {
	text, err := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	d, err := policy.Parse(policy.Bucket, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func drawRequest(t *rapid.T) *policy.Request {
	c := facts{}
	for key, values := range map[string][]string{
		"aws:username": {"ann", "bob", "*"}, "s3:max-keys": {"9", "10"}, "aws:sourceip": {"203.0.113.9", "192.0.2.1"},
		"x:k": {"ann"}, "aws:securetransport": {"true", "false"},
	} {
		if rapid.Bool().Draw(t, key) {
			c[key] = []string{rapid.SampledFrom(values).Draw(t, key+" value")}
		}
	}
	if rapid.Bool().Draw(t, "tags") {
		c["aws:tagkeys*"] = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", ""}), 0, 3).Draw(t, "tag keys")
	}
	return &policy.Request{
		Action:    rapid.SampledFrom(someActions).Draw(t, "action"),
		Resource:  rapid.SampledFrom(someResources).Draw(t, "resource"),
		Principal: rapid.SampledFrom([]policy.Principal{rootA, alice, session, bob, s3service}).Draw(t, "principal"),
		Context:   c,
	}
}

// allows says what a document alone amounts to.
func allows(o policy.Outcome) bool { return o.Allow != nil && o.Deny == nil }

// TestAddedDenyNeverWidens: whatever a request, a Deny more allows nothing more.
func TestAddedDenyNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, r := drawStatements(t), drawRequest(t)
		after := slices.Insert(slices.Clone(before), rapid.IntRange(0, len(before)).Draw(t, "place"), drawStatement(t, "Deny"))
		was, is := compile(t, before).Evaluate(r), compile(t, after).Evaluate(r)
		if allows(is) && !allows(was) || was.Deny != nil && is.Deny == nil || is.Match != was.Match {
			t.Errorf("was %+v, is %+v", was, is)
		}
	})
}

// TestAddedAllowNeverNarrows: whatever a request, an Allow more denies nothing more.
func TestAddedAllowNeverNarrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, r := drawStatements(t), drawRequest(t)
		after := slices.Insert(slices.Clone(before), rapid.IntRange(0, len(before)).Draw(t, "place"), drawStatement(t, "Allow"))
		was, is := compile(t, before).Evaluate(r), compile(t, after).Evaluate(r)
		if allows(was) && !allows(is) || was.Deny == nil && is.Deny != nil || is.Match < was.Match {
			t.Errorf("was %+v, is %+v", was, is)
		}
	})
}

// TestOrderNeverMatters: statements in any order say the same.
func TestOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		statements, r := drawStatements(t), drawRequest(t)
		other := rapid.Permutation(statements).Draw(t, "order")
		a, b := compile(t, statements).Evaluate(r), compile(t, other).Evaluate(r)
		if (a.Allow == nil) != (b.Allow == nil) || (a.Deny == nil) != (b.Deny == nil) || a.Match != b.Match {
			t.Errorf("in one order %+v, in another %+v", a, b)
		}
	})
}

// TestEvaluateIsExplained: Evaluate, which looks at few statements, says what
// Explain says, which looks at all.
func TestEvaluateIsExplained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, r := compile(t, drawStatements(t)), drawRequest(t)
		if out, concluded := d.Evaluate(r), policy.Conclude(d.Explain(r)); out != concluded {
			t.Errorf("Evaluate says %+v, Explain %+v\n%s", out, concluded, d.Text())
		}
	})
}

// TestStoredIsShown: what is stored is shown as it was written, and decides as it
// did, while its principals exist.
func TestStoredIsShown(t *testing.T) {
	dir := newDirectory()
	rapid.Check(t, func(t *rapid.T) {
		d, r := compile(t, drawStatements(t)), drawRequest(t)
		stored, err := d.Stored(dir)
		if err != nil {
			t.Fatal(err)
		}
		if shown := string(stored.Shown(dir)); shown != string(d.Text()) {
			t.Errorf("shown:\n%s\nwant:\n%s", shown, d.Text())
		}
		for p := range stored.Principals() {
			if strings.Contains(p, ":user/") || strings.Contains(p, "role/") {
				t.Errorf("%s is stored by its name", p)
			}
		}
		was, is := d.Evaluate(r), stored.Evaluate(r)
		if was.Match != is.Match || (was.Deny == nil) != (is.Deny == nil) || (was.Allow == nil) != (is.Allow == nil) {
			t.Errorf("was %+v, is %+v", was, is)
		}
	})
}
