package kms_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// This file has the rules that the operations on asymmetric and HMAC keys share:
// Sign, Verify, GetPublicKey, GenerateMac, VerifyMac, DeriveSharedSecret.

// pairUse is one of those operations with a key of its own, and a call of it
// that succeeds for who may.
type pairUse struct {
	name string
	key  *kmsapi.KeyMetadata
	call func(c identity.Caller, id string, tokens []string, dry *bool) error
	dry  bool // it has DryRun
}

// pairUses makes the keys with a key policy that has a statement more.
func (k *kit) pairUses(statement string) []pairUse {
	k.t.Helper()
	ctx := k.t.Context()
	policy := `{"Version":"2012-10-17","Statement":[` + toAccount
	if statement != "" {
		policy += "," + statement
	}
	key := func(spec kmsapi.KeySpec, usage kmsapi.KeyUsageType) *kmsapi.KeyMetadata {
		r, err := k.CreateKey(ctx, root(), &kmsapi.CreateKeyRequest{KeySpec: &spec, KeyUsage: &usage, Policy: new(policy + "]}")})
		k.check(err)
		return r.KeyMetadata
	}
	signer, agreer, macker := key(kmsapi.KeySpecEccNistP256, sig), key(kmsapi.KeySpecEccNistP256, agree), key(kmsapi.KeySpecHmac256, mac)
	signed, err := k.Sign(ctx, root(), signRequest(*signer.KeyId, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p"))
	k.check(err)
	macked, err := k.GenerateMac(ctx, root(), macRequest(*macker.KeyId, kmsapi.MacAlgorithmSpecHmacSha256, "p"))
	k.check(err)
	peer := newPeer(k.t)
	return []pairUse{
		{"Sign", signer, func(c identity.Caller, id string, tokens []string, dry *bool) error {
			r := signRequest(id, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p")
			r.GrantTokens, r.DryRun = tokens, dry
			_, err := k.Sign(ctx, c, r)
			return err
		}, true},
		{"Verify", signer, func(c identity.Caller, id string, tokens []string, dry *bool) error {
			r := verifyRequest(id, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p", signed.Signature)
			r.GrantTokens, r.DryRun = tokens, dry
			_, err := k.Verify(ctx, c, r)
			return err
		}, true},
		{"GetPublicKey", signer, func(c identity.Caller, id string, tokens []string, _ *bool) error {
			_, err := k.GetPublicKey(ctx, c, &kmsapi.GetPublicKeyRequest{KeyId: &id, GrantTokens: tokens})
			return err
		}, false},
		{"GenerateMac", macker, func(c identity.Caller, id string, tokens []string, dry *bool) error {
			r := macRequest(id, kmsapi.MacAlgorithmSpecHmacSha256, "p")
			r.GrantTokens, r.DryRun = tokens, dry
			_, err := k.GenerateMac(ctx, c, r)
			return err
		}, true},
		{"VerifyMac", macker, func(c identity.Caller, id string, tokens []string, dry *bool) error {
			r := verifyMacRequest(id, kmsapi.MacAlgorithmSpecHmacSha256, "p", macked.Mac)
			r.GrantTokens, r.DryRun = tokens, dry
			_, err := k.VerifyMac(ctx, c, r)
			return err
		}, true},
		{"DeriveSharedSecret", agreer, func(c identity.Caller, id string, tokens []string, dry *bool) error {
			r := agreeRequest(id, peer.spki)
			r.GrantTokens, r.DryRun = tokens, dry
			_, err := k.DeriveSharedSecret(ctx, c, r)
			return err
		}, true},
	}
}

func message(text string) secret.Bytes { return secret.New([]byte(text)) }

// Each takes a key by its id, ARN, alias and alias ARN, now and after a restart.
func TestKeyUseTakesEveryFormOfKeyID(t *testing.T) {
	k := newKit(t)
	uses := k.pairUses("")
	for _, u := range uses {
		k.createAlias("alias/"+u.name, *u.key.KeyId)
	}
	for range 2 {
		for _, u := range uses {
			for form, id := range map[string]string{
				"key id": *u.key.KeyId, "key ARN": *u.key.Arn, "alias": "alias/" + u.name,
				"alias ARN": "arn:aws:kms:" + region + ":" + account + ":alias/" + u.name,
			} {
				if err := u.call(alice(), id, nil, nil); err != nil {
					t.Errorf("%s by %s: %v", u.name, form, err)
				}
			}
			wantError(t, u.call(root(), "alias/none", nil, nil), kmsapi.NotFoundException, "Alias arn:aws:kms:us-east-1:111122223333:alias/none is not found.")
			wantError(t, u.call(root(), "none", nil, nil), kmsapi.NotFoundException, "Invalid keyId 'none'")
			wantError(t, u.call(root(), absentID, nil, nil), kmsapi.NotFoundException, "Key 'arn:aws:kms:us-east-1:111122223333:key/"+absentID+"' does not exist")
		}
		k.reopen()
	}
}

// What would have succeeded says so, and what would not have says why not.
func TestKeyUseDryRunComesLast(t *testing.T) {
	k := newKit(t)
	uses := k.pairUses("")
	for _, u := range uses {
		if u.dry {
			wantError(t, u.call(root(), *u.key.KeyId, nil, new(true)), kmsapi.DryRunOperationException, "The request would have succeeded, but the DryRun option is set.")
			k.check(u.call(root(), *u.key.KeyId, nil, new(false)))
		}
	}
	for _, u := range uses {
		k.disable(*u.key.KeyId)
		wantError(t, u.call(root(), *u.key.KeyId, nil, new(true)), kmsapi.DisabledException, *u.key.Arn+" is disabled.")
	}
}

// Who may not use a key learns nothing of its state.
func TestKeyUseDenialComesBeforeState(t *testing.T) {
	k := newKit(t)
	for _, u := range k.pairUses("") {
		k.disable(*u.key.KeyId)
		wantError(t, u.call(bob(), *u.key.KeyId, nil, nil), gate.AccessDenied, "User: "+bobARN+" is not authorized to perform: kms:"+u.name+
			" on resource: "+*u.key.Arn+" because no identity-based policy allows the kms:"+u.name+" action")
		if r := k.last(u.name); r.ErrorCode != "AccessDenied" || r.RequestParameters != nil || !r.ReadOnly {
			t.Errorf("%s: record is %s, want the denial without parameters, of a read", u.name, r.raw)
		}
	}
}

// A grant of the one operation lets it be done, with its token or without; a
// token that is none is refused.
func TestKeyUseByGrant(t *testing.T) {
	k := newKit(t)
	uses := k.pairUses("")
	for _, u := range uses {
		id := *u.key.KeyId
		g := k.grant(id, bobARN, kmsapi.GrantOperation(u.name))
		k.check(u.call(bob(), id, nil, nil))
		k.check(u.call(bob(), id, []string{*g.GrantToken}, nil))
		wantError(t, u.call(bob(), id, []string{"AQpAM2RhZ"}, nil), kmsapi.InvalidGrantTokenException, "The grant token is not valid.")
		for _, v := range uses {
			if v.name != u.name {
				if err := v.call(bob(), *v.key.KeyId, nil, nil); !errors.Is(err, gate.AccessDenied) {
					t.Errorf("granted %s, %s is %v, want a denial", u.name, v.name, err)
				}
			}
		}
		k.check(k.RevokeGrant(t.Context(), root(), &kmsapi.RevokeGrantRequest{KeyId: &id, GrantId: g.GrantId}))
		if err := u.call(bob(), id, nil, nil); !errors.Is(err, gate.AccessDenied) {
			t.Errorf("%s after the grant was revoked: error is %v, want a denial", u.name, err)
		}
	}
}

// Another account's key can be used when both sides allow it, and the call is
// recorded in both. Of one that is not given, or not there, no more is told
// than of another.
func TestKeyUseAcrossAccounts(t *testing.T) {
	k := newKit(t)
	k.rights.give(carolARN, anything)
	for _, u := range k.pairUses(toCarol) {
		before := len(k.records())
		k.check(u.call(carol(), *u.key.Arn, nil, nil))
		if rs := k.records()[before:]; len(rs) != 2 || rs[0].Recipient != other || rs[1].Recipient != account {
			t.Errorf("%s: the records are %v, want one in each account", u.name, rs)
		}
	}
	for _, u := range k.pairUses("") {
		hidden := u.call(carol(), *u.key.Arn, nil, nil)
		absent := u.call(carol(), "arn:aws:kms:us-east-1:111122223333:key/"+absentID, nil, nil)
		if awserr.CodeOf(hidden) != gate.AccessDenied || hidden.Error() != absent.Error() {
			t.Errorf("%s: a key that is there is refused with %v, one that is not with %v", u.name, hidden, absent)
		}
	}
}

// The key material of another key in the place of this one's is refused.
func TestKeyUseRefusesMaterialOfAnotherKey(t *testing.T) {
	k := newKit(t)
	mine, others := k.pairUses(""), k.pairUses("")
	row := func(m *kmsapi.KeyMetadata) store.Row {
		key, err := k.db().Key(t.Context(), kmsdb.KeyRef{Account: account, Region: region, ID: *m.KeyId})
		k.check(err)
		r, err := k.store.Get(t.Context(), store.KMSKeyTokens, key.Ref().Row()+"/"+key.Current)
		k.check(err)
		return r
	}
	for i, u := range mine {
		old, foreign := row(u.key), row(others[i].key)
		k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
			old.Doc = foreign.Doc
			return tx.PutUnlogged(store.KMSKeyTokens, old)
		}))
	}
	k.reopen()
	for _, u := range mine {
		wantError(t, u.call(root(), *u.key.KeyId, nil, nil), kmsapi.KMSInternalException, internalText)
	}
}

// The table of KMS Developer Guide, "Key states of AWS KMS keys", for these
// operations: they are cryptographic, GetPublicKey too.
func TestKeyUseStates(t *testing.T) {
	k := newKit(t)
	for _, u := range k.pairUses("") {
		for _, row := range []struct {
			state kmsapi.KeyState
			code  awserr.Code // "" is success
			text  string      // after the ARN
		}{
			{kmsapi.KeyStateEnabled, "", ""},
			{kmsapi.KeyStateDisabled, kmsapi.DisabledException, " is disabled."},
			{kmsapi.KeyStatePendingImport, kmsapi.KMSInvalidStateException, " is pending import."},
			{kmsapi.KeyStatePendingDeletion, kmsapi.KMSInvalidStateException, " is pending deletion."},
			{kmsapi.KeyStatePendingReplicaDeletion, kmsapi.KMSInvalidStateException, " is pending deletion."},
			{kmsapi.KeyStateUnavailable, kmsapi.KMSInvalidStateException, " is unavailable."},
			{kmsapi.KeyStateCreating, kmsapi.KMSInvalidStateException, " is creating."},
			{kmsapi.KeyStateUpdating, kmsapi.KMSInvalidStateException, " is updating."},
		} {
			t.Run(u.name+" "+string(row.state), func(t *testing.T) {
				k.change(*u.key.KeyId, func(key *kmsdb.Key) { key.State = row.state })
				err := u.call(root(), *u.key.KeyId, nil, nil)
				if row.code == "" {
					k.check(err)
					return
				}
				wantError(t, err, row.code, *u.key.Arn+row.text)
			})
		}
		k.change(*u.key.KeyId, func(key *kmsdb.Key) { key.State = kmsapi.KeyStateEnabled })
	}
}

// The state comes before the usage, and the usage before the algorithm.
func TestKeyUseOrderOfChecks(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecHmac256, mac)
	sign := func() error {
		_, err := k.Sign(t.Context(), root(), signRequest(*key.KeyId, kmsapi.SigningAlgorithmSpecEcdsaSha256, "p"))
		return err
	}
	wantError(t, sign(), kmsapi.InvalidKeyUsageException, *key.Arn+" key usage is GENERATE_VERIFY_MAC which is not valid for Sign.")
	k.disable(*key.KeyId)
	wantError(t, sign(), kmsapi.DisabledException, *key.Arn+" is disabled.")
}

