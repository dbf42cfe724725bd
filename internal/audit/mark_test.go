package audit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUnsyncedEnd: what a power cut damaged behind the last mark is cut off by
// Open, kept, and logged; the same damage before a mark stops it.
func TestUnsyncedEnd(t *testing.T) {
	// Two groups, of which the second says that the first was on disk.
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir, SyncEvery: time.Hour})
	appendAll(t, l, numbered(0, 3, 700)...)
	if err := l.syncTo(l.written.Load()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, numbered(3, 3, 700)...)
	whole, err := os.ReadFile(segmentPath(dir, 1)) // as it is when the process dies here
	if err != nil {
		t.Fatal(err)
	}
	rs, es := entries(t, dir)
	if len(rs) != 6 || len(whole) != headerSize+6*(prefixSize+700)+prefixSize {
		t.Fatalf("got %d records in %d bytes, want six and one mark", len(rs), len(whole))
	}
	for i, e := range es {
		for _, at := range []int64{e.Offset + 3, e.Offset + 20, e.Offset + prefixSize + 300} { // checksum, head, record
			t.Run(fmt.Sprintf("record %d, byte %d", i, at-e.Offset), func(t *testing.T) {
				dir, damaged := t.TempDir(), bytes.Clone(whole)
				damaged[at] ^= 0x40
				putTrail(t, dir, damaged)
				var said bytes.Buffer
				l, err := Open(Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&said, nil))})
				if i < 3 { // the mark is behind the fourth
					wantDamage(t, "before a mark", err, 1, e.Offset)
					if got, err := os.ReadFile(segmentPath(dir, 1)); err != nil || !bytes.Equal(got, damaged) {
						t.Errorf("Open changed the segment, %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				appendAll(t, l, `{"after":"it"}`)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if got, _ := entries(t, dir); !slices.Equal(got, append(rs[:i:i], `{"after":"it"}`)) {
					t.Errorf("got %d records, want the %d before the damage and one more", len(got), i)
				}
				kept := fmt.Sprintf("%s.cut-%d", segmentPath(dir, 1), e.Offset)
				if got, err := os.ReadFile(kept); err != nil || !bytes.Equal(got, damaged[e.Offset:]) {
					t.Errorf("got %d bytes kept, %v, want the %d that were cut off", len(got), err, int64(len(whole))-e.Offset)
				}
				for _, part := range []string{segmentName(1), fmt.Sprintf("offset=%d", e.Offset), kept} {
					if !strings.Contains(said.String(), part) {
						t.Errorf("got log %q, want %q in it", said.String(), part)
					}
				}
			})
		}
	}
}

