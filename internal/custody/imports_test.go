package custody

import (
	"bytes"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// A directory of a release without import tokens gets the key that seals them at
// its next start, and keeps it; rotation of the domain key wraps it anew, and a
// token that was issued before still opens.
func TestImportKey(t *testing.T) {
	k := newKit(t)
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		row, err := tx.Get(store.InternalKeys, InternalKeyRow(importBinding))
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
		doc.Doc = bytes.Replace(doc.Doc, []byte(`,"Imports":true`), nil, 1)
		return tx.PutUnlogged(store.Meta, doc)
	}))
	if c, err := Look(t.Context(), k.cfg); err != nil || c.Imports != nil || c.Sessions == nil {
		t.Errorf("got %v, %v from a look at the old directory, want no key of import tokens", c.Imports, err)
	}
	k.open()
	b := testBinding(region, "of-a-kms-key")
	token, _, err := k.c.Imports.Issue(b, hsm.RSA2048, hsm.WrapOAEPSHA256, time.Unix(1, 0))
	k.must(err)
	k.must(k.c.RequestAll(t.Context()))
	k.must(k.c.Work(t.Context()))
	if _, version, ok := hsm.ParseToken(k.row(store.InternalKeys, InternalKeyRow(importBinding)).Doc); !ok || version != 2 {
		t.Errorf("the key of import tokens is under version %d, want 2", version)
	}
	for range 2 {
		k.open()
		if _, err := k.c.Imports.Open(b, token); err != nil {
			t.Errorf("after another start: %v", err)
		}
	}
	c, err := Look(t.Context(), k.cfg)
	k.must(err)
	if _, err := c.Imports.Open(b, token); err != nil {
		t.Errorf("a look: %v", err)
	}
}
