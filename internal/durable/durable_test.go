package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, tt := range []struct {
		name string
		data string
		perm fs.FileMode
	}{
		{"new", "one", 0o600},
		{"replaced by a longer one", strings.Repeat("two", 10_000), 0o600},
		{"replaced by nothing", "", 0o400},
		{"permissions beyond the umask", "three", 0o666},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := WriteFile(path, []byte(tt.data), tt.perm); err != nil {
				t.Fatal(err)
			}
			want(t, path, tt.data, tt.perm)
			wantOnly(t, filepath.Dir(path), "file")
		})
	}
}

func TestWriteFileFailureLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "child"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), []byte("x"), 0o600); err == nil {
		t.Error("got no error for a directory in the way")
	}
	wantOnly(t, dir, "taken")
	if err := WriteFile(filepath.Join(dir, "absent", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestWriteFileIsNeverHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	old, new := bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<17)
	if err := WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !done.Load() {
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, old) && !bytes.Equal(got, new) {
				t.Errorf("got %d bytes, %v: neither the old content nor the new", len(got), err)
				return
			}
		}
	})
	for i := range 20 {
		if err := WriteFile(path, [][]byte{new, old}[i%2], 0o600); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	wg.Wait()
}

func TestCreateFileOnlyOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			switch err := CreateFile(path, fmt.Append(nil, i), 0o600); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("got %v, want %v", err, fs.ErrExist)
			}
		})
	}
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("got %d callers that made the file, want 1", got)
	}
	before, _ := os.ReadFile(path)
	if err := CreateFile(path, []byte("again"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want %v", err, fs.ErrExist)
	}
	want(t, path, string(before), 0o600)
	wantOnly(t, filepath.Dir(path), "file")
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	if err := Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"one", "two"} {
		if err := WriteFile(filepath.Join(dir, f), []byte(f), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Rename(filepath.Join(dir, "one"), filepath.Join(dir, "two")); err != nil {
		t.Fatal(err)
	}
	want(t, filepath.Join(dir, "two"), "one", 0o600)
	if err := Rename(filepath.Join(dir, "two"), filepath.Join(dir, "a", "three")); err != nil {
		t.Fatal(err)
	}
	want(t, filepath.Join(dir, "a", "three"), "one", 0o600)
	wantOnly(t, dir, "a")
	if err := Rename(filepath.Join(dir, "gone"), filepath.Join(dir, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestMkdir(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 { // the second time it is there
		if err := Mkdir(deep, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for d := deep; d != dir; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode(); got != fs.ModeDir|0o700 {
			t.Errorf("%s: got %v, want %v", d, got, fs.ModeDir|0o700)
		}
	}
	file := filepath.Join(dir, "file")
	if err := WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := Mkdir(path, 0o700); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("got %v, want %v", err, syscall.ENOTDIR)
		}
	}
}

// syncFS is the machine's file system with an eye on what is synced.
type syncFS struct {
	OS
	sync func(path string) error
}

func (f syncFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	file, err := f.OS.OpenFile(name, flag, perm)
	return syncFile{file, f.sync, name}, err
}

type syncFile struct {
	File
	sync func(path string) error
	name string
}

func (f syncFile) Sync() error { return errors.Join(f.sync(f.name), f.File.Sync()) }

// A process may be killed between the making of a directory and its sync, which
// is then left to whoever comes next.
func TestMkdirSyncs(t *testing.T) {
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	var synced []string
	boom := errors.New("boom")
	killed := ""
	files := On(syncFS{sync: func(dir string) error {
		if dir == killed {
			return boom
		}
		synced = append(synced, dir)
		return nil
	}})
	for _, tt := range []struct {
		name   string
		path   string
		killed string // where the sync fails
		want   []string
	}{
		{"all new", at("a", "b"), "", []string{filepath.Dir(dir), dir, at("a")}},
		{"all there", at("a", "b"), "", []string{at("a")}},
		{"slash at the end", at("a", "b") + "/", "", []string{at("a")}},
		{"below what is there", at("a", "b", "c"), "", []string{at("a"), at("a", "b")}},
		{"killed before the sync", at("x", "y"), dir, []string{filepath.Dir(dir)}},
		{"after that", at("x", "y"), "", []string{dir, at("x")}},
		{"killed before the last sync", at("x", "y", "z"), at("x", "y"), []string{at("x")}},
		{"after that one", at("x", "y", "z"), "", []string{at("x", "y")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synced, killed = nil, tt.killed
			if err := files.Mkdir(tt.path, 0o700); (tt.killed != "") != errors.Is(err, boom) {
				t.Errorf("got %v, want an error only of the sync", err)
			}
			if !slices.Equal(synced, tt.want) {
				t.Errorf("got syncs of %q, want %q", synced, tt.want)
			}
		})
	}
	// What this process may not read it has not made.
	forbidden := On(syncFS{sync: func(string) error { return &fs.PathError{Op: "open", Err: syscall.EACCES} }})
	if err := forbidden.Mkdir(at("a"), 0o700); err != nil {
		t.Errorf("there already: got %v", err)
	}
	if err := forbidden.Mkdir(at("new"), 0o700); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("new: got %v, want %v", err, fs.ErrPermission)
	}
	for _, root := range []string{"/", "/proc"} { // a mount point
		if err := On(syncFS{sync: func(string) error { return boom }}).Mkdir(root, 0o700); err != nil {
			t.Errorf("%s: got %v, want no sync", root, err)
		}
	}
}

// TestRemoveTemps takes what a crash left for this file, and nothing that only
// looks alike.
func TestRemoveTemps(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	left := []string{"a", "a.tmp", ".a.tmp", ".a.xyz.tmp", ".a.b.12ab.tmp", ".b.12ab.tmp", ".c-1.log.99.tmp", "c-1.log"}
	for _, name := range append(left, ".a.12ab.tmp", ".a.0123456789.tmp", ".c-2.log.77.tmp") {
		if err := os.WriteFile(at(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"a", "c-2.log", "absent/a"} {
		if err := On(nil).RemoveTemps(at(path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	wantNames(t, dir, left...)
	if err := On(nil).RemoveTemps(at("c-*.log")); err != nil {
		t.Error(err)
	}
	wantNames(t, dir, slices.DeleteFunc(left, func(n string) bool { return n == ".c-1.log.99.tmp" })...)
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSyncDirOfNothing(t *testing.T) {
	if err := SyncDir(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

func TestIsDiskFull(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"nil", nil, false},
		{"ENOSPC", syscall.ENOSPC, true},
		{"EDQUOT", syscall.EDQUOT, true},
		{"wrapped", fmt.Errorf("x: %w", &fs.PathError{Op: "write", Err: syscall.ENOSPC}), true},
		{"joined", errors.Join(errors.New("x"), syscall.EDQUOT), true},
		{"EIO", syscall.EIO, false},
	} {
		if got := IsDiskFull(tt.err); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func want(t *testing.T, path, data string, perm fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != data {
		t.Errorf("%s: got %d bytes, want %d others", path, len(got), len(data))
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != perm {
		t.Errorf("%s: got mode %v, want %v", path, got, perm)
	}
}

// wantOnly finds temporary files left behind.
func wantOnly(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("got %s, want %s alone", e.Name(), name)
		}
	}
}
