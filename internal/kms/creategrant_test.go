package kms_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

const (
	opDecrypt  = kmsapi.GrantOperationDecrypt
	opEncrypt  = kmsapi.GrantOperationEncrypt
	opDescribe = kmsapi.GrantOperationDescribeKey
	opCreate   = kmsapi.GrantOperationCreateGrant
	opRetire   = kmsapi.GrantOperationRetireGrant
)

func grantRequest(keyID, grantee string, ops ...kmsapi.GrantOperation) *kmsapi.CreateGrantRequest {
	return &kmsapi.CreateGrantRequest{KeyId: &keyID, GranteePrincipal: &grantee, Operations: ops}
}

// grant makes a grant as root.
func (k *kit) grant(keyID, grantee string, ops ...kmsapi.GrantOperation) *kmsapi.CreateGrantResponse {
	k.t.Helper()
	return k.grantBy(root(), grantRequest(keyID, grantee, ops...))
}

func (k *kit) grantBy(c identity.Caller, req *kmsapi.CreateGrantRequest) *kmsapi.CreateGrantResponse {
	k.t.Helper()
	r, err := k.CreateGrant(k.t.Context(), c, req)
	k.check(err)
	return r
}

// decrypts reports whether a caller may decrypt, and fails on any other error
// than a denial.
func (k *kit) decrypts(c identity.Caller, blob []byte, context map[string]string) bool {
	k.t.Helper()
	r, err := k.Decrypt(k.t.Context(), c, &kmsapi.DecryptRequest{CiphertextBlob: blob, EncryptionContext: context})
	if err != nil && awserr.CodeOf(err) != gate.AccessDenied {
		k.t.Error(err)
	}
	return err == nil && r.Plaintext.Len() > 0
}

// bob may do nothing; what he is granted he may do at once, and no more.
func TestCreateGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	if k.decrypts(bob(), blob, nil) {
		t.Fatal("bob may decrypt without a grant")
	}
	r := k.grant(*key.KeyId, bob().ARN, opDecrypt)
	if len(*r.GrantId) != 64 || *r.GrantToken == "" {
		t.Errorf("grant is %s, token %s", *r.GrantId, *r.GrantToken)
	}
	if !k.decrypts(bob(), blob, nil) {
		t.Error("bob may not decrypt with a grant")
	}
	if k.decrypts(carol(), blob, nil) || k.decrypts(session("s1"), blob, nil) {
		t.Error("somebody else may decrypt by bob's grant")
	}
	if _, err := k.Encrypt(t.Context(), bob(), encryptRequest(*key.KeyId, "p", nil)); awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("Encrypt, which was not granted, is %v", err)
	}
	second := k.createKey()
	if k.decrypts(bob(), k.encrypt(*second.KeyId, "p", nil), nil) {
		t.Error("bob may decrypt what another key has sealed")
	}
	k.reopen()
	if !k.decrypts(bob(), blob, nil) {
		t.Error("the grant did not outlive the process")
	}
}

func TestCreateGrantGrantees(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	admin := bob()
	admin.ARN, admin.PrincipalID = "arn:aws:iam::"+account+":user/dave", "AIDADAVE"
	foreignRoot := caller(other, region)
	for _, tt := range []struct {
		name, grantee string
		may, mayNot   []identity.Caller
	}{
		{"a user", bob().ARN, []identity.Caller{bob()}, []identity.Caller{admin, session("s1")}},
		{"a role: every session", appRole, []identity.Caller{session("s1"), session("s2")}, []identity.Caller{bob()}},
		{"one session", session("s1").ARN, []identity.Caller{session("s1")}, []identity.Caller{session("s2"), session("s11"), bob()}},
		{"a user of another account", carol().ARN, []identity.Caller{carol()}, []identity.Caller{bob(), foreignRoot}},
		{"another account: who may there by IAM", identity.RootARN(other), []identity.Caller{foreignRoot, foreignAdmin()}, []identity.Caller{carol(), bob()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := k.grant(*key.KeyId, tt.grantee, opDecrypt)
			for _, c := range tt.may {
				if !k.decrypts(c, blob, nil) {
					t.Errorf("%s may not", c.ARN)
				}
			}
			for _, c := range tt.mayNot {
				if k.decrypts(c, blob, nil) {
					t.Errorf("%s may", c.ARN)
				}
			}
			k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: r.GrantId}))
			for _, c := range tt.may {
				if k.decrypts(c, blob, nil) {
					t.Errorf("%s may after RevokeGrant", c.ARN)
				}
			}
		})
	}
}

