package audit

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"

	"sync"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// Log is a trail that is open for writing. It is safe for concurrent use.
//
// Callers form groups: each adds its record to the pending group under mu and
// then takes wmu; whoever gets wmu first writes the group for all of them, and
// the next group forms meanwhile. Locks are taken in the order wmu, smu, mu.
type Log struct {
	cfg   Config
	files durable.Files
	lock  io.Closer // of the directory, against other processes

	mu      sync.Mutex // guards pending, spare, closed
	pending *group     // records not yet written; nil when there are none
	spare   []byte     // buffer of a group that was written, for the next
	closed  bool

	wmu        sync.Mutex // guards the end of the trail
	number     int64      // of the segment being written
	size       int64      // of its file, up to the last complete frame
	at         link       // where the chain stands there
	excess     bool       // the file may hold bytes behind size
	mustRoll   bool       // the next segment was begun; nothing may be added to this one
	marked     int64      // what the last mark in it says
	recordsEnd int64      // where its last record ends
	queue      []byte     // changes that could not be written yet, as reserved frames
	accepted   int64      // the highest change, queued ones included
	out        []byte     // buffer for one write

	smu    sync.Mutex // for syncs; it and wmu guard file: both to change it, either to use it
	file   durable.File
	synced atomic.Int64 // the value written had when it was last on disk; smu to change it

	written    atomic.Int64 // bytes written since Open
	change     atomic.Int64 // at.change, for LastChange
	durable    atomic.Int64 // the highest change that is known to be on disk
	records    atomic.Int64
	syncs      atomic.Int64
	segments   atomic.Int64
	failure    atomic.Pointer[failure] // nil while the trail can be written
	dirty      chan struct{}           // something was written
	failing    chan struct{}           // the trail stopped being writable
	stop       chan struct{}
	stopped    sync.WaitGroup
	retryEvery time.Duration // pause between attempts while failing
}

// failure is why the trail cannot be written.
type failure struct {
	err   error
	final bool // until restart
}

// group is the records that one write(2) takes. Its fields but buf belong to
// whoever holds wmu.
type group struct {
	buf      []byte // reserved frames
	done     bool   // it was written, or was not and err says why
	stands   int    // the frames that end at or before this length are in the trail
	position int64  // Log.written behind the last of them
	err      error  // for those that are not
}

// Append adds one record, a JSON object of at most MaxRecord bytes, to the
// trail. When it returns nil the record is with the kernel, or on disk when
// Config.Durable is set; see the package comment. The caller keeps record.
//
// While the trail cannot be written every Append tries again. The error is that
// of the file system, ErrSync, ErrRecord or ErrClosed.
func (l *Log) Append(record []byte) error {
	if err := checkRecord(record); err != nil {
		return err
	}
	digest := sha256.Sum256(record)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	g := l.pending
	if g == nil {
		g = &group{buf: l.spare[:0]}
		l.pending, l.spare = g, nil
	}
	g.buf = reserveFrame(g.buf, 0, digest, record)
	end := len(g.buf)
	l.mu.Unlock()

	// Whoever else is about to append gets the processor first and joins the
	// group. On a busy server one write then serves many; on an idle one nobody
	// is waiting, and this returns at once.
	runtime.Gosched()
	l.wmu.Lock()
	if !g.done {
		l.flush(l.takePending()) // which is g
	}
	l.wmu.Unlock()
	if end > g.stands {
		return g.err
	}
	if l.cfg.Durable {
		return l.syncTo(g.position)
	}
	return nil
}

// AppendChange adds the record of the store's change seq. Numbers only go up;
// ErrOrder refuses any other.
//
// The change has happened already, so its record is never given up: when it
// cannot be written now it is kept in memory, before every later record, and
// AppendChange returns the error. If the process ends first, the next one finds
// the change by LastChange and the store's feed.
func (l *Log) AppendChange(seq int64, record []byte) error {
	if err := checkRecord(record); err != nil {
		return err
	}
	digest := sha256.Sum256(record)
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if l.isClosed() {
		return ErrClosed
	}
	if seq <= l.accepted {
		return fmt.Errorf("%w: %d after %d", ErrOrder, seq, l.accepted)
	}
	l.accepted = seq
	l.queue = reserveFrame(l.queue, seq, digest, record)
	return l.flush(l.takePending())
}

// LastChange returns the highest change whose record is in the segments, 0 when
// there is none. After Open, the records of all later ones must be appended.
func (l *Log) LastChange() int64 { return l.change.Load() }

// SyncedChange returns the highest change whose record is known to be on disk,
// as are those of all before it; 0 when there is none. The store may forget them.
func (l *Log) SyncedChange() int64 { return l.durable.Load() }

// Err returns nil while the trail can be written, else why it cannot. Callers
// refuse work then. It is cheap. The log itself tries again from time to time,
// and Err returns nil once that succeeds; after ErrSync or Close it never does.
func (l *Log) Err() error {
	if f := l.failure.Load(); f != nil {
		return f.err
	}
	return nil
}

// Position returns the end of the trail, from which Follow yields what comes.
func (l *Log) Position() Position {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	return Position{l.number, l.size}
}

// Stats returns the counts since Open.
func (l *Log) Stats() Stats {
	return Stats{l.records.Load(), l.written.Load(), l.segments.Load(), l.syncs.Load()}
}

// Close writes what is pending, brings it to disk and releases the directory.
// It returns the first thing that went wrong. Calls after it get ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.stopped.Wait()

	l.wmu.Lock()
	defer l.wmu.Unlock()
	err := l.flush(l.takePending())
	if err == nil {
		err = l.syncTo(l.written.Load())
	}
	if err == nil {
		if err = l.mark(); err == nil {
			err = l.syncTo(l.written.Load())
		}
	}
	l.failure.CompareAndSwap(nil, &failure{ErrClosed, true})
	l.smu.Lock()
	defer l.smu.Unlock()
	return errors.Join(err, l.file.Close(), l.lock.Close())
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// takePending takes the pending group, an empty one when there is none.
func (l *Log) takePending() *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.pending
	l.pending = nil
	if g == nil {
		g = &group{}
	}
	return g
}

// checkRecord refuses what Verify would not take for a record, as far as that
// can be told without parsing.
func checkRecord(record []byte) error {
	if len(record) > MaxRecord {
		return fmt.Errorf("%w: %d bytes", ErrRecord, len(record))
	}
	if !isObject(record) {
		return fmt.Errorf("%w: not a JSON object", ErrRecord)
	}
	return nil
}
