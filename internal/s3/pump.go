package s3

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/strongroom/strongroom/internal/awserr"
)

// bufferSize is how much of a payload is read at a time, in bytes, and maxPieces
// how many such buffers a request has at the most. It has no more than it needs:
// one that is read and one with the sinks while the client is what is slow, all
// of them when a sink is, so that reading goes on while the disk makes it wait.
// A payload that is announced as shorter than smallBuffer gets one of that size:
// clients that take their time hold no more than what they send.
const (
	bufferSize  = 128 << 10
	smallBuffer = 8 << 10
	maxPieces   = 6
)

var (
	buffers      = sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}
	smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallBuffer); return &b }}
)

// piece is a part of the payload on its way through the sinks.
type piece struct {
	buf  *[]byte
	pool *sync.Pool   // where buf belongs
	n    int          // bytes of buf that are payload
	left atomic.Int32 // sinks that have not seen it yet
}

// pump reads r to its end and gives all of it to every sink, in order. The
// sinks work at the same time, beside the reading and at a pace of their own:
// MD5 is the slowest of them, and alone decides how fast a PUT is where there
// are cores for the others. A payload of one buffer is worked off in place. No
// sink is used any more when pump returns. Length is how many bytes r is said
// to have, -1 when that is not known; no more than memory hangs on it.
func pump(r io.Reader, length, limit int64, sinks ...io.Writer) (total int64, err error) {
	pool := &buffers
	if length >= 0 && length < smallBuffer {
		pool = &smallBuffers
	}
	first := &piece{buf: pool.Get().(*[]byte), pool: pool}
	n, err := fill(r, *first.buf)
	if err == nil && int64(n) <= limit {
		return pumpOn(r, limit, first, sinks)
	}
	defer first.release()
	if int64(n) > limit {
		return int64(n), entityTooLarge()
	}
	if err != io.EOF {
		return int64(n), readError(err)
	}
	errs := make([]error, len(sinks))
	for i, w := range sinks {
		_, errs[i] = w.Write((*first.buf)[:n])
	}
	return int64(n), errors.Join(errs...)
}

// pumpOn is pump for a payload that may be longer than one buffer. A piece is
// in one place at a time: here, being filled; with the sinks; or free.
func pumpOn(r io.Reader, limit int64, p *piece, sinks []io.Writer) (total int64, err error) {
	free := make(chan *piece, maxPieces)
	queues := make([]chan *piece, len(sinks))
	errs := make([]error, len(sinks))
	var failed atomic.Bool // a sink did: nothing more need be read
	var working sync.WaitGroup
	for i, w := range sinks {
		queues[i] = make(chan *piece, maxPieces)
		working.Go(func() {
			for p := range queues[i] {
				if errs[i] == nil {
					if _, errs[i] = w.Write((*p.buf)[:p.n]); errs[i] != nil {
						failed.Store(true)
					}
				}
				if p.left.Add(-1) == 0 {
					free <- p // never blocks
				}
			}
		})
	}
	held := p      // the piece that is here
	defer func() { // after a panic of r too
		for _, q := range queues {
			close(q)
		}
		working.Wait()
		if sinkErr := errors.Join(errs...); sinkErr != nil {
			err = sinkErr
		}
		close(free)
		for p := range free {
			p.release()
		}
		if held != nil {
			held.release()
		}
	}()
	held.n = len(*held.buf)
	for pieces := 1; ; {
		if total += int64(held.n); total > limit {
			return total, entityTooLarge()
		}
		if err != nil && err != io.EOF {
			return total, readError(err)
		}
		held.left.Store(int32(len(sinks)))
		p, held = held, nil
		for _, q := range queues {
			q <- p // never blocks: it has room for all pieces
		}
		if err == io.EOF || failed.Load() {
			return total, nil // or the sink's error
		}
		if pieces < maxPieces && len(free) == 0 {
			pieces++
			held = &piece{buf: buffers.Get().(*[]byte), pool: &buffers}
		} else {
			held = <-free
		}
		held.n, err = fill(r, *held.buf)
	}
}

// release gives the buffer back without the payload it held.
func (p *piece) release() {
	clear(*p.buf)
	p.pool.Put(p.buf)
}

// fill reads until p is full or r ends; unlike io.ReadFull it keeps io.EOF
// apart from io.ErrUnexpectedEOF, which means that the client was cut off.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// readError is about the client's side of the connection, unless the reader
// itself said what is wrong.
func readError(err error) error {
	if awserr.CodeOf(err) != "" {
		return err
	}
	return incompleteBody(err)
}
