package kms_test

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

const (
	anything  = `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	toCarol   = `{"Effect":"Allow","Principal":{"AWS":"` + carolARN + `"},"Action":"kms:*","Resource":"*"}`
	toOthers  = `{"Effect":"Allow","Principal":{"AWS":"` + other + `"},"Action":"kms:*","Resource":"*"}`
	toAnybody = `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}`
)

// Another account's key can be used when both sides allow it: its policy, and
// an identity policy in the caller's account. Of a key that the policy does not
// give the caller, and of one that is not there, a refusal says the same.
func TestBothSidesMustAllow(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	foreignRoot := caller(other, region)
	for _, c := range []struct {
		name     string
		caller   identity.Caller
		policy   string // beside that the key's account is named
		identity string // of carol
		refusal  string // "": allowed
	}{
		{"both", carol(), toCarol, anything, ""},
		{"both, by her account", carol(), toOthers, anything, ""},
		{"both, everyone", carol(), toAnybody, anything, ""},
		{"root of the other account", foreignRoot, toOthers, "", ""},
		{"root of the other account, and she is named", foreignRoot, toCarol, "", undisclosed},
		{"only the key policy", carol(), toCarol, "", " on resource: " + *key.Arn + " because no identity-based policy allows the kms:Encrypt action"},
		{"only the key policy, everyone", carol(), toAnybody, "", " on resource: " + *key.Arn + " because no identity-based policy allows the kms:Encrypt action"},
		{"the identity policy denies", carol(), toCarol, `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`, " on resource: " + *key.Arn + " with an explicit deny in an identity-based policy"},
		{"only the identity policy", carol(), "", anything, undisclosed},
		{"neither", carol(), "", "", undisclosed},
		{"the identity policy denies what the key policy does not give", carol(), "", `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`, undisclosed},
		{"the key policy denies", carol(), toCarol + `,{"Effect":"Deny","Principal":{"AWS":"` + other + `"},"Action":"kms:Encrypt","Resource":"*"}`, anything, undisclosed},
		{"both deny", carol(), `{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"` + other + `"}}}`, `{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}`, undisclosed},
		{"under a condition on the account", carol(), `{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `"}}}`, anything, undisclosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			k.rights.give(carolARN, c.identity)
			policy := toAccount
			if c.policy != "" {
				policy += "," + c.policy
			}
			k.check(k.putPolicy(root(), *key.KeyId, policy))
			_, err := k.Encrypt(t.Context(), c.caller, encryptRequest(*key.Arn, "p", nil))
			r := k.last("Encrypt")
			if c.refusal == "" {
				k.check(err)
				return
			}
			wantError(t, err, gate.AccessDenied, "User: "+c.caller.ARN+" is not authorized to perform: kms:Encrypt"+c.refusal)
			if r.RequestParameters != nil || r.Resources != nil {
				t.Errorf("record is %s, want nothing of the key", r.raw)
			}
			if c.refusal == undisclosed {
				_, absent := k.Encrypt(t.Context(), c.caller, encryptRequest("arn:aws:kms:us-east-1:111122223333:key/"+absentID, "p", nil))
				if absent.Error() != err.Error() {
					t.Errorf("a key that is not there is refused with %v, one that is with %v", absent, err)
				}
			}
		})
	}
}