func TestCreateGrantConstraint(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	exact, more := map[string]string{"tenant": "t1"}, map[string]string{"tenant": "t1", "file": "f"}
	a, b := k.encrypt(*key.KeyId, "p", exact), k.encrypt(*key.KeyId, "p", more)
	for _, tt := range []struct {
		name        string
		constraints kmsapi.GrantConstraints
		exact, more bool
	}{
		{"equals", kmsapi.GrantConstraints{EncryptionContextEquals: exact}, true, false},
		{"subset", kmsapi.GrantConstraints{EncryptionContextSubset: exact}, true, true},
		{"none", kmsapi.GrantConstraints{}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := grantRequest(*key.KeyId, bob().ARN, opDecrypt, opDescribe)
			req.Constraints = &tt.constraints
			r := k.grantBy(root(), req)
			if got := k.decrypts(bob(), a, exact); got != tt.exact {
				t.Errorf("with the same context: %t, want %t", got, tt.exact)
			}
			if got := k.decrypts(bob(), b, more); got != tt.more {
				t.Errorf("with more context: %t, want %t", got, tt.more)
			}
			_, err := k.DescribeKey(t.Context(), bob(), &kmsapi.DescribeKeyRequest{KeyId: key.Arn})
			k.check(err)
			k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: r.GrantId}))
		})
	}
}

