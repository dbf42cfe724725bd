package kms

import (
	"fmt"
	"time"
)

// maxDrift is how far the wall clock may move against the monotonic clock
// before nobody may go by it when key material is at stake.
const maxDrift = time.Hour

// drift compares the wall clock, which anyone with the right can set, with the
// monotonic clock, which nobody can. It knows nothing of what happened before
// the process began, and takes a machine that slept for a clock that was set
// forward: the monotonic clock stands still meanwhile.
type drift struct {
	wall time.Time // of the service's clock when it began
	mono time.Time // the same moment, with a reading of the monotonic clock
}

func newDrift(now time.Time) drift { return drift{now.Round(0), time.Now()} }

// expected returns what the wall clock would say had it not been set.
func (d drift) expected() time.Time { return d.wall.Add(time.Since(d.mono)) }

// by returns how far the wall clock, which says now, has been set forward.
func (d drift) by(now time.Time) time.Duration { return now.Round(0).Sub(d.expected()) }

// latest returns now, unless the wall clock has been set back: a waiting period
// must not begin in the past.
func (d drift) latest(now time.Time) time.Time {
	if d.by(now) < -maxDrift {
		return d.expected().Truncate(time.Millisecond)
	}
	return now
}

// trusted refuses to go by a wall clock that has moved against the monotonic
// clock by more than an hour since the Service began: what is done by the date
// must not come of one that was set by mistake. What says what is left undone.
func (s *Service) trusted(now time.Time, what string) error {
	by := s.drift.by(now)
	if by.Abs() <= maxDrift {
		return nil
	}
	return fmt.Errorf("%s: the clock has moved by %v against the time since the server began; "+
		"put it right, or if it is right now (after a sleep of the machine, say), restart the server", what, by.Round(time.Minute))
}
