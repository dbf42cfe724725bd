package kms_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
)

const internalText = "An internal error occurred. The request can be retried."

// tamper writes a row as somebody does who has the database but not the keys,
// and restarts the server.
func (k *kit) tamper(table store.Table, key string, fn func(*store.Row)) {
	k.t.Helper()
	k.check(k.store.Update(k.t.Context(), func(tx *store.Tx) error {
		r, err := tx.Get(table, key)
		if err != nil {
			return err
		}
		fn(&r)
		return tx.PutUnlogged(table, r)
	}))
	k.reopen()
}

// edit changes one field of a JSON document.
func edit(t *testing.T, r *store.Row, field string, value any) {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(r.Doc, &doc); err != nil {
		t.Fatal(err)
	}
	if _, ok := doc[field]; !ok {
		t.Fatalf("the document has no %s", field)
	}
	doc[field] = value
	r.Doc, _ = json.Marshal(doc)
}

func TestTamperedKeyRows(t *testing.T) {
	for name, fn := range map[string]func(t *testing.T, r *store.Row){
		"policy":      func(t *testing.T, r *store.Row) { edit(t, r, "Policy", `{"Statement":[]}`) },
		"state":       func(t *testing.T, r *store.Row) { edit(t, r, "State", "Disabled") },
		"account":     func(t *testing.T, r *store.Row) { edit(t, r, "Account", other) },
		"revision":    func(t *testing.T, r *store.Row) { r.Rev++ },
		"no MAC":      func(t *testing.T, r *store.Row) { r.MAC = nil },
		"another key": func(t *testing.T, r *store.Row) { r.Key = account + "/" + region + "/" + absentID },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			id := *k.createKey().KeyId
			blob := k.encrypt(id, "p", nil)
			row := account + "/" + region + "/" + id
			k.tamper(store.KMSKeys, row, func(r *store.Row) {
				fn(t, r)
				if r.Key != row {
					id, row = absentID, r.Key
				}
			})
			_, err := k.Encrypt(t.Context(), root(), encryptRequest(id, "p", nil))
			wantError(t, err, kmsapi.KMSInternalException, internalText)
			if r := k.last("Encrypt"); r.ErrorCode != "KMSInternalException" || strings.Contains(r.raw, "kms_keys") {
				t.Errorf("record is %s, want an internal error that tells nothing", r.raw)
			}
			if log := k.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, row) {
				t.Errorf("log is %q, want the row %s named", log, row)
			}
			if name != "another key" {
				_, err = k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
				wantError(t, err, kmsapi.KMSInternalException, internalText)
			}
			_, err = k.ListKeys(t.Context(), root(), &kmsapi.ListKeysRequest{})
			wantError(t, err, kmsapi.KMSInternalException, internalText)
			err = k.DisableKey(t.Context(), root(), &kmsapi.DisableKeyRequest{KeyId: &id})
			wantError(t, err, kmsapi.KMSInternalException, internalText)
		})
	}
}

func TestTamperedAlias(t *testing.T) {
	for name, fn := range map[string]func(t *testing.T, r *store.Row, second string){
		"target":    func(t *testing.T, r *store.Row, second string) { edit(t, r, "TargetKeyID", second) },
		"reference": func(t *testing.T, r *store.Row, second string) { r.Ref = account + "/" + region + "/" + second },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.createAlias("alias/app", *k.createKey().KeyId)
			second := *k.createKey().KeyId
			k.tamper(store.KMSAliases, account+"/"+region+"/alias/app", func(r *store.Row) { fn(t, r, second) })
			_, err := k.Encrypt(t.Context(), root(), encryptRequest("alias/app", "p", nil))
			wantError(t, err, kmsapi.KMSInternalException, internalText)
			_, err = k.ListAliases(t.Context(), root(), &kmsapi.ListAliasesRequest{})
			wantError(t, err, kmsapi.KMSInternalException, internalText)
		})
	}
}

// A token opens for its own key only, and a missing one is not a missing key.
func TestTamperedTokens(t *testing.T) {
	k := newKit(t)
	a, b := k.createKey(), k.createKey()
	row := func(m *kmsapi.KeyMetadata) string {
		return account + "/" + region + "/" + *m.KeyId + "/" + *m.CurrentKeyMaterialId
	}
	r, err := k.store.Get(t.Context(), store.KMSKeyTokens, row(b))
	k.check(err)
	k.tamper(store.KMSKeyTokens, row(a), func(a *store.Row) { a.Doc = r.Doc })
	_, err = k.Encrypt(t.Context(), root(), encryptRequest(*a.KeyId, "p", nil))
	wantError(t, err, kmsapi.KMSInternalException, internalText)
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeyTokens, row(b)) }))
	_, err = k.Encrypt(t.Context(), root(), encryptRequest(*b.KeyId, "p", nil))
	wantError(t, err, kmsapi.KMSInternalException, internalText)
}

