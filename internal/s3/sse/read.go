package sse

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/strongroom/strongroom/internal/hsm"
)

// How a long range is read. A batch is what one write to the client takes, and
// what passes from one goroutine to another: 512 KiB, because each passing may
// have to wake a core. The file is read chunk by chunk all the same, so that what
// was read is still in the core's cache when it is opened. Two goroutines open
// batches ahead of the writer, because opening costs more than writing does;
// there are batches for each of the three and one more, so that none waits for
// another's last byte: 2.25 MiB for a range.
const (
	batchChunks = 8
	openers     = 2
	batches     = 4
)

// PartReader opens ranges of one stored part. It is safe for concurrent use
// when its io.ReaderAt is.
type PartReader struct {
	r      io.ReaderAt
	key    *hsm.PartKey
	number uint32
	plain  int64
	chunks int64
}

// readBatch is the space of one batch: a sealed chunk, and opened ones.
type readBatch struct {
	sealed, plain []byte
	used          int // bytes of plain that have held plaintext
	pool          batchPool
}

// batchPool is a sync.Pool; tests put one in its place that counts.
type batchPool interface {
	Get() any
	Put(any)
}

// Ranges within one chunk, which are most of those of small objects, have
// batches of one chunk.
var (
	readBatches  batchPool = &sync.Pool{New: func() any { return newReadBatch(batchChunks) }}
	shortBatches batchPool = &sync.Pool{New: func() any { return newReadBatch(1) }}
)

func newReadBatch(chunks int) *readBatch {
	return &readBatch{sealed: make([]byte, sealedChunkSize), plain: make([]byte, 0, chunks*ChunkSize)}
}

func takeBatch(pool batchPool) *readBatch {
	b := pool.Get().(*readBatch)
	b.pool = pool
	return b
}

// release gives the space back without the plaintext it held.
func (b *readBatch) release() {
	clear(b.plain[:b.used])
	b.plain, b.used = b.plain[:0], 0
	b.pool.Put(b)
}

// OpenPart reads the part record of a stored part. storedSize is the size in
// bytes of what r reads, want what the manifest says of the part. The size must
// agree before anything is read; number and salt before any chunk is: another
// attempt to upload the part is refused as one of another object is. The error
// is ErrTampered, or that of r.
func OpenPart(r io.ReaderAt, storedSize int64, k *hsm.ObjectKey, want ManifestPart) (*PartReader, error) {
	if got, ok := PlainSize(storedSize); !ok || got != want.PlainSize {
		return nil, fmt.Errorf("part %d: stored size %d does not hold %d bytes: %w", want.Number, storedSize, want.PlainSize, ErrTampered)
	}
	var record [hsm.PartRecordSize]byte
	if err := readFull(r, record[:], 0); err != nil {
		return nil, fmt.Errorf("part %d: record: %w", want.Number, err)
	}
	key, err := k.OpenPart(want.Number, want.Salt, record[:])
	if err != nil {
		return nil, fmt.Errorf("part %d: record: %w", want.Number, ErrTampered)
	}
	return &PartReader{r: r, key: key, number: want.Number, plain: want.PlainSize, chunks: chunks(want.PlainSize)}, nil
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
	first, last := off/ChunkSize, max(off, off+n-1)/ChunkSize
	if last-first < batchChunks {
		pool := readBatches
		if first == last {
			pool = shortBatches
		}
		b := takeBatch(pool)
		defer b.release()
		return r.writeBatch(w, b, first, last, off, n)
	}
	return r.writePipelined(w, first, last, off, n)
}

// writeBatch opens the chunks first to last, at most batchChunks, and writes
// what of them is in the range.
func (r *PartReader) writeBatch(w io.Writer, b *readBatch, first, last, off, n int64) error {
	if err := r.openBatch(b, first, last); err != nil {
		return err
	}
	return b.write(w, first, off, n)
}

// writePipelined opens batches ahead of the one that is being written. Batch i
// is opened into slot i modulo their number, and the writer takes the slots in
// turn, so that a slot is in one hand at a time.
func (r *PartReader) writePipelined(w io.Writer, first, last, off, n int64) error {
	var slots [batches]struct {
		batch  *readBatch
		opened chan error // when it was opened, or could not be
	}
	for i := range slots {
		slots[i].batch, slots[i].opened = takeBatch(readBatches), make(chan error, 1)
	}
	next := make(chan int64, batches) // batches to open; it has room for all slots
	var opening sync.WaitGroup
	for range openers {
		opening.Go(func() {
			for i := range next {
				from := first + i*batchChunks
				slots[i%batches].opened <- r.openBatch(slots[i%batches].batch, from, min(from+batchChunks-1, last))
			}
		})
	}
	defer func() { // after a panic of w too
		close(next)
		for range next { // what nobody needs any more
		}
		opening.Wait() // now the caller may close the file
		for i := range slots {
			slots[i].batch.release()
		}
	}()
	count := (last-first)/batchChunks + 1
	for i := range min(count, batches) {
		next <- i
	}
	for i := range count {
		s := &slots[i%batches]
		if err := <-s.opened; err != nil {
			return err
		}
		if err := s.batch.write(w, first+i*batchChunks, off, n); err != nil {
			return err
		}
		if i+batches < count {
			next <- i + batches
		}
	}
	return nil
}

// openBatch reads and opens the chunks first to last into b.plain.
func (r *PartReader) openBatch(b *readBatch, first, last int64) error {
	b.plain = b.plain[:0]
	for i := first; i <= last; i++ {
		sealed := b.sealed[:min(sealedChunkSize, r.plain-i*ChunkSize+hsm.ChunkOverhead)]
		if err := readFull(r.r, sealed, hsm.PartRecordSize+i*sealedChunkSize); err != nil {
			return fmt.Errorf("part %d: chunk %d: %w", r.number, i, err)
		}
		plain, err := r.key.OpenChunk(b.plain, sealed, uint64(i), i == r.chunks-1)
		if err != nil { // GCM has cleared what it wrote
			return fmt.Errorf("part %d: chunk %d: %w", r.number, i, ErrTampered)
		}
		b.plain, b.used = plain, max(b.used, len(plain))
	}
	return nil
}

// write writes what of the opened chunks, beginning with chunk first, is in the
// range.
func (b *readBatch) write(w io.Writer, first, off, n int64) error {
	from := max(off-first*ChunkSize, 0)
	to := min(off+n-first*ChunkSize, int64(len(b.plain)))
	written, err := w.Write(b.plain[from:to])
	if err == nil && int64(written) < to-from {
		return io.ErrShortWrite
	}
	return err
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
