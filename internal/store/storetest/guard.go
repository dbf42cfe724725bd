package storetest

import (
	"bytes"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func testGuard(t *testing.T, d *database) {
	d.Guard(store.KMSKeyTokens, func(tx *store.Tx, r *store.Row) error {
		if bytes.Equal(r.Doc, []byte("bad")) {
			return errMine
		}
		user, err := tx.Get(store.Users, "u") // it reads what the transaction has written
		if err != nil {
			return err
		}
		r.Doc, r.Ref = append(r.Doc, user.Doc...), "guarded"
		return nil
	})
	err := d.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Put(store.Users, store.Row{Key: "u", Doc: []byte("+")}); err != nil {
			return err
		}
		if _, err := tx.Put(store.KMSKeyTokens, store.Row{Key: "a", Doc: []byte("1")}); err != nil {
			return err
		}
		if err := tx.PutUnlogged(store.KMSKeyTokens, store.Row{Key: "b", Doc: []byte("2")}); err != nil {
			return err
		}
		// A refused row is an answer: the transaction goes on without it.
		_, err := tx.Put(store.KMSKeyTokens, store.Row{Key: "c", Doc: []byte("bad")})
		wantErr(t, err, errMine)
		wantErr(t, tx.PutUnlogged(store.KMSKeyTokens, store.Row{Key: "b", Doc: []byte("bad")}), errMine)
		return tx.PutUnlogged(store.InternalKeys, store.Row{Key: "i", Doc: []byte("bad")}) // another table
	})
	wantErr(t, err, nil)
	rows, err := d.List(t.Context(), store.KMSKeyTokens, store.Query{Limit: 10, Ref: "guarded"})
	wantErr(t, err, nil)
	wantKeys(t, rows, "a", "b")
	for i, want := range []string{"1+", "2+"} {
		if got := string(rows[i].Doc); got != want {
			t.Errorf("got document %q, want %q", got, want)
		}
	}
	d.want(store.InternalKeys, "i")
}
