package errorfs_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
)

// everything does each operation once and returns its errors by name.
func everything(fsys durable.FS, dir string) map[string]error {
	at := func(name string) string { return filepath.Join(dir, name) }
	errs := map[string]error{}
	f, err := fsys.OpenFile(at("a"), os.O_RDWR|os.O_CREATE, 0o600)
	if errs["create"] = err; err == nil {
		_, errs["write"] = f.Write([]byte("12345678"))
		_, errs["writeat"] = f.WriteAt([]byte("12345678"), 2)
		_, errs["readat"] = f.ReadAt(make([]byte, 2), 0)
		errs["truncate"] = f.Truncate(3)
		errs["chmod"] = f.Chmod(0o640)
		errs["fsync"] = f.Sync()
		errs["fdatasync"] = f.SyncData()
		_, errs["fstat"] = f.Stat()
		errs["close"] = f.Close()
	}
	if f, err = fsys.OpenFile(at("a"), os.O_RDONLY, 0); err == nil {
		_, errs["read"] = f.Read(make([]byte, 2))
		errs["open"] = f.Close()
	} else {
		errs["open"] = err
	}
	errs["mkdir"] = fsys.Mkdir(at("d"), 0o700)
	errs["link"] = fsys.Link(at("a"), at("b"))
	errs["rename"] = fsys.Rename(at("b"), at("c"))
	_, errs["stat"] = fsys.Stat(at("c"))
	_, errs["readdir"] = fsys.ReadDir(dir)
	errs["remove"] = fsys.Remove(at("c"))
	lock, err := fsys.Lock(at("lock"))
	if errs["lock"] = err; err == nil {
		_ = lock.Close()
	}
	r, err := fsys.OpenRoot(dir)
	if errs["openroot"] = err; err == nil {
		errs["root mkdir"] = r.Mkdir("e", 0o700)
		errs["root close"] = r.Close()
	}
	return errs
}

// TestEveryOperation: each is asked about, with its path, and fails alone when
// it is told to.
func TestEveryOperation(t *testing.T) {
	dir := t.TempDir()
	var ops []errorfs.Op
	look := errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error { ops = append(ops, op); return nil })
	for name, err := range everything(look, dir) {
		if err != nil {
			t.Errorf("%s: got %v from a file system without faults", name, err)
		}
	}
	var kinds []errorfs.Kind
	for _, op := range ops {
		kinds = append(kinds, op.Kind)
		if want := map[errorfs.Kind]string{errorfs.Create: "a", errorfs.Link: "b", errorfs.Rename: "c", errorfs.Lock: "lock"}[op.Kind]; want != "" && op.Path != filepath.Join(dir, want) {
			t.Errorf("%s: got path %q, want %q", op.Kind, op.Path, want)
		}
	}
	slices.Sort(kinds)
	if got := fmt.Sprint(slices.Compact(kinds)); got != "[chmod close create link lock mkdir open read readdir remove rename stat sync truncate write]" {
		t.Errorf("got kinds %v", got)
	}
	if ops[len(ops)-1].Path != filepath.Join(dir, "e") {
		t.Errorf("got path %q below a root, want one from its directory on", ops[len(ops)-1].Path)
	}
	for i := range ops {
		n := 0
		fsys := errorfs.Wrap(durable.OS{}, func(errorfs.Op) error {
			if n++; n-1 == i {
				return syscall.EIO
			}
			return nil
		})
		failed := 0
		for _, err := range everything(fsys, t.TempDir()) {
			if errors.Is(err, syscall.EIO) {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("operation %d, %s: got %d failures, want 1", i, ops[i].Kind, failed)
		}
	}
}

func TestShortWrites(t *testing.T) {
	for _, tt := range []struct {
		name          string
		short         errorfs.Short
		write, atWant error // of Write and of WriteAt
		n             int
	}{
		{"full disk", errorfs.Short{N: 3, Err: syscall.ENOSPC}, syscall.ENOSPC, syscall.ENOSPC, 3},
		{"by its count alone", errorfs.Short{N: 3}, io.ErrShortWrite, nil, 3},
		{"more than there is", errorfs.Short{N: 30, Err: syscall.EIO}, syscall.EIO, syscall.EIO, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			fsys := errorfs.Wrap(durable.OS{}, func(op errorfs.Op) error {
				if op.Kind == errorfs.Write {
					return tt.short
				}
				return nil
			})
			f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if n, err := f.Write([]byte("12345678")); n != tt.n || !errors.Is(err, tt.write) {
				t.Errorf("Write: got %d, %v, want %d, %v", n, err, tt.n, tt.write)
			}
			if n, err := f.WriteAt([]byte("12345678"), 0); n != tt.n || !errors.Is(err, tt.atWant) {
				t.Errorf("WriteAt: got %d, %v, want %d, %v", n, err, tt.n, tt.atWant)
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != "12345678"[:tt.n] {
				t.Errorf("got %q, %v in the file", b, err)
			}
		})
	}
}
