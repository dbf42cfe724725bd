package sse

import (
	"errors"
	"io"
	"sync"

	"github.com/strongroom/strongroom/internal/hsm"
)

var errPartClosed = errors.New("sse: write to a closed part")

// ErrPartTooLong says that a part has more chunks than one key may seal.
var ErrPartTooLong = errors.New("sse: part has more chunks than its key may seal")

// PartWriter seals one part as it is written. It is not safe for concurrent
// use; different parts of one object can be written at the same time.
type PartWriter struct {
	w    io.Writer
	key  *hsm.PartKey
	next uint64 // index of the next chunk

	// buf holds plaintext of the chunk being gathered. A full chunk waits here
	// too: only more plaintext, or Close, tells whether it is the last. Nil
	// before the first Write and after Close, as out is.
	buf   *[]byte
	out   *[]byte // the sealed chunk on its way to w
	plain int64
	err   error // the first failure, or errPartClosed
}

// Buffers of writers, for plaintext and sealed chunks. Plaintext is cleared
// before a buffer comes back.
var (
	plainBuffers  = sync.Pool{New: func() any { b := make([]byte, 0, ChunkSize); return &b }}
	sealedBuffers = sync.Pool{New: func() any { b := make([]byte, 0, sealedChunkSize); return &b }}
)

// NewPartWriter makes a new key for an attempt to upload part number (counted
// from 1) and writes the part record to w. Every attempt has a writer of its
// own; what was written without a successful Close is not a part.
func NewPartWriter(w io.Writer, k *hsm.ObjectKey, number uint32) (*PartWriter, error) {
	key, record, err := k.NewPart(number)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(record); err != nil {
		return nil, err
	}
	return &PartWriter{w: w, key: key}, nil
}

// take gets the buffers, when there is something for them: until then the
// client may take its time.
func (w *PartWriter) take() {
	if w.buf == nil {
		w.buf, w.out = plainBuffers.Get().(*[]byte), sealedBuffers.Get().(*[]byte)
	}
}

// Salt returns what tells this attempt from all others at the same part. The
// manifest must have it: OpenPart refuses every other attempt.
func (w *PartWriter) Salt() hsm.PartSalt { return w.key.Salt() }

// PlainSize returns how many bytes of plaintext were written.
func (w *PartWriter) PlainSize() int64 { return w.plain }

// Write seals p. Whole chunks are sealed from p itself, without a copy.
func (w *PartWriter) Write(p []byte) (n int, err error) {
	if w.err != nil {
		return 0, w.err
	}
	w.take()
	total := len(p)
	if len(*w.buf) > 0 {
		take := min(len(p), ChunkSize-len(*w.buf))
		*w.buf = append(*w.buf, p[:take]...)
		p = p[take:]
		if len(p) > 0 { // so the buffer is full, and not the last chunk
			if err := w.seal(*w.buf, false); err != nil {
				return total - len(p) - take, err
			}
			*w.buf = (*w.buf)[:0]
		}
	}
	for len(p) > ChunkSize {
		if err := w.seal(p[:ChunkSize], false); err != nil {
			return total - len(p), err
		}
		p = p[ChunkSize:]
	}
	*w.buf = append(*w.buf, p...)
	w.plain += int64(total)
	return total, nil
}

// Close seals and writes the last chunk. It does not close the underlying
// writer. A second Close does nothing and returns what the first did.
func (w *PartWriter) Close() error {
	if w.err == nil {
		w.take()
		if err := w.seal(*w.buf, true); err == nil {
			w.err = errPartClosed
		}
	}
	w.release()
	if w.err != errPartClosed {
		return w.err
	}
	return nil
}

// seal writes one sealed chunk; an error is the writer's for good.
func (w *PartWriter) seal(plaintext []byte, final bool) error {
	if w.next >= hsm.MaxChunks {
		w.err = ErrPartTooLong
		return w.err
	}
	*w.out = w.key.SealChunk((*w.out)[:0], plaintext, w.next, final)
	w.next++
	_, w.err = w.w.Write(*w.out)
	return w.err
}

func (w *PartWriter) release() {
	if w.buf == nil {
		return
	}
	clear(*w.buf)
	*w.buf = (*w.buf)[:0]
	plainBuffers.Put(w.buf)
	sealedBuffers.Put(w.out)
	w.buf, w.out = nil, nil
}