// Which operations can be done on another account's key (KMS Developer Guide,
// "AWS KMS permissions", cross-account use). The others are refused whatever
// the policies say.
func TestCrossAccountUse(t *testing.T) {
	k := newKit(t)
	k.rights.give(carolARN, anything)
	for name, yes := range map[string]bool{
		"Encrypt": true, "Encrypt by alias ARN": true, "Decrypt": true, "GenerateDataKey": true, "GenerateDataKeyWithoutPlaintext": true, "GenerateDataKeyPair": true,
		"ReEncrypt": true, "DescribeKey": true, "Encrypt through S3": true,
		"GetKeyPolicy": false, "PutKeyPolicy": false, "PutKeyPolicy with bypass": false, "ListKeyPolicies": false, "EnableKey": false, "DisableKey": false,
		"ScheduleKeyDeletion": false, "CancelKeyDeletion": false, "TagResource": false, "UntagResource": false, "ListResourceTags": false,
		"UpdateKeyDescription": false, "CreateAlias": false,
	} {
		t.Run(name, func(t *testing.T) {
			s := k.stage(toCarol)
			s.c, s.key, s.other = carol(), "arn:aws:kms:us-east-1:"+account+":key/"+s.key, "arn:aws:kms:us-east-1:"+account+":key/"+s.other
			alias := s.alias
			s.alias = "arn:aws:kms:us-east-1:" + account + ":" + s.alias
			if name == "Encrypt by alias ARN" || name == "CreateAlias" {
				s.alias = alias
			}
			before := len(k.records())
			err := operations[name](s)
			if allowed(t, err) != yes {
				t.Fatalf("error is %v, want allowed: %v", err, yes)
			}
			rs := k.records()[before:]
			if !yes {
				if len(rs) != 1 || rs[0].Recipient != other || rs[0].Resources != nil {
					t.Errorf("the records are %v, want one in the caller's account", rs)
				}
				return
			}
			k.check(err)
			if len(rs) != 2 || rs[0].Recipient != other || rs[1].Recipient != account || rs[0].SharedEventID == "" || rs[0].SharedEventID != rs[1].SharedEventID || rs[0].EventID == rs[1].EventID {
				t.Fatalf("the records are %v, want one in each account", rs)
			}
			for _, r := range rs {
				if len(r.Resources) == 0 || r.Resources[0].AccountID != account {
					t.Errorf("record is %s, want the key in it", r.raw)
				}
			}
			if who := rs[1].UserIdentity; who["type"] != "AWSAccount" || who["accountId"] != other || who["principalId"] != carolID || who["arn"] != nil {
				t.Errorf("the owner is told that the caller is %v", who)
			}
		})
	}
}

// What fails for another reason is recorded in the caller's account.
func TestForeignFailureIsTheCallers(t *testing.T) {
	k := newKit(t)
	k.rights.give(carolARN, anything)
	s := k.stage(toCarol)
	k.disable(s.key)
	before := len(k.records())
	_, err := k.Encrypt(t.Context(), carol(), encryptRequest("arn:aws:kms:us-east-1:"+account+":key/"+s.key, "p", nil))
	wantError(t, err, kmsapi.DisabledException, "arn:aws:kms:us-east-1:"+account+":key/"+s.key+" is disabled.")
	if rs := k.records()[before:]; len(rs) != 1 || rs[0].SharedEventID != "" || len(rs[0].Resources) != 1 {
		t.Errorf("the records are %v, want one that names the key", rs)
	}
}

