package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/crashfs"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
)

// witness knows what was appended to a trail and what must be there.
type witness struct {
	mu       sync.Mutex
	order    []string        // every record given to the log, in order
	refused  map[string]bool // those that it refused: they must not be there
	promised int             // how many of order are on disk for certain
	n        int64           // records made
}

func (w *witness) record(size int) string {
	w.n++
	return numbered(int(w.n), 1, size)[0]
}

// append gives the log one record; a change when seq is not 0.
func (w *witness) append(l *Log, size int, seq int64) error {
	r := w.record(size)
	w.mu.Lock()
	w.order = append(w.order, r)
	w.mu.Unlock()
	var err error
	if seq != 0 {
		err = l.AppendChange(seq, []byte(r))
	} else {
		err = l.Append([]byte(r))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil && l.cfg.Durable && seq == 0:
		w.promised = len(w.order)
	case err != nil && seq == 0 && !errors.Is(err, ErrSync):
		w.refused[r] = true // a change may come later
	}
	return err
}

// promise says that all that was appended is on disk.
func (w *witness) promise() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.promised = len(w.order)
}

func (w *witness) clone() *witness {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &witness{order: slices.Clone(w.order), refused: maps.Clone(w.refused), promised: w.promised, n: w.n}
}

// check opens the trail that a cut left: the log repairs by itself what a cut
// does, every promised record is there, in order, nothing refused is, and the
// trail is whole and takes more.
func (w *witness) check(fsys *crashfs.FS, cfg Config) error {
	cfg.FS, cfg.Logger = fsys, quiet
	l, err := Open(cfg)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	got, err := recordsOf(fsys, cfg.Dir)
	if err != nil {
		return err
	}
	at := 0 // in order
	for i, r := range got {
		j := slices.Index(w.order[at:], r)
		if j < 0 || w.refused[r] {
			return fmt.Errorf("record %d of %d, %.90s, is not one that was appended after those before it (refused: %v)", i, len(got), r, w.refused[r])
		}
		at += j + 1
	}
	for i, r := range w.order[:w.promised] {
		if !w.refused[r] && !slices.Contains(got, r) {
			return fmt.Errorf("record %d, %.90s, was on disk and is gone; %d are there", i, r, len(got))
		}
	}
	const after = `{"after":"the cut"}`
	if err := errors.Join(l.Append([]byte(after)), l.Close()); err != nil {
		return fmt.Errorf("going on: %w", err)
	}
	again, err := recordsOf(fsys, cfg.Dir)
	if err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	if !slices.Equal(again, append(got, after)) {
		return fmt.Errorf("going on changed what was there: %d records, and then %d", len(got), len(again))
	}
	if report, err := verify(context.Background(), fsys, cfg.Dir); err != nil || report.TornBytes != 0 {
		return fmt.Errorf("verifying: %+v, %w", report, err)
	}
	// What was written after recovery is on disk, as all that was found.
	if final, err := recordsOf(fsys.CrashClone(crashfs.Least), cfg.Dir); err != nil || !slices.Equal(final, again) {
		return fmt.Errorf("another cut: %d records of %d, %w", len(final), len(again), err)
	}
	return noLeft(fsys, cfg.Dir)
}

func recordsOf(fsys durable.FS, dir string) (rs []string, err error) {
	_, err = scan(fsys, dir, func(_, _ int64, f frame) error {
		rs = append(rs, string(f.record))
		return nil
	})
	return rs, err
}

// noLeft finds temporary files and open files.
func noLeft(fsys *crashfs.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			return fmt.Errorf("%s is left", e.Name())
		}
	}
	if n := fsys.OpenFiles(); n != 0 {
		return fmt.Errorf("%d files are left open", n)
	}
	return nil
}

// script is a life of a trail: groups of all sizes, segments that fill up,
// changes, syncs, a clean end and another beginning.
func (w *witness) script(cfg Config) error {
	seq := int64(0)
	for range 3 {
		l, err := Open(cfg)
		if err != nil {
			return err
		}
		work := func() error {
			for i := range 12 {
				var number int64
				if i%4 == 1 {
					seq++
					number = seq
				}
				if err := w.append(l, 70+i*i*17, number); err != nil {
					return err
				}
				if i%3 == 2 {
					if err := l.syncTo(l.written.Load()); err != nil {
						return err
					}
					w.promise()
				}
			}
			return nil
		}
		err = work()
		if err := errors.Join(err, l.Close()); err != nil {
			return err
		}
		w.promise()
	}
	return nil
}

