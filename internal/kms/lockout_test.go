package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const (
	lockoutText    = "The new key policy will not allow you to update the key policy in the future."
	principalsText = "Policy contains a statement with one or more invalid principals."

	toAccount = `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*"}`
	toBob     = `{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*"}`
	putPolicy = `{"Effect":"Allow","Action":"kms:PutKeyPolicy","Resource":"*"}`
)

func policyOf(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func (k *kit) putPolicy(c identity.Caller, keyID, statements string) error {
	return k.PutKeyPolicy(k.t.Context(), c, &kmsapi.PutKeyPolicyRequest{KeyId: &keyID, Policy: new(policyOf(statements))})
}

// Each row is a policy that one caller puts: into a key that it may do
// everything with, and as that of a key it makes. The check asks about the
// caller and nobody else, with the identity policies that it has where the new
// policy leaves the key to the account.
func TestLockout(t *testing.T) {
	k := newKit(t)
	roleAdmin := session("deploy")
	for _, c := range []struct {
		name     string
		caller   identity.Caller
		identity string // statement of the caller's
		policy   string
		locked   bool
	}{
		{"root, the account is named", root(), "", toAccount, false},
		{"root, the account is not named", root(), "", toBob, true},
		{"root, everyone is named", root(), "", `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`, false},
		{"administrator by IAM, the account is named", alice(), "", toAccount, false},
		{"administrator by IAM, the account is not named", alice(), "", toBob, true},
		{"user named himself", bob(), "", toBob, false},
		{"user named himself, for another action", bob(), "", `{"Effect":"Allow","Principal":{"AWS":"` + bobARN + `"},"Action":["kms:Get*","kms:Create*"],"Resource":"*"}`, true},
		{"user whom the account's name does not help", bob(), "", toAccount, true},
		{"user with an identity policy, the account is named", bob(), putPolicy, toAccount, false},
		{"user with an identity policy, the account is not named", bob(), putPolicy, `{"Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},"Action":"kms:*","Resource":"*"}`, true},
		{"user denied by an identity policy", bob(), `{"Effect":"Deny","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{"Null":{"kms:KeySpec":"false"},"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"},"StringEquals":{"aws:ResourceTag/locked":"yes"}}}`, toBob, false},
		{"denied by the policy", alice(), "", toAccount + `,{"Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*"}`, true},
		{"denied by the policy to others", alice(), "", toAccount + `,{"Effect":"Deny","Principal":{"AWS":"` + bobARN + `"},"Action":"kms:*","Resource":"*"}`, false},
		{"denied by the policy to all but the caller", alice(), "", toAccount + `,{"Effect":"Deny","NotPrincipal":{"AWS":["` + account + `","arn:aws:iam::` + account + `:user/alice"]},"Action":"kms:*","Resource":"*"}`, false},
		{"under a condition that holds", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:KeySpec":"SYMMETRIC_DEFAULT","kms:CallerAccount":"` + account + `"}}}`, false},
		{"under a condition that does not hold", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"` + other + `"}}}`, true},
		{"another account's user", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + carolARN + `"},"Action":"kms:*","Resource":"*"}`, true},
		{"statement without action", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Resource":"*"}`, true},
		{"statement without resource", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*"}`, true},
		{"resource that is another key", alice(), "", `{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"kms:*","Resource":"arn:aws:kms:us-east-1:` + account + `:key/` + absentID + `"}`, true},
		{"session of a role that is named", roleAdmin, "", `{"Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},"Action":"kms:*","Resource":"*"}`, false},
		{"session that is named", roleAdmin, "", `{"Effect":"Allow","Principal":{"AWS":"` + roleAdmin.ARN + `"},"Action":"kms:*","Resource":"*"}`, false},
		{"another session of the role is named", roleAdmin, "", `{"Effect":"Allow","Principal":{"AWS":"` + session("other").ARN + `"},"Action":"kms:*","Resource":"*"}`, true},
		{"session of a role with an identity policy", roleAdmin, putPolicy, toAccount, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			subject := c.caller.ARN
			if c.caller.Session != nil {
				subject = c.caller.Session.RoleARN
			}
			statement := c.identity
			if statement != "" {
				statement += ","
			}
			if subject != alice().ARN { // who may everything
				k.rights.give(subject, statement+`{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`)
			}
			everyone := policyOf(`{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`)
			made, err := k.CreateKey(t.Context(), root(), &kmsapi.CreateKeyRequest{Policy: &everyone})
			k.check(err)
			id := made.KeyMetadata.KeyId
			_, creating := k.CreateKey(t.Context(), c.caller, &kmsapi.CreateKeyRequest{Policy: new(policyOf(c.policy))})
			putting := k.putPolicy(c.caller, *id, c.policy)
			for operation, err := range map[string]error{"CreateKey": creating, "PutKeyPolicy": putting} {
				if !c.locked && err != nil {
					t.Errorf("%s: error is %v, want none", operation, err)
				}
				if c.locked {
					t.Log(operation)
					wantError(t, err, kmsapi.MalformedPolicyDocumentException, lockoutText)
				}
			}
			if !c.locked { // who may is told the truth: it can be done again
				k.check(k.putPolicy(c.caller, *id, c.policy))
				return
			}
			if r := k.last("PutKeyPolicy"); r.ErrorCode != "MalformedPolicyDocumentException" || r.RequestParameters["policy"] == nil {
				t.Errorf("record is %s", r.raw)
			}
			// It is not, of whoever bypasses the check.
			k.check(k.PutKeyPolicy(t.Context(), c.caller, &kmsapi.PutKeyPolicyRequest{KeyId: id, Policy: new(policyOf(c.policy)), BypassPolicyLockoutSafetyCheck: new(true)}))
			if err := k.putPolicy(c.caller, *id, c.policy); awserr.CodeOf(err) != gate.AccessDenied {
				t.Errorf("after the bypass, error is %v, want AccessDenied", err)
			}
			_, err = k.CreateKey(t.Context(), c.caller, &kmsapi.CreateKeyRequest{Policy: new(policyOf(c.policy)), BypassPolicyLockoutSafetyCheck: new(true)})
			k.check(err)
		})
	}
}

// A policy holds for the next call, and not for less.
func TestPolicyHoldsAtOnce(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	deny := toAccount + `,{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}`
	for range 3 {
		k.encrypt(*id, "p", nil)
		k.check(k.putPolicy(root(), *id, deny))
		_, err := k.Encrypt(t.Context(), root(), encryptRequest(*id, "p", nil))
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:root is not authorized to perform: kms:Encrypt on resource: "+
			"arn:aws:kms:us-east-1:111122223333:key/"+*id+" with an explicit deny in a resource-based policy")
		k.check(k.putPolicy(root(), *id, toAccount))
	}
}

