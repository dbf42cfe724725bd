package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/crashfs"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
)

// task is one use of the package: what it changes, and what may be there
// before, in the middle and after. An empty content stands for no file.
type task struct {
	name  string
	do    func(f durable.Files) error
	files map[string][2]string // path → content before and after

	// twoDirs: a crash may leave both names, and rename(2) of a file onto
	// itself does nothing.
	twoDirs bool
}

var old, fresh = strings.Repeat("old ", 300), strings.Repeat("new! ", 2000)

var tasks = []task{
	{"WriteFile", func(f durable.Files) error { return f.WriteFile("d/a", []byte(fresh), 0o600) },
		map[string][2]string{"d/a": {"", fresh}}, false},
	{"WriteFile over another", func(f durable.Files) error { return f.WriteFile("d/old", []byte(fresh), 0o600) },
		map[string][2]string{"d/old": {old, fresh}}, false},
	{"CreateFile", func(f durable.Files) error { return f.CreateFile("d/a", []byte(fresh), 0o600) },
		map[string][2]string{"d/a": {"", fresh}}, false},
	{"Rename", func(f durable.Files) error { return f.Rename("d/old", "d/a") },
		map[string][2]string{"d/old": {old, ""}, "d/a": {"", old}}, false},
	{"Rename into another directory", func(f durable.Files) error { return f.Rename("d/old", "e/a") },
		map[string][2]string{"d/old": {old, ""}, "e/a": {"", old}}, true},
	{"Rename over another", func(f durable.Files) error { return f.Rename("e/new", "d/old") },
		map[string][2]string{"d/old": {old, fresh}, "e/new": {fresh, ""}}, true},
	{"Mkdir and a file in it", func(f durable.Files) error {
		if err := f.Mkdir("d/x/y", 0o700); err != nil {
			return err
		}
		return f.WriteFile("d/x/y/a", []byte(fresh), 0o600)
	}, map[string][2]string{"d/x/y/a": {"", fresh}}, false},
}

// before makes the file system that every task begins with.
func before(t *testing.T) *crashfs.FS {
	t.Helper()
	mem := crashfs.New()
	f := durable.On(mem)
	for _, err := range []error{f.Mkdir("d", 0o700), f.Mkdir("e", 0o700),
		f.WriteFile("d/old", []byte(old), 0o600), f.WriteFile("e/new", []byte(fresh), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return mem
}

// content returns a file's content, nothing for one that is not there.
func content(t *testing.T, fsys durable.FS, path string) string {
	t.Helper()
	b, err := durable.ReadFileIn(fsys, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(b)
}

// checkState finds each file as it was before or as it is after, and nothing
// lost on the way; when the task was done, as it is after.
func (k task) checkState(t *testing.T, what string, fsys durable.FS, done bool) {
	t.Helper()
	found := ""
	for path, is := range k.files {
		got := content(t, fsys, path)
		if got != is[1] && (done || got != is[0]) {
			t.Errorf("%s: %s: got %d bytes, %.20q; want the old or the new content (done: %v)", what, path, len(got), got, done)
		}
		found += got
	}
	for _, is := range k.files {
		if !strings.Contains(found, is[0]) && !strings.Contains(found, is[1]) {
			t.Errorf("%s: neither the old content nor the new is under any name", what)
		}
	}
}

// temps returns the temporary files there are.
func temps(t *testing.T, fsys durable.FS) (names []string) {
	t.Helper()
	for _, dir := range []string{"d", "e", "d/x/y"} {
		entries, err := fsys.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".tmp") {
				names = append(names, path.Join(dir, e.Name()))
			}
		}
	}
	return names
}

// clearTemps removes what a crash left, as whoever opens the files again does.
func clearTemps(t *testing.T, fsys durable.FS) {
	t.Helper()
	for _, pattern := range []string{"d/*", "e/*", "d/x/y/*"} {
		if err := durable.On(fsys).RemoveTemps(pattern); err != nil {
			t.Fatal(err)
		}
	}
	if left := temps(t, fsys); left != nil {
		t.Errorf("got %q left", left)
	}
}

// TestPowerCut cuts the power before every operation of every task and after
// the last, and looks at many states that this may leave.
func TestPowerCut(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, k := range tasks {
		t.Run(k.name, func(t *testing.T) {
			mem := before(t)
			cuts := 0
			look := func(what string, done bool) {
				cuts++
				states := []*crashfs.FS{mem.CrashClone(crashfs.Least), mem.CrashClone(crashfs.Most)}
				for range 60 {
					states = append(states, mem.CrashClone(random.IntN))
				}
				for _, s := range states {
					k.checkState(t, what, s, done)
					clearTemps(t, s)
					// It may have happened already.
					if err := k.do(durable.On(s)); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: again: %v", what, err)
					}
					k.checkState(t, what+", and again", s, !k.twoDirs)
				}
			}
			fsys := errorfs.Wrap(mem, func(op errorfs.Op) error {
				look(fmt.Sprintf("before %s %s", op.Kind, op.Path), false)
				return nil
			})
			if err := k.do(durable.On(fsys)); err != nil {
				t.Fatal(err)
			}
			look("after all", true)
			if cuts < 3 {
				t.Errorf("got %d cuts, want one at every operation", cuts)
			}
		})
	}
}

