package server

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
)

// heapHeadroom is how many bytes the heap may grow between two collections at
// the least. The runtime's own rule, as much as there is live, is 4 MiB for a
// server whose caches are empty: some 650 requests of Encrypt, and a collection
// costs the same whether the heap has 4 MiB or 24.
const heapHeadroom = 24 << 20

// KeepHeapHeadroom makes the garbage collector wait until the heap has grown
// by 24 MiB, or by as much as is live if that is more (which is the runtime's
// default). It is for a program whose business is one server: the collector is
// the process's. It does nothing where the environment sets GOGC; GOMEMLIMIT
// counts as ever. The function it returns puts things back.
func KeepHeapHeadroom() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	h := &headroom{percent: 100}
	h.before = debug.SetGCPercent(h.percent)
	h.adjust()
	return h.stop
}

// headroom sets the collector's percentage after every collection, when the
// size of what is live is known.
type headroom struct {
	mu      sync.Mutex // guards the fields below
	percent int        // in force
	before  int        // what stop puts back
	stopped bool
}

// adjust is called after a collection and waits for the next: by way of an
// object that nobody holds, which that one will find.
func (h *headroom) adjust() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped {
		return
	}
	live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(live)
	// Setting it stops the world for some microseconds: small differences are let be.
	if want := gcPercent(live[0].Value.Uint64()); math.Abs(float64(want-h.percent)) > float64(h.percent)/10 {
		debug.SetGCPercent(want)
		h.percent = want
	}
	runtime.AddCleanup(new(*headroom), (*headroom).adjust, h)
}

func (h *headroom) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stopped {
		h.stopped = true
		debug.SetGCPercent(h.before)
	}
}

// gcPercent is the percentage of live by which the heap may grow: 100, or what
// makes heapHeadroom. Below 4 MiB of live heap the runtime counts as if there
// were 4 MiB (package runtime, GOGC).
func gcPercent(live uint64) int {
	return int(max(100, heapHeadroom*100/max(live, 4<<20)))
}