// What a request may not say.
func TestCreateGrantRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	nine := map[string]string{}
	for i := range 9 {
		nine[fmt.Sprint(i)] = ""
	}
	equals := func(m map[string]string) *kmsapi.GrantConstraints {
		return &kmsapi.GrantConstraints{EncryptionContextEquals: m}
	}
	const valid = "ARN does not refer to a valid principal: "
	for _, tt := range []struct {
		name string
		edit func(*kmsapi.CreateGrantRequest)
		code awserr.Code
		text string
	}{
		{"no operations", func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{} }, kmsapi.ValidationException, "Grants must contain at least one operation."},
		{"CreateGrant alone", func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{opCreate, opCreate} }, kmsapi.ValidationException, "Grants must not contain only the CreateGrant operation."},
		{"an operation that the key cannot do", func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{"Sign"} }, kmsapi.ValidationException,
			"Operation Sign is not supported by " + *key.Arn + ", whose key spec is SYMMETRIC_DEFAULT and key usage is ENCRYPT_DECRYPT."},
		{"both constraints", func(r *kmsapi.CreateGrantRequest) {
			r.Constraints = &kmsapi.GrantConstraints{EncryptionContextEquals: map[string]string{"a": ""}, EncryptionContextSubset: map[string]string{"a": ""}}
		}, kmsapi.ValidationException, "Constraints can have EncryptionContextEquals or EncryptionContextSubset, not both."},
		{"nine pairs", func(r *kmsapi.CreateGrantRequest) { r.Constraints = equals(nine) }, kmsapi.ValidationException, "EncryptionContextEquals must have 1 to 8 pairs."},
		{"no pairs", func(r *kmsapi.CreateGrantRequest) { r.Constraints = equals(map[string]string{}) }, kmsapi.ValidationException, "EncryptionContextEquals must have 1 to 8 pairs."},
		{"a long value", func(r *kmsapi.CreateGrantRequest) {
			r.Constraints = equals(map[string]string{"a": strings.Repeat("é", 385)})
		}, kmsapi.ValidationException,
			"A value in EncryptionContextEquals has more than 384 characters."},
		{"a user who is not there", func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new("arn:aws:iam::111122223333:user/eve") }, kmsapi.InvalidArnException, valid + "arn:aws:iam::111122223333:user/eve"},
		{"a user of an account that is not there", func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new("arn:aws:iam::999999999999:root") }, kmsapi.InvalidArnException, valid + "arn:aws:iam::999999999999:root"},
		{"a group", func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new("arn:aws:iam::111122223333:group/admins") }, kmsapi.InvalidArnException, valid + "arn:aws:iam::111122223333:group/admins"},
		{"a service", func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new("s3.amazonaws.com") }, kmsapi.InvalidArnException, valid + "s3.amazonaws.com"},
		{"root with a path", func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new("arn:aws:iam::111122223333:root/x") }, kmsapi.InvalidArnException, valid + "arn:aws:iam::111122223333:root/x"},
		{"a session without a name", func(r *kmsapi.CreateGrantRequest) {
			r.GranteePrincipal = new("arn:aws:sts::111122223333:assumed-role/App")
		}, kmsapi.InvalidArnException, valid + "arn:aws:sts::111122223333:assumed-role/App"},
		{"a session of a role that is not there", func(r *kmsapi.CreateGrantRequest) {
			r.GranteePrincipal = new("arn:aws:sts::111122223333:assumed-role/B/s1")
		}, kmsapi.InvalidArnException, valid + "arn:aws:sts::111122223333:assumed-role/B/s1"},
		{"a retiring principal who is not there", func(r *kmsapi.CreateGrantRequest) { r.RetiringPrincipal = new("arn:aws:iam::111122223333:user/eve") }, kmsapi.InvalidArnException, valid + "arn:aws:iam::111122223333:user/eve"},
		{"an alias", func(r *kmsapi.CreateGrantRequest) { r.KeyId = new("alias/app") }, kmsapi.NotFoundException, "Invalid keyId 'alias/app'"},
		{"a bad token", func(r *kmsapi.CreateGrantRequest) { r.GrantTokens = []string{"x"} }, kmsapi.InvalidGrantTokenException, "The grant token is not valid."},
		{"an unknown operation", func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{"DECRYPT"} }, kmsapi.ValidationException,
			"1 validation error detected: Value '[DECRYPT]' at 'operations' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, CreateGrant, RetireGrant, DescribeKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret]]"},
		{"a dry run", func(r *kmsapi.CreateGrantRequest) { r.DryRun = new(true) }, kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := grantRequest(*key.KeyId, bob().ARN, opDecrypt)
			tt.edit(req)
			_, err := k.CreateGrant(t.Context(), root(), req)
			wantError(t, err, tt.code, tt.text)
		})
	}
	if got := k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId}); len(got) != 0 {
		t.Errorf("there are grants all the same: %v", got)
	}
	k.disable(*key.KeyId)
	_, err := k.CreateGrant(t.Context(), root(), grantRequest(*key.KeyId, bob().ARN, opDecrypt))
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
}

