package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// quiet is a logger for tests that provoke failures.
var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// openTest opens a trail that is closed when the test ends.
func openTest(t testing.TB, cfg Config) *Log {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = quiet
	}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

func appendAll(t testing.TB, l *Log, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered returns n different records of some size.
func numbered(from, n, size int) (rs []string) {
	for i := range n {
		r := fmt.Sprintf(`{"eventTime":"2026-11-23T11:%02d:00Z","eventID":"%d","pad":"`, (from+i)%60, from+i)
		rs = append(rs, r+strings.Repeat("x", max(0, size-len(r)-2))+`"}`)
	}
	return rs
}

// entries returns the records of a trail that must be whole.
func entries(t testing.TB, dir string) (rs []string, es []Entry) {
	t.Helper()
	for e, err := range Entries(dir) {
		if err != nil {
			t.Fatal(err)
		}
		rs, es = append(rs, string(e.Record)), append(es, e)
	}
	return rs, es
}

func TestAppendAndReopen(t *testing.T) {
	cfg := Config{Dir: filepath.Join(t.TempDir(), "a", "audit"), SegmentSize: 1000}
	want := numbered(0, 20, 200)
	for i, r := range want {
		l := openTest(t, cfg)
		if i%3 == 0 {
			if err := l.AppendChange(int64(i)+1, []byte(r)); err != nil {
				t.Fatal(err)
			}
		} else {
			appendAll(t, l, r)
		}
		if got, want := l.LastChange(), int64(i/3*3+1); got != want {
			t.Fatalf("got last change %d, want %d", got, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, es := entries(t, cfg.Dir)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if es[18].Seq != 19 || es[19].Seq != 0 {
		t.Errorf("got change numbers %d and %d, want 19 and 0", es[18].Seq, es[19].Seq)
	}
	report, err := Verify(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Records != 20 || report.Segments < 5 || report.LastChange != 19 || report.TornBytes != 0 ||
		report.First.Format(time.RFC3339) != "2026-11-23T11:00:00Z" || report.Last.Format(time.RFC3339) != "2026-11-23T11:19:00Z" {
		t.Errorf("got %+v", report)
	}
	for n := range report.Segments {
		info, err := os.Stat(segmentPath(cfg.Dir, int64(n)+1))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || info.Size() > 1000+prefixSize {
			t.Errorf("segment %d: got mode %v and %d bytes", n+1, info.Mode(), info.Size())
		}
	}
}

func TestAppendConcurrent(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			cfg := Config{Dir: t.TempDir(), SegmentSize: 20_000, Durable: durable}
			l := openTest(t, cfg)
			var wg sync.WaitGroup
			const callers, each = 16, 40
			for c := range callers {
				wg.Go(func() {
					for _, r := range numbered(c*each, each, 300) {
						if err := l.Append([]byte(r)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Go(func() { // the store's commit hook is one goroutine
				for i := range int64(each) {
					if err := l.AppendChange(i+1, fmt.Appendf(nil, `{"eventID":"change %d"}`, i)); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Wait()
			stats := l.Stats()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			report, err := Verify(cfg.Dir)
			if err != nil {
				t.Fatal(err)
			}
			const want = (callers + 1) * each
			if report.Records != want || stats.Records != want || int64(report.Segments) != stats.Segments || report.LastChange != each {
				t.Errorf("got %+v, stats %+v, want %d records", report, stats, want)
			}
			got, _ := entries(t, cfg.Dir)
			all := map[string]int{}
			for _, r := range got {
				all[r]++
			}
			for _, r := range numbered(0, callers*each, 300) {
				if all[r] != 1 {
					t.Errorf("%q is there %d times", r, all[r])
				}
			}
		})
	}
}

func TestRefused(t *testing.T) {
	l := openTest(t, Config{Dir: t.TempDir()})
	for _, tt := range []struct {
		name   string
		record string
	}{
		{"empty", ""}, {"one brace", "{"}, {"array", "[]"}, {"line end", "{}\n"},
		{"too long", "{" + strings.Repeat(" ", MaxRecord-1) + "}"},
	} {
		if err := l.Append([]byte(tt.record)); !errors.Is(err, ErrRecord) {
			t.Errorf("%s: got %v, want ErrRecord", tt.name, err)
		}
		if err := l.AppendChange(1, []byte(tt.record)); !errors.Is(err, ErrRecord) {
			t.Errorf("%s as change: got %v, want ErrRecord", tt.name, err)
		}
	}
	appendAll(t, l, "{"+strings.Repeat(" ", MaxRecord-2)+"}")
	if err := l.AppendChange(5, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []int64{-1, 0, 4, 5} {
		if err := l.AppendChange(seq, []byte("{}")); !errors.Is(err, ErrOrder) {
			t.Errorf("change %d after 5: got %v, want ErrOrder", seq, err)
		}
	}
	if err := l.Err(); err != nil {
		t.Errorf("what is refused must not stop the trail: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"Append": l.Append([]byte("{}")), "AppendChange": l.AppendChange(6, []byte("{}")), "Close": l.Close()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: got %v, want ErrClosed", name, err)
		}
	}
}

func TestOpenRefused(t *testing.T) {
	if _, err := Open(Config{}); err == nil || !strings.Contains(err.Error(), "Config.Dir") {
		t.Errorf("got %v for an empty Config", err)
	}
	dir := t.TempDir()
	openTest(t, Config{Dir: dir})
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v for a second log, want ErrLocked", err)
	}
	if _, err := Verify(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v for no directory", err)
	}
	damage, ok := errors.AsType[*DamageError](second(Verify(t.TempDir())))
	if !ok || damage.Segment != 1 {
		t.Errorf("got %v for an empty directory, want segment 1 missing", damage)
	}
}

func second[T any](_ T, err error) error { return err }

// TestTimers: a record is synced when SyncEvery has passed, once for many.
func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openTest(t, Config{Dir: t.TempDir()})
		appendAll(t, l, numbered(0, 10, 100)...)
		time.Sleep(4 * time.Millisecond)
		synctest.Wait()
		if got := l.Stats().Syncs; got != 0 {
			t.Errorf("got %d syncs after 4 ms, want 0", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := l.Stats().Syncs; got != 1 {
			t.Errorf("got %d syncs after 6 ms, want 1", got)
		}
		// A second later a mark says that they are on disk, and is brought there.
		time.Sleep(time.Hour)
		if got := l.Stats().Syncs; got != 2 {
			t.Errorf("got %d syncs with nothing new, want 2", got)
		}
		if got, want := l.Stats().Bytes, int64(10*148+prefixSize); got != want {
			t.Errorf("got %d bytes, want %d: the records and one mark", got, want)
		}
	})
}

// TestRecoveryIsLogged: what is cut off is named.
func TestRecoveryIsLogged(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, numbered(0, 2, 100)...)
	end := l.Position()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segmentPath(dir, 1), end.Offset-1); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	openTest(t, Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if got, want := out.String(), "segment=segment-000000000001.log offset=212 bytes=147"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}
