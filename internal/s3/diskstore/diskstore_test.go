package diskstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
	"github.com/strongroom/strongroom/internal/s3"
)

func open(t *testing.T) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "objects")
	s, err := Open(dir)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s, dir
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, s *Store, data string) string {
	t.Helper()
	w, err := s.Create(t.Context())
	check(t, err)
	_, err = io.WriteString(w, data)
	check(t, err)
	id, err := w.Commit()
	check(t, err)
	return id
}

func read(t *testing.T, s *Store, id string) string {
	t.Helper()
	b, err := s.Open(t.Context(), id)
	check(t, err)
	data, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	check(t, errors.Join(err, b.Close()))
	return string(data)
}

func files(t *testing.T, dir string) (list []string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			list = append(list, path)
		}
		return err
	}))
	return list
}

func TestLife(t *testing.T) {
	s, dir := open(t)
	id := create(t, s, "hello")
	if got := read(t, s, id); got != "hello" {
		t.Errorf("got %q from staging, want hello", got)
	}
	for range 2 { // idempotent
		check(t, s.Publish(t.Context(), id))
		if got := read(t, s, id); got != "hello" {
			t.Errorf("got %q, want hello", got)
		}
	}
	path := filepath.Join(dir, "objects", id[:2], id)
	if got := files(t, dir); len(got) != 1 || got[0] != path {
		t.Errorf("got files %q, want %q", got, path)
	}
	info, err := os.Stat(path)
	check(t, err)
	if got := info.Mode(); got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
	for range 2 {
		check(t, s.Remove(t.Context(), id))
	}
	if _, err := s.Open(t.Context(), id); !errors.Is(err, s3.ErrNoBlob) {
		t.Errorf("got %v, want ErrNoBlob", err)
	}
	if err := s.Publish(t.Context(), id); !errors.Is(err, s3.ErrNoBlob) {
		t.Errorf("got %v, want ErrNoBlob", err)
	}
}

func TestAbort(t *testing.T) {
	s, dir := open(t)
	w, err := s.Create(t.Context())
	check(t, err)
	_, err = w.Write([]byte("x"))
	check(t, err)
	w.Abort()
	w.Abort()
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("got files %q after Abort, want none", got)
	}
	if _, err := w.Commit(); err == nil {
		t.Error("Commit after Abort must fail")
	}
}

// Only ids of our own making reach the file system.
func TestForeignIDs(t *testing.T) {
	s, dir := open(t)
	check(t, os.WriteFile(filepath.Join(filepath.Dir(dir), "outside"), []byte("x"), 0o600))
	for _, id := range []string{"", "..", "../outside", "../../outside", "/etc/passwd", "0123456789abcdef0123456789abcde",
		"0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef/../../../../out", "0123456789abcdef0123456789abcde\x00"} {
		if _, err := s.Open(t.Context(), id); !errors.Is(err, s3.ErrNoBlob) {
			t.Errorf("got %v from Open(%q), want ErrNoBlob", err, id)
		}
		if err := s.Publish(t.Context(), id); !errors.Is(err, s3.ErrNoBlob) {
			t.Errorf("got %v from Publish(%q), want ErrNoBlob", err, id)
		}
		if err := s.Remove(t.Context(), id); err == nil {
			t.Errorf("Remove(%q) must fail", id)
		}
	}
}

func TestRecover(t *testing.T) {
	s, dir := open(t)
	live, dead, published := create(t, s, "live"), create(t, s, "dead"), create(t, s, "published")
	check(t, s.Publish(t.Context(), published))
	// A crash between the two names of a publish leaves both.
	both := create(t, s, "both")
	check(t, os.Link(filepath.Join(dir, stagingOf(both)), filepath.Join(dir, placeOf(both))))
	check(t, os.WriteFile(filepath.Join(dir, staging, "README"), []byte("not ours"), 0o600))
	// What a killed server was writing has no row either.
	w, err := s.Create(t.Context())
	check(t, err)
	defer w.Abort()

	again, err := Open(dir)
	check(t, err)
	defer func() { check(t, again.Close()) }()
	check(t, again.Recover(t.Context(), func(id string) (bool, error) { return id == live || id == both, nil }))
	for id, want := range map[string]string{live: "live", both: "both", published: "published"} {
		if got := read(t, again, id); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := again.Open(t.Context(), dead); !errors.Is(err, s3.ErrNoBlob) {
		t.Errorf("got %v for a blob without a row, want ErrNoBlob", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, staging))
	check(t, err)
	if len(left) != 1 || left[0].Name() != "README" {
		t.Errorf("got %v left in staging, want only README", left)
	}
	boom := errors.New("boom")
	create(t, again, "x")
	if err := again.Recover(t.Context(), func(string) (bool, error) { return false, boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want boom", err)
	}
}

// Readers never see a moment without the blob while it is published.
func TestOpenWhilePublishing(t *testing.T) {
	s, _ := open(t)
	for range 50 {
		id := create(t, s, "x")
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Publish(context.Background(), id); err != nil {
				t.Error(err)
			}
		})
		for range 20 {
			b, err := s.Open(t.Context(), id)
			if err != nil {
				t.Error(err)
				break
			}
			_ = b.Close()
		}
		wg.Wait()
	}
}