// TestSeveralEndsAreKept: each end that is cut off at one offset has a file of
// its own, and one that was kept before the cut could be made has only one.
func TestSeveralEndsAreKept(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir, SyncEvery: time.Hour})
	appendAll(t, l, numbered(0, 2, 300)...)
	whole, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for i, fill := range []byte("abb") { // the last is the second again, not yet cut off
		damaged := bytes.Clone(whole)
		for j := range 50 {
			damaged[headerSize+prefixSize+j] = fill
		}
		putTrail(t, dir, damaged)
		l, err := Open(Config{Dir: dir, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.cut-*"))
		if err != nil {
			t.Fatal(err)
		}
		for j := range names {
			names[j] = strings.TrimPrefix(names[j], segmentPath(dir, 1))
		}
		if want := []string{".cut-64", ".cut-64-2"}[:min(i+1, 2)]; !slices.Equal(names, want) {
			t.Errorf("got %q after %d cuts, want %q", names, i+1, want)
		}
	}
}

// TestMarks: when there is one, and that it counts as no record.
func TestMarks(t *testing.T) {
	marks := func(dir string) (said []int64) {
		b, err := os.ReadFile(segmentPath(dir, 1))
		if err != nil {
			t.Fatal(err)
		}
		for at := headerSize; at < len(b); at += frameSize(b[at:]) {
			if frameSize(b[at:]) == prefixSize {
				said = append(said, int64(b[at+14])<<8|int64(b[at+15]))
			}
		}
		return said
	}
	const size = prefixSize + 100
	dir := t.TempDir()
	cfg := Config{Dir: dir, SyncEvery: time.Hour}
	want := func(what string, want ...int64) {
		t.Helper()
		if got := marks(dir); !slices.Equal(got, want) {
			t.Errorf("%s: got marks of %d, want %d", what, got, want)
		}
	}
	l := openTest(t, cfg)
	appendAll(t, l, numbered(0, 2, 100)...)
	want("nothing synced")
	sync := func() {
		if err := l.syncTo(l.written.Load()); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	appendAll(t, l, numbered(2, 2, 100)...)
	want("the next group takes it along", headerSize+2*size)
	l.markIdle()
	want("not on disk yet", headerSize+2*size)
	sync()
	l.markIdle()
	end := int64(headerSize + 4*size + prefixSize)
	want("idle", headerSize+2*size, end)
	sync()
	l.markIdle()
	want("idle again", headerSize+2*size, end)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want("closed", headerSize+2*size, end)
	l = openTest(t, cfg)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want("opened and closed", headerSize+2*size, end)
	l = openTest(t, cfg)
	appendAll(t, l, numbered(4, 1, 100)...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want("one more record", headerSize+2*size, end, end+prefixSize, end+2*prefixSize+size)
	if report, err := Verify(dir); err != nil || report.Records != 5 {
		t.Errorf("got %+v, %v, want five records", report, err)
	}
	if got, _ := entries(t, dir); !slices.Equal(got, numbered(0, 5, 100)) {
		t.Errorf("got %q", got)
	}
}

// TestRecordTakenOut: a record that was taken out of the last segment, with what
// follows moved to its place, is no power cut's work.
func TestRecordTakenOut(t *testing.T) {
	segments, frames := smallTrail(t, 0)
	for i := range 3 {
		dir, at := t.TempDir(), frames[2][i]
		without := slices.Concat(segments[2][:at], segments[2][frames[2][i+1]:])
		putTrail(t, dir, segments[0], segments[1], without)
		_, err := Open(Config{Dir: dir, Logger: quiet})
		wantDamage(t, fmt.Sprintf("without record %d", i), err, 3, at)
		if got, err := os.ReadFile(segmentPath(dir, 3)); err != nil || !bytes.Equal(got, without) {
			t.Errorf("Open changed the segment, %v", err)
		}
	}
}

// TestMarkThatCannotBe is damage like any other frame that was never written.
func TestMarkThatCannotBe(t *testing.T) {
	for _, said := range []int64{-1, 0, headerSize - 1, headerSize + 51, 1 << 40} {
		b := header{number: 1}.append(nil)
		at := header{number: 1}.head()
		for _, f := range [][]byte{reserveFrame(nil, 0, sha256.Sum256([]byte("{}")), []byte("{}")), reserveFrame(nil, said, noRecord, nil)} {
			at, _ = seal(f, at)
			b = append(b, f...)
		}
		dir := t.TempDir()
		putTrail(t, dir, b)
		wantDamage(t, fmt.Sprint(said), second(Verify(dir)), 1, headerSize+prefixSize+2)
	}
}

// TestFirstFormat: segments without marks are read, and not added to; nothing
// in them is taken for what a power cut left.
func TestFirstFormat(t *testing.T) {
	h := header{number: 1, plain: true}
	b, at := h.append(nil), h.head()
	rs := numbered(0, 3, 200)
	var offsets []int
	for _, r := range rs {
		offsets = append(offsets, len(b))
		f := reserveFrame(nil, 0, sha256.Sum256([]byte(r)), []byte(r))
		at, _ = seal(f, at)
		b = append(b, f...)
	}
	dir := t.TempDir()
	putTrail(t, dir, b)
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, `{"a":"new one"}`)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, es := entries(t, dir); !slices.Equal(got, append(rs, `{"a":"new one"}`)) || es[3].Segment != 2 {
		t.Errorf("got %q", got)
	}
	if got, err := os.ReadFile(segmentPath(dir, 1)); err != nil || !bytes.Equal(got, b) {
		t.Errorf("the old segment was changed, %v", err)
	}

	dir = t.TempDir()
	damaged := bytes.Clone(b)
	damaged[offsets[2]+100] ^= 1
	putTrail(t, dir, damaged)
	_, err := Open(Config{Dir: dir, Logger: quiet})
	wantDamage(t, "Open", err, 1, int64(offsets[2]))
	if damage, _ := errors.AsType[*DamageError](err); damage.Unsynced {
		t.Error("damage in the first format is called unsynced")
	}
}
