package gate

import (
	"fmt"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// TestDecideOwners: who may do what where documents do not differ: the default
// key policy, a bucket without a policy, no resource at all.
func TestDecideOwners(t *testing.T) {
	admin := administrator(t)
	delegating := document(t, policy.Key, delegates)
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
