package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

const laidOut = `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::111122223333:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`

func TestGetKeyPolicy(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for _, name := range []*string{nil, new("default")} {
		r, err := k.GetKeyPolicy(t.Context(), alice(), &kmsapi.GetKeyPolicyRequest{KeyId: key.KeyId, PolicyName: name})
		k.check(err)
		if *r.PolicyName != "default" || *r.Policy != laidOut {
			t.Errorf("answer is %s %s, want default %s", *r.PolicyName, *r.Policy, laidOut)
		}
	}
	r := k.last("GetKeyPolicy")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`","policyName":"default"}`)
	if !r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key", r.raw)
	}
	// What GetKeyPolicy answers, PutKeyPolicy takes.
	k.check(k.PutKeyPolicy(t.Context(), alice(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(laidOut)}))
}

func TestKeyPolicyNames(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	_, err := k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: key.KeyId, PolicyName: new("other")})
	wantError(t, err, kmsapi.NotFoundException, "No such policy exists")
	err = k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, PolicyName: new("other"), Policy: new(laidOut)})
	wantError(t, err, kmsapi.NotFoundException, "No such policy exists")
	_, err = k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: new("alias/app")})
	wantError(t, err, kmsapi.NotFoundException, "Invalid keyId 'alias/app'")
}

func TestPutKeyPolicy(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	const rest = `"Effect":"Allow","Action":"kms:*","Resource":"*"`
	const principal = `"Principal":{"AWS":"111122223333"}`
	for _, c := range []struct {
		name, policy string
		code         awserr.Code // "" is success
		text         string
	}{
		{"default in other words", `{"Version":"2012-10-17","Id":"mine","Statement":{` + rest + `,` + principal + `,"Sid":"s"}}`, "", ""},
		{"other", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*",` + principal + `}]}`,
			kmsapi.UnsupportedOperationException, "Key policies other than the default key policy are not supported yet."},
		{"not JSON", `{`, kmsapi.MalformedPolicyDocumentException, ""},
		{"no principal", `{"Version":"2012-10-17","Statement":[{` + rest + `}]}`, kmsapi.MalformedPolicyDocumentException, "Policy contains a statement with one or more invalid principals."},
		{"characters that no policy has", "{\x00}", kmsapi.ValidationException, "1 validation error detected: Value '{\x00}' at 'policy' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, bypass := range []*bool{nil, new(true)} {
				err := k.PutKeyPolicy(t.Context(), alice(), &kmsapi.PutKeyPolicyRequest{KeyId: key.Arn, PolicyName: new("default"), Policy: &c.policy, BypassPolicyLockoutSafetyCheck: bypass})
				if c.code != "" {
					wantError(t, err, c.code, c.text)
					continue
				}
				k.check(err)
				r := k.last("PutKeyPolicy")
				if r.RequestParameters["policy"] != c.policy || r.RequestParameters["bypassPolicyLockoutSafetyCheck"] != (bypass != nil) || r.ResponseElements["keyId"] != *key.Arn {
					t.Errorf("record is %s", r.raw)
				}
			}
		})
	}
	k.reopen()
	r, err := k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: key.KeyId})
	k.check(err)
	const want = `{
  "Version" : "2012-10-17",
  "Id" : "mine",
  "Statement" : [ {
    "Sid" : "s",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::111122223333:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
	if *r.Policy != want {
		t.Errorf("the policy is %s, want %s", *r.Policy, want)
	}
	k.encrypt(*key.KeyId, "usable", nil)
}

func TestListKeyPolicies(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	r, err := k.ListKeyPolicies(t.Context(), alice(), &kmsapi.ListKeyPoliciesRequest{KeyId: key.Arn, Limit: new(int32(1))})
	k.check(err)
	if len(r.PolicyNames) != 1 || r.PolicyNames[0] != "default" || *r.Truncated || r.NextMarker != nil {
		t.Errorf("answer is %+v, want default and no more", r)
	}
	_, err = k.ListKeyPolicies(t.Context(), root(), &kmsapi.ListKeyPoliciesRequest{KeyId: key.KeyId, Marker: new("AAAA")})
	wantError(t, err, kmsapi.InvalidMarkerException, "The marker is not valid.")
}

func TestKeyPolicyDenied(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	_, get := k.GetKeyPolicy(t.Context(), bob(), &kmsapi.GetKeyPolicyRequest{KeyId: key.KeyId})
	_, list := k.ListKeyPolicies(t.Context(), bob(), &kmsapi.ListKeyPoliciesRequest{KeyId: key.KeyId})
	for op, err := range map[string]error{
		"GetKeyPolicy": get, "ListKeyPolicies": list,
		"PutKeyPolicy": k.PutKeyPolicy(t.Context(), bob(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(laidOut)}),
	} {
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:"+op+" on resource: "+*key.Arn+" because no identity-based policy allows the kms:"+op+" action")
	}
	// A policy that cannot be evaluated lets nobody replace it.
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Policy = `{"Version":"2012-10-17","Statement":[]}` })
	err := k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(laidOut)})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:PutKeyPolicy on resource: "+*key.Arn+" because no resource-based policy allows the kms:PutKeyPolicy action")
}
