package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// smallTrail makes a trail of three segments with three records each, numbered
// from from, and returns their bytes and the offsets where each frame begins.
// The last segment ends with a mark, whose offset is the last.
func smallTrail(t testing.TB, from int) (segments [][]byte, frames [][]int64) {
	t.Helper()
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir, SegmentSize: headerSize + 3*(prefixSize+90), SyncEvery: time.Hour})
	for i, r := range numbered(from, 9, 90) {
		var err error
		if i%2 == 0 {
			err = l.AppendChange(int64(i)+1, []byte(r))
		} else {
			err = l.Append([]byte(r))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, es := entries(t, dir)
	for n := int64(1); n <= 3; n++ {
		b, err := os.ReadFile(segmentPath(dir, n))
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, b)
		var at []int64
		for _, e := range es {
			if e.Segment == n {
				at = append(at, e.Offset)
			}
		}
		frames = append(frames, at)
	}
	if len(es) != 9 || len(frames[2]) != 3 || len(segments[2]) != int(es[8].After().Offset)+prefixSize {
		t.Fatalf("got frames %v, want three in each of three segments", frames)
	}
	frames[2] = append(frames[2], es[8].After().Offset)
	return segments, frames
}

// putTrail writes segments into dir; nil leaves one out.
func putTrail(t testing.TB, dir string, segments ...[]byte) {
	t.Helper()
	for i, b := range segments {
		if b == nil {
			continue
		}
		path := segmentPath(dir, int64(i)+1)
		// A new file, because ext4 brings one that was emptied and written again
		// to disk when it is closed, which takes its time thousands of times.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wantDamage checks where err says the damage is.
func wantDamage(t *testing.T, what string, err error, segment, offset int64) {
	t.Helper()
	damage, ok := errors.AsType[*DamageError](err)
	if !ok || damage.Segment != segment || damage.Offset != offset {
		t.Errorf("%s: got %v, want damage in segment %d at offset %d", what, err, segment, offset)
	}
}

// TestEveryByteFlipped: a change of any byte is found and named by the segment
// and the frame that has it.
func TestEveryByteFlipped(t *testing.T) {
	segments, frames := smallTrail(t, 0)
	dir := t.TempDir()
	putTrail(t, dir, segments...)
	for s, whole := range segments {
		number := int64(s) + 1
		for i := range whole {
			want := int64(0) // the header
			for _, at := range frames[s] {
				if at <= int64(i) {
					want = at
				}
			}
			mask := byte(1) << (i % 8)
			b := bytes.Clone(whole)
			b[i] ^= mask
			putTrail(t, dir, append(make([][]byte, s), b)...)
			what := fmt.Sprintf("byte %d of segment %d ^ %#x", i, number, mask)
			wantDamage(t, what, second(Verify(dir)), number, want)
			if number == 3 || i < headerSize { // what Open looks at
				if number == 3 && want == frames[2][3] {
					// Nothing is behind the mark that could say that it was on disk.
					if damage, _ := errors.AsType[*DamageError](second(Verify(dir))); !damage.Unsynced {
						t.Errorf("%s: Verify does not say that the next start cuts it off", what)
					}
					continue
				}
				wantDamage(t, "Open: "+what, second(Open(Config{Dir: dir, Logger: quiet})), number, want)
				if got, err := os.ReadFile(segmentPath(dir, number)); err != nil || !bytes.Equal(got, b) {
					t.Fatalf("%s: Open changed a damaged segment: %v", what, err)
				}
			}
		}
		putTrail(t, dir, segments...)
	}
	if _, err := Verify(dir); err != nil {
		t.Errorf("the trail itself: %v", err)
	}
}

// TestTruncatedAnywhere: an end that is missing from the last segment costs
// the records it held and no other; from any other segment, or from a header,
// it is damage.
func TestTruncatedAnywhere(t *testing.T) {
	segments, frames := smallTrail(t, 0)
	all := numbered(0, 9, 90)
	for s, whole := range segments {
		for n := range whole {
			dir := t.TempDir()
			cut := slices.Clone(segments)
			cut[s] = whole[:n:n]
			putTrail(t, dir, cut...)
			complete := 0 // records of this segment that are
			end := int64(headerSize)
			for i, at := range append(frames[s][1:len(frames[s]):len(frames[s])], int64(len(whole))) {
				if at <= int64(n) {
					complete, end = min(i+1, 3), at
				}
			}
			what := fmt.Sprintf("segment %d cut to %d bytes", s+1, n)
			report, err := Verify(dir)
			switch {
			case n < headerSize:
				wantDamage(t, what, err, int64(s)+1, int64(n))
				wantDamage(t, "Open: "+what, second(Open(Config{Dir: dir, Logger: quiet})), int64(s)+1, int64(n))
				continue
			case s < 2 && int64(n) > end:
				wantDamage(t, what, err, int64(s)+1, end)
				continue
			case s < 2: // at the end of a frame: the next header shows it
				if damage, ok := errors.AsType[*DamageError](err); !ok || damage.Segment != int64(s)+2 {
					t.Errorf("%s: got %v, want damage in the next segment", what, err)
				}
				continue
			}
			if err != nil || report.Records != 6+complete || report.TornBytes != int64(n)-end {
				t.Fatalf("%s: got %+v, %v, want %d records", what, report, err, 6+complete)
			}
			l, err := Open(Config{Dir: dir, Logger: quiet, FS: lazyDisk{}}) // faster
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			appendAll(t, l, all[8])
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			got, _ := entries(t, dir)
			if want := append(slices.Clone(all[:6+complete]), all[8]); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
	}
}

func TestSegmentsMovedOrMissing(t *testing.T) {
	segments, _ := smallTrail(t, 0)
	other, _ := smallTrail(t, 100)
	for _, tt := range []struct {
		name            string
		segments        [][]byte
		segment, offset int64
		openFinds       bool
	}{
		{"first missing", [][]byte{nil, segments[1], segments[2]}, 1, 0, true},
		{"middle missing", [][]byte{segments[0], nil, segments[2]}, 2, 0, true},
		{"middle and last swapped", [][]byte{segments[0], segments[2], segments[1]}, 2, 8, true},
		{"first and middle swapped", [][]byte{segments[1], segments[0], segments[2]}, 1, 8, true},
		{"one twice", [][]byte{segments[0], segments[1], segments[1]}, 3, 8, true},
		{"first of another trail", [][]byte{other[0], segments[1], segments[2]}, 2, 24, false},
		{"last of another trail", [][]byte{segments[0], segments[1], other[2]}, 3, 24, false},
		{"not a segment", [][]byte{segments[0], bytes.Repeat([]byte("x"), 500), segments[2]}, 2, 0, true},
		{"empty", [][]byte{segments[0], {}, segments[2]}, 2, 0, true},
		{"bytes after a segment", [][]byte{segments[0], append(bytes.Clone(segments[1]), 1), segments[2]}, 2, int64(len(segments[1])), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			putTrail(t, dir, tt.segments...)
			wantDamage(t, "Verify", second(Verify(dir)), tt.segment, tt.offset)
			if tt.openFinds {
				wantDamage(t, "Open", second(Open(Config{Dir: dir, Logger: quiet})), tt.segment, tt.offset)
			}
			var last error
			for _, err := range Entries(dir) {
				last = err
			}
			wantDamage(t, "Entries", last, tt.segment, tt.offset)
		})
	}
}

// TestForgedFrames: what a writer with a bug could leave, in a chain that fits.
func TestForgedFrames(t *testing.T) {
	start := header{number: 1}
	for _, tt := range []struct {
		name    string
		changes []int64
		record  string
		bad     int // index of the frame that is damage
	}{
		{"change twice", []int64{1, 1}, `{}`, 1},
		{"change goes back", []int64{5, 0, 4}, `{}`, 2},
		{"negative change", []int64{-1}, `{}`, 0},
		{"no record", []int64{0, 0}, ``, 0},
		{"not JSON", []int64{0}, `{"a"}`, 0},
		{"not an object", []int64{0}, `[{}]`, 0},
		{"too long", []int64{0}, `{"a":"` + string(bytes.Repeat([]byte("a"), MaxRecord)) + `"}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start.append(nil)
			at, want := start.head(), int64(0)
			for i, c := range tt.changes {
				if i == tt.bad {
					want = int64(len(b))
				}
				from := len(b)
				b = reserveFrame(b, c, sha256.Sum256([]byte(tt.record)), []byte(tt.record))
				at, _ = seal(b[from:], at)
			}
			dir := t.TempDir()
			putTrail(t, dir, b)
			wantDamage(t, "Verify", second(Verify(dir)), 1, want)
		})
	}
}

// TestOtherFilesAreLeftAlone: only names we write count as segments.
func TestOtherFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, "{}")
	for _, name := range []string{"segment-7.log", "segment-000000000009.log.tmp", ".segment-000000000002.log.1.tmp", "segment-.log", "notes"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := Verify(dir); err != nil || report.Segments != 1 || report.Records != 1 {
		t.Errorf("got %+v, %v", report, err)
	}
}

// lazyDisk is the real disk without its syncs.
type lazyDisk struct{ durable.OS }

func (d lazyDisk) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := d.OS.OpenFile(name, flag, perm)
	return lazyFile{f}, err
}

type lazyFile struct{ durable.File }

func (lazyFile) Sync() error     { return nil }
func (lazyFile) SyncData() error { return nil }

// A reader of a long trail can be told to stop.
func TestVerifyStops(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir})
	if err := errors.Join(l.Append([]byte(`{"eventName":"A"}`)), l.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := VerifyContext(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
