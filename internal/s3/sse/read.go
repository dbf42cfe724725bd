package sse

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/strongroom/strongroom/internal/hsm"
)

// batchChunks is how many chunks one read of the underlying file covers:
// 256 KiB, enough to make the call cheap and small enough for a core's cache.
const batchChunks = 4

// PartReader opens ranges of one stored part. It is safe for concurrent use
// when its io.ReaderAt is.
type PartReader struct {
	r      io.ReaderAt
	key    *hsm.PartKey
	number uint32
	plain  int64
	chunks int64
}

// readBatch is the space of one WriteRange.
type readBatch struct{ sealed, plain []byte }

var readBatches = sync.Pool{New: func() any {
	return &readBatch{make([]byte, batchChunks*sealedChunkSize), make([]byte, 0, ChunkSize)}
}}

// OpenPart reads the part record of a stored part. storedSize is the size in
// bytes of what r reads, plainSize the size that the manifest states: they must
// agree before anything is read. The error is ErrTampered, or that of r.
func OpenPart(r io.ReaderAt, storedSize int64, k *hsm.ObjectKey, number uint32, plainSize int64) (*PartReader, error) {
	if got, ok := PlainSize(storedSize); !ok || got != plainSize {
		return nil, fmt.Errorf("part %d: stored size %d does not hold %d bytes: %w", number, storedSize, plainSize, ErrTampered)
	}
	var record [hsm.PartRecordSize]byte
	if err := readFull(r, record[:], 0); err != nil {
		return nil, fmt.Errorf("part %d: record: %w", number, err)
	}
	key, err := k.OpenPart(number, record[:])
	if err != nil {
		return nil, fmt.Errorf("part %d: record: %w", number, ErrTampered)
	}
	return &PartReader{r: r, key: key, number: number, plain: plainSize, chunks: chunks(plainSize)}, nil
}

// PlainSize returns the size in bytes of the part's plaintext.
func (r *PartReader) PlainSize() int64 { return r.plain }

// WriteRange writes n bytes of plaintext from offset off to w. Nothing of a
// chunk reaches w before the whole chunk is verified; chunks before a damaged
// one may have. The error is ErrTampered, which names the chunk, or that of
// the underlying reader or of w. A range that is not within the part is an
// error and writes nothing. An empty range writes nothing, and yet verifies
// the chunk it is in when the part is empty.
func (r *PartReader) WriteRange(w io.Writer, off, n int64) error {
	if off < 0 || n < 0 || off > r.plain || n > r.plain-off {
		return fmt.Errorf("part %d: range %d+%d is outside its %d bytes", r.number, off, n, r.plain)
	}
	if n == 0 && r.plain > 0 {
		return nil
	}
	b := readBatches.Get().(*readBatch)
	defer func() {
		clear(b.plain[:cap(b.plain)])
		readBatches.Put(b)
	}()
	last := max(off, off+n-1) / ChunkSize
	for first := off / ChunkSize; first <= last; first += batchChunks {
		count := min(batchChunks, last-first+1)
		sealed := b.sealed[:min(count*sealedChunkSize, r.plain-first*ChunkSize+count*hsm.ChunkOverhead)]
		if err := readFull(r.r, sealed, hsm.PartRecordSize+first*sealedChunkSize); err != nil {
			return fmt.Errorf("part %d: chunk %d: %w", r.number, first, err)
		}
		for i := first; i < first+count; i++ {
			size := min(sealedChunkSize, len(sealed))
			chunk, err := r.key.OpenChunk(b.plain, sealed[:size], uint64(i), i == r.chunks-1)
			if err != nil {
				return fmt.Errorf("part %d: chunk %d: %w", r.number, i, ErrTampered)
			}
			sealed = sealed[size:]
			from := max(off-i*ChunkSize, 0)
			to := min(off+n-i*ChunkSize, int64(len(chunk)))
			if _, err := w.Write(chunk[from:to]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readFull fills p from off. Bytes that are not there were cut off: ErrTampered.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil, errors.Is(err, io.EOF):
		return ErrTampered
	}
	return err
}
