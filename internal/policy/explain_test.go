package policy_test

import (
	"reflect"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// TestExplain: each statement says which of its elements do not fit, and each
// condition what it wanted, what there was, and why it is not met.
func TestExplain(t *testing.T) {
	d := parse(t, policy.Key, `{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Others", "Effect": "Deny", "Principal": {"AWS": "444455556666"}, "Action": "kms:*", "Resource": "*"},
    {"Sid": "Tenant", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kms:Decrypt", "Resource": "*",
     "Condition": {
       "StringEquals": {"kms:EncryptionContext:tenant": "${aws:PrincipalTag/tenant}", "kms:ViaService": ["s3.us-east-1.amazonaws.com"]},
       "StringLike": {"aws:TagKeys": "a*"},
       "Null": {"aws:TokenIssueTime": true}}},
    {"Sid": "Nothing", "Effect": "Allow", "Principal": "*", "Action": "kms:*"},
    {"Sid": "Fits", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:user/alice"}, "NotAction": "kms:Encrypt", "Resource": "*"}
  ]
}`)
	got := d.Explain(&policy.Request{
		Action: "kms:Decrypt", Resource: keyARN, Principal: alice,
		Context: facts{"kms:encryptioncontext:tenant": {"t1"}, "aws:tagkeys*": {"ab"}},
	})
	s := d.Statements()
	want := []policy.Trace{
		{Statement: &s[0], Failed: []policy.Element{policy.ElementPrincipal}},
		{Statement: &s[1], Match: policy.ByAccount, Failed: []policy.Element{policy.ElementCondition}, Conditions: []policy.ConditionTrace{
			{Operator: "StringEquals", Key: "kms:EncryptionContext:tenant", Wanted: []string{"${aws:PrincipalTag/tenant}"}, Got: []string{"t1"}, Unresolved: []string{"${aws:PrincipalTag/tenant}"}},
			{Operator: "StringEquals", Key: "kms:ViaService", Wanted: []string{"s3.us-east-1.amazonaws.com"}, Missing: true},
			{Operator: "StringLike", Key: "aws:TagKeys", Wanted: []string{"a*"}, Got: []string{"ab"}, NeedsSet: true},
			{Operator: "Null", Key: "aws:TokenIssueTime", Wanted: []string{"true"}, Missing: true, Met: true},
		}},
		{Statement: &s[2], Match: policy.ByEveryone, Inert: true, Failed: []policy.Element{policy.ElementResource}},
		{Statement: &s[3], Match: policy.ByPrincipal, Applies: true},
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("statement %d:\ngot  %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if s[1].Sid != "Tenant" || s[1].Index != 1 || s[1].Line != 5 || s[1].Effect != policy.Allow {
		t.Errorf("the second statement is %+v", s[1])
	}
}

// TestNames: enumerations print as documents and errors have them.
func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{policy.Allow.String(), "Allow"}, {policy.Deny.String(), "Deny"}, {policy.Effect(0).String(), "0"},
		{policy.ElementCondition.String(), "Condition"}, {policy.InvalidPrincipal.String(), "InvalidPrincipal"},
		{policy.OverlyPermissiveCondition.String(), "OverlyPermissiveCondition"}, {policy.Reason(200).String(), "200"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
