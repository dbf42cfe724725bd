package kms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// Each quota that is set decides, in the words that name it; what was there
// before stays, and counts.
func TestQuotas(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name, quota string
		add         func(k *kit, key string, i int) error // the i-th of something
		text        string                                // for a quota of 2; %s is the key's ARN
	}{
		{"keys", "keys", func(k *kit, _ string, i int) error {
			if i == 0 {
				return nil // that of every row
			}
			return discard(k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{}))
		}, "The account has the maximum of 2 keys in this region."},
		{"aliases", "aliases-per-key", func(k *kit, key string, i int) error {
			return k.CreateAlias(ctx, root(), &kmsapi.CreateAliasRequest{AliasName: new(fmt.Sprint("alias/", i)), TargetKeyId: &key})
		}, "%s has the maximum of 2 aliases."},
		{"grants", "grants-per-key", func(k *kit, key string, _ int) error {
			return discard(k.CreateGrant(ctx, root(), &kmsapi.CreateGrantRequest{KeyId: &key, GranteePrincipal: new(bobARN), Operations: []kmsapi.GrantOperation{kmsapi.GrantOperationEncrypt}}))
		}, "%s has the maximum of 2 grants."},
		{"custom key stores", "custom-key-stores", func(k *kit, _ string, i int) error {
			return discard(k.CreateCustomKeyStore(ctx, root(), externalStore(fmt.Sprint("s", i), fmt.Sprintf("https://xks%d.example.com", i), "/kms/xks/v1")))
		}, "The account has the maximum of 2 custom key stores in this region."},
		{"rotations", "on-demand-rotations", func(k *kit, key string, _ int) error {
			return discard(k.RotateKeyOnDemand(ctx, root(), &kmsapi.RotateKeyOnDemandRequest{KeyId: &key}))
		}, "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: %s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			key := k.createKey()
			fill := func(from, to int, text string) {
				t.Helper()
				for i := from; i < to; i++ {
					k.check(c.add(k, *key.KeyId, i))
				}
				err := c.add(k, *key.KeyId, to)
				if strings.Contains(text, "%s") {
					text = fmt.Sprintf(text, *key.Arn)
				}
				wantError(t, err, kmsapi.LimitExceededException, text)
			}
			k.check(k.quotas.Set(c.quota, 2))
			k.reopen()
			fill(0, 2, c.text)
			k.check(k.quotas.Set(c.quota, 3)) // raised
			k.reopen()
			fill(2, 3, strings.Replace(c.text, " 2 ", " 3 ", 1))
			k.check(k.quotas.Set(c.quota, 1)) // lowered
			k.reopen()
			fill(3, 3, strings.Replace(c.text, " 2 ", " 1 ", 1))
		})
	}
}

func TestQuotaOfPolicies(t *testing.T) {
	k := newKit(t)
	key := *k.createKey().KeyId
	text := policyOf(`{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`)
	k.quotas.PolicyBytes = len(text)
	k.reopen()
	k.check(k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: &key, Policy: &text}))
	long := text + " "
	err := k.PutKeyPolicy(t.Context(), root(), &kmsapi.PutKeyPolicyRequest{KeyId: &key, Policy: &long})
	wantError(t, err, kmsapi.LimitExceededException, fmt.Sprintf("The key policy exceeds the maximum of %d bytes.", len(text)))
}

// All aliases of a key count for kms:ResourceAliases, also when there are more
// than the quota by now.
func TestResourceAliasesBeyondTheQuota(t *testing.T) {
	k := newKit(t)
	k.quotas.AliasesPerKey = 120
	k.reopen()
	key := *k.createKey().KeyId
	for i := range 120 {
		k.createAlias(fmt.Sprintf("alias/%03d", i), key)
	}
	k.quotas.AliasesPerKey = 1
	k.reopen()
	for _, c := range []struct {
		alias   string
		allowed bool
	}{{"alias/000", true}, {"alias/119", true}, {"alias/120", false}} {
		k.rights.give(bobARN, `{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"`+c.alias+`"}}}`)
		if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(key, "p", nil)); (err == nil) != c.allowed {
			t.Errorf("by %s: got %v, want allowed %v", c.alias, err, c.allowed)
		}
	}
}

func TestQuotasSet(t *testing.T) {
	for _, c := range []struct {
		name  string
		value int
		text  string
	}{
		{"keys", 0, "keys=0: want 1 to 2147483647"},
		{"policy-bytes", 131_073, "policy-bytes=131073: want 1 to 131072"},
		{"users", 1, `"users" is no quota: want one of keys, aliases-per-key, grants-per-key, custom-key-stores, on-demand-rotations, policy-bytes`},
	} {
		var q kms.Quotas
		if err := q.Set(c.name, c.value); err == nil || err.Error() != c.text || q != (kms.Quotas{}) {
			t.Errorf("%s=%d: got %v and %+v, want %s", c.name, c.value, err, q, c.text)
		}
	}
	if err := errors.Join(new(kms.Quotas).Set("keys", 1), new(kms.Quotas).Set("policy-bytes", 131_072)); err != nil {
		t.Error(err)
	}
}
