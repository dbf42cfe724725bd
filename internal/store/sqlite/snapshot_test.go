package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// A snapshot is one moment: of two rows that every update changes together it
// never has one of each.
func TestSnapshotWhileWriting(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := openTest(t, Config{Path: path})
	put := func(n int) error {
		return s.Update(t.Context(), func(tx *store.Tx) error {
			for _, key := range []string{"left", "right"} {
				r, err := tx.Get(store.Meta, key)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return err
				}
				r.Key, r.Doc = key, fmt.Append(nil, n)
				if _, err := tx.Put(store.Meta, r); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := put(0); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; !done.Load(); n++ {
			if err := put(n); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 5 {
		to := filepath.Join(dir, fmt.Sprintf("copy-%d.db", i))
		before, err := s.LastSeq(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := Snapshot(t.Context(), path, to); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(to)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != 0o600 {
			t.Errorf("got mode %v, want 0600", got)
		}
		c, err := OpenReadOnly(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		left, err := c.Get(t.Context(), store.Meta, "left")
		if err != nil {
			t.Fatal(err)
		}
		right, err := c.Get(t.Context(), store.Meta, "right")
		if err != nil {
			t.Fatal(err)
		}
		if string(left.Doc) != string(right.Doc) {
			t.Errorf("got %s and %s in one snapshot", left.Doc, right.Doc)
		}
		seq, err := c.LastSeq(t.Context())
		if err != nil || seq < before || seq%2 != 0 {
			t.Errorf("got the feed at %d (%v), want an even number from %d on", seq, err, before)
		}
		if err := errors.Join(c.Check(t.Context()), c.Close()); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	wg.Wait()
	// The next start of a server takes a snapshot for its own.
	again := openTest(t, Config{Path: filepath.Join(dir, "copy-0.db")})
	if v, err := again.SchemaVersion(t.Context()); err != nil || v != store.CurrentSchema() {
		t.Errorf("got schema %d, %v, want %d", v, err, store.CurrentSchema())
	}
}

func TestSnapshotRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := openTest(t, Config{Path: path})
	fill(t, s, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "copy.db")
	if err := Snapshot(t.Context(), filepath.Join(dir, "absent"), to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no source: got %v, want %v", err, fs.ErrNotExist)
	}
	if err := Snapshot(t.Context(), path, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("onto itself: got %v, want %v", err, fs.ErrExist)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(b); i++ {
		b[i] ^= 0xff
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Snapshot(t.Context(), path, to); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("damaged source: got %v, want %v", err, store.ErrDamaged)
	}
}
