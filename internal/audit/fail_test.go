package audit

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/durable/errorfs"
)

// badDisk is the real disk with faults. A nil function is no fault; what it
// returns is returned in place of the real call when it is not nil.
type badDisk struct {
	durable.FS
	mu       sync.Mutex // guards the functions
	write    func(n int) (int, error)
	truncate func() error
	sync     func() error
	begin    func() error // of a segment, after the file was made
}

func newBadDisk() *badDisk {
	d := &badDisk{}
	d.FS = errorfs.Wrap(durable.OS{}, d.fault)
	return d
}

// fault is what the disk does to a segment.
func (d *badDisk) fault(op errorfs.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	segment := strings.HasPrefix(filepath.Base(op.Path), "segment-")
	switch {
	case op.Kind == errorfs.Write && segment && d.write != nil:
		n, err := d.write(op.Size)
		return errorfs.Short{N: n, Err: err}
	case op.Kind == errorfs.Truncate && segment && d.truncate != nil:
		return d.truncate()
	case op.Kind == errorfs.Sync && segment && d.sync != nil:
		return d.sync()
	case op.Kind == errorfs.Sync && filepath.Ext(op.Path) == "" && d.begin != nil: // the directory
		return d.begin()
	}
	return nil
}

// set changes the faults while the log runs.
func (d *badDisk) set(change func(d *badDisk)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// heal takes all faults away.
func (d *badDisk) heal() {
	d.set(func(d *badDisk) { d.write, d.truncate, d.sync, d.begin = nil, nil, nil, nil })
}

// openBad opens a trail on a disk without faults as yet.
func openBad(t *testing.T, cfg Config) (*Log, *badDisk) {
	t.Helper()
	d := newBadDisk()
	cfg.Logger = quiet
	cfg.FS = d
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // fails where the test ends with a fault
	return l, d
}

// TestWriteFails: a record that could not be written is refused and leaves
// nothing; changes are kept, and come first once writing works, in order.
func TestWriteFails(t *testing.T) {
	enospc := func(int) (int, error) { return 0, syscall.ENOSPC }
	eio := func() error { return syscall.EIO }
	for _, tt := range []struct {
		name  string
		fault func(d *badDisk)
		want  error
	}{
		{"disk full", func(d *badDisk) { d.write = enospc }, syscall.ENOSPC},
		{"short write without an error", func(d *badDisk) { d.write = func(n int) (int, error) { return min(n/2, 100), nil } }, io.ErrShortWrite},
		{"all but one byte", func(d *badDisk) { d.write = func(n int) (int, error) { return min(n-1, 140), syscall.ENOSPC } }, syscall.ENOSPC},
		{"part of the first frame, and it cannot be undone", func(d *badDisk) {
			d.write = func(n int) (int, error) { return min(n, 60), syscall.ENOSPC }
			d.truncate = eio
		}, syscall.ENOSPC},
		{"undoing fails alone", func(d *badDisk) {
			d.write = func(n int) (int, error) { return 0, syscall.EDQUOT }
			d.truncate = eio
		}, syscall.EDQUOT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that no retry comes between
				cfg := Config{Dir: t.TempDir()}
				l, d := openBad(t, cfg)
				rs := numbered(0, 8, 100) // frames of 148 bytes
				appendAll(t, l, rs[0])
				if err := l.AppendChange(10, []byte(rs[1])); err != nil {
					t.Fatal(err)
				}
				end := l.Position()

				d.set(tt.fault)
				if err := l.Append([]byte(rs[2])); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if err := l.Err(); err == nil {
					t.Error("Err is nil while the trail cannot be written")
				}
				for i, r := range rs[3:5] {
					if err := l.AppendChange(11+int64(i), []byte(r)); err == nil {
						t.Error("a change that could not be written was taken without an error")
					}
				}
				if err := l.Append([]byte(rs[5])); err == nil {
					t.Error("a record that could not be written was taken without an error")
				}
				if got := l.LastChange(); got != 10 {
					t.Errorf("got last change %d, want 10: no other is in the segments", got)
				}
				if got := l.Position(); got != end {
					t.Errorf("got end %v, want %v", got, end)
				}
				if report, err := Verify(cfg.Dir); err != nil || report.Records != 2 {
					t.Errorf("while it fails: got %+v, %v", report, err)
				}

				d.heal()
				appendAll(t, l, rs[6])
				if err := l.Err(); err != nil {
					t.Errorf("got %v after a write that worked", err)
				}
				if err := l.AppendChange(13, []byte(rs[7])); err != nil {
					t.Fatal(err)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				got, _ := entries(t, cfg.Dir)
				if want := []string{rs[0], rs[1], rs[3], rs[4], rs[6], rs[7]}; !slices.Equal(got, want) {
					t.Errorf("got %q\nwant %q", got, want)
				}
				if report, err := Verify(cfg.Dir); err != nil || report.LastChange != 13 || report.TornBytes != 0 {
					t.Errorf("got %+v, %v", report, err)
				}
			})
		})
	}
}

// TestShortWriteKeepsWholeFrames: of a group, those records stand that came
// through whole, and only the others are refused.
func TestShortWriteKeepsWholeFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Dir: t.TempDir()}
		l, d := openBad(t, cfg)
		rs := numbered(0, 4, 100)
		d.set(func(d *badDisk) { d.write = func(int) (int, error) { return 0, syscall.ENOSPC } })
		for i, r := range rs[:2] {
			if err := l.AppendChange(int64(i)+1, []byte(r)); err == nil {
				t.Fatal("no error")
			}
		}
		// Three frames of 148 bytes wait now; two and a half fit.
		d.set(func(d *badDisk) { d.write = func(int) (int, error) { return 370, syscall.ENOSPC } })
		if err := l.Append([]byte(rs[2])); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("got %v, want ENOSPC", err)
		}
		if got := l.LastChange(); got != 2 {
			t.Errorf("got last change %d, want 2", got)
		}
		d.heal()
		appendAll(t, l, rs[3])
		got, _ := entries(t, cfg.Dir)
		if want := []string{rs[0], rs[1], rs[3]}; !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

