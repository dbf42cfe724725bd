package gate

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// A refusal that must not disclose the resource says so in one text, whichever
// layer refuses, unless the resource's policy lets the caller in.
func TestUndisclosed(t *testing.T) {
	nobody, admin := user(foreign, "alice"), user(foreign, "ada")
	g, _, _ := openGate(t, admin)
	document := func(statement string) *policy.Document {
		t.Helper()
		d, err := policy.Parse(policy.Key, []byte(`{"Version":"2012-10-17","Statement":[`+statement+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const toAlice = `{"Effect":"Allow","Principal":{"AWS":"` + foreign + `"},"Action":"kms:Decrypt","Resource":"*"}`
	for _, tt := range []struct {
		name   string
		caller identity.Caller
		Request
		undisclosed, allowed bool
	}{
		{"no policy", admin, Request{CrossAccount: true}, true, false},
		{"policy of others", admin, Request{CrossAccount: true, Policy: document(`{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`)}, true, false},
		{"policy that denies", admin, Request{CrossAccount: true, Policy: document(toAlice + `,{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)}, true, false},
		{"no right of one's own", nobody, Request{CrossAccount: true}, true, false},
		{"no right of one's own, and a policy that lets in", nobody, Request{CrossAccount: true, Policy: document(toAlice)}, false, false},
		{"both sides", admin, Request{CrossAccount: true, Policy: document(toAlice)}, false, true},
		{"operation that is not for others", admin, Request{Policy: document(toAlice)}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.Request
			r.Kind, r.Resource, r.ResourceAccount, r.Undisclosed = policy.Key, keyARN, account, true
			call := g.Begin(tt.caller, decrypt)
			// What was decided before must not count.
			_ = call.Permits(Request{Kind: policy.Key, Resource: keyARN, ResourceAccount: account, CrossAccount: true, Policy: document(toAlice)})
			err := call.Authorize(r)
			if tt.allowed {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*awserr.Error](err)
			if !ok || e.Code != AccessDenied {
				t.Fatalf("error is %v", err)
			}
			if got := strings.HasSuffix(e.Message, " is not authorized to perform: kms:Decrypt"+undisclosed); got != tt.undisclosed {
				t.Errorf("text is %q, want undisclosed: %v", e.Message, tt.undisclosed)
			}
			if strings.Contains(e.Message, keyARN) == tt.undisclosed {
				t.Errorf("text is %q", e.Message)
			}
		})
	}
}

// one answers for one condition key.
type one string

func (o one) Lookup(name string) (policy.Value, bool) {
	return policy.Value{Strings: []string{string(o)}}, name == "kms:x"
}

// The resource's policy and identity policies may have different answers.
func TestPolicyContext(t *testing.T) {
	parse := func(k policy.Kind, statement string) *policy.Document {
		t.Helper()
		d, err := policy.Parse(k, []byte(`{"Version":"2012-10-17","Statement":[`+statement+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	ofKey := func(value string) *policy.Document {
		return parse(policy.Key, `{"Effect":"Allow","Principal":{"AWS":"`+account+`"},"Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:x":"`+value+`"}}}`)
	}
	own := &Authority{Identity: []Named{{"own", parse(policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:x":"outer"}}}`)}}}
	for _, tt := range []struct {
		name    string
		policy  *policy.Document
		context policy.Context
		want    bool
	}{
		{"each its own", ofKey("inner"), one("inner"), true},
		{"the policy has not the other's", ofKey("outer"), one("inner"), false},
		{"one for both", ofKey("outer"), nil, true},
		{"one for both, another value", ofKey("inner"), nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(own, user(account, "alice"), Request{
				Action: "kms:Decrypt", Kind: policy.Key, Resource: keyARN, ResourceAccount: account, Policy: tt.policy, Context: one("outer"), PolicyContext: tt.context,
			})
			if d.Allowed != tt.want {
				t.Errorf("got %+v, want allowed: %v", d, tt.want)
			}
		})
	}
}
