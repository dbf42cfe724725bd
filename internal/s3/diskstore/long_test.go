package diskstore

import (
	"crypto/rand"
	"testing"
)

// A blob of several write-back steps, written in pieces that fit none of them,
// is what was written.
func TestLongBlob(t *testing.T) {
	s, _ := open(t)
	data := make([]byte, 3*writebackStep+12_345)
	_, _ = rand.Read(data)
	w, err := s.Create(t.Context())
	check(t, err)
	for rest := data; len(rest) > 0; {
		n, err := w.Write(rest[:min(len(rest), 300_001)])
		check(t, err)
		rest = rest[n:]
	}
	if got := w.(*writer).started; got < 3*writebackStep {
		t.Errorf("the kernel was told to begin %d bytes, want %d and more", got, 3*writebackStep)
	}
	id, err := w.Commit()
	check(t, err)
	if read(t, s, id) != string(data) {
		t.Error("the blob is not what was written")
	}
}
