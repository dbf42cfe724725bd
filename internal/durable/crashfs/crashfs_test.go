package crashfs_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/crashfs"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
)

// step does one thing, written as a shell would have it: "mkdir d", "write
// d/a xyz" (makes the file, and writes at its end), "sync d/a", "mv d/a d/b",
// "ln", "rm", "truncate d/a 2", "chmod d/a 644", "failsync d/a", "over d/a Z"
// (writes at the beginning).
func step(t *testing.T, f *crashfs.FS, line string) {
	t.Helper()
	words := strings.Fields(line)
	open := func(flag int) durable.File {
		file, err := f.OpenFile(words[1], flag, 0o600)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return file
	}
	var err error
	switch words[0] {
	case "mkdir":
		err = f.Mkdir(words[1], 0o700)
	case "mv":
		err = f.Rename(words[1], words[2])
	case "ln":
		err = f.Link(words[1], words[2])
	case "rm":
		err = f.Remove(words[1])
	case "sync":
		file := open(os.O_RDONLY)
		err = errors.Join(file.Sync(), file.Close())
	case "failsync":
		file := open(os.O_RDONLY)
		file.(errorfs.Unsyncer).Unsync()
		err = file.Close()
	case "write", "over":
		file := open(os.O_RDWR | os.O_CREATE)
		var at int64
		if info, statErr := file.Stat(); words[0] == "write" {
			at, err = info.Size(), statErr
		}
		_, writeErr := file.WriteAt([]byte(words[2]), at)
		err = errors.Join(err, writeErr, file.Close())
	case "truncate":
		var size int64
		_, err = fmt.Sscan(words[2], &size)
		file := open(os.O_RDWR)
		err = errors.Join(err, file.Truncate(size), file.Close())
	case "chmod":
		var mode fs.FileMode
		_, err = fmt.Sscanf(words[2], "%o", &mode)
		file := open(os.O_RDWR)
		err = errors.Join(err, file.Chmod(mode), file.Close())
	default:
		t.Fatalf("no such step: %s", line)
	}
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

// tell writes down all that is in the file system, as "d/ d/a=xyz". Zeros are
// written as points.
func tell(t *testing.T, f *crashfs.FS) string {
	t.Helper()
	var said []string
	var walk func(dir string)
	walk = func(dir string) {
		entries, err := f.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() {
				said = append(said, name+"/")
				walk(name)
				continue
			}
			b, err := durable.ReadFileIn(f, name)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, name+"="+strings.ReplaceAll(string(b), "\x00", "."))
		}
	}
	walk("")
	return strings.Join(said, " ")
}

func statesOf(t *testing.T, f *crashfs.FS) []string {
	t.Helper()
	seen := map[string]bool{}
	n := 0
	for state := range f.States(100_000) {
		n++
		said := tell(t, state)
		if got := tell(t, state.CrashClone(crashfs.Least)); got != said {
			t.Fatalf("a state after a cut is not whole on the disk: %q, and after another cut %q", said, got)
		}
		seen[said] = true
	}
	if n == 100_000 {
		t.Fatal("too many states to look at all")
	}
	return slices.Sorted(maps.Keys(seen))
}

