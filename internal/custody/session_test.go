package custody

import (
	"bytes"
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

const sessionID = "ASIAEXAMPLEEXAMPLE01"

// TestSessionKeyOfOldDirectory: a directory of a release without sessions gets
// the key at its next start, and keeps it from then on.
func TestSessionKeyOfOldDirectory(t *testing.T) {
	k := newKit(t)
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		row, err := tx.Get(store.InternalKeys, InternalKeyRow(sessionBinding))
		if err != nil {
			return err
		}
		if err := tx.Delete(store.InternalKeys, row.Key, row.Rev); err != nil {
			return err
		}
		doc, err := tx.Get(store.Meta, custodyKey)
		if err != nil {
			return err
		}
		doc.Doc = bytes.Replace(doc.Doc, []byte(`,"Sessions":true`), nil, 1)
		return tx.PutUnlogged(store.Meta, doc)
	}))
	if c, err := Look(t.Context(), k.cfg); err != nil || c.Sessions != nil {
		t.Errorf("got %v, %v from a look at the old directory, want no session key", c.Sessions, err)
	}
	k.open()
	token, _ := k.c.Sessions.Issue(sessionID, []byte("claims"))
	first := k.row(store.InternalKeys, InternalKeyRow(sessionBinding))
	k.open()
	if _, _, err := k.c.Sessions.Open(sessionID, token); err != nil {
		t.Errorf("after another start: %v", err)
	}
	if again := k.row(store.InternalKeys, InternalKeyRow(sessionBinding)); !bytes.Equal(again.Doc, first.Doc) {
		t.Error("the second start made another key")
	}
	c, err := Look(t.Context(), k.cfg)
	k.must(err)
	if _, _, err := c.Sessions.Open(sessionID, token); err != nil {
		t.Errorf("a look: %v", err)
	}
}

// TestSessionKeySurvivesRotation: rotation of the domain key wraps the session
// key anew, and tokens that were issued before still open.
func TestSessionKeySurvivesRotation(t *testing.T) {
	k := newKit(t)
	token, _ := k.c.Sessions.Issue(sessionID, []byte("claims"))
	k.must(k.c.RequestAll(t.Context()))
	k.must(k.c.Work(t.Context()))
	_, version, ok := hsm.ParseToken(k.row(store.InternalKeys, InternalKeyRow(sessionBinding)).Doc)
	if !ok || version != 2 {
		t.Errorf("the session key is under version %d, want 2", version)
	}
	k.open()
	if _, _, err := k.c.Sessions.Open(sessionID, token); err != nil {
		t.Error(err)
	}
}

// TestLostSessionKey: a directory that has had the key and lost it says so.
func TestLostSessionKey(t *testing.T) {
	k := newKit(t)
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		row, err := tx.Get(store.InternalKeys, InternalKeyRow(sessionBinding))
		if err != nil {
			return err
		}
		return tx.Delete(store.InternalKeys, row.Key, row.Rev)
	}))
	_, err := Open(t.Context(), k.cfg)
	if err == nil || errors.Is(err, store.ErrNotFound) || !bytes.Contains([]byte(err.Error()), []byte("internal_keys/global/sessions")) {
		t.Errorf("got %v, want an error that names the row", err)
	}
}
