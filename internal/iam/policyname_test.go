package iam

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/store"
)

// TestPolicyNameOfChangedRow: who writes to the database cannot make the name of
// a policy, in a bootstrap file, mean another policy. What would be attached then
// would be sealed by the server itself.
func TestPolicyNameOfChangedRow(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.world(s)
	row, err := k.cfg.Store.Get(t.Context(), store.Policies, account+"/reader")
	k.must(err)
	row.Doc = bytes.ReplaceAll(row.Doc, []byte(`"Account":"`+account+`","Name":"reader"`), []byte(`"Account":"aws","Name":"AdministratorAccess"`))
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(store.Policies, row) }))
	k.in(func(tx *store.Tx) error {
		if got := s.PolicyARN(tx, account, "reader"); got != "reader" {
			t.Errorf("the name reader means %s", got)
		}
		return nil
	})
	err = k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		return s.PutUserIn(tx, User{Account: account, Name: "alice", PolicyARNs: []string{s.PolicyARN(tx, account, "reader")}})
	})
	if err == nil {
		t.Errorf("alice got a policy by a row that was changed; is it %s?", identity.AdministratorAccess)
	}
}
