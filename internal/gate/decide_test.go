package gate

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
)

const (
	account = "111122223333"
	foreign = "444455556666"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

var defaultPolicy = []byte(`{"Version":"2012-10-17"}`)

// user returns a user of account with the managed policies given.
func user(account, name string, policies ...string) identity.Caller {
	return identity.Caller{
		Type: identity.IAMUser, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/" + name,
		PrincipalID: "AIDA" + name, UserName: name, AccessKeyID: "AKIA" + name, PolicyARNs: policies,
	}
}

func root(account string) identity.Caller {
	return identity.Caller{
		Type: identity.Root, AccountID: account, ARN: identity.RootARN(account),
		PrincipalID: account, AccessKeyID: "AKIAROOT",
	}
}

func TestDecide(t *testing.T) {
	callers := []struct {
		name string
		identity.Caller
	}{
		{"root", root(account)},
		{"admin", user(account, "alice", "arn:aws:iam::aws:policy/ReadOnlyAccess", identity.AdministratorAccess)},
		{"user", user(account, "bob", "arn:aws:iam::aws:policy/ReadOnlyAccess")},
		{"foreign root", root(foreign)},
		{"foreign admin", user(foreign, "mallory", identity.AdministratorAccess)},
		{"service", identity.Caller{Type: identity.AWSService, AccountID: account}},
		{"nobody", identity.Caller{}},
	}
	const (
		yes        = ""
		identityNo = "because no identity-based policy allows the %s action"
		resourceNo = "because no resource-based policy allows the %s action"
	)
	grant := func(to identity.Caller, operations ...string) []Grant {
		return []Grant{{ID: "g", GranteeARN: to.ARN, Operations: operations}}
	}
	bob, mallory := callers[2].Caller, callers[4].Caller
	for _, tt := range []struct {
		name string
		Request
		want [7]string // by caller
	}{
		{"key with the default policy",
			Request{Action: "kms:Encrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: defaultPolicy, DefaultPolicy: true},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
		{"key with another policy",
			Request{Action: "kms:Encrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: []byte(`{}`)},
			[7]string{resourceNo, resourceNo, resourceNo, resourceNo, resourceNo, resourceNo, resourceNo}},
		{"key with an empty policy that is not nil",
			Request{Action: "kms:Encrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: []byte{}},
			[7]string{resourceNo, resourceNo, resourceNo, resourceNo, resourceNo, resourceNo, resourceNo}},
		{"resource without a policy",
			Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: account},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
		{"no resource: everyone asks in his own account",
			Request{Action: "kms:ListKeys", Resource: "*"},
			[7]string{yes, yes, identityNo, yes, yes, identityNo, identityNo}},
		{"granted to bob",
			Request{Action: "kms:Decrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: defaultPolicy, DefaultPolicy: true,
				Grants: grant(bob, "Encrypt", "Decrypt")},
			[7]string{yes, yes, yes, resourceNo, resourceNo, identityNo, resourceNo}},
		{"granted to bob, under a policy that is not evaluated",
			Request{Action: "kms:Decrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: []byte(`{}`), Grants: grant(bob, "Decrypt")},
			[7]string{resourceNo, resourceNo, yes, resourceNo, resourceNo, resourceNo, resourceNo}},
		{"another operation granted to bob",
			Request{Action: "kms:DecryptX", Resource: keyARN, ResourceAccount: account, Grants: grant(bob, "Decrypt", "kms:DecryptX", "decryptx", "")},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
		{"another service's action granted to bob",
			Request{Action: "s3:Decrypt", Resource: keyARN, ResourceAccount: account, Grants: grant(bob, "Decrypt", "s3:Decrypt")},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
		{"granted to another account",
			Request{Action: "kms:Decrypt", Resource: keyARN, ResourceAccount: account, ResourcePolicy: defaultPolicy, DefaultPolicy: true, Grants: grant(mallory, "Decrypt")},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
		{"granted to no name",
			Request{Action: "kms:Decrypt", Resource: keyARN, ResourceAccount: account, Grants: []Grant{{Operations: []string{"Decrypt"}}}},
			[7]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo, resourceNo}},
	} {
		for i, c := range callers {
			t.Run(tt.name+"/"+c.name, func(t *testing.T) {
				r := tt.Request
				for _, arn := range c.PolicyARNs {
					r.Identity = append(r.Identity, Policy{ARN: arn})
				}
				want := Decision{Allowed: tt.want[i] == yes}
				if !want.Allowed {
					want.Reason = fmt.Sprintf(tt.want[i], r.Action)
				}
				if got := Decide(c.Caller, r); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}

// TestDecideIgnoresCallerPolicies: only the request says what the caller has,
// so that a decision can be explained for policies the caller does not have.
func TestDecideIgnoresCallerPolicies(t *testing.T) {
	c := user(account, "alice", identity.AdministratorAccess)
	if d := Decide(c, Request{Action: "kms:Encrypt", ResourceAccount: account}); d.Allowed {
		t.Error("allowed without an identity policy in the request")
	}
	document := Policy{Document: []byte(`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}
	if d := Decide(c, Request{Action: "kms:Encrypt", ResourceAccount: account, Identity: []Policy{document}}); d.Allowed {
		t.Error("allowed by a document that nothing evaluates")
	}
}
