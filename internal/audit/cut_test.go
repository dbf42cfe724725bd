package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Whatever the change, the pieces are a whole trail that ends before the next
// one, and to which the next can be added.
func TestCut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := openTest(t, Config{Dir: dir, SegmentSize: 1000})
	const changes = 30
	for i, r := range numbered(0, 2*changes, 150) {
		var err error
		if i%2 == 0 {
			err = l.Append([]byte(r))
		} else {
			err = l.AppendChange(int64(10*(i/2+1)), []byte(r)) // 10, 20, …: most changes have no record
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 { // marks everywhere, at the ends of segments too
			if err := l.syncTo(l.written.Load()); err != nil {
				t.Fatal(err)
			}
			l.markIdle()
		}
	}
	for through := int64(0); through <= 10*changes+10; through += 5 {
		pieces, err := Cut(dir, through)
		if err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		for _, p := range pieces {
			b, err := os.ReadFile(filepath.Join(dir, p.Name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to, p.Name), b[:p.Size], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Verify(to)
		if err != nil {
			t.Fatalf("through %d: %v", through, err)
		}
		last := min(through/10*10, 10*changes)
		if r.LastChange != last || r.TornBytes != 0 {
			t.Errorf("through %d: got a trail up to change %d with %d torn bytes, want %d and none", through, r.LastChange, r.TornBytes, last)
		}
		if want := int(min(2*(last/10)+1, 2*changes)); r.Records != want { // with the call before the next change
			t.Errorf("through %d: got %d records, want %d", through, r.Records, want)
		}
		again, err := Open(Config{Dir: to, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(again.AppendChange(last+1, []byte(`{"eventID":"next"}`)), again.Close()); err != nil {
			t.Errorf("through %d: going on: %v", through, err)
		}
	}
}

func TestCutFindsDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l := openTest(t, Config{Dir: dir})
	appendAll(t, l, numbered(0, 5, 100)...)
	path := filepath.Join(dir, segmentName(1))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[200] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Cut(dir, 100); err == nil {
		t.Error("got no error for a damaged trail")
	} else if _, ok := errors.AsType[*DamageError](err); !ok {
		t.Errorf("got %v, want a *DamageError", err)
	}
}

// What SyncedChange tells is on the disk, and what is on the disk it tells.
func TestSyncedChange(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	l, d := openBad(t, Config{Dir: dir, Durable: true})
	for n := int64(1); n <= 5; n++ {
		if err := l.AppendChange(n, fmt.Appendf(nil, `{"eventID":"%d"}`, n)); err != nil {
			t.Fatal(err)
		}
		appendAll(t, l, `{}`) // waits for the disk
		if got := l.SyncedChange(); got != n {
			t.Errorf("got %d synced, want %d", got, n)
		}
	}
	boom := errors.New("boom")
	d.set(func(d *badDisk) { d.sync = func() error { return boom } })
	if err := l.AppendChange(6, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte(`{}`)); !errors.Is(err, ErrSync) {
		t.Errorf("got %v, want %v", err, ErrSync)
	}
	if got := l.SyncedChange(); got != 5 {
		t.Errorf("got %d synced after a sync that failed, want 5", got)
	}
	_ = l.Close() // with ErrSync
	d.heal()
	l = openTest(t, Config{Dir: dir})
	if got := l.SyncedChange(); got != 6 {
		t.Errorf("got %d synced after opening again, want 6", got)
	}
}
