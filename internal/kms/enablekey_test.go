package kms_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

func TestDisableKeyAndEnableKey(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	for range 2 { // disabling a disabled key is no error
		k.check(k.DisableKey(t.Context(), alice(), &kmsapi.DisableKeyRequest{KeyId: key.Arn}))
		_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
		wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	}
	k.reopen()
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
	for range 2 {
		k.check(k.EnableKey(t.Context(), alice(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}))
		if got := decrypted(t, k, blob, nil); got != "p" {
			t.Errorf("the blob opens to %q", got)
		}
	}
}

func TestEnableKeyDenied(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	for verb, err := range map[string]error{
		"EnableKey":  k.EnableKey(t.Context(), bob(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}),
		"DisableKey": k.DisableKey(t.Context(), bob(), &kmsapi.DisableKeyRequest{KeyId: key.KeyId}),
	} {
		wantError(t, err, gate.AccessDenied, "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:"+verb+" on resource: "+*key.Arn+" because no identity-based policy allows the kms:"+verb+" action")
	}
	k.encrypt(*key.KeyId, "still enabled", nil)
}

// Since December 2022 records of these operations name the key in
// responseElements. A call that changes nothing has a record too.
func TestDisableKeyRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	before := len(k.records())
	for range 2 {
		k.disable(*key.KeyId)
		r := k.last("DisableKey")
		wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
		wantParameters(t, r.ResponseElements, `{"keyId":"`+*key.Arn+`"}`)
		if r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
			t.Errorf("record is %s, want a write on the key", r.raw)
		}
	}
	if got := len(k.records()) - before; got != 2 {
		t.Errorf("two calls made %d records", got)
	}
}

// The table of KMS Developer Guide, "Key states of AWS KMS keys", for the
// operations that are served.
func TestStateTable(t *testing.T) {
	const (
		crypto = iota // Encrypt, Decrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext
		enabling
		alias
	)
	const invalid = kmsapi.KMSInvalidStateException
	table := []struct {
		state kmsapi.KeyState
		want  [3]string // text after the ARN; "" is success
	}{
		{kmsapi.KeyStateEnabled, [3]string{}},
		{kmsapi.KeyStateDisabled, [3]string{crypto: " is disabled."}},
		{kmsapi.KeyStatePendingImport, [3]string{crypto: " is pending import.", enabling: " is pending import."}},
		{kmsapi.KeyStatePendingDeletion, [3]string{" is pending deletion.", " is pending deletion.", " is pending deletion."}},
		{kmsapi.KeyStatePendingReplicaDeletion, [3]string{" is pending deletion.", " is pending deletion.", " is pending deletion."}},
		{kmsapi.KeyStateUnavailable, [3]string{crypto: " is unavailable."}},
		{kmsapi.KeyStateCreating, [3]string{" is creating.", " is creating.", " is creating."}},
		{kmsapi.KeyStateUpdating, [3]string{" is updating.", " is updating.", " is updating."}},
		{"Melting", [3]string{" is in a state that does not allow this operation.", " is in a state that does not allow this operation.", " is in a state that does not allow this operation."}},
	}
	k := newKit(t)
	for _, row := range table {
		t.Run(string(row.state), func(t *testing.T) {
			key := k.createKey()
			id := key.KeyId
			blob := k.encrypt(*id, "p", nil)
			spec := new(kmsapi.DataKeySpecAes256)
			check := func(op string, err error, text string) {
				t.Helper()
				switch {
				case text == "" && err != nil:
					t.Errorf("%s: %v", op, err)
				case text == " is disabled.":
					wantError(t, err, kmsapi.DisabledException, *key.Arn+text)
				case text != "":
					wantError(t, err, invalid, *key.Arn+text)
				}
			}
			set := func() { k.change(*id, func(key *kmsdb.Key) { key.State = row.state }) }
			set()
			_, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: id})
			check("DescribeKey", err, "")
			_, err = k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{KeyId: id})
			check("ListAliases", err, "")
			_, err = k.Encrypt(t.Context(), root(), encryptRequest(*id, "p", nil))
			check("Encrypt", err, row.want[crypto])
			_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			check("Decrypt", err, row.want[crypto])
			_, err = k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: id, KeySpec: spec})
			check("GenerateDataKey", err, row.want[crypto])
			_, err = k.GenerateDataKeyWithoutPlaintext(t.Context(), root(), &kmsapi.GenerateDataKeyWithoutPlaintextRequest{KeyId: id, KeySpec: spec})
			check("GenerateDataKeyWithoutPlaintext", err, row.want[crypto])
			_, err = k.NewDataKey(t.Context(), root(), *id, nil)
			check("NewDataKey", err, row.want[crypto])
			check("CreateAlias", k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/" + string(row.state)), TargetKeyId: id}), row.want[alias])
			check("DisableKey", k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: id}), row.want[enabling])
			set()
			check("EnableKey", k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: id}), row.want[enabling])
		})
	}
}

// A key that is deleted between the decision and the change is not there.
func TestKeyThatIsGoneMeanwhile(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.encrypt(*key.KeyId, "p", nil) // so the service has it in memory
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DeleteUnlogged(store.KMSKeys, account+"/"+region+"/"+*key.KeyId)
	}))
	for name, err := range map[string]error{
		"EnableKey":   k.EnableKey(t.Context(), root(), &kmsapi.EnableKeyRequest{KeyId: key.KeyId}),
		"DisableKey":  k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: key.KeyId}),
		"CreateAlias": k.CreateAlias(t.Context(), root(), &kmsapi.CreateAliasRequest{AliasName: new("alias/app"), TargetKeyId: key.KeyId}),
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, err, kmsapi.NotFoundException, "Key '"+*key.Arn+"' does not exist")
		})
	}
}
