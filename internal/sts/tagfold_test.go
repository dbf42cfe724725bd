package sts

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

// A letter that is another one under Unicode's case folding, and none of its two
// cases, makes another tag key: ſ is no s. Were it taken for one, the tag would
// answer for a transitive tag that cannot be overridden.
func TestTagKeysThatFoldAlike(t *testing.T) {
	k := newKit(t)
	role := k.appRole(t)
	caller := alice
	caller.Type, caller.ARN, caller.PrincipalID = identity.AssumedRole, "arn:aws:sts::"+account+":assumed-role/App/one", role.ID+":one"
	caller.Session = &identity.Session{
		RoleARN: role.ARN, RoleID: role.ID, Name: "one", Tags: map[string]string{"access": "low"}, TransitiveTagKeys: []string{"access"},
	}
	req := &stsapi.AssumeRoleRequest{
		RoleArn: new(role.ARN), RoleSessionName: new("two"),
		Tags: []stsapi.Tag{{Key: new("acceſſ"), Value: new("high")}},
	}
	resp, err := k.AssumeRole(t.Context(), caller, req)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := k.Credential(*resp.Credentials.AccessKeyId, *resp.Credentials.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	high, err := policy.Parse(policy.Identity, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*",
		"Condition":{"StringEquals":{"aws:PrincipalTag/access":"high"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 { // a map has no order
		a := &gate.Authority{Identity: []gate.Named{{Name: "high", Document: high}}, Tags: cred.Caller.Session.Tags}
		if gate.Decide(a, cred.Caller, gate.Request{Action: "kms:ListKeys"}).Allowed {
			t.Fatal("the tag acceſſ was taken for the tag access")
		}
	}
	if v, ok := (&roleContext{req, nil}).Lookup("aws:requesttag/access"); ok {
		t.Errorf("aws:RequestTag/access is %v", v.Strings)
	}
	if v, ok := (&roleContext{req, map[string]string{"acceſſ": "high"}}).Lookup("aws:resourcetag/access"); ok {
		t.Errorf("aws:ResourceTag/access is %v", v.Strings)
	}
}