// What a grant can allow, and do, on each kind of key (KMS Developer Guide,
// "Grant operations"). No constraint fits a key that has no encryption context.
func TestGrantsOfEveryKind(t *testing.T) {
	k := newKit(t)
	allowed := map[string][]kmsapi.GrantOperation{
		"symmetric": {opEncrypt, opDecrypt, "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
			"ReEncryptFrom", "ReEncryptTo"},
		"RSA to sign":    {"Sign", "Verify", "GetPublicKey"},
		"RSA to encrypt": {opEncrypt, opDecrypt, "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"},
		"EC to sign":     {"Sign", "Verify", "GetPublicKey"},
		"EC to agree":    {"DeriveSharedSecret", "GetPublicKey"},
		"HMAC":           {"GenerateMac", "VerifyMac"},
	}
	for name, key := range k.keyring() {
		t.Run(name, func(t *testing.T) {
			for _, op := range []kmsapi.GrantOperation{
				opEncrypt, opDecrypt, "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
				"ReEncryptFrom", "ReEncryptTo", "Sign", "Verify", "GetPublicKey", "GenerateMac", "VerifyMac", "DeriveSharedSecret", opRetire, opDescribe,
			} {
				_, err := k.CreateGrant(t.Context(), root(), grantRequest(*key.KeyId, bobARN, op))
				if slices.Contains(allowed[name], op) || op == opRetire || op == opDescribe {
					k.check(err)
					continue
				}
				wantError(t, err, kmsapi.ValidationException, fmt.Sprintf("Operation %s is not supported by %s, whose key spec is %s and key usage is %s.", op, *key.Arn, *key.KeySpec, *key.KeyUsage))
			}
			req := grantRequest(*key.KeyId, bobARN, append(allowed[name], opCreate)...)
			req.Constraints = &kmsapi.GrantConstraints{EncryptionContextSubset: map[string]string{"a": "b"}}
			_, err := k.CreateGrant(t.Context(), root(), req)
			if name == "symmetric" {
				k.check(err)
				return
			}
			wantError(t, err, kmsapi.ValidationException, fmt.Sprintf("EncryptionContextSubset cannot constrain a grant on %s, which has no encryption context: its key spec is %s.", *key.Arn, *key.KeySpec))
		})
	}
}
