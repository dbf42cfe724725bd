package server

import (
	"context"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/store"
)

// The clock decides when a key is destroyed, whether a signature is fresh and
// what time the trail shows. It cannot be trusted blindly: a virtual machine
// that was resumed, a battery that is empty, a hand that slipped.

// clockSlack is how far the clock may be off before somebody is told.
const clockSlack = time.Minute

// clockWatch compares the clock with a stopwatch, which nobody sets.
type clockWatch struct {
	clock   func() time.Time
	elapsed func() time.Duration // since some moment

	wall time.Time // at the last look; zero: there was none
	ran  time.Duration
}

// newClockWatch watches clock by the monotonic time of the process.
func newClockWatch(clock func() time.Time) clockWatch {
	start := time.Now()
	return clockWatch{clock: clock, elapsed: func() time.Duration { return time.Since(start) }}
}

// look returns by how much the clock was moved since the last look, positive
// when it was set forward; 0 within clockSlack.
func (w *clockWatch) look() time.Duration {
	wall, ran := w.clock().Round(0), w.elapsed()
	if w.wall.IsZero() {
		w.wall, w.ran = wall, ran
		return 0
	}
	moved := wall.Sub(w.wall) - (ran - w.ran)
	w.wall, w.ran = wall, ran
	if moved.Abs() < clockSlack {
		return 0
	}
	return moved
}

// watchClock is the worker "clock".
func (s *Server) watchClock(ctx context.Context) error {
	if moved := s.clockWatch.look(); moved != 0 {
		// Work goes on: signatures and trails with a wrong time are better than
		// none, and what cannot be undone has guards of its own.
		s.log.Error("the clock was set while serving", "by", moved)
	}
	return checkClock(ctx, s.store, s.cfg.Clock())
}

// checkClock compares the clock with the newest change in the database.
func checkClock(ctx context.Context, st *store.Store, now time.Time) error {
	last, err := st.LastSeq(ctx)
	if err != nil || last == 0 {
		return err
	}
	newest, err := st.Changes(ctx, last-1, 1)
	if err != nil || len(newest) == 0 {
		return err
	}
	if behind := newest[0].Time.Sub(now); behind > clockSlack {
		return fmt.Errorf("the clock says %s, which is %v before the newest change in the database: set the clock; until then the trail's times run backwards, and requests signed by a right clock are refused",
			now.UTC().Format(time.RFC3339), behind.Round(time.Second))
	}
	return nil
}
