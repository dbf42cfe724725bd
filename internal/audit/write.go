package audit

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// keepBuffer is the greatest buffer that is kept for the next group.
const keepBuffer = 4 << 20

// flush writes the queued changes and then g, in one write, and tells g what
// became of it. The caller holds wmu.
func (l *Log) flush(g *group) error {
	queued := len(l.queue)
	l.out = slices.Grow(l.out[:0], len(l.queue)+len(g.buf)+prefixSize) // with room for a mark
	l.out = append(append(l.out, l.queue...), g.buf...)
	n, err := l.write(l.out)
	if len(l.out) > 0 && cap(l.out) > keepBuffer {
		l.out = nil
	}
	if l.queue = l.queue[min(n, queued):]; len(l.queue) == 0 {
		l.queue = nil
	}
	g.done, g.stands, g.position, g.err = true, max(n-queued, 0), l.written.Load(), err
	if g.buf != nil && cap(g.buf) <= keepBuffer {
		l.mu.Lock()
		l.spare = g.buf[:0]
		l.mu.Unlock()
	}
	g.buf = nil
	return err
}

// write chains the reserved frames of out and writes them. It returns the
// length of those that are in the trail now: all of them, or fewer and an
// error. A frame that came through only in part is cut off again; one that came
// through whole stays, because Follow may have shown it. The caller holds wmu.
func (l *Log) write(out []byte) (int, error) {
	if f := l.failure.Load(); f != nil && f.final {
		return 0, f.err
	}
	if len(out) == 0 {
		return 0, nil
	}
	if err := l.prepare(int64(len(out))); err != nil {
		return 0, l.fail(err, false)
	}
	n, err := l.put(out)
	return min(n, len(out)), err
}

// put is write without its preparations, and with a mark when one is due.
func (l *Log) put(out []byte) (int, error) {
	if out = l.appendMark(out); len(out) == 0 {
		return 0, nil
	}
	h := l.at.head
	for off, n := 0, 0; off < len(out); off += n {
		h, n = seal(out[off:], h)
	}
	n, err := l.file.WriteAt(out, l.size)
	if err == nil && n < len(out) {
		err = io.ErrShortWrite
	}
	stands := l.count(out, n)
	if stands > 0 {
		l.size += int64(stands)
		l.written.Add(int64(stands))
		l.change.Store(l.at.change)
		notify(l.dirty)
	}
	if err != nil {
		l.excess = true
		if cutErr := l.cutExcess(); cutErr != nil {
			err = fmt.Errorf("%w; undoing it: %w", err, cutErr)
		}
		return stands, l.fail(fmt.Errorf("writing %s: %w", segmentName(l.number), err), false)
	}
	l.recovered()
	return stands, nil
}

// count moves the end of the chain behind the sealed frames that are whole
// within the first n bytes of out, and returns their length.
func (l *Log) count(out []byte, n int) (stands int) {
	for stands < len(out) {
		f := out[stands:]
		end := stands + frameSize(f)
		if end > n {
			break
		}
		l.at.head = head(f[16:prefixSize])
		if number := int64(binary.BigEndian.Uint64(f[8:])); frameSize(f) == prefixSize {
			l.marked = number
		} else {
			l.at.change = max(l.at.change, number)
			l.records.Add(1)
			l.recordsEnd = l.size + int64(end)
		}
		stands = end
	}
	return stands
}

// prepare makes the end of the trail ready for n more bytes: it undoes what a
// failed write left and begins a new segment when this one is full.
func (l *Log) prepare(n int64) error {
	if err := l.cutExcess(); err != nil {
		return fmt.Errorf("undoing a failed write to %s: %w", segmentName(l.number), err)
	}
	if l.mustRoll || l.size > headerSize && l.size+n > l.cfg.SegmentSize {
		return l.roll()
	}
	return nil
}

// cutExcess cuts off what may lie behind the last complete frame.
func (l *Log) cutExcess() error {
	if !l.excess {
		return nil
	}
	if err := l.file.Truncate(l.size); err != nil {
		return err
	}
	l.excess = false
	return nil
}

// roll brings the segment to disk and begins the next. Once that was tried,
// nothing may be added to the old segment: the new one's header, which says
// where it ends, may be on disk although an error was returned.
func (l *Log) roll() error {
	l.smu.Lock()
	defer l.smu.Unlock()
	if err := l.syncLocked(); err != nil {
		return err
	}
	l.mustRoll = true
	next := l.number + 1
	h := header{number: next, lastChange: l.at.change, previous: l.at.head}
	path := segmentPath(l.cfg.Dir, next)
	if err := createSegment(l.files, path, h.append(nil)); err != nil {
		return fmt.Errorf("beginning %s: %w", segmentName(next), err)
	}
	f, err := openForWriting(l.files, path)
	if err != nil {
		return fmt.Errorf("beginning %s: %w", segmentName(next), err)
	}
	if err := l.file.Close(); err != nil { // it is on disk, so nothing is lost
		l.cfg.Logger.Warn("audit: closing a segment", "segment", segmentName(l.number), "error", err)
	}
	l.file, l.number, l.size, l.mustRoll = f, next, headerSize, false
	l.marked, l.recordsEnd = headerSize, headerSize
	l.at.head = h.head()
	l.segments.Add(1)
	return nil
}

// retry tries whether the trail can be written again: it writes what is
// waiting, or, when nothing is, a block of zeros that it cuts off at once and
// that recovery would take for a torn write.
func (l *Log) retry() {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	if f := l.failure.Load(); f == nil || f.final {
		return
	}
	g := l.takePending()
	if len(l.queue)+len(g.buf) > 0 {
		l.flush(g) // the error is in g and in failure
		return
	}
	if err := l.probe(); err != nil {
		l.fail(err, false)
		return
	}
	l.recovered()
}

func (l *Log) probe() error {
	zeros := make([]byte, 4096)
	if err := l.prepare(int64(len(zeros))); err != nil {
		return err
	}
	l.excess = true
	if _, err := l.file.WriteAt(zeros, l.size); err != nil {
		return fmt.Errorf("writing %s: %w", segmentName(l.number), err)
	}
	return l.cutExcess()
}

// fail notes that the trail cannot be written, and returns the error that Err
// returns from now on.
func (l *Log) fail(err error, final bool) error {
	f := &failure{err: fmt.Errorf("audit: %w", err), final: final}
	old := l.failure.Load()
	if old != nil && old.final {
		return old.err
	}
	l.failure.Store(f)
	if old == nil || final {
		l.cfg.Logger.Error("audit: the trail cannot be written; work is refused", "error", err, "until restart", final)
	}
	notify(l.failing)
	return f.err
}

// recovered notes that the trail could be written. The caller holds wmu.
func (l *Log) recovered() {
	f := l.failure.Load()
	if f == nil || f.final {
		return
	}
	if l.failure.CompareAndSwap(f, nil) {
		l.cfg.Logger.Info("audit: the trail can be written again")
	}
}

// notify wakes whoever waits on c, and does nothing when that is due already.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
