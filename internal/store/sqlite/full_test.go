package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
)

// updateBig puts three rows of 20 KiB, so that most failures come in the middle.
func updateBig(t *testing.T, s *store.Store, name string) error {
	return s.Update(t.Context(), func(tx *store.Tx) error {
		tx.SetRecord([]byte(name))
		for i := range 3 {
			_, err := tx.Put(store.KMSKeys, store.Row{Key: fmt.Sprintf("%s/%d", name, i), Doc: bytes.Repeat([]byte("x"), 20<<10)})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// fillUp updates from many goroutines until each has met a full disk. It
// returns what was acknowledged.
func fillUp(t *testing.T, s *store.Store, path string) (names []string) {
	t.Helper()
	var mu sync.Mutex // guards names
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d", w, i)
				err := updateBig(t, s, name)
				if err != nil {
					if !errors.Is(err, store.ErrDiskFull) || !strings.Contains(err.Error(), path) {
						t.Errorf("got %v, want %v with the path", err, store.ErrDiskFull)
					}
					return
				}
				mu.Lock()
				names = append(names, name)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return names
}

// wantExactly fails unless the store holds the acknowledged updates, whole, and
// nothing else.
func wantExactly(t *testing.T, s *store.Store, names []string) {
	t.Helper()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	rows, err := s.List(t.Context(), store.KMSKeys, store.Query{Limit: 10_000})
	if err != nil || len(rows) != 3*len(names) {
		t.Errorf("got %d rows, %v, want %d", len(rows), err, 3*len(names))
	}
	for _, name := range names {
		if _, err := s.Get(t.Context(), store.KMSKeys, name+"/2"); err != nil {
			t.Error(err)
		}
	}
	if seq, err := s.LastSeq(t.Context()); err != nil || seq != int64(3*len(names)) {
		t.Errorf("got %d changes, %v, want %d", seq, err, 3*len(names))
	}
}

// TestDatabaseFull has SQLite refuse to grow, which is SQLITE_FULL as a full
// disk is.
func TestDatabaseFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openTest(t, Config{Path: path, pragmas: []string{"max_page_count(400)"}})
	names := fillUp(t, s, path)
	if len(names) == 0 {
		t.Fatal("got no update before the database was full")
	}
	wantExactly(t, s, names)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Config{Path: path})
	wantExactly(t, s, names)
	if err := updateBig(t, s, "room again"); err != nil {
		t.Fatal(err)
	}
	wantExactly(t, s, append(names, "room again"))
}

// TestIgnoredFailure: a function that goes on after the database has refused a
// statement stores nothing, although SQLite may have ended the transaction.
func TestIgnoredFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openTest(t, Config{Path: path, pragmas: []string{"max_page_count(100)"}})
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 1000 {
			_, _ = tx.Put(store.KMSKeys, store.Row{Key: fmt.Sprint(i), Doc: document})
		}
		_, _ = tx.Put(store.KMSKeys, store.Row{Key: "small"})
		return nil
	})
	if !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("got %v, want %v", err, store.ErrDiskFull)
	}
	wantExactly(t, s, nil)
}

// TestDiskFull fills a real file system of 2 MiB and then makes room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	path := filepath.Join(dir, "store.db")
	ballast := filepath.Join(dir, "ballast")
	if err := durable.WriteFile(ballast, make([]byte, 512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, Config{Path: path})
	names := fillUp(t, s, path)
	if len(names) == 0 {
		t.Fatal("got no update before the disk was full")
	}
	wantExactly(t, s, names)
	// What shared a commit failed together: there may be room for one more.
	var err error
	for i := 0; err == nil; i++ {
		name := fmt.Sprintf("last-%d", i)
		if err = updateBig(t, s, name); err == nil {
			names = append(names, name)
		}
	}
	if !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("got %v, want %v", err, store.ErrDiskFull)
	}
	wantExactly(t, s, names)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := updateBig(t, s, "room again"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	names = append(names, "room again")
	wantExactly(t, s, names)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Config{Path: path})
	wantExactly(t, s, names)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOpenOnFullDisk: neither a new database nor one that is there can be
// opened, and both say why.
func TestOpenOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	there := filepath.Join(dir, "there.db")
	openTest(t, Config{Path: there}).Close()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !durable.IsDiskFull(err) {
		t.Fatalf("filling the disk: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{there, filepath.Join(dir, "new.db")} {
		s, err := Open(t.Context(), Config{Path: path})
		if err == nil {
			err = errors.Join(updateBig(t, s, "x"), s.Close())
		}
		if !errors.Is(err, store.ErrDiskFull) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want %v with the path", err, store.ErrDiskFull)
		}
	}
}
