package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// What was deleted is in the log until that is emptied, and in no file after.
// (Only as many rows of a page are deleted as let it stay: see docs/formats/store.md
// for what merging pages leaves behind.)
func TestTruncateLogForgets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	doc := func(i int) []byte { return fmt.Appendf(nil, "what row %04d holds, and nobody else", i) }
	const n = 1000
	update := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *store.Tx) error {
		for i := range n {
			if _, err := tx.Put(store.KMSKeyTokens, store.Row{Key: fmt.Sprintf("%04d", i), Doc: doc(i)}); err != nil {
				return err
			}
		}
		return nil
	})
	gone := func(i int) bool { return i%7 == 0 }
	for i := range n {
		if gone(i) {
			update(func(tx *store.Tx) error { return tx.Delete(store.KMSKeyTokens, fmt.Sprintf("%04d", i), 1) })
		}
	}
	found := func(i int) (files int) {
		for _, file := range []string{path, path + logSuffix} {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(b, doc(i)) {
				files++
			}
		}
		return files
	}
	if found(7*(n/7)) == 0 {
		t.Error("the search does not find what the log must have")
	}
	if err := s.TruncateLog(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + logSuffix); err != nil || info.Size() != 0 {
		t.Errorf("the log is %v, %v; want it empty", info, err)
	}
	for i := range n {
		if got, want := found(i) > 0, !gone(i); got != want {
			t.Fatalf("row %d is found: %t, want %t", i, got, want)
		}
	}
}

// A reader that stays is not waited for, and loses nothing.
func TestTruncateLogWhileReading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(key string) {
		t.Helper()
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Put(store.Meta, store.Row{Key: key})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	readers, err := openReaders(path, "ro", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer readers.Close()
	tx, err := readers.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT COUNT(*) FROM meta").Scan(&n); err != nil {
		t.Fatal(err)
	}
	put("while it reads")
	if err := s.TruncateLog(t.Context()); !errors.Is(err, store.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	put("after")
	var again int
	if err := tx.QueryRow("SELECT COUNT(*) FROM meta").Scan(&again); err != nil || again != n {
		t.Errorf("the reader sees %d rows, %v; want %d as before", again, err, n)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.TruncateLog(t.Context()); err != nil {
		t.Error(err)
	}
}
