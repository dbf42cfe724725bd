package audit

import (
	"fmt"
	"time"
)

// run brings what was written to disk in time, and tries again while the trail
// cannot be written. It ends when stop is closed.
func (l *Log) run() {
	defer l.stopped.Done()
	var syncAt, retryAt <-chan time.Time
	markAt := time.After(markAfter) // what was found at Open is on disk
	for {
		select {
		case <-l.stop:
			return
		case <-l.dirty:
			if syncAt == nil {
				syncAt = time.After(l.cfg.SyncEvery)
			}
		case <-syncAt:
			syncAt = nil
			l.syncTo(l.written.Load()) // an error is final and Err returns it
			if markAt == nil {
				markAt = time.After(markAfter)
			}
		case <-markAt:
			markAt = nil
			l.markIdle()
		case <-l.failing:
			if retryAt == nil {
				retryAt = time.After(l.retryEvery)
			}
		case <-retryAt:
			retryAt = nil
			l.retry() // which notifies failing when it fails
		}
	}
}

// syncTo returns when the first position bytes written since Open are on disk.
// Those who wait while another syncs are served together by the next one.
func (l *Log) syncTo(position int64) error {
	l.smu.Lock()
	defer l.smu.Unlock()
	if l.synced.Load() >= position {
		return nil
	}
	return l.syncLocked()
}

// syncLocked brings all that is written to disk, and what was cut off. The
// caller holds smu.
func (l *Log) syncLocked() error {
	if f := l.failure.Load(); f != nil && f.final {
		return f.err
	}
	change := l.change.Load()  // before target: what was written for it is within target
	target := l.written.Load() // before the call: what is written during it may be left out
	l.syncs.Add(1)
	if err := l.file.SyncData(); err != nil {
		return l.fail(fmt.Errorf("%w: %w", ErrSync, err), true)
	}
	l.synced.Store(target)
	l.durable.Store(change)
	return nil
}
