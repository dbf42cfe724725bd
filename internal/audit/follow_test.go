package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestFollowAcrossProcesses follows what another process writes, over many
// segments, and takes up again in the middle.
func TestFollowAcrossProcesses(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "append", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := numbered(0, 60, 300)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	var middle Position
	feed := func(n int) { // n more records into the child
		for _, r := range want[len(got):min(len(got)+n, len(want))] {
			if _, err := io.WriteString(in, r+"\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	feed(20)
	for e, err := range Follow(ctx, dir, Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Record))
		if len(got) == 31 {
			middle = e.After()
		}
		if len(got) == len(want) {
			break
		}
		if len(got)%20 == 0 { // all that was written has been seen
			feed(20)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d records, want %d; context: %v", len(got), len(want), ctx.Err())
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	got = nil
	for e, err := range Follow(ctx, dir, middle) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, string(e.Record)); len(got) == 29 {
			break
		}
	}
	if !slices.Equal(got, want[31:]) {
		t.Errorf("from %v: got %q, want %q", middle, got, want[31:])
	}
}

// TestFollowWaits: it ends with its context, without an error, and yields what
// is added behind Position meanwhile.
func TestFollowWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openTest(t, Config{Dir: t.TempDir(), SegmentSize: 1000})
		appendAll(t, l, numbered(0, 5, 200)...)
		ctx, cancel := context.WithCancel(t.Context())
		from := l.Position()
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for e, err := range Follow(ctx, l.cfg.Dir, from) {
				if err != nil {
					t.Error(err)
				}
				got = append(got, string(e.Record))
			}
		}()
		want := numbered(5, 20, 200)
		for _, r := range want {
			appendAll(t, l, r)
			time.Sleep(pollEvery / 3)
		}
		time.Sleep(time.Second)
		cancel()
		<-done
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestFollowDamage: an incomplete end is waited for, damage is reported.
func TestFollowDamage(t *testing.T) {
	segments, frames := smallTrail(t, 0)
	for _, tt := range []struct {
		name            string
		change          func(s [][]byte)
		segment, offset int64
		records         int
	}{
		{"none", func([][]byte) {}, 0, 0, 9},
		{"cut off in the last segment", func(s [][]byte) { s[2] = s[2][:frames[2][2]+70] }, 0, 0, 8},
		{"zeros at the end", func(s [][]byte) { s[2] = append(slices.Clone(s[2]), make([]byte, 5000)...) }, 0, 0, 9},
		{"cut off in the middle segment", func(s [][]byte) { s[1] = s[1][:frames[1][2]+70] }, 2, frames[1][2], 5},
		{"changed in the last segment", func(s [][]byte) { s[2] = slices.Clone(s[2]); s[2][frames[2][1]+60] ^= 1 }, 3, frames[2][1], 7},
		{"changed in the first segment", func(s [][]byte) { s[0] = slices.Clone(s[0]); s[0][frames[0][1]+6] ^= 1 }, 1, frames[0][1], 1},
		{"header of the last segment", func(s [][]byte) { s[2] = slices.Clone(s[2]); s[2][40] ^= 1 }, 3, 0, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := slices.Clone(segments)
				tt.change(s)
				dir := t.TempDir()
				putTrail(t, dir, s...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				records, last := 0, error(nil)
				for _, err := range Follow(ctx, dir, Position{}) {
					if last = err; err == nil {
						records++
					}
				}
				if records != tt.records {
					t.Errorf("got %d records, want %d", records, tt.records)
				}
				if tt.segment == 0 && last != nil {
					t.Errorf("got %v, want to wait", last)
				}
				if tt.segment != 0 {
					wantDamage(t, "Follow", last, tt.segment, tt.offset)
				}
			})
		})
	}
	for _, err := range Follow(t.Context(), t.TempDir()+"/absent", Position{}) {
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v for no directory", err)
		}
	}
}

// TestFollowWaitsForTheFirstSegment: the reader may be there before the writer.
func TestFollowWaitsForTheFirstSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		done := make(chan string)
		go func() {
			for e, err := range Follow(t.Context(), dir, Position{}) {
				done <- fmt.Sprintf("%s %v", e.Record, err)
				return
			}
		}()
		time.Sleep(time.Second)
		l := openTest(t, Config{Dir: dir})
		appendAll(t, l, `{"a":1}`)
		if got, want := <-done, `{"a":1} <nil>`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
