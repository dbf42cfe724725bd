package diskstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/crashfs"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
	"github.com/strongroom/strongroom/internal/s3"
)

// database stands for the rows of blobs, which are durable when they are there.
type database struct {
	mu   sync.Mutex
	rows map[string]row // by id
	seen []string       // every id there ever was
}

type row struct {
	content string
	doomed  bool
}

func newDatabase() *database { return &database{rows: map[string]row{}} }

func (d *database) set(id string, r row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows[id] = r
	d.seen = append(d.seen, id)
}

func (d *database) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.rows, id)
}

func (d *database) clone() *database {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &database{rows: maps.Clone(d.rows)}
}

// put writes one blob in a few pieces, and its row when it is committed.
func (d *database) put(s *Store, content string, pieces int) (string, error) {
	w, err := s.Create(context.Background())
	if err != nil {
		return "", err
	}
	defer w.Abort()
	for i := range pieces {
		if _, err := io.WriteString(w, content[i*len(content)/pieces:(i+1)*len(content)/pieces]); err != nil {
			return "", err
		}
	}
	id, err := w.Commit()
	if err != nil {
		return "", err
	}
	d.set(id, row{content: content})
	return id, nil
}

// remove dooms a blob, removes it and forgets it.
func (d *database) remove(s *Store, id string) error {
	d.set(id, row{d.rows[id].content, true})
	if err := s.Remove(context.Background(), id); err != nil {
		return err
	}
	d.forget(id)
	return nil
}

// live is what the server tells Recover.
func (d *database) live(id string) (bool, error) {
	r, ok := d.rows[id]
	return ok && !r.doomed, nil
}

// check opens the store that a cut left, as the server does at its start:
// every live blob is there whole, and there is no file that no row knows.
func (d *database) check(fsys *crashfs.FS, dir string) error {
	ctx := context.Background()
	s, err := OpenOn(fsys, dir)
	if err != nil {
		return err
	}
	if err := s.Recover(ctx, d.live); err != nil {
		return err
	}
	live := 0
	for id, r := range d.rows {
		if r.doomed { // the collector's work
			if err := s.Remove(ctx, id); err != nil {
				return err
			}
			continue
		}
		live++
		b, err := s.Open(ctx, id)
		if err != nil {
			return fmt.Errorf("a blob of %d bytes is gone: %w", len(r.content), err)
		}
		got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
		if err := errors.Join(err, b.Close()); err != nil {
			return err
		}
		if string(got) != r.content {
			return fmt.Errorf("got %d bytes of a blob, %.20q, want %d, %.20q", len(got), got, len(r.content), r.content)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	// What this start did is durable too.
	for _, fsys := range []*crashfs.FS{fsys, fsys.CrashClone(crashfs.Most)} {
		if found, err := count(fsys, dir); err != nil || found != live {
			return fmt.Errorf("got %d files, %w, want the %d that rows know", found, err, live)
		}
	}
	if n := fsys.OpenFiles(); n != 0 {
		return fmt.Errorf("%d files are left open", n)
	}
	return nil
}

func count(fsys durable.FS, dir string) (n int, err error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			n++
			continue
		}
		below, err := count(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return 0, err
		}
		n += below
	}
	return n, nil
}

func fill(c string, n int) string { return strings.Repeat(c, n) }

