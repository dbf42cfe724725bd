package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// KMS Developer Guide, "Retiring and revoking grants": the grant says who.
func TestRetireGrant(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	foreignRoot := caller(other, region)
	for _, tt := range []struct {
		name              string
		by                identity.Caller
		grantee, retiring string
		ops               []kmsapi.GrantOperation
		want              bool
	}{
		{"the retiring principal", bob(), appRole, bob().ARN, []kmsapi.GrantOperation{opDecrypt}, true},
		{"a session of the retiring role", session("s1"), bob().ARN, appRole, []kmsapi.GrantOperation{opDecrypt}, true},
		{"the retiring session", session("s1"), bob().ARN, session("s1").ARN, []kmsapi.GrantOperation{opDecrypt}, true},
		{"another session", session("s2"), bob().ARN, session("s1").ARN, []kmsapi.GrantOperation{opDecrypt}, false},
		{"the grantee with RetireGrant", bob(), bob().ARN, "", []kmsapi.GrantOperation{opDecrypt, opRetire}, true},
		{"the grantee without", bob(), bob().ARN, "", []kmsapi.GrantOperation{opDecrypt}, false},
		{"the grantee without, beside a retiring principal", bob(), bob().ARN, alice().ARN, []kmsapi.GrantOperation{opDecrypt}, false},
		{"root of the account that made it", root(), bob().ARN, "", []kmsapi.GrantOperation{opDecrypt}, true},
		{"an administrator there", alice(), bob().ARN, "", []kmsapi.GrantOperation{opDecrypt}, true},
		{"a stranger there", bob(), appRole, "", []kmsapi.GrantOperation{opDecrypt, opRetire}, false},
		{"the retiring principal of another account", carol(), bob().ARN, carol().ARN, []kmsapi.GrantOperation{opDecrypt}, true},
		{"root of another account", foreignRoot, bob().ARN, carol().ARN, []kmsapi.GrantOperation{opDecrypt}, false},
		{"an account: its root", foreignRoot, bob().ARN, foreignRoot.ARN, []kmsapi.GrantOperation{opDecrypt}, true},
		{"an account: its administrator", foreignAdmin(), bob().ARN, foreignRoot.ARN, []kmsapi.GrantOperation{opDecrypt}, true},
		{"an account: who may nothing there", carol(), bob().ARN, foreignRoot.ARN, []kmsapi.GrantOperation{opDecrypt}, false},
		{"a grantee account with RetireGrant", foreignAdmin(), foreignRoot.ARN, "", []kmsapi.GrantOperation{opDecrypt, opRetire}, true},
		{"a grantee account without", foreignAdmin(), foreignRoot.ARN, "", []kmsapi.GrantOperation{opDecrypt}, false},
	} {
		for _, byToken := range []bool{true, false} {
			name := tt.name + " by id"
			if byToken {
				name = tt.name + " by token"
			}
			t.Run(name, func(t *testing.T) {
				req := grantRequest(*key.KeyId, tt.grantee, tt.ops...)
				if tt.retiring != "" {
					req.RetiringPrincipal = &tt.retiring
				}
				g := k.grantBy(root(), req)
				retire := &kmsapi.RetireGrantRequest{KeyId: key.Arn, GrantId: g.GrantId}
				if byToken {
					retire = &kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}
				}
				dry := *retire
				dry.DryRun = new(true)
				if err := k.RetireGrant(t.Context(), tt.by, &dry); (awserr.CodeOf(err) == kmsapi.DryRunOperationException) != tt.want {
					t.Errorf("a dry run is %v", err)
				}
				err := k.RetireGrant(t.Context(), tt.by, retire)
				if (err == nil) != tt.want || err != nil && awserr.CodeOf(err) != gate.AccessDenied {
					t.Errorf("error is %v, want it to work: %t", err, tt.want)
				}
				if left := len(k.listGrants(&kmsapi.ListGrantsRequest{KeyId: key.KeyId, GrantId: g.GrantId})); (left == 0) != tt.want {
					t.Errorf("%d grants are left", left)
				}
			})
		}
	}
}

