package durable

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStartWriteback(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("x", 10_000)
	if _, err := f.WriteString(want); err != nil {
		t.Fatal(err)
	}
	StartWriteback(f, 0, int64(len(want)))
	StartWriteback(f, 5_000, 1<<40) // a range that is not there
	StartWriteback(strings.NewReader(""), 0, 1)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	StartWriteback(f, 0, 1) // closed
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %d bytes and %v, want %d", len(got), err, len(want))
	}
}