// An id or the name of an alias is always one of the caller's own account.
func TestForeignNamesNeedAnARN(t *testing.T) {
	k := newKit(t)
	k.rights.give(carolARN, anything)
	s := k.stage(toCarol)
	_, err := k.Encrypt(t.Context(), carol(), encryptRequest(s.key, "p", nil))
	wantError(t, err, kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:"+other+":key/"+s.key+"' does not exist")
	_, err = k.Encrypt(t.Context(), carol(), encryptRequest(s.alias, "p", nil))
	wantError(t, err, kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:"+other+":"+s.alias+" is not found.")
}

// A blob is opened by its own key, whoever's that is; who may not cannot tell
// it from a blob whose key is gone.
func TestDecryptABlobOfAnotherAccount(t *testing.T) {
	k := newKit(t)
	const cannot = "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."
	s := k.stage("")
	k.rights.give(carolARN, anything)
	open := &kmsapi.DecryptRequest{CiphertextBlob: s.blob, EncryptionContext: tenant}
	_, err := k.Decrypt(t.Context(), carol(), open)
	wantError(t, err, gate.AccessDenied, cannot)
	k.check(k.putPolicy(root(), s.key, toAccount+","+toCarol))
	r, err := k.Decrypt(t.Context(), carol(), open)
	k.check(err)
	if string(r.Plaintext.Expose()) != "p" || *r.KeyId != "arn:aws:kms:us-east-1:"+account+":key/"+s.key {
		t.Errorf("answer is of %s", *r.KeyId)
	}
	k.rights.give(carolARN, "")
	_, err = k.Decrypt(t.Context(), carol(), open)
	wantError(t, err, gate.AccessDenied, cannot)

	// From the key of one account to that of another: each decision in its place.
	k.rights.give(carolARN, anything)
	mine, err := k.CreateKey(t.Context(), carol(), &kmsapi.CreateKeyRequest{})
	k.check(err)
	before := len(k.records())
	_, err = k.ReEncrypt(t.Context(), carol(), &kmsapi.ReEncryptRequest{CiphertextBlob: s.blob, SourceEncryptionContext: tenant, DestinationKeyId: mine.KeyMetadata.KeyId})
	k.check(err)
	rs := k.records()[before:]
	if len(rs) != 2 || len(rs[0].Resources) != 2 || rs[1].Recipient != account {
		t.Errorf("the records are %v, want two with both keys", rs)
	}
	k.check(k.putPolicy(root(), s.key, toAccount+`,{"Effect":"Allow","Principal":{"AWS":"`+carolARN+`"},"Action":"kms:ReEncryptTo","Resource":"*"}`))
	_, err = k.ReEncrypt(t.Context(), carol(), &kmsapi.ReEncryptRequest{CiphertextBlob: s.blob, SourceEncryptionContext: tenant, DestinationKeyId: mine.KeyMetadata.KeyId})
	if awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("error is %v, want AccessDenied", err)
	}
}

// An operation on two keys tells by nothing, its record included, whether
// another account's key is there that the caller may not use.
func TestReEncryptTellsNothingOfForeignKeys(t *testing.T) {
	k := newKit(t)
	s := k.stage("")
	there, absent := "arn:aws:kms:us-east-1:"+account+":key/"+s.key, "arn:aws:kms:us-east-1:"+account+":key/"+absentID
	k.rights.give(carolARN, `{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`)
	mine, err := k.CreateKey(t.Context(), carol(), &kmsapi.CreateKeyRequest{Policy: new(policyOf(`{"Effect":"Allow","Principal":{"AWS":"` + carolARN + `"},"Action":"kms:*","Resource":"*"}`))})
	k.check(err)
	e, err := k.Encrypt(t.Context(), carol(), encryptRequest(*mine.KeyMetadata.KeyId, "p", nil))
	k.check(err)
	closed, err := k.CreateKey(t.Context(), caller(other, region), &kmsapi.CreateKeyRequest{}) // carol may not use it
	k.check(err)
	for name, ask := range map[string]func(foreign string) *kmsapi.ReEncryptRequest{
		"as destination": func(foreign string) *kmsapi.ReEncryptRequest {
			return &kmsapi.ReEncryptRequest{CiphertextBlob: e.CiphertextBlob, DestinationKeyId: &foreign}
		},
		"as destination, source denied": func(foreign string) *kmsapi.ReEncryptRequest {
			return &kmsapi.ReEncryptRequest{CiphertextBlob: e.CiphertextBlob, SourceKeyId: closed.KeyMetadata.KeyId, DestinationKeyId: &foreign}
		},
		"as source": func(foreign string) *kmsapi.ReEncryptRequest {
			return &kmsapi.ReEncryptRequest{CiphertextBlob: e.CiphertextBlob, SourceKeyId: &foreign, DestinationKeyId: mine.KeyMetadata.KeyId}
		},
		"as source, destination not there": func(foreign string) *kmsapi.ReEncryptRequest {
			return &kmsapi.ReEncryptRequest{CiphertextBlob: e.CiphertextBlob, SourceKeyId: &foreign, DestinationKeyId: new(absentID)}
		},
		"as both": func(foreign string) *kmsapi.ReEncryptRequest {
			return &kmsapi.ReEncryptRequest{CiphertextBlob: e.CiphertextBlob, SourceKeyId: &foreign, DestinationKeyId: &foreign}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var texts, records []string
			for _, foreign := range []string{there, absent} {
				_, err := k.ReEncrypt(t.Context(), carol(), ask(foreign))
				if err == nil {
					t.Fatal("it was allowed")
				}
				r := k.last("ReEncrypt")
				texts = append(texts, err.Error())
				records = append(records, strings.NewReplacer(r.EventID, "", foreign, "").Replace(r.raw))
			}
			if texts[0] != texts[1] || records[0] != records[1] {
				t.Errorf("a key that is there and one that is not differ:\n%s\n%s\n%s\n%s", texts[0], texts[1], records[0], records[1])
			}
		})
	}
}