// TestGroupSharesFailure: every caller of a failed group gets the error.
func TestGroupSharesFailure(t *testing.T) {
	l, d := openBad(t, Config{Dir: t.TempDir()})
	d.set(func(d *badDisk) { d.write = func(int) (int, error) { return 0, syscall.ENOSPC } })
	var wg sync.WaitGroup
	for _, r := range numbered(0, 64, 100) {
		wg.Go(func() {
			if err := l.Append([]byte(r)); !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("got %v, want ENOSPC", err)
			}
		})
	}
	wg.Wait()
	if got := l.Stats().Records; got != 0 {
		t.Errorf("got %d records, want 0", got)
	}
}

// TestHealsByItself: callers that refuse work because of Err never append, so
// the log has to find out that there is room again.
func TestHealsByItself(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change bool // a change waits to be written
	}{{"nothing waits", false}, {"a change waits", true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := Config{Dir: t.TempDir()}
				l, d := openBad(t, cfg)
				d.set(func(d *badDisk) { d.write = func(int) (int, error) { return 0, syscall.ENOSPC } })
				want := 0
				if tt.change {
					want = 1
					if err := l.AppendChange(1, []byte(`{}`)); err == nil {
						t.Fatal("no error")
					}
				} else if err := l.Append([]byte(`{}`)); err == nil {
					t.Fatal("no error")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if l.Err() == nil {
					t.Error("Err is nil while the disk is full")
				}
				d.heal()
				time.Sleep(2 * retryEvery)
				synctest.Wait()
				if err := l.Err(); err != nil {
					t.Errorf("got %v when there was room again", err)
				}
				report, err := Verify(cfg.Dir)
				if err != nil || report.Records != want || report.TornBytes != 0 {
					t.Errorf("got %+v, %v, want %d records", report, err, want)
				}
			})
		})
	}
}

// TestSyncFails: it is final, whatever the disk does afterwards.
func TestSyncFails(t *testing.T) {
	for _, durable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			l, d := openBad(t, Config{Dir: t.TempDir(), Durable: durable})
			d.set(func(d *badDisk) { d.sync = func() error { return syscall.EIO } })
			err := l.Append([]byte(`{}`))
			if durable && (!errors.Is(err, ErrSync) || !errors.Is(err, syscall.EIO)) {
				t.Errorf("got %v, want ErrSync and EIO", err)
			}
			if !durable && err != nil {
				t.Errorf("got %v before the sync", err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			d.heal()
			if err := l.Append([]byte(`{}`)); !errors.Is(err, ErrSync) {
				t.Errorf("durable=%v: got %v, want ErrSync for good", durable, err)
			}
			if err := l.AppendChange(1, []byte(`{}`)); !errors.Is(err, ErrSync) {
				t.Errorf("durable=%v: got %v for a change, want ErrSync", durable, err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if err := l.Err(); !errors.Is(err, ErrSync) {
				t.Errorf("durable=%v: got Err %v, want ErrSync", durable, err)
			}
			if err := l.Close(); !errors.Is(err, ErrSync) {
				t.Errorf("durable=%v: got %v from Close, want ErrSync", durable, err)
			}
		})
	}
}

// TestRollFails: the next segment cannot be begun, although its file may be
// there already; the old one takes nothing more.
func TestRollFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Dir: t.TempDir(), SegmentSize: headerSize + 2*148}
		l, d := openBad(t, cfg)
		rs := numbered(0, 5, 100)
		appendAll(t, l, rs[:2]...)
		d.set(func(d *badDisk) { d.begin = func() error { return syscall.EIO } })
		if err := l.Append([]byte(rs[2])); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), segmentName(2)) {
			t.Errorf("got %v, want EIO and the segment's name", err)
		}
		if err := l.AppendChange(1, []byte(rs[3])); !errors.Is(err, syscall.EIO) {
			t.Errorf("got %v, want EIO", err)
		}
		if report, err := Verify(cfg.Dir); err != nil || report.Records != 2 || report.Segments != 2 {
			t.Errorf("got %+v, %v", report, err)
		}
		d.heal()
		appendAll(t, l, rs[4])
		got, es := entries(t, cfg.Dir)
		if want := []string{rs[0], rs[1], rs[3], rs[4]}; !slices.Equal(got, want) || es[2].Segment != 2 {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

// TestSyncFailsAtRoll: a segment that is not on disk gets no successor.
func TestSyncFailsAtRoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Dir: t.TempDir(), SegmentSize: headerSize + 148}
		l, d := openBad(t, cfg)
		rs := numbered(0, 2, 100)
		appendAll(t, l, rs[0])
		d.set(func(d *badDisk) { d.sync = func() error { return syscall.EIO } })
		if err := l.Append([]byte(rs[1])); !errors.Is(err, ErrSync) {
			t.Errorf("got %v, want ErrSync", err)
		}
		if report, err := Verify(cfg.Dir); err != nil || report.Segments != 1 {
			t.Errorf("got %+v, %v, want one segment", report, err)
		}
	})
}