// TestEveryFault fails every operation of every task in turn: the error is
// told, nothing is half there, nothing stays open, and what could not be
// removed at once is removed by RemoveTemps.
func TestEveryFault(t *testing.T) {
	for _, k := range tasks {
		t.Run(k.name, func(t *testing.T) {
			for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS, errorfs.Short{N: 700, Err: syscall.ENOSPC}} {
				for n := int64(0); ; n++ {
					mem := before(t)
					reached := false
					at := errorfs.FailAt(n, fault)
					var what string
					fsys := errorfs.Wrap(mem, func(op errorfs.Op) error {
						err := at(op)
						if err != nil {
							reached, what = true, fmt.Sprintf("%v at %s %s", fault, op.Kind, op.Path)
						}
						return err
					})
					err := k.do(durable.On(fsys))
					if !reached {
						if err != nil || n < 1 {
							t.Fatalf("got %v after %d operations", err, n)
						}
						break
					}
					// An error is never swallowed, and never that of another.
					if !errors.Is(err, fault) && !errors.Is(err, syscall.ENOSPC) {
						t.Errorf("%s: got %v", what, err)
					}
					k.checkState(t, what, mem, false)
					if got := mem.OpenFiles(); got != 0 {
						t.Errorf("%s: got %d open files, want 0", what, got)
					}
					clearTemps(t, mem)
				}
			}
		})
	}
}

// TestEveryState: of a small WriteFile and a small CreateFile, all states.
func TestEveryState(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(f durable.Files) error
	}{
		{"WriteFile", func(f durable.Files) error { return f.WriteFile("a", []byte("x"), 0o600) }},
		{"CreateFile", func(f durable.Files) error { return f.CreateFile("a", []byte("x"), 0o600) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem, states := crashfs.New(), 0
			look := func(done bool) {
				for s := range mem.States(10_000) {
					states++
					if got := content(t, s, "a"); got != "x" && (done || got != "") {
						t.Errorf("got %q (done: %v)", got, done)
					} else if info, err := s.Stat("a"); err == nil && (got != "x" || info.Mode() != 0o600) {
						t.Errorf("got a file with %q and mode %v", got, info.Mode())
					}
				}
			}
			fsys := errorfs.Wrap(mem, func(errorfs.Op) error { look(false); return nil })
			if err := tt.do(durable.On(fsys)); err != nil {
				t.Fatal(err)
			}
			look(true)
			if states < 20 {
				t.Errorf("got %d states, want more", states)
			}
		})
	}
}