// TestStates compares all states that may be found with those that the
// documents allow.
func TestStates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []string
		want  []string
	}{
		{"nothing synced", []string{"write a xy"}, []string{"", "a=", "a=.", "a=..", "a=x", "a=xy"}},
		{"only the file synced", []string{"write a xy", "sync a"}, []string{"", "a=xy"}},
		{"only the directory synced", []string{"write a xy", "sync /"}, []string{"a=", "a=.", "a=..", "a=x", "a=xy"}},
		{"both synced", []string{"write a xy", "sync a", "sync /"}, []string{"a=xy"}},
		{"both synced, the directory first", []string{"write a xy", "sync /", "sync a"}, []string{"a=xy"}},
		{"written again", []string{"write a xy", "sync a", "sync /", "over a Z"}, []string{"a=Zy", "a=xy"}},
		{"appended", []string{"write a xy", "sync a", "sync /", "write a z"}, []string{"a=xy", "a=xy.", "a=xyz"}},
		{"cut", []string{"write a xyz", "sync a", "sync /", "truncate a 1"}, []string{"a=x", "a=x.", "a=x..", "a=xy", "a=xyz"}},
		{"cut and synced", []string{"write a xyz", "sync a", "sync /", "truncate a 1", "sync a"}, []string{"a=x"}},
		{"what was behind a cut does not come back", []string{"write a xyz", "truncate a 1", "truncate a 3", "sync a", "sync /"}, []string{"a=x.."}},
		{"sectors are whole", []string{"write a ab", "sync a", "sync /", "over a AB"}, []string{"a=AB", "a=ab"}},

		{"two names, either order", []string{"write a 1", "sync a", "ln a b"}, []string{"", "a=1", "a=1 b=1", "b=1"}},
		{"link after a sync", []string{"write a 1", "sync a", "sync /", "ln a b"}, []string{"a=1", "a=1 b=1"}},
		{"remove", []string{"write a 1", "sync a", "sync /", "rm a"}, []string{"", "a=1"}},
		{"remove, synced", []string{"write a 1", "sync a", "sync /", "rm a", "sync /"}, []string{""}},
		{"made again under a name", []string{"write a 1", "sync a", "sync /", "rm a", "write a 2", "sync a"}, []string{"", "a=1", "a=2"}},

		{"a rename is one change", []string{"write a 1", "sync a", "sync /", "mv a b"}, []string{"a=1", "b=1"}},
		{"a rename replaces", []string{"write a 1", "write b 2", "sync a", "sync b", "sync /", "mv a b"}, []string{"a=1 b=2", "b=1"}},
		{"a rename of what was not synced", []string{"write b 2", "sync b", "sync /", "write a x", "mv a b", "sync /"}, []string{"b=", "b=.", "b=x"}},
		{"between directories", []string{"mkdir d", "mkdir e", "write d/a 1", "sync d/a", "sync d", "sync /", "mv d/a e/a"},
			[]string{"d/ d/a=1 e/", "d/ e/ e/a=1"}},
		{"between directories, the new one synced", []string{"mkdir d", "mkdir e", "write d/a 1", "sync d/a", "sync d", "sync /", "mv d/a e/a", "sync e"},
			[]string{"d/ d/a=1 e/ e/a=1", "d/ e/ e/a=1"}},
		{"between directories, the old one synced", []string{"mkdir d", "mkdir e", "write d/a 1", "sync d/a", "sync d", "sync /", "mv d/a e/a", "sync d"},
			[]string{"d/ e/ e/a=1"}},
		{"between directories, the old one synced, over another", []string{"mkdir d", "mkdir e", "write d/a 1", "sync d/a", "sync d", "sync /", "write e/a 2", "sync e/a", "mv d/a e/a", "sync d"},
			[]string{"d/ e/ e/a=1"}},

		{"a directory that was not synced", []string{"mkdir d", "write d/a 1", "sync d/a", "sync d"}, []string{"", "d/ d/a=1"}},
		{"a file in one that was", []string{"mkdir d", "sync /", "write d/a 1", "sync d/a"}, []string{"d/", "d/ d/a=1"}},

		{"a sync that failed", []string{"write a x", "sync /", "failsync a"}, []string{"a=", "a=.", "a=x"}},
		{"and the one after it, which did not", []string{"write a x", "sync /", "failsync a", "sync a"}, []string{"a=", "a=.", "a=x"}},
		{"unless the page is written again", []string{"write a x", "sync /", "failsync a", "over a x", "truncate a 0", "write a x", "sync a"}, []string{"a=x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := crashfs.New()
			for _, s := range tt.steps {
				step(t, f, s)
			}
			before := tell(t, f)
			if got := statesOf(t, f); !slices.Equal(got, tt.want) {
				t.Errorf("got %q\nwant %q", got, tt.want)
			}
			if got := tell(t, f); got != before {
				t.Errorf("looking changed the file system: got %q, want %q", got, before)
			}
			if got := tell(t, f.CrashClone(crashfs.Most)); got != before {
				t.Errorf("with all that may survive: got %q, want %q", got, before)
			}
			if got := f.OpenFiles(); got != 0 {
				t.Errorf("got %d open files, want 0", got)
			}
		})
	}
}

