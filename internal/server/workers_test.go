package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, failures, successes atomic.Int64
		w := &workers{
			log: slog.New(slog.DiscardHandler), clock: time.Now,
			failed: func(string) { failures.Add(1) },
			done:   func(string, time.Time) { successes.Add(1) },
		}
		w.start([]worker{{name: "job", every: time.Hour, run: func(context.Context) error {
			if runs.Add(1) == 2 {
				return errors.New("no")
			}
			return nil
		}}})
		synctest.Wait()
		if got := runs.Load(); got != 1 {
			t.Errorf("got %d runs at the start, want one at once", got)
		}
		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		if runs.Load() != 2 || failures.Load() != 1 || successes.Load() != 1 {
			t.Errorf("got %d runs, %d failures, %d successes after an hour, want 2, 1, 1", runs.Load(), failures.Load(), successes.Load())
		}
		w.now("job")
		synctest.Wait()
		if got := runs.Load(); got != 3 {
			t.Errorf("got %d runs after now, want 3", got)
		}
		w.close()
		time.Sleep(2 * time.Hour)
		if got := runs.Load(); got != 3 {
			t.Errorf("got %d runs after close, want no more than 3", got)
		}
	})
}