// TestPowerCut cuts the power at every operation of the script, and opens the
// trail in many of the states that this may leave.
func TestPowerCut(t *testing.T) {
	for _, everySync := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", everySync), func(t *testing.T) {
			mem, w := crashfs.New(), &witness{refused: map[string]bool{}}
			cfg := Config{Dir: "data/audit", SegmentSize: 6000, SyncEvery: time.Hour, Durable: everySync}
			random := rand.New(rand.NewPCG(5, 6))
			var mu sync.Mutex // the log's own goroutine operates too
			cuts, states := 0, 0
			cut := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				cuts++
				now := w.clone()
				for i := range 14 {
					choose := crashfs.Choice(random.IntN)
					switch i {
					case 0:
						choose = crashfs.Least
					case 1:
						choose = crashfs.Most
					}
					states++
					if err := now.check(mem.CrashClone(choose), cfg); err != nil {
						t.Fatalf("cut %d, before %s, state %d: %v", cuts, what, i, err)
					}
				}
			}
			running := cfg
			running.Logger = quiet
			running.FS = errorfs.Wrap(mem, func(op errorfs.Op) error {
				if op.Kind.Changes() {
					cut(fmt.Sprintf("%s of %s", op.Kind, op.Path))
				}
				return nil
			})
			if err := w.script(running); err != nil {
				t.Fatal(err)
			}
			cut("the end")
			if err := noLeft(mem, cfg.Dir); err != nil {
				t.Error(err)
			}
			t.Logf("%d cuts, %d states", cuts, states)
			if cuts < 100 {
				t.Errorf("got %d cuts, want one at every operation", cuts)
			}
		})
	}
}

// TestCutInRecovery cuts the power a second time, at every operation of the
// recovery from a first cut.
func TestCutInRecovery(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	cfg := Config{Dir: "audit", SegmentSize: 6000, SyncEvery: time.Hour}
	repaired := 0
	for range 60 {
		mem, w := crashfs.New(), &witness{refused: map[string]bool{}}
		running := cfg
		running.FS, running.Logger = mem, quiet
		l, err := Open(running)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 6 {
			if err := w.append(l, 400+i*150, 0); err != nil {
				t.Fatal(err)
			}
			if i == 2 {
				if err := l.syncTo(l.written.Load()); err != nil {
					t.Fatal(err)
				}
				w.promise()
			}
		}
		mem = mem.CrashClone(random.IntN)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := recordsOf(mem, cfg.Dir); err != nil {
			repaired++
		}
		recovering := cfg
		recovering.Logger = quiet
		recovering.FS = errorfs.Wrap(mem, func(op errorfs.Op) error {
			if op.Kind.Changes() {
				for range 5 {
					if err := w.check(mem.CrashClone(random.IntN), cfg); err != nil {
						t.Fatalf("before %s of %s: %v", op.Kind, op.Path, err)
					}
				}
			}
			return nil
		})
		l, err = Open(recovering)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.check(mem, cfg); err != nil {
			t.Fatal(err)
		}
	}
	if repaired < 4 {
		t.Errorf("only %d of the cuts damaged frames", repaired)
	}
}

// TestEveryFault fails every operation of the script in turn. The error is
// told; what was acknowledged and on disk stays; a log opened on a disk that is
// sound again goes on.
func TestEveryFault(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS, errorfs.Short{N: 100, Err: syscall.ENOSPC}, errorfs.Short{N: 60}} {
		faults := 0
		for n := int64(0); ; n++ {
			mem, w := crashfs.New(), &witness{refused: map[string]bool{}}
			cfg := Config{Dir: "audit", SegmentSize: 6000, SyncEvery: time.Hour, Durable: n%2 == 0}
			what := ""
			at := errorfs.FailAt(n, fault)
			running := cfg
			running.Logger = quiet
			running.FS = errorfs.Wrap(mem, func(op errorfs.Op) error {
				err := at(op)
				if err != nil {
					what = fmt.Sprintf("%v at %s of %s", fault, op.Kind, op.Path)
				}
				return err
			})
			err := w.script(running)
			if what == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			faults++
			// When only a mark was cut short, no call has failed: the log has
			// undone it, and has gone on.
			if _, short := fault.(errorfs.Short); err == nil && !(short && strings.Contains(what, "write of audit/segment")) {
				t.Errorf("%s: no error", what)
			}
			if err := w.clone().check(mem, cfg); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if faults < 60 {
			t.Errorf("%v: got %d faults, want one at every operation", fault, faults)
		}
	}
}

