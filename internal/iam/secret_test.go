package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// secret returns the row of an access key's only secret.
func (k *kit) secret(id string) store.Row {
	k.Helper()
	rows, err := k.cfg.Store.List(k.Context(), store.AccessKeyTokens, store.Query{Prefix: id + "/", Limit: 10})
	k.must(err)
	if len(rows) != 1 {
		k.Fatalf("got %d secrets of %s, want 1", len(rows), id)
	}
	return rows[0]
}

func (k *kit) put(t store.Table, r store.Row) {
	k.Helper()
	k.must(k.cfg.Store.Update(k.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(t, r) }))
}

// TestSecretStandsApart: no secret is in the document, and one that was
// replaced is gone.
func TestSecretStandsApart(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "first-secret")
	first := k.secret(keyID)
	doc, err := k.cfg.Store.Get(t.Context(), store.AccessKeys, keyID)
	k.must(err)
	if bytes.Contains(doc.Doc, []byte(`"Secret":`)) {
		t.Errorf("got a document with a secret: %s", doc.Doc)
	}
	k.alice(s, "second-secret")
	second := k.secret(keyID)
	if second.Key == first.Key || bytes.Equal(second.Doc, first.Doc) {
		t.Errorf("got row %s for both secrets", first.Key)
	}

	// The old one put back under the new one's name does not open: it is bound
	// to its own.
	second.Doc = first.Doc
	k.put(store.AccessKeyTokens, second)
	if _, err := New(t.Context(), k.cfg); !errors.Is(err, hsm.ErrTampered) || !strings.Contains(err.Error(), second.Key) {
		t.Errorf("got %v, want %v with the row", err, hsm.ErrTampered)
	}
}

func TestMissingSecret(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	row := k.secret(keyID)
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.AccessKeyTokens, row.Key) }))
	for name, err := range map[string]error{
		"loading": func() error { _, err := New(t.Context(), k.cfg); return err }(),
		"putting": s.PutAccessKey(t.Context(), AccessKey{Account: account, UserName: "alice", ID: keyID, Secret: secret.New([]byte("another-secret"))}),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), row.Key) {
			t.Errorf("%s: got %v, want an error that names the row", name, err)
		}
	}
}

// schema1 puts a secret back into its document, as releases with schema 1 had
// it.
func (k *kit) schema1(id, sec string) {
	k.Helper()
	row, err := k.cfg.Store.Get(k.Context(), store.AccessKeys, id)
	k.must(err)
	var doc map[string]any
	k.must(json.Unmarshal(row.Doc, &doc))
	token, err := k.cfg.Module.ImportKey(hsm.Binding{Purpose: hsm.PurposeAccessKey, Domain: Domain, KeyID: id}, secret.New([]byte(sec)))
	k.must(err)
	delete(doc, "SecretID")
	doc["Secret"] = token
	row.Doc, err = json.Marshal(doc)
	k.must(err)
	store.Seal(k.cfg.RowMAC, store.AccessKeys, &row)
	old := k.secret(id)
	k.must(k.cfg.Store.Update(k.Context(), func(tx *store.Tx) error {
		if err := tx.DeleteUnlogged(store.AccessKeyTokens, old.Key); err != nil {
			return err
		}
		_, err := tx.Put(store.AccessKeys, row)
		return err
	}))
}

// TestMigration: secrets in documents are moved at the next start, once, and
// stay what they were; that is recorded.
func TestMigration(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret", identity.AdministratorAccess)
	const root, bob = "AKIAROOTEXAMPLE00001", "AKIABOBEXAMPLE000001"
	k.must(s.PutAccessKey(t.Context(), AccessKey{Account: account, ID: root, Secret: secret.New([]byte("roots-secret"))}))
	k.must(s.PutAccessKey(t.Context(), AccessKey{Account: account, UserName: "alice", ID: bob, Secret: secret.New([]byte("secret-of-today"))}))
	want := map[string][32]byte{keyID: signature(k, s, keyID), root: signature(k, s, root), bob: signature(k, s, bob)}
	k.schema1(keyID, "alices-secret")
	k.schema1(root, "roots-secret")
	before := k.changes()
	opens := func(when string) {
		t.Helper()
		s = k.service()
		for id, want := range want {
			if got := signature(k, s, id); got != want {
				t.Errorf("%s: %s has another secret", when, id)
			}
		}
	}
	opens("looked at")
	if got := k.changes(); got != before {
		t.Errorf("got %d changes by looking", got-before)
	}
	for range 2 {
		k.must(s.Migrate(t.Context()))
		opens("migrated")
	}
	changes, err := k.cfg.Store.Changes(t.Context(), before, 100)
	k.must(err)
	if len(changes) != 4 { // two documents, two tokens
		t.Errorf("got %d changes, want 4", len(changes))
	}
	if record := string(changes[0].Record); !strings.Contains(record, keyID) || !strings.Contains(record, root) || strings.Contains(record, bob) || strings.Contains(record, "-secret") {
		t.Errorf("got record %s, want one that names what was moved", record)
	}
	for _, id := range []string{keyID, root} {
		row, err := k.cfg.Store.Get(t.Context(), store.AccessKeys, id)
		k.must(err)
		if bytes.Contains(row.Doc, []byte(`"Secret":`)) {
			t.Errorf("got a document with a secret: %s", row.Doc)
		}
		k.secret(id)
	}

	// The old secret is replaced as any other is.
	k.alice(s, "a-new-secret")
	if signature(k, k.service(), keyID) == want[keyID] {
		t.Error("the secret was not replaced")
	}
}

// TestMigrationStopsAtTampering: nothing is moved that does not open, and
// nothing of its transaction is kept.
func TestMigrationStopsAtTampering(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	k.must(s.PutAccessKey(t.Context(), AccessKey{Account: account, ID: "AKIAROOTEXAMPLE00001", Secret: secret.New([]byte("roots-secret"))}))
	k.schema1(keyID, "alices-secret")
	k.schema1("AKIAROOTEXAMPLE00001", "roots-secret")
	row, err := k.cfg.Store.Get(t.Context(), store.AccessKeys, "AKIAROOTEXAMPLE00001")
	k.must(err)
	good := row
	good.Doc = bytes.Clone(row.Doc)
	row.Doc[12] ^= 1
	k.put(store.AccessKeys, row)
	before := k.changes()
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "AKIAROOTEXAMPLE00001") {
		t.Errorf("got %v, want an error that names the row", err)
	}
	if got := k.changes(); got != before {
		t.Errorf("got %d changes, want none", got-before)
	}
	k.put(store.AccessKeys, good)
	k.must(s.Migrate(t.Context()))
	k.service()
}
