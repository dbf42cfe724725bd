package sqlite

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func TestOpenReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	if _, err := OpenReadOnly(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a database that is not there, want fs.ErrNotExist", err)
	}
	w, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	put := func(s *store.Store, key string) error {
		return s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Put(store.Buckets, store.Row{Key: key, Doc: []byte("{}")})
			return err
		})
	}
	if err := put(w, "a"); err != nil {
		t.Fatal(err)
	}
	look := func(when string) {
		t.Helper()
		r, err := OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if _, err := r.Get(t.Context(), store.Buckets, "a"); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := r.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := put(r, "b"); err == nil {
			t.Errorf("%s: an update worked, want an error", when)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: closing: %v", when, err)
		}
	}
	look("while a server has it open")
	if err := put(w, "c"); err != nil {
		t.Errorf("the server's own update after someone looked: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	look("after it was closed")
	w, err = Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatalf("opening after someone looked: %v", err)
	}
	defer w.Close()
	if err := put(w, "d"); err != nil {
		t.Error(err)
	}
}