// Without its key material a key still shows, and can be disabled; and nobody
// learns of the loss who may not use the key.
func TestLostToken(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	blob := k.encrypt(*key.KeyId, "p", nil)
	k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DeleteUnlogged(store.KMSKeyTokens, account+"/"+region+"/"+*key.KeyId+"/"+*key.CurrentKeyMaterialId)
	}))
	k.reopen()
	_, err := k.Encrypt(t.Context(), bob(), encryptRequest(*key.KeyId, "p", nil))
	if !errors.Is(err, gate.AccessDenied) {
		t.Errorf("error is %v, want a denial", err)
	}
	for name, call := range map[string]func() error{
		"Encrypt": func() error {
			_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
			return err
		},
		"Encrypt with DryRun": func() error {
			r := encryptRequest(*key.KeyId, "p", nil)
			r.DryRun = new(true)
			_, err := k.Encrypt(t.Context(), root(), r)
			return err
		},
		"Decrypt": func() error {
			_, err := k.Decrypt(t.Context(), root(), &kmsapi.DecryptRequest{CiphertextBlob: blob})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: key.KeyId, KeySpec: new(kmsapi.DataKeySpecAes256)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, call(), kmsapi.KMSInternalException, internalText) })
	}
	d, err := k.DescribeKey(t.Context(), root(), &kmsapi.DescribeKeyRequest{KeyId: key.KeyId})
	k.check(err)
	if *d.KeyMetadata.CurrentKeyMaterialId != *key.CurrentKeyMaterialId {
		t.Errorf("key material is %s, want %s", *d.KeyMetadata.CurrentKeyMaterialId, *key.CurrentKeyMaterialId)
	}
	k.disable(*key.KeyId)
	_, err = k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.DisabledException, *key.Arn+" is disabled.")
}

// A version of the key material is opened when it is used: one that is lost
// takes nothing with it but what was encrypted under it.
func TestLostTokenOfAnotherVersion(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	lost := strings.Repeat("0a", 32)
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Materials = append(key.Materials, kmsdb.Material{ID: lost}) })
	if got := decrypted(t, k, k.encrypt(*key.KeyId, "p", nil), nil); got != "p" {
		t.Errorf("the blob opens to %q", got)
	}
}

// A policy that some later version stored and this one cannot read allows
// nothing; the log has what is wrong with it.
func TestPolicyThatCannotBeEvaluated(t *testing.T) {
	k := newKit(t)
	key := k.createKey()
	k.change(*key.KeyId, func(key *kmsdb.Key) { key.Policy = `{"Version":"2012-10-17","Statement":[]}` })
	_, err := k.Encrypt(t.Context(), root(), encryptRequest(*key.KeyId, "p", nil))
	wantError(t, err, kmsapi.KMSInternalException, "An internal error occurred. The request can be retried.")
	if want := *key.KeyId + ": its policy: line 1, column 37: "; !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want it to say %q", err, want)
	}
}

// Nothing that KMS was given or has made in secret is on the disk: database,
// write-ahead log, trail.
func TestBlindness(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	secrets := map[string][]byte{"plaintext": []byte("a plaintext that nobody may see on a disk")}
	k.encrypt(*id, string(secrets["plaintext"]), map[string]string{"tenant": "t1"})
	d, err := k.GenerateDataKey(t.Context(), root(), &kmsapi.GenerateDataKeyRequest{KeyId: id, KeySpec: new(kmsapi.DataKeySpecAes256)})
	k.check(err)
	secrets["data key"] = d.Plaintext.Expose()
	pair, err := k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: id, KeyPairSpec: new(kmsapi.DataKeyPairSpecEccNistEdwards25519)})
	k.check(err)
	secrets["private key"] = pair.PrivateKeyPlaintext.Expose()[16:] // the seed is the end of it (RFC 8410, 7)
	secrets["plaintext to RSA"] = []byte("another plaintext that nobody may see")
	k.encryptWith(*k.rsaKey().KeyId, oaepSHA256, string(secrets["plaintext to RSA"]))
	found := false // the search finds what is there
	k.check(filepath.WalkDir(k.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(b, []byte(*id))
		for name, secret := range secrets {
			for form, want := range forms(secret) {
				if bytes.Contains(b, want) {
					t.Errorf("%s holds the %s in %s", path, name, form)
				}
			}
		}
		return nil
	}))
	if !found {
		t.Error("the search does not even find the key id")
	}
}

// forms returns how bytes may look: as they are, in hexadecimal, in base64 at
// each alignment (the characters that depend on neighbours cut off).
func forms(b []byte) map[string][]byte {
	m := map[string][]byte{
		"clear": b, "hex": []byte(hex.EncodeToString(b)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(b))),
	}
	for i := range 3 {
		s := base64.StdEncoding.EncodeToString(append(make([]byte, i), b...))
		m["base64 at "+string('0'+rune(i))] = []byte(s[4 : len(s)-4])
	}
	return m
}