// A call that repeats another in all, its name too, is the same call.
func TestCreateGrantNames(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	named := func(edit func(*kmsapi.CreateGrantRequest)) *kmsapi.CreateGrantResponse {
		req := grantRequest(*key.KeyId, bob().ARN, opDecrypt, opEncrypt)
		req.Name = new("app")
		req.Constraints = &kmsapi.GrantConstraints{EncryptionContextSubset: map[string]string{"a": "1", "b": "2"}}
		edit(req)
		return k.grantBy(root(), req)
	}
	same := func(*kmsapi.CreateGrantRequest) {}
	first, again := named(same), named(same)
	if *first.GrantId != *again.GrantId || *first.GrantToken == *again.GrantToken {
		t.Errorf("the repetition is grant %s with token %s, want %s and another token than %s", *again.GrantId, *again.GrantToken, *first.GrantId, *first.GrantToken)
	}
	if r := named(func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{opEncrypt, opDecrypt} }); *r.GrantId != *first.GrantId {
		t.Error("the order of operations makes another grant")
	}
	for name, edit := range map[string]func(*kmsapi.CreateGrantRequest){
		"name":       func(r *kmsapi.CreateGrantRequest) { r.Name = new("other") },
		"no name":    func(r *kmsapi.CreateGrantRequest) { r.Name = nil },
		"grantee":    func(r *kmsapi.CreateGrantRequest) { r.GranteePrincipal = new(alice().ARN) },
		"retiring":   func(r *kmsapi.CreateGrantRequest) { r.RetiringPrincipal = new(alice().ARN) },
		"operations": func(r *kmsapi.CreateGrantRequest) { r.Operations = []kmsapi.GrantOperation{opDecrypt} },
		"constraint": func(r *kmsapi.CreateGrantRequest) {
			r.Constraints = &kmsapi.GrantConstraints{EncryptionContextEquals: r.Constraints.EncryptionContextSubset}
		},
		"context": func(r *kmsapi.CreateGrantRequest) {
			r.Constraints.EncryptionContextSubset = map[string]string{"a": "1"}
		},
		"key": func(r *kmsapi.CreateGrantRequest) { r.KeyId = k.createKey().KeyId },
	} {
		if r := named(edit); *r.GrantId == *first.GrantId {
			t.Errorf("with another %s it is the same grant", name)
		}
	}
	k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: first.GrantId}))
	if r := named(same); *r.GrantId == *first.GrantId {
		t.Error("a grant that was revoked is back")
	}
}

func TestConcurrentCreateGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			req := grantRequest(*key.KeyId, bob().ARN, opDecrypt)
			req.Name = new("app")
			r, err := k.CreateGrant(t.Context(), root(), req)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = *r.GrantId
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("got %s and %s, want one grant", id, ids[0])
		}
	}
	if got := k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId}); len(got) != 1 {
		t.Errorf("there are %d grants, want 1", len(got))
	}
}

func TestCreateGrantQuota(t *testing.T) {
	k := newKit(t)
	k.quotas.GrantsPerKey = 3
	k.reopen()
	key := k.createKey()
	var last *kmsapi.CreateGrantResponse
	for i := range 3 {
		req := grantRequest(*key.KeyId, bob().ARN, opDecrypt)
		req.Name = new(fmt.Sprint("g", i))
		last = k.grantBy(root(), req)
	}
	_, err := k.CreateGrant(t.Context(), root(), grantRequest(*key.KeyId, bob().ARN, opDecrypt))
	wantError(t, err, kmsapi.LimitExceededException, *key.Arn+" has the maximum of 3 grants.")
	req := grantRequest(*key.KeyId, bob().ARN, opDecrypt)
	req.Name = new("g2")
	if r := k.grantBy(root(), req); *r.GrantId != *last.GrantId {
		t.Error("a repetition makes another grant")
	}
	k.grant(*k.createKey().KeyId, bob().ARN, opDecrypt) // another key has its own
	k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: last.GrantId}))
	k.grant(*key.KeyId, bob().ARN, opDecrypt)
}

