package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// An AWS managed key can be looked at by its account and changed by nobody in
// it: its key policy allows the account no more.
func TestManagedKeyRefusesChanges(t *testing.T) {
	k := newKit(t)
	key := k.describe("alias/aws/s3")
	id := key.KeyId
	for op, call := range map[string]func() error{
		"EnableKey":  func() error { return k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: id}) },
		"DisableKey": func() error { return k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: id}) },
		"ScheduleKeyDeletion": func() error {
			_, err := k.ScheduleKeyDeletion(t.Context(), root(), &kmsapi.ScheduleKeyDeletionRequest{KeyId: id})
			return err
		},
		"CancelKeyDeletion": func() error {
			_, err := k.CancelKeyDeletion(t.Context(), root(), &kmsapi.CancelKeyDeletionRequest{KeyId: id})
			return err
		},
		"CreateAlias": func() error {
			return k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/mine"), TargetKeyId: id})
		},
		"TagResource":   func() error { return k.tag(*id, tagList("a", "b")) },
		"UntagResource": func() error { return k.untag(*id, "a") },
		"UpdateKeyDescription": func() error {
			return k.UpdateKeyDescription(t.Context(), root(), &kmsapi.UpdateKeyDescriptionRequest{KeyId: id, Description: new("d")})
		},
		"EnableKeyRotation": func() error {
			return k.EnableKeyRotation(t.Context(), root(), &kmsapi.EnableKeyRotationRequest{KeyId: id})
		},
		"DisableKeyRotation": func() error {
			return k.DisableKeyRotation(t.Context(), root(), &kmsapi.DisableKeyRotationRequest{KeyId: id})
		},
		"RotateKeyOnDemand": func() error {
			_, err := k.RotateKeyOnDemand(t.Context(), root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: id})
			return err
		},
		"PutKeyPolicy": func() error {
			return k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: id, Policy: new(laidOut)})
		},
		"Encrypt": func() error {
			_, err := k.Encrypt(t.Context(), root(), encryptRequest(*id, "p", nil))
			return err
		},
	} {
		t.Run(op, func(t *testing.T) {
			wantError(t, call(), gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:"+op+" on resource: "+*key.Arn+" because no resource-based policy allows the kms:"+op+" action")
		})
	}
	if m := k.describe(*id); *m.KeyState != "Enabled" || *m.KeyManager != "AWS" {
		t.Errorf("the key is %s, of %s", *m.KeyState, *m.KeyManager)
	}
	if got := k.tags(*id, 50, nil); got != nil {
		t.Errorf("the tags are %q, want none", got)
	}
	p, err := k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: id})
	k.check(err)
	const want = `{
  "Id" : "auto-s3-2",
  "Statement" : [ {
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Condition" : {`
	if len(*p.Policy) < len(want) || (*p.Policy)[:len(want)] != want {
		t.Errorf("the policy is %s, want it to begin with %s", *p.Policy, want)
	}
}
