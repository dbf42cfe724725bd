package gate

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

const (
	account = "111122223333"
	foreign = "444455556666"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

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

// document parses what a test wrote.
func document(t testing.TB, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// TestDecideOwners: who may do what where documents do not differ: the default
// key policy, a bucket without a policy, no resource at all.
func TestDecideOwners(t *testing.T) {
	admin := &Authority{Identity: []Named{{identity.AdministratorAccess, document(t, policy.Identity, allowAll)}}}
	delegating := document(t, policy.Key, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`)
	const (
		yes        = ""
		identityNo = "because no identity-based policy allows the %s action"
		resourceNo = "because no resource-based policy allows the %s action"
	)
	callers := []struct {
		name string
		identity.Caller
		*Authority
	}{
		{"root", root(account), nil},
		{"admin", user(account, "alice"), admin},
		{"user", user(account, "bob"), nil},
		{"foreign root", root(foreign), nil},
		{"foreign admin", user(foreign, "mallory"), admin},
		{"service", identity.Caller{Type: identity.AWSService, AccountID: account}, nil},
	}
	for _, tt := range []struct {
		name string
		Request
		want [6]string // by caller
	}{
		{"key with the default policy",
			Request{Action: "kms:Encrypt", Resource: keyARN, ResourceAccount: account, Kind: policy.Key, Policy: delegating, CrossAccount: true},
			[6]string{yes, yes, identityNo, resourceNo, resourceNo, resourceNo}},
		{"key whose policy names nobody",
			Request{Action: "kms:Encrypt", Resource: keyARN, ResourceAccount: account, Kind: policy.Key, CrossAccount: true},
			[6]string{resourceNo, resourceNo, resourceNo, resourceNo, resourceNo, resourceNo}},
		{"bucket without a policy",
			Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", ResourceAccount: account, Kind: policy.Bucket, CrossAccount: true},
			[6]string{yes, yes, identityNo, resourceNo, resourceNo, resourceNo}},
		{"no resource: everyone asks in his own account",
			Request{Action: "kms:ListKeys", Resource: "*"},
			[6]string{yes, yes, identityNo, yes, yes, identityNo}},
		{"another account's resource that has no policy",
			Request{Action: "kms:CreateAlias", Resource: "arn:aws:kms:us-east-1:111122223333:alias/a", ResourceAccount: account},
			[6]string{yes, yes, identityNo, resourceNo, resourceNo, identityNo}},
	} {
		for i, c := range callers {
			t.Run(tt.name+"/"+c.name, func(t *testing.T) {
				got := Decide(c.Authority, c.Caller, tt.Request)
				want := ""
				if tt.want[i] != yes {
					want = fmt.Sprintf(tt.want[i], tt.Action)
				}
				if got.Allowed != (tt.want[i] == yes) || got.Reason != want {
					t.Errorf("got %+v, want %q", got, want)
				}
			})
		}
	}
}
