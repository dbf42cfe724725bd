package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// closedDatabase returns the bytes of a sound database of a few dozen rows.
func closedDatabase(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openTest(t, Config{Path: path})
	for i := range 15 {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			tx.SetRecord(bytes.Repeat([]byte("r"), 900))
			for j := range 10 {
				_, err := tx.Put(store.KMSKeys, store.Row{Key: fmt.Sprintf("key-%d-%d", i, j), Doc: document, Ref: fmt.Sprint(j)})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatalf("before the damage: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openAndCheck opens a database of these bytes and reads it all. The error is
// that of either.
func openAndCheck(t *testing.T, data []byte) (path string, err error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		return path, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return path, s.Check(t.Context())
}

func TestDamagedFile(t *testing.T) {
	sound := closedDatabase(t)
	const page = 4096
	for _, tt := range []struct {
		name   string
		damage func(b []byte) []byte
	}{
		{"cut to nothing", func(b []byte) []byte { return nil }},
		{"cut within the header", func(b []byte) []byte { return b[:50] }},
		{"cut after the header", func(b []byte) []byte { return b[:100] }},
		{"cut to one page", func(b []byte) []byte { return b[:page] }},
		{"cut in half", func(b []byte) []byte { return b[:len(b)/2] }},
		{"last page missing", func(b []byte) []byte { return b[:len(b)-page] }},
		{"last byte missing", func(b []byte) []byte { return b[:len(b)-1] }},
		{"header overwritten", func(b []byte) []byte { copy(b, bytes.Repeat([]byte{0xA5}, 100)); return b }},
		{"header zeroed", func(b []byte) []byte { clear(b[:100]); return b }},
		{"first page zeroed", func(b []byte) []byte { clear(b[:page]); return b }},
		{"a text file", func([]byte) []byte { return bytes.Repeat([]byte("not a database\n"), 1000) }},
		{"all but the header zeroed", func(b []byte) []byte { clear(b[100:]); return b }},
		{"all pages but the first zeroed", func(b []byte) []byte { clear(b[page:]); return b }},
		{"two pages swapped", func(b []byte) []byte {
			last, before := b[len(b)-page:], b[len(b)-2*page:len(b)-page]
			old := bytes.Clone(last)
			copy(last, before)
			copy(before, old)
			return b
		}},
		{"one bit of a document", func(b []byte) []byte {
			// A run of zeros as long as this is inside a document.
			at := bytes.LastIndex(b, make([]byte, 700))
			b[at+350] ^= 1
			return b
		}},
		{"one bit of a record", func(b []byte) []byte {
			b[bytes.LastIndex(b, bytes.Repeat([]byte("r"), 700))+350] ^= 1
			return b
		}},
		{"one letter of a key", func(b []byte) []byte {
			b[bytes.LastIndex(b, []byte("key-7-7"))] ^= 1
			return b
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, err := openAndCheck(t, tt.damage(bytes.Clone(sound)))
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("got %v, want %v", err, store.ErrDamaged)
			}
			if !strings.Contains(err.Error(), path) {
				t.Errorf("got %q, want %s named", err, path)
			}
		})
	}
}

// TestFlippedPages inverts 64 bytes somewhere in each page in turn. Whatever
// is read then is as it was written, or ErrDamaged.
func TestFlippedPages(t *testing.T) {
	sound := closedDatabase(t)
	const page = 4096
	rng := rand.New(rand.NewPCG(1, 2))
	found := 0
	for at := 0; at < len(sound); at += page {
		b := bytes.Clone(sound)
		from := at + rng.IntN(page-64)
		for i := range 64 {
			b[from+i] ^= 0xFF
		}
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := readAll(t.Context(), path)
		switch {
		case errors.Is(err, store.ErrDamaged) && strings.Contains(err.Error(), path):
			found++
		case err != nil: // nil: the bytes were free space of the page
			t.Errorf("offset %d: got %v, want %v or all rows", from, err, store.ErrDamaged)
		}
	}
	if pages := len(sound) / page; found < pages/3 {
		t.Errorf("got %d of %d pages found damaged, want a third at least", found, pages)
	}
}

// readAll reads what closedDatabase wrote, by listing and one by one.
func readAll(ctx context.Context, path string) (err error) {
	s, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Check(ctx); err != nil {
		return err
	}
	rows, err := s.List(ctx, store.KMSKeys, store.Query{Limit: 1000})
	if err != nil {
		return err
	}
	if len(rows) != 150 {
		return fmt.Errorf("%d rows of 150 and no error", len(rows))
	}
	for _, r := range rows {
		got, err := s.Get(ctx, store.KMSKeys, r.Key)
		if err != nil {
			return err
		}
		if !bytes.Equal(got.Doc, document) || !bytes.Equal(r.Doc, document) || r.Rev != 1 {
			return fmt.Errorf("%s has changed and no error", r.Key)
		}
	}
	changes, err := s.Changes(ctx, 0, 1000)
	if err != nil {
		return err
	}
	if len(changes) != 150 {
		return fmt.Errorf("%d changes of 150 and no error", len(changes))
	}
	return nil
}

// TestDatabaseGone: the log of a database is there, the database is not.
func TestDatabaseGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path+"-wal", []byte("log"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Path: path})
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want %v with the path", err, store.ErrDamaged)
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Errorf("the log: %v", err)
	}
}

func TestDirectoryForADatabase(t *testing.T) {
	if _, err := Open(t.Context(), Config{Path: t.TempDir()}); err == nil {
		t.Error("got a store of a directory")
	}
}

// TestRottedColumns: whatever has become of one row's columns, even of their
// types, a list that keeps damaged rows has all others.
func TestRottedColumns(t *testing.T) {
	for _, tt := range []struct{ name, set string }{
		{"document", `doc = X'00'`},
		{"document that is a number", `doc = 5`},
		{"document that is gone", `doc = NULL`},
		{"MAC", `mac = X'00'`},
		{"revision", `rev = 2`},
		{"revision that is text", `rev = 'two'`},
		{"revision that is bytes", `rev = X'0102'`},
		{"revision that is negative", `rev = -1`},
		{"checksum", `sum = 0`},
		{"checksum that is text", `sum = 'x'`},
		{"checksum that is a fraction", `sum = 1.5`},
		{"reference", `ref = 'other'`},
		{"reference that is bytes", `ref = X'FF00'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openTest(t, Config{Path: path})
			err := s.Update(t.Context(), func(tx *store.Tx) error {
				for _, key := range []string{"a", "b", "c"} {
					if _, err := tx.Put(store.Objects, store.Row{Key: key, Doc: document, Ref: "r"}); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := execRaw(t, path, `UPDATE objects SET `+tt.set+` WHERE key = 'b'`); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(t.Context(), store.Objects, "b"); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("got %v from Get, want %v", err, store.ErrDamaged)
			}
			rows, err := s.List(t.Context(), store.Objects, store.Query{Limit: 10, KeepDamaged: true})
			if err != nil || len(rows) != 3 || rows[1].Key != "b" || !errors.Is(rows[1].Damaged, store.ErrDamaged) || rows[0].Damaged != nil || rows[2].Damaged != nil {
				t.Errorf("got %d rows, %v, want three and b marked", len(rows), err)
			}
			err = s.Update(t.Context(), func(tx *store.Tx) error {
				if err := tx.DeleteUnlogged(store.Objects, "b"); err != nil {
					return err
				}
				_, err := tx.Put(store.Objects, store.Row{Key: "b"})
				return err
			})
			if err != nil {
				t.Errorf("putting another row in its place: %v", err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
