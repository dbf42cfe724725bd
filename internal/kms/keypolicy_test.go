package kms_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
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
		{"other", `{"Version":"2012-10-17","Statement":[{` + rest + `,` + principal + `},{"Sid":"Users, of S3","Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Principal":{"AWS":["` + bobARN + `"]},"Condition":{"Null":{"kms:ViaService":true}}}]}`, "", ""},
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
  "Statement" : [ {
    "Effect" : "Allow",
    "Action" : "kms:*",
    "Resource" : "*",
    "Principal" : {
      "AWS" : "111122223333"
    }
  }, {
    "Sid" : "Users, of S3",
    "Effect" : "Deny",
    "Action" : "kms:Decrypt",
    "Resource" : "*",
    "Principal" : {
      "AWS" : [ "arn:aws:iam::111122223333:user/bob" ]
    },
    "Condition" : {
      "Null" : {
        "kms:ViaService" : true
      }
    }
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
	// A policy that allows nobody anything lets nobody replace it.
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Policy = allowsNothing })
	err := k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: key.KeyId, Policy: new(laidOut)})
	wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:PutKeyPolicy on resource: "+*key.Arn+" because no resource-based policy allows the kms:PutKeyPolicy action")
}

// A policy that was widened in the database by hand, or put there from another
// key, is refused, and the log names the row.
func TestWidenedPolicyIsRefused(t *testing.T) {
	k := newKit(t)
	narrow := toAccount + `,{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:None*","Resource":"*"}`
	s := k.stage("")
	k.check(k.putPolicy(root(), s.key, narrow))
	k.check(k.putPolicy(root(), s.other, toAccount+","+toBob))
	row := func(id string) string { return account + "/" + region + "/" + id }
	before, err := k.store.Get(t.Context(), store.KMSKeys, row(s.key))
	k.check(err)
	wide, err := k.store.Get(t.Context(), store.KMSKeys, row(s.other))
	k.check(err)
	for name, change := range map[string]func(r *store.Row){ // each with a good checksum, as a hand that knows the format writes it
		"widened":                 func(r *store.Row) { r.Doc = bytes.Replace(r.Doc, []byte("kms:None*"), []byte("kms:*"), 1) },
		"for everyone":            func(r *store.Row) { r.Doc = bytes.Replace(r.Doc, []byte(bobID), []byte("*"), 1) },
		"of another key":          func(r *store.Row) { r.Doc = wide.Doc },
		"of another key, and MAC": func(r *store.Row) { r.Doc, r.MAC = wide.Doc, wide.MAC },
		"without MAC":             func(r *store.Row) { r.Doc, r.MAC = bytes.Replace(r.Doc, []byte("kms:None*"), []byte("kms:*"), 1), nil },
	} {
		t.Run(name, func(t *testing.T) {
			changed := before
			change(&changed)
			if bytes.Equal(changed.Doc, before.Doc) {
				t.Fatal("nothing was changed")
			}
			put := func(r store.Row) {
				k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.KMSKeys, r) }))
				k.reopen()
			}
			put(changed)
			_, err := k.Encrypt(t.Context(), bob(), encryptRequest(s.key, "p", nil))
			wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
			if _, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: &s.key}); err == nil {
				t.Error("root is told of a key whose row was changed")
			}
			if log := k.log.String(); !strings.Contains(log, "table=kms_keys") || !strings.Contains(log, row(s.key)) {
				t.Errorf("the log does not name the row: %s", log)
			}
			k.log.Reset()
			put(before)
		})
	}
	if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(s.key, "p", nil)); awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("error is %v, want AccessDenied", err)
	}
}