// TestSectors: unsynced content comes to the disk in sectors of 512 bytes, in
// any order, and never a part of one.
func TestSectors(t *testing.T) {
	const count = 24 // three pages
	content := func(from byte) (b []byte) {
		for i := range count {
			b = append(b, []byte(strings.Repeat(string(from+byte(i)), 512))...)
		}
		return b
	}
	f := crashfs.New()
	if err := durable.On(f).WriteFile("a", content('a'), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := f.OpenFile("a", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(content('A'), 0); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var mixed, prefixes, pages int
	for range 2000 {
		b, err := durable.ReadFileIn(f.CrashClone(random.IntN), "a")
		if err != nil || len(b) != count*512 {
			t.Fatalf("got %d bytes, %v", len(b), err)
		}
		var kinds strings.Builder
		for i := range count {
			s := b[i*512 : (i+1)*512]
			switch string(s) {
			case strings.Repeat(string(rune('a'+i)), 512):
				kinds.WriteByte('-')
			case strings.Repeat(string(rune('A'+i)), 512):
				kinds.WriteByte('+')
			default:
				t.Fatalf("sector %d is neither old nor new: %q", i, s)
			}
		}
		switch k := kinds.String(); {
		case k == strings.Repeat("-", count) || k == strings.Repeat("+", count):
		case !strings.Contains(k, "-+"):
			prefixes++
		case strings.Repeat(k[:1], 8)+strings.Repeat(k[8:9], 8)+strings.Repeat(k[16:17], 8) == k:
			pages++
		default:
			mixed++
		}
	}
	if mixed < 100 || prefixes < 100 || pages < 50 {
		t.Errorf("got %d mixed states, %d prefixes, %d of whole pages; want many of each", mixed, prefixes, pages)
	}
	if err := errors.Join(file.SyncData(), file.Close()); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		b, err := durable.ReadFileIn(f.CrashClone(random.IntN), "a")
		if err != nil || string(b) != string(content('A')) {
			t.Fatalf("after a sync: got other content, %v", err)
		}
	}
}

// TestModes: permissions are kept as content is.
func TestModes(t *testing.T) {
	f := crashfs.New()
	for _, s := range []string{"write a x", "sync /", "sync a", "chmod a 644"} {
		step(t, f, s)
	}
	modes := func() (list []string) {
		seen := map[string]bool{}
		for s := range f.States(100) {
			info, err := s.Stat("a")
			if err != nil {
				t.Fatal(err)
			}
			seen[info.Mode().String()] = true
		}
		return slices.Sorted(maps.Keys(seen))
	}
	if got, want := modes(), []string{"-rw-------", "-rw-r--r--"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	step(t, f, "sync a")
	if got, want := modes(), []string{"-rw-r--r--"}; !slices.Equal(got, want) {
		t.Errorf("after a sync: got %q, want %q", got, want)
	}
}

// TestLikeTheMachine does the same to a directory of the machine and to one in
// memory, and wants the same answers.
func TestLikeTheMachine(t *testing.T) {
	machine, err := durable.OS{}.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer machine.Close()
	mem := crashfs.New()
	if err := mem.Mkdir("/root", 0o700); err != nil {
		t.Fatal(err)
	}
	memory, err := mem.OpenRoot("/root")
	if err != nil {
		t.Fatal(err)
	}
	create := func(d durable.Dir, name string, flag int, data string) error {
		f, err := d.OpenFile(name, flag, 0o600)
		if err != nil {
			return err
		}
		_, err = io.WriteString(f, data)
		return errors.Join(err, f.Close())
	}
	read := func(d durable.Dir, name string) error {
		b, err := durable.ReadFileIn(d, name)
		return errors.Join(err, errors.New(string(b)))
	}
	kinds := []error{fs.ErrNotExist, fs.ErrExist, fs.ErrClosed, io.EOF, syscall.ENOTDIR, syscall.EISDIR, syscall.ENOTEMPTY, syscall.EBADF, syscall.EPERM}
	for _, tt := range []struct {
		name string
		do   func(d durable.Dir) error
	}{
		{"make a directory", func(d durable.Dir) error { return d.Mkdir("d", 0o700) }},
		{"make it again", func(d durable.Dir) error { return d.Mkdir("d", 0o700) }},
		{"make one below nothing", func(d durable.Dir) error { return d.Mkdir("x/y", 0o700) }},
		{"make a file", func(d durable.Dir) error { return create(d, "d/a", os.O_RDWR|os.O_CREATE|os.O_EXCL, "hello") }},
		{"make it again", func(d durable.Dir) error { return create(d, "d/a", os.O_RDWR|os.O_CREATE|os.O_EXCL, "x") }},
		{"read it", func(d durable.Dir) error { return read(d, "d/a") }},
		{"write into it", func(d durable.Dir) error { return create(d, "d/a", os.O_WRONLY, "HE") }},
		{"read it again", func(d durable.Dir) error { return read(d, "d/a") }},
		{"write where only reading is", func(d durable.Dir) error { return create(d, "d/a", os.O_RDONLY, "x") }},
		{"truncate by opening", func(d durable.Dir) error { return create(d, "d/a", os.O_WRONLY|os.O_TRUNC, "abc") }},
		{"and read", func(d durable.Dir) error { return read(d, "d/a") }},
		{"open nothing", func(d durable.Dir) error { return read(d, "d/none") }},
		{"open below a file", func(d durable.Dir) error { return read(d, "d/a/x") }},
		{"write a directory", func(d durable.Dir) error { return create(d, "d", os.O_RDWR, "x") }},
		{"link", func(d durable.Dir) error { return d.Link("d/a", "b") }},
		{"link over", func(d durable.Dir) error { return d.Link("d/a", "b") }},
		{"link nothing", func(d durable.Dir) error { return d.Link("none", "c") }},
		{"link a directory", func(d durable.Dir) error { return d.Link("d", "c") }},
		{"rename over another name of the same", func(d durable.Dir) error { return d.Rename("b", "d/a") }},
		{"which changes nothing", func(d durable.Dir) error { return read(d, "b") }},
		{"rename", func(d durable.Dir) error { return d.Rename("b", "c") }},
		{"rename nothing", func(d durable.Dir) error { return d.Rename("b", "c") }},
		{"rename over a directory", func(d durable.Dir) error { return d.Rename("c", "d") }},
		{"rename a directory over a file", func(d durable.Dir) error { return d.Rename("d", "c") }},
		{"remove a directory in use", func(d durable.Dir) error { return d.Remove("d") }},
		{"remove", func(d durable.Dir) error { return d.Remove("d/a") }},
		{"remove again", func(d durable.Dir) error { return d.Remove("d/a") }},
		{"remove the directory", func(d durable.Dir) error { return d.Remove("d") }},
		{"stat it", func(d durable.Dir) error { _, err := d.Stat("d"); return err }},
		{"stat", func(d durable.Dir) error {
			info, err := d.Stat("c")
			if err != nil {
				return err
			}
			return fmt.Errorf("%s %v %d", info.Name(), info.Mode(), info.Size())
		}},
		{"list", func(d durable.Dir) error {
			entries, err := d.ReadDir(".")
			if err != nil {
				return err
			}
			return fmt.Errorf("%v", entries)
		}},
		{"list nothing", func(d durable.Dir) error { _, err := d.ReadDir("none"); return err }},
		{"list a file", func(d durable.Dir) error { _, err := d.ReadDir("c"); return err }},
		{"sync a directory", func(d durable.Dir) error { return durable.SyncDirIn(d, ".") }},
		{"use of a closed file", func(d durable.Dir) error {
			f, err := d.OpenFile("c", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			_ = f.Close()
			_, err = f.WriteAt(nil, 0)
			return errors.Join(err, f.Sync(), f.Close())
		}},
		{"grow and read the hole", func(d durable.Dir) error {
			f, err := d.OpenFile("c", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			b := make([]byte, 2000)
			err = f.Truncate(1500)
			n, readErr := f.ReadAt(b, 1)
			return errors.Join(err, readErr, f.Close(), fmt.Errorf("%d %q", n, b[:4]))
		}},
	} {
		got, want := tt.do(memory), tt.do(machine)
		if (got == nil) != (want == nil) {
			t.Errorf("%s: got %v, want %v", tt.name, got, want)
			continue
		}
		known := got == nil
		for _, kind := range kinds {
			if errors.Is(got, kind) != errors.Is(want, kind) {
				t.Errorf("%s: got %v, want %v", tt.name, got, want)
			}
			known = known || errors.Is(want, kind)
		}
		if !known && got.Error() != want.Error() {
			t.Errorf("%s: got %v, want %v", tt.name, got, want)
		}
	}
	for _, name := range []string{"../outside", "/etc/passwd", ".."} {
		for _, d := range []durable.Dir{memory, machine} {
			if err := create(d, name, os.O_RDWR|os.O_CREATE, ""); err == nil {
				t.Errorf("%T opened %s, which is outside", d, name)
			}
		}
	}
	if err := memory.Close(); err != nil {
		t.Fatal(err)
	}
	if got := mem.OpenFiles(); got != 0 {
		t.Errorf("got %d open files, want 0", got)
	}
}

func TestLock(t *testing.T) {
	f := crashfs.New()
	held, err := f.Lock("lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Lock("lock"); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v, want %v", err, durable.ErrLocked)
	}
	after, err := f.CrashClone(crashfs.Most).Lock("lock") // its holder is dead
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(after.Close(), held.Close()); err != nil {
		t.Fatal(err)
	}
	if held, err = f.Lock("lock"); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil || f.OpenFiles() != 0 {
		t.Errorf("got %v and %d open files, want none", err, f.OpenFiles())
	}
}
