package server

import (
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"testing"
)

func TestGCPercent(t *testing.T) {
	for _, tt := range []struct {
		live uint64
		want int
	}{
		{0, 600}, {1 << 20, 600}, {4 << 20, 600}, {8 << 20, 300}, {24 << 20, 100}, {1 << 40, 100},
	} {
		if got := gcPercent(tt.live); got != tt.want {
			t.Errorf("%d live: got %d %%, want %d", tt.live, got, tt.want)
		}
	}
}

// The percentage follows the heap both ways, and stop puts it back.
func TestKeepHeapHeadroom(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	wait := func(what string, ok func(percent uint64) bool) {
		t.Helper()
		for range 1000 {
			if ok(currentPercent()) {
				return
			}
			runtime.GC() // and what comes after it, in another goroutine
			runtime.Gosched()
		}
		t.Fatalf("%s: got %d %%", what, currentPercent())
	}
	stop := KeepHeapHeadroom()
	wait("little live", func(p uint64) bool { return p > 150 })
	big := make([]byte, 64<<20)
	wait("much live", func(p uint64) bool { return p <= 110 })
	runtime.KeepAlive(big)
	big = nil
	wait("little live again", func(p uint64) bool { return p > 150 })
	stop()
	stop()
	if got := currentPercent(); got != 100 {
		t.Errorf("after stop: got %d %%, want 100", got)
	}
}

func TestHeapHeadroomLeavesGOGC(t *testing.T) {
	t.Setenv("GOGC", "50")
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	defer KeepHeapHeadroom()()
	if got := currentPercent(); got != 50 {
		t.Errorf("got %d %%, want the 50 of the environment", got)
	}
}

func currentPercent() uint64 {
	s := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}}
	runtimemetrics.Read(s)
	return s[0].Value.Uint64()
}
