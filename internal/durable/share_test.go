package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestShare(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	one, err := Share(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Share(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range []interface{ Close() error }{one, two} {
		if _, err := Lock(path); !errors.Is(err, ErrLocked) {
			t.Errorf("got %v while the lock is shared, want %v", err, ErrLocked)
		}
		if err := holder.Close(); err != nil {
			t.Fatal(err)
		}
	}
	held, err := Lock(path)
	if err != nil {
		t.Fatalf("after both: %v", err)
	}
	got := make(chan error)
	go func() {
		l, err := Share(path) // waits
		if err == nil {
			err = l.Close()
		}
		got <- err
	}()
	select {
	case err := <-got:
		t.Errorf("got %v at once, want to wait for the exclusive lock", err)
	default:
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %04o, want 0600", got)
	}
}
