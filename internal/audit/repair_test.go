package audit

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
)

// TestRepair damages a trail as a power cut does, in its last records, and goes
// on with what was before them.
func TestRepair(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, numbered(0, 10, 300)...)
	if _, err := Repair(dir); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("got %v while the log is open, want ErrLocked", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Repair(dir); err != nil || r != (Repaired{}) {
		t.Errorf("got %+v, %v for a whole trail, want nothing done", r, err)
	}
	before, es := entries(t, dir)
	path := segmentPath(dir, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := es[7].Offset
	damaged := bytes.Clone(whole)
	clear(damaged[at+100 : at+200]) // in the eighth record; two whole ones follow
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Verify(dir)
	wantDamage(t, "before the repair", err, 1, at)

	r, err := Repair(dir)
	if err != nil || r.Damage.Segment != 1 || r.Damage.Offset != at || r.Bytes != int64(len(whole))-at {
		t.Fatalf("got %+v, %v, want the end from %d cut off", r, err, at)
	}
	kept, err := os.ReadFile(r.Kept)
	if err != nil || !bytes.Equal(kept, damaged[at:]) {
		t.Errorf("got %d bytes kept, %v, want all that was cut off", len(kept), err)
	}
	l = openTest(t, Config{Dir: dir})
	appendAll(t, l, `{"after":"the repair"}`)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := entries(t, dir)
	if want := append(before[:7:7], `{"after":"the repair"}`); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := Verify(dir); err != nil {
		t.Errorf("after the repair: %v", err)
	}
}

// TestRepairRefuses what is more than a damaged end, and changes nothing.
func TestRepairRefuses(t *testing.T) {
	segments, frames := smallTrail(t, 0)
	for _, tt := range []struct {
		name            string
		segment, offset int // 0-based segment
	}{
		{"record of an earlier segment", 0, int(frames[0][0]) + prefixSize + 1},
		{"header of the last segment", len(segments) - 1, 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			damaged := slices.Clone(segments)
			damaged[tt.segment] = bytes.Clone(damaged[tt.segment])
			damaged[tt.segment][tt.offset] ^= 1
			putTrail(t, dir, damaged...)
			if _, err := Repair(dir); err == nil {
				t.Error("got nil, want a refusal")
			} else if _, ok := errors.AsType[*DamageError](err); !ok {
				t.Errorf("got %v, want a *DamageError", err)
			}
			for i, want := range damaged {
				if got, err := os.ReadFile(segmentPath(dir, int64(i)+1)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("segment %d was changed (%v)", i+1, err)
				}
			}
		})
	}
}