// KMS Developer Guide, "Granting CreateGrant permission".
func TestCreateGrantThroughAGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	context := map[string]string{"tenant": "t1"}
	blob := k.encrypt(*key.KeyId, "p", context)
	parent := grantRequest(*key.KeyId, bob().ARN, opDecrypt, opCreate)
	parent.Constraints = &kmsapi.GrantConstraints{EncryptionContextSubset: context}
	p := k.grantBy(root(), parent)
	child := func(c *kmsapi.GrantConstraints, ops ...kmsapi.GrantOperation) error {
		req := grantRequest(*key.KeyId, session("s1").ARN, ops...)
		req.Constraints = c
		_, err := k.CreateGrant(t.Context(), bob(), req)
		return err
	}
	denied := "User: " + bob().ARN + " is not authorized to perform: kms:CreateGrant on resource: " + *key.Arn + " because no identity-based policy allows the kms:CreateGrant action"
	wantError(t, child(nil, opDecrypt), gate.AccessDenied, denied)
	wantError(t, child(parent.Constraints, opDecrypt, opEncrypt), gate.AccessDenied, denied)
	if k.decrypts(session("s1"), blob, context) {
		t.Error("a child that was refused has an effect")
	}
	k.check(child(parent.Constraints, opDecrypt))
	if !k.decrypts(session("s1"), blob, context) {
		t.Error("the child has no effect")
	}
	// A child is a grant of its own.
	k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: p.GrantId}))
	wantError(t, child(parent.Constraints, opDecrypt), gate.AccessDenied, denied)
	if !k.decrypts(session("s1"), blob, context) {
		t.Error("the child went with its parent")
	}
}

// Good tokens are taken, whichever grant they are of, and give nothing; bad ones
// are refused.
func TestGrantTokens(t *testing.T) {
	k := newKit(t)
	key, second := k.createKey(), k.createKey()
	good, elsewhere := k.grant(*key.KeyId, bob().ARN, opEncrypt), k.grant(*second.KeyId, bob().ARN, opEncrypt)
	gone := k.grant(*key.KeyId, bob().ARN, opDecrypt)
	k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: key.KeyId, GrantId: gone.GrantId}))
	encrypt := func(c identity.Caller, tokens ...string) error {
		_, err := k.Encrypt(t.Context(), c, &kmsapi.EncryptRequest{KeyId: key.KeyId, Plaintext: secret.New([]byte("p")), GrantTokens: tokens})
		return err
	}
	k.check(encrypt(bob()))
	k.check(encrypt(bob(), *good.GrantToken, *elsewhere.GrantToken, *gone.GrantToken))
	if err := encrypt(session("s1"), *good.GrantToken); awserr.CodeOf(err) != gate.AccessDenied {
		t.Errorf("with bob's token a stranger gets %v", err)
	}
	flipped := []byte(*good.GrantToken)
	flipped[10] ^= 1
	for name, token := range map[string]string{
		"garbage": "garbage", "flipped": string(flipped), "cut": (*good.GrantToken)[:40], "longer": *good.GrantToken + "AAAA",
		"padded": *good.GrantToken + "=", "an ID": *good.GrantId,
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, encrypt(bob(), *good.GrantToken, token), kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
		})
	}
	for _, r := range k.records() {
		for _, token := range []string{*good.GrantToken, *elsewhere.GrantToken, *gone.GrantToken} {
			if strings.Contains(r.raw, token) {
				t.Errorf("a grant token is in the record of %s", r.EventName)
			}
		}
	}
}

func TestCreateGrantRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	req := grantRequest(*key.KeyId, bob().ARN, opDecrypt, opRetire)
	req.RetiringPrincipal, req.Name = new(appRole), new("app")
	req.Constraints = &kmsapi.GrantConstraints{EncryptionContextSubset: map[string]string{"b": "2", "a": "1"}}
	g := k.grantBy(root(), req)
	r := k.last("CreateGrant")
	wantParameters(t, r.RequestParameters, `{"constraints":{"encryptionContextSubset":{"a":"1","b":"2"}},"granteePrincipal":"`+bob().ARN+`","keyId":"`+*key.KeyId+
		`","name":"app","operations":["Decrypt","RetireGrant"],"retiringPrincipal":"`+appRole+`"}`)
	wantParameters(t, r.ResponseElements, `{"grantId":"`+*g.GrantId+`","keyId":"`+*key.Arn+`"}`)
	if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s", r.raw)
	}
}