// script is a life of a store: blobs of all sizes, published or not, aborted,
// removed, and the same directory opened again.
func (d *database) script(fsys durable.FS, dir string) error {
	ctx := context.Background()
	for round := range 2 {
		s, err := OpenOn(fsys, dir)
		if err != nil {
			return err
		}
		err = func() error {
			var ids []string
			for i, n := range []int{0, 700, 9000} {
				id, err := d.put(s, fill(string(rune('a'+i)), n), i+1)
				if err != nil {
					return err
				}
				ids = append(ids, id)
			}
			w, err := s.Create(ctx)
			if err != nil {
				return err
			}
			_, err = w.Write(bytes.Repeat([]byte("never"), 500))
			w.Abort()
			if err != nil {
				return err
			}
			for _, id := range ids[:2] {
				if err := s.Publish(ctx, id); err != nil {
					return err
				}
			}
			if round == 1 {
				return errors.Join(d.remove(s, ids[0]), d.remove(s, ids[2]))
			}
			return nil
		}()
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	return nil
}

// TestPowerCut cuts the power at every operation of the script, and opens the
// store in some of the states that this may leave.
func TestPowerCut(t *testing.T) {
	mem, d := crashfs.New(), newDatabase()
	random := rand.New(rand.NewPCG(1, 1))
	cuts, made := 0, false
	cut := func(what string) {
		cuts++
		rows := d.clone()
		for i := range 8 {
			choose := crashfs.Choice(random.IntN)
			switch i {
			case 0:
				choose = crashfs.Least
			case 1:
				choose = crashfs.Most
			}
			if err := rows.check(mem.CrashClone(choose), "data/objects"); err != nil {
				t.Fatalf("cut %d, before %s, state %d: %v", cuts, what, i, err)
			}
		}
	}
	fsys := errorfs.Wrap(mem, func(op errorfs.Op) error {
		// Making the 256 directories is one operation like another: the first few will do.
		if op.Kind == errorfs.Mkdir && path.Base(op.Path) > "04" && path.Base(op.Path) <= "ff" {
			made = true
			return nil
		}
		if op.Kind.Changes() {
			cut(fmt.Sprintf("%s of %s", op.Kind, op.Path))
		}
		return nil
	})
	if err := d.script(fsys, "data/objects"); err != nil {
		t.Fatal(err)
	}
	cut("the end")
	if cuts < 50 || !made || len(d.rows) != 4 {
		t.Errorf("got %d cuts and %d rows", cuts, len(d.rows))
	}
}

// TestEveryFault fails every operation of the script in turn: the error is
// told, no file stays open, and what was committed is there.
func TestEveryFault(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS, errorfs.Short{N: 100, Err: syscall.ENOSPC}} {
		faults := 0
		for n := int64(0); ; n++ {
			mem, d := crashfs.New(), newDatabase()
			what := ""
			var changes int64
			fsys := errorfs.Wrap(mem, func(op errorfs.Op) error {
				if !op.Kind.Changes() || op.Kind == errorfs.Mkdir && path.Base(op.Path) > "04" && path.Base(op.Path) <= "ff" {
					return nil
				}
				if changes++; changes-1 != n {
					return nil
				}
				what = fmt.Sprintf("%v at %s of %s", fault, op.Kind, op.Path)
				return fault
			})
			err := d.script(fsys, "objects")
			if what == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			faults++
			// Abort says nothing; Recover does what it could not.
			if err == nil && !strings.Contains(what, "remove of objects/staging") {
				t.Errorf("%s: no error", what)
			}
			if got := mem.OpenFiles(); got != 0 {
				t.Errorf("%s: got %d open files, want 0", what, got)
			}
			if err := d.check(mem, "objects"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if faults < 40 {
			t.Errorf("%v: got %d faults, want one at every operation", fault, faults)
		}
	}
}

// TestRandomStore does random things to a store whose disk fails and loses its
// power at random.
func TestRandomStore(t *testing.T) {
	// The directories are made once.
	fresh := crashfs.New()
	s, err := OpenOn(fresh, "objects")
	check(t, err)
	check(t, s.Close())
	rapid.Check(t, func(rt *rapid.T) {
		mem, d := fresh.CrashClone(crashfs.Most), newDatabase()
		var fault error
		var s *Store
		open := func() {
			fault = nil
			var err error
			s, err = OpenOn(errorfs.Wrap(mem, func(op errorfs.Op) error {
				if err := fault; err != nil && op.Kind.Changes() {
					fault = nil
					return err
				}
				return nil
			}), "objects")
			// Before the first request, as the server does: publishing leaves the
			// staging name's end unsynced, so a cut can bring the name back.
			if err == nil {
				err = s.Recover(rt.Context(), d.live)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		open()
		pick := func(rt *rapid.T) string {
			if len(d.seen) == 0 {
				rt.Skip("no blob yet")
			}
			return rapid.SampledFrom(d.seen).Draw(rt, "blob")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				n := rapid.IntRange(0, 10_000).Draw(rt, "size")
				_, _ = d.put(s, fill("x", n), rapid.IntRange(1, 3).Draw(rt, "pieces"))
			},
			"publish": func(rt *rapid.T) {
				id := pick(rt)
				if _, ok := d.rows[id]; ok {
					_ = s.Publish(rt.Context(), id)
				}
			},
			"remove": func(rt *rapid.T) {
				id := pick(rt)
				if _, ok := d.rows[id]; ok {
					_ = d.remove(s, id)
				}
			},
			"read": func(rt *rapid.T) {
				id := pick(rt)
				b, err := s.Open(rt.Context(), id)
				if r, ok := d.rows[id]; ok && !r.doomed && err != nil || !ok && !errors.Is(err, s3.ErrNoBlob) {
					rt.Fatalf("got %v from Open (there: %v, doomed: %v)", err, ok, r.doomed)
				}
				if err == nil {
					_ = b.Close()
				}
			},
			"fault": func(rt *rapid.T) {
				fault = rapid.SampledFrom([]error{syscall.EIO, syscall.ENOSPC, errorfs.Short{N: 9, Err: syscall.ENOSPC}}).Draw(rt, "fault")
			},
			"reopen": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if err := d.clone().check(mem.CrashClone(crashfs.Most), "objects"); err != nil {
					rt.Fatal(err)
				}
				open()
			},
			"cut": func(rt *rapid.T) {
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
				mem = mem.CrashClone(random.IntN)
				if err := d.clone().check(mem.CrashClone(crashfs.Most), "objects"); err != nil {
					rt.Fatal(err)
				}
				open()
			},
		})
	})
}