func TestRetireGrantRefusals(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	g := k.grant(*key.KeyId, bob().ARN, opDecrypt)
	k.check(k.RetireGrant(t.Context(), root(), &kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}))
	abroad := caller(account, region2)
	absent := "arn:aws:kms:us-east-1:111122223333:key/" + absentID
	const either = "Either a GrantToken or both a KeyId and a GrantId must be specified."
	for _, tt := range []struct {
		name string
		by   identity.Caller
		req  kmsapi.RetireGrantRequest
		code awserr.Code
		text string
	}{
		{"nothing", root(), kmsapi.RetireGrantRequest{}, kmsapi.ValidationException, either},
		{"a key alone", root(), kmsapi.RetireGrantRequest{KeyId: key.Arn}, kmsapi.ValidationException, either},
		{"an id alone", root(), kmsapi.RetireGrantRequest{GrantId: g.GrantId}, kmsapi.ValidationException, either},
		{"all", root(), kmsapi.RetireGrantRequest{GrantToken: g.GrantToken, KeyId: key.Arn, GrantId: g.GrantId}, kmsapi.ValidationException,
			"Specify either a GrantToken or both a KeyId and a GrantId, not all of them."},
		{"a bad token", root(), kmsapi.RetireGrantRequest{GrantToken: new("x")}, kmsapi.InvalidGrantTokenException, "The grant token is not valid."},
		{"a token of another region", abroad, kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}, kmsapi.InvalidGrantTokenException, "The grant token is not valid."},
		{"a bad id", root(), kmsapi.RetireGrantRequest{KeyId: key.Arn, GrantId: new("g")}, kmsapi.InvalidGrantIdException, "The grant ID g is not valid."},
		{"a grant that is gone", root(), kmsapi.RetireGrantRequest{KeyId: key.Arn, GrantId: g.GrantId}, kmsapi.NotFoundException, "Grant ID " + *g.GrantId + " not found"},
		{"its token", root(), kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}, kmsapi.NotFoundException, "Grant ID " + *g.GrantId + " not found"},
		{"a key that is not there", root(), kmsapi.RetireGrantRequest{KeyId: &absent, GrantId: g.GrantId}, kmsapi.NotFoundException, "Key '" + absent + "' does not exist"},
		{"no key", root(), kmsapi.RetireGrantRequest{KeyId: new("alias/app"), GrantId: g.GrantId}, kmsapi.NotFoundException, "Invalid keyId 'alias/app'"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantError(t, k.RetireGrant(t.Context(), tt.by, &tt.req), tt.code, tt.text) })
	}
	// Strangers learn nothing of another account's keys and grants.
	there := k.grant(*key.KeyId, bob().ARN, opDecrypt)
	for name, req := range map[string]*kmsapi.RetireGrantRequest{
		"a grant that is there":   {KeyId: key.Arn, GrantId: there.GrantId},
		"a grant that is not":     {KeyId: key.Arn, GrantId: g.GrantId},
		"a key that is not there": {KeyId: &absent, GrantId: there.GrantId},
	} {
		t.Run("another account, "+name, func(t *testing.T) {
			err := k.RetireGrant(t.Context(), caller(other, region), req)
			wantError(t, err, gate.AccessDenied, "User: "+identity.RootARN(other)+" is not authorized to perform: kms:RetireGrant on resource: "+*req.KeyId+
				" because no resource-based policy allows the kms:RetireGrant action")
		})
	}
}

func TestRetireGrantRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	g := k.grant(*key.KeyId, bob().ARN, opDecrypt, opRetire)
	k.check(k.RetireGrant(t.Context(), bob(), &kmsapi.RetireGrantRequest{GrantToken: g.GrantToken}))
	r := k.last("RetireGrant")
	wantParameters(t, r.RequestParameters, `null`)
	wantParameters(t, r.ResponseElements, `null`)
	wantParameters(t, r.AdditionalEventData, `{"grantId":"`+*g.GrantId+`"}`)
	if len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn || r.ErrorCode != "" {
		t.Errorf("record is %s", r.raw)
	}
}