// TestFailedSyncIsNotBelieved: the kernel forgets what a failed fdatasync did
// not write, and the next one succeeds. A log that is opened then must write
// the records again before it takes them for durable.
func TestFailedSyncIsNotBelieved(t *testing.T) {
	mem, w := crashfs.New(), &witness{refused: map[string]bool{}}
	cfg := Config{Dir: "audit", SyncEvery: time.Hour}
	fail := false
	running := cfg
	running.Logger = quiet
	running.FS = errorfs.Wrap(mem, func(op errorfs.Op) error {
		if fail && op.Kind == errorfs.Sync {
			fail = false
			return syscall.EIO
		}
		return nil
	})
	l, err := Open(running)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := w.append(l, 900, 0); err != nil {
			t.Fatal(err)
		}
		if i == 4 || i == 9 {
			if err := l.syncTo(l.written.Load()); err != nil {
				t.Fatal(err)
			}
		}
	}
	fail = true
	if err := l.syncTo(l.written.Load()); !errors.Is(err, ErrSync) {
		t.Fatalf("got %v, want %v", err, ErrSync)
	}
	if err := l.Close(); !errors.Is(err, ErrSync) {
		t.Fatalf("got %v from Close, want %v", err, ErrSync)
	}
	if l, err = Open(running); err != nil {
		t.Fatal(err)
	}
	w.promise() // Open has brought to disk what it found
	for range 100 {
		if err := w.check(mem.CrashClone(rand.IntN), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRandomTrail does random things to a trail on a disk that fails and loses
// its power at random, and checks the promises after each cut.
func TestRandomTrail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		mem, w := crashfs.New(), &witness{refused: map[string]bool{}}
		var mu sync.Mutex // the log's own goroutine operates too
		var fault error   // of the next operation that changes something
		set := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			fault = err
		}
		cfg := Config{Dir: "audit", SegmentSize: 4000, SyncEvery: time.Hour, Durable: rapid.Bool().Draw(rt, "durable")}
		var l *Log
		open := func() {
			running := cfg
			running.Logger = quiet
			running.FS = errorfs.Wrap(mem, func(op errorfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				if err := fault; err != nil && op.Kind.Changes() {
					fault = nil
					return err
				}
				return nil
			})
			var err error
			if l, err = Open(running); err != nil {
				rt.Fatal(err)
			}
			w.promise() // what is there now; what is not there was refused or lost
			got, err := recordsOf(mem, cfg.Dir)
			if err != nil {
				rt.Fatal(err)
			}
			w.order, w.promised, w.refused = got, len(got), map[string]bool{}
		}
		open()
		defer func() { _ = l.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				_ = w.append(l, rapid.IntRange(70, 1500).Draw(rt, "size"), 0)
			},
			"change": func(rt *rapid.T) { _ = w.append(l, 200, l.accepted+1) },
			"sync": func(*rapid.T) {
				l.wmu.Lock()
				queued := len(l.queue)
				l.wmu.Unlock()
				// After ErrSync the last record is in doubt for good.
				if l.syncTo(l.written.Load()) == nil && queued == 0 && !errors.Is(l.Err(), ErrSync) {
					w.promise()
				}
			},
			"mark": func(*rapid.T) { l.markIdle() },
			"fault": func(rt *rapid.T) {
				set(rapid.SampledFrom([]error{syscall.EIO, syscall.ENOSPC, errorfs.Short{N: 99, Err: syscall.ENOSPC}, errorfs.Short{N: 7}}).Draw(rt, "fault"))
			},
			"reopen": func(*rapid.T) {
				set(nil)
				_ = l.Close() // may have failed before
				if err := w.clone().check(mem.CrashClone(crashfs.Most), cfg); err != nil {
					rt.Fatal(err)
				}
				open()
			},
			"cut": func(rt *rapid.T) {
				seed := rapid.Uint64().Draw(rt, "seed")
				random := rand.New(rand.NewPCG(seed, 0))
				after := mem.CrashClone(random.IntN)
				set(nil)
				_ = l.Close()
				if err := w.clone().check(after.CrashClone(crashfs.Most), cfg); err != nil {
					rt.Fatal(err)
				}
				mem = after
				open()
			},
		})
	})
}