// What a policy names is the principal, not its name: whoever gets the name of
// one that was deleted inherits nothing, and the policy shows the id.
func TestPolicyOfADeletedPrincipal(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	use := func(principal string) string {
		return toAccount + `,{"Effect":"Allow","Principal":{"AWS":["` + principal + `"]},"Action":"kms:Encrypt","Resource":"*"}`
	}
	shown := func() string {
		t.Helper()
		r, err := k.GetKeyPolicy(t.Context(), root(), &kmsapi.GetKeyPolicyRequest{KeyId: id})
		k.check(err)
		return *r.Policy
	}
	for _, c := range []struct {
		name, subject, named string
		caller, again        identity.Caller // before and after the deletion
		newID, shows         string
	}{
		{"user", bobARN, bobARN, bob(), func() identity.Caller { c := bob(); c.PrincipalID = "AIDABOBEXAMPLE0000002"; return c }(), "AIDABOBEXAMPLE0000002", bobID},
		{"role", roleARN, roleARN, session("s"), func() identity.Caller {
			c := session("s")
			c.Session.RoleID, c.PrincipalID = "AROAAPPEXAMPLE0000002", "AROAAPPEXAMPLE0000002:s"
			return c
		}(), "AROAAPPEXAMPLE0000002", roleID},
		{"session", roleARN, session("s").ARN, session("s"), func() identity.Caller {
			c := session("s")
			c.Session.RoleID, c.PrincipalID = "AROAAPPEXAMPLE0000002", "AROAAPPEXAMPLE0000002:s"
			return c
		}(), "AROAAPPEXAMPLE0000002", roleID + ":s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sessions := "arn:aws:sts::" + account + ":assumed-role/App" // what the role of a session is known by
			become := func(id string) {
				delete(k.people, c.subject)
				if c.subject == roleARN {
					delete(k.people, sessions)
				}
				if id == "" {
					return
				}
				k.people[c.subject] = id
				if c.subject == roleARN {
					k.people[sessions] = id
				}
			}
			defer become(k.people[c.subject])
			k.check(k.putPolicy(root(), *id, use(c.named)))
			if got, want := shown(), kms.LayoutPolicy(policyOf(use(c.named))); got != want {
				t.Errorf("shown is %s, want %s", got, want)
			}
			_, err := k.Encrypt(t.Context(), c.caller, encryptRequest(*id, "p", nil))
			k.check(err)

			become("")
			if got, want := shown(), kms.LayoutPolicy(policyOf(use(c.shows))); got != want {
				t.Errorf("shown is %s, want %s", got, want)
			}
			// Nobody can write the id of somebody who is gone, nor the name.
			for _, principal := range []string{c.shows, c.named} {
				wantError(t, k.putPolicy(root(), *id, use(principal)), kmsapi.MalformedPolicyDocumentException, principalsText)
			}
			become(c.newID)
			if _, err := k.Encrypt(t.Context(), c.again, encryptRequest(*id, "p", nil)); awserr.CodeOf(err) != gate.AccessDenied {
				t.Errorf("the namesake: error is %v, want AccessDenied", err)
			}
			if got, want := shown(), kms.LayoutPolicy(policyOf(use(c.shows))); got != want {
				t.Errorf("shown is %s, want %s", got, want)
			}
			k.check(k.putPolicy(root(), *id, use(c.named)))
			_, err = k.Encrypt(t.Context(), c.again, encryptRequest(*id, "p", nil))
			k.check(err)
		})
	}
}
