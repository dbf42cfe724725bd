package server

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// worker is a job that the server does again and again beside its requests,
// such as the destruction of keys whose waiting period has ended.
type worker struct {
	name  string        // the label in logs and metrics
	every time.Duration // between the end of one run and the start of the next
	// run does what is due now. It is told to stop by its context, and must be
	// able to go on where a killed process left off.
	run func(context.Context) error
}

// workers runs jobs, each in a goroutine of its own. The first run of each
// begins at once: what became due while no server ran is late already.
type workers struct {
	log    *slog.Logger
	failed func(name string)               // counts a failed run
	done   func(name string, at time.Time) // notes a good one
	clock  func() time.Time

	stop context.CancelFunc
	wg   sync.WaitGroup
	wake map[string]chan struct{}

	mu  sync.Mutex      // guards bad
	bad map[string]bool // jobs whose last run failed
}

// start starts the jobs.
func (w *workers) start(jobs []worker) {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.wake, w.bad = cancel, map[string]chan struct{}{}, map[string]bool{}
	for _, j := range jobs { // all, before the first runs: one may wake another
		w.wake[j.name] = make(chan struct{}, 1)
	}
	for _, j := range jobs {
		w.wg.Go(func() { w.loop(ctx, j, w.wake[j.name]) })
	}
}

func (w *workers) loop(ctx context.Context, j worker, wake <-chan struct{}) {
	for {
		err := j.run(ctx)
		if ctx.Err() != nil {
			return
		}
		w.note(j.name, err == nil)
		switch {
		case err != nil:
			w.failed(j.name)
			w.log.Error("a worker failed and will try again", "worker", j.name, "in", j.every, "error", err)
		default:
			w.done(j.name, w.clock())
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-time.After(j.every):
		}
	}
}

func (w *workers) note(name string, good bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if good {
		delete(w.bad, name)
	} else {
		w.bad[name] = true
	}
}

// failing returns the names of the jobs whose last run failed, sorted.
func (w *workers) failing() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.bad))
}

// now makes a job run soon, whenever it was due next.
func (w *workers) now(name string) {
	select {
	case w.wake[name] <- struct{}{}:
	default: // it will run anyway
	}
}

// close stops the jobs and waits for those that run.
func (w *workers) close() {
	if w.stop != nil {
		w.stop()
		w.wg.Wait()
	}
}
