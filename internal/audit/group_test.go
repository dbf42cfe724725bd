package audit

import (
	"runtime"
	"sync"
	"testing"
)

// Callers that are ready to append while one is at it join its group: a busy
// server needs few writes for many records. One processor makes it plain: each
// caller would come through alone before the next one ran.
func TestConcurrentCallersShareWrites(t *testing.T) {
	const callers = 32
	l, d := openBad(t, Config{Dir: t.TempDir()})
	writes := 0
	d.set(func(d *badDisk) {
		d.write = func(n int) (int, error) {
			writes++
			return n, nil
		}
	})
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var working sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		working.Go(func() { errs[i] = l.Append([]byte(numbered(i, 1, 100)[0])) })
	}
	working.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("caller %d: got %v", i, err)
		}
	}
	if writes > callers/2 {
		t.Errorf("got %d writes for %d callers, want far fewer", writes, callers)
	}
	if got := l.Stats().Records; got != callers {
		t.Errorf("got %d records, want %d", got, callers)
	}
}