// syncs records which directories are synced, and fails where it is told to.
type syncs struct {
	names []string
	fail  string
}

var errSync = errors.New("sync failed")

// on returns the machine's file system under the eye of s.
func (s *syncs) on(dir string) durable.FS {
	return errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
		rel, err := filepath.Rel(dir, op.Path)
		name := filepath.Base(rel)
		if op.Kind != errorfs.Sync || err != nil || rel == "." || strings.HasPrefix(rel, "..") || validID(name) {
			return nil // not a directory of the store
		}
		if name == s.fail {
			return errSync
		}
		s.names = append(s.names, name)
		return nil
	})
}

func (s *syncs) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if !slices.Equal(s.names, want) {
		t.Errorf("%s: got syncs of %q, want %q", what, s.names, want)
	}
	s.names = nil
}

// A process may be killed, or a sync fail, when a directory was changed and not
// yet synced. Whoever finds the change must not take it for durable.
func TestUnsyncedChanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	again := func() (*Store, *syncs) {
		t.Helper()
		seen := new(syncs)
		s, err := OpenOn(seen.on(dir), dir)
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		return s, seen
	}
	s, seen := again()
	seen.want(t, "first Open", objects, staging)
	id := create(t, s, "x")
	seen.want(t, "Commit", staging)
	check(t, s.Publish(t.Context(), id))
	seen.want(t, "Publish", id[:2])
	seen.fail = id[:2]
	if err := s.Remove(t.Context(), id); !errors.Is(err, errSync) {
		t.Errorf("got %v, want %v", err, errSync)
	}
	if err := s.Remove(t.Context(), id); !errors.Is(err, errSync) { // the file is gone, and it may come back
		t.Errorf("again: got %v, want %v", err, errSync)
	}
	seen.fail = ""
	check(t, s.Remove(t.Context(), id))
	seen.want(t, "Remove of what is gone", id[:2])
	check(t, s.Remove(t.Context(), id))
	seen.want(t, "Remove of what is gone for good")

	// The next process does not know what the one before has synced.
	s, seen = again()
	seen.want(t, "second Open", objects, staging)
	check(t, s.Remove(t.Context(), id))
	seen.want(t, "first Remove", id[:2])
	check(t, s.Remove(t.Context(), id))
	seen.want(t, "second Remove")

	// Killed between the link and its sync: the name in staging is still there.
	id = create(t, s, "x")
	seen.fail = id[:2]
	if err := s.Publish(t.Context(), id); !errors.Is(err, errSync) {
		t.Errorf("got %v, want %v", err, errSync)
	}
	s, seen = again()
	seen.names = nil
	check(t, s.Publish(t.Context(), id))
	seen.want(t, "Publish again", id[:2])

	for _, name := range []string{objects, staging} {
		if _, err := OpenOn((&syncs{fail: name}).on(dir), dir); !errors.Is(err, errSync) {
			t.Errorf("Open: got %v when %s cannot be synced, want %v", err, name, errSync)
		}
	}
}

// A disk without room is named, and nothing is left.
func TestNoSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for _, kind := range []errorfs.Kind{errorfs.Create, errorfs.Write, errorfs.Sync, errorfs.Link} {
		full := false
		s, err := OpenOn(errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
			if full && op.Kind == kind {
				return syscall.ENOSPC
			}
			return nil
		}), dir)
		check(t, err)
		err = func() error {
			full = true
			w, err := s.Create(t.Context())
			if err != nil {
				return err
			}
			defer w.Abort()
			if _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
				return err
			}
			id, err := w.Commit()
			if err != nil {
				return err
			}
			err = s.Publish(t.Context(), id)
			full = false
			check(t, s.Remove(t.Context(), id))
			return err
		}()
		if !errors.Is(err, s3.ErrNoSpace) {
			t.Errorf("%s: got %v, want ErrNoSpace", kind, err)
		}
		if got := files(t, dir); len(got) != 0 {
			t.Errorf("%s: got files %q, want none", kind, got)
		}
		check(t, s.Close())
	}
}
