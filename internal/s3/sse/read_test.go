package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"pgregory.net/rapid"
)

// countedBatches stands in for the pool: it knows which batches are out, and
// that those which come back hold no plaintext.
type countedBatches struct {
	t   testing.TB
	mu  sync.Mutex
	out map[*readBatch]bool
	got int
}

func countBatches(t testing.TB) *countedBatches {
	c := &countedBatches{t: t, out: map[*readBatch]bool{}}
	long, short := readBatches, shortBatches
	readBatches, shortBatches = c, c
	t.Cleanup(func() { readBatches, shortBatches = long, short })
	return c
}

func (c *countedBatches) Get() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := newReadBatch(batchChunks)
	c.out[b] = true
	c.got++
	return b
}

func (c *countedBatches) Put(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := v.(*readBatch)
	if !c.out[b] {
		c.t.Error("a batch was given back twice")
	}
	delete(c.out, b)
	if !bytes.Equal(b.plain[:cap(b.plain)], make([]byte, cap(b.plain))) {
		c.t.Error("a batch was given back with plaintext in it")
	}
}

// wantAll is called after WriteRange: nothing may be out any more.
func (c *countedBatches) wantAll(t interface{ Errorf(string, ...any) }, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) > 0 || c.got == 0 {
		t.Errorf("%s: %d of %d batches were not given back", name, len(c.out), c.got)
	}
}

// file is a stored part that notices reads after its close, and can fail.
type file struct {
	io.ReaderAt
	reading, closed atomic.Bool
	late            atomic.Bool  // a read went on after close
	fails           atomic.Int64 // reads from this offset on fail; 0: none
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.reading.Store(true)
	defer f.reading.Store(false)
	if at := f.fails.Load(); at > 0 && off+int64(len(p)) > at {
		return 0, errDisk
	}
	n, err := f.ReaderAt.ReadAt(p, off)
	if f.closed.Load() {
		f.late.Store(true)
	}
	return n, err
}

// close is what the caller does after WriteRange.
func (f *file) close(t interface{ Errorf(string, ...any) }, name string) {
	f.closed.Store(true)
	if f.reading.Load() || f.late.Load() {
		t.Errorf("%s: the file is read after WriteRange returned", name)
	}
}

// gate lets calls of Write pass, then does what it is told to.
type gate struct {
	bytes.Buffer
	calls int
	then  func(p []byte) (int, error)
}

func (g *gate) Write(p []byte) (int, error) {
	if g.calls--; g.calls < 0 {
		return g.then(p)
	}
	return g.Buffer.Write(p)
}

const (
	longBatches = 6
	longChunks  = (longBatches-1)*batchChunks + 2
	longSize    = (longChunks-1)*ChunkSize + 1000 // the last chunk is short, and so is the last batch
)

func openFile(t testing.TB, k *hsm.ObjectKey, stored []byte) (*PartReader, *file) {
	t.Helper()
	f := &file{ReaderAt: bytes.NewReader(stored)}
	r, err := OpenPart(f, int64(len(stored)), k, manifestPart(1, stored, longSize))
	if err != nil {
		t.Fatal(err)
	}
	return r, f
}

func TestWriterFailsInTheMiddle(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(longSize)
	stored := sealPart(t, k, 1, plaintext)
	for calls := range longBatches {
		for _, row := range []struct {
			name string
			then func([]byte) (int, error)
			want error
		}{
			{"an error", func([]byte) (int, error) { return 0, errDisk }, errDisk},
			{"a part and an error", func(p []byte) (int, error) { return len(p) / 2, errDisk }, errDisk},
			{"a part and no error", func(p []byte) (int, error) { return len(p) - 1, nil }, io.ErrShortWrite},
		} {
			name := fmt.Sprintf("%s after %d writes", row.name, calls)
			batches := countBatches(t)
			r, f := openFile(t, k, stored)
			w := &gate{calls: calls, then: row.then}
			err := r.WriteRange(w, 0, longSize)
			f.close(t, name)
			if !errors.Is(err, row.want) || errors.Is(err, ErrTampered) {
				t.Errorf("%s: got %v, want %v", name, err, row.want)
			}
			if !bytes.Equal(w.Bytes(), plaintext[:calls*batchChunks*ChunkSize]) {
				t.Errorf("%s: got %d other bytes", name, w.Len())
			}
			batches.wantAll(t, name)
		}
	}
}

// A writer of net/http ends its handler by a panic.
func TestWriterPanics(t *testing.T) {
	k := newObjectKey(t)
	stored := sealPart(t, k, 1, randomBytes(longSize))
	for _, n := range []int64{100, longSize} { // one batch, and many
		for calls := range 2 {
			if n == 100 && calls > 0 {
				continue
			}
			name := fmt.Sprintf("%d bytes, after %d writes", n, calls)
			batches := countBatches(t)
			r, f := openFile(t, k, stored)
			func() {
				defer func() {
					if p := recover(); p != errDisk {
						t.Errorf("%s: got panic %v, want %v", name, p, errDisk)
					}
				}()
				err := r.WriteRange(&gate{calls: calls, then: func([]byte) (int, error) { panic(errDisk) }}, 0, n)
				t.Errorf("%s: got %v, want a panic", name, err)
			}()
			f.close(t, name)
			batches.wantAll(t, name)
		}
	}
}

func TestReaderFails(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(longSize)
	stored := sealPart(t, k, 1, plaintext)
	for batch := range longBatches {
		name := fmt.Sprintf("batch %d", batch)
		batches := countBatches(t)
		r, f := openFile(t, k, stored)
		f.fails.Store(int64(hsm.PartRecordSize + batch*batchChunks*sealedChunkSize + 1))
		var out bytes.Buffer
		err := r.WriteRange(&out, 0, longSize)
		f.close(t, name)
		if !errors.Is(err, errDisk) || errors.Is(err, ErrTampered) {
			t.Errorf("%s: got %v, want %v and no tampering", name, err, errDisk)
		}
		if !bytes.Equal(out.Bytes(), plaintext[:batch*batchChunks*ChunkSize]) {
			t.Errorf("%s: got %d bytes, want all of the batches before", name, out.Len())
		}
		batches.wantAll(t, name)
	}
}

// Of a batch with a damaged chunk nothing is written, of those before it
// everything, whichever it is.
func TestDamageInEveryBatch(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(longSize)
	stored := sealPart(t, k, 1, plaintext)
	for chunk := range longChunks {
		name := fmt.Sprintf("part 1: chunk %d: %v", chunk, ErrTampered)
		at := hsm.PartRecordSize + chunk*sealedChunkSize + 600
		damaged := bytes.Clone(stored)
		damaged[at] ^= 1
		for _, row := range []struct {
			kind   string
			stored []byte
			cut    bool
		}{{"damaged", damaged, false}, {"cut off", stored[:at], true}} {
			batches := countBatches(t)
			r, f := openFile(t, k, stored)
			f.ReaderAt = bytes.NewReader(row.stored)
			var out bytes.Buffer
			err := r.WriteRange(&out, 0, longSize)
			f.close(t, name)
			if !errors.Is(err, ErrTampered) || (!row.cut && err.Error() != name) {
				t.Errorf("%s: got %v, want %s", row.kind, err, name)
			}
			if !bytes.Equal(out.Bytes(), plaintext[:chunk/batchChunks*batchChunks*ChunkSize]) {
				t.Errorf("%s, %s: got %d bytes, want all of the batches before", row.kind, name, out.Len())
			}
			batches.wantAll(t, name)
		}
	}
}

// Any range is that of the plaintext; the borders of chunks and batches are
// drawn more often than the rest.
func TestRangesAcrossBatches(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(longSize)
	batches := countBatches(t)
	r, f := openFile(t, k, sealPart(t, k, 1, plaintext))
	position := func(t *rapid.T, name string) int64 {
		unit := rapid.SampledFrom([]int64{ChunkSize, batchChunks * ChunkSize}).Draw(t, name+" unit")
		near := rapid.Int64Range(0, longSize/unit+1).Draw(t, name+" border")*unit + rapid.Int64Range(-2, 2).Draw(t, name+" beside")
		p := rapid.OneOf(rapid.Just(near), rapid.Int64Range(0, longSize)).Draw(t, name)
		return min(max(p, 0), longSize)
	}
	rapid.Check(t, func(t *rapid.T) {
		from, to := position(t, "from"), position(t, "to")
		from, to = min(from, to), max(from, to)
		var out bytes.Buffer
		if err := r.WriteRange(&out, from, to-from); err != nil || !bytes.Equal(out.Bytes(), plaintext[from:to]) {
			t.Errorf("range %d to %d: got %d bytes and %v", from, to, out.Len(), err)
		}
	})
	f.close(t, "ranges")
	batches.wantAll(t, "ranges")
}

// One reader serves many ranges at the same time, some of which fail.
func TestRangesAtTheSameTime(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(longSize)
	batches := countBatches(t)
	r, f := openFile(t, k, sealPart(t, k, 1, plaintext))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			from := int64(i) * 33_333
			var out bytes.Buffer
			if err := r.WriteRange(&out, from, longSize-from); err != nil || !bytes.Equal(out.Bytes(), plaintext[from:]) {
				t.Errorf("from %d: got %d bytes and %v", from, out.Len(), err)
			}
			if err := r.WriteRange(&gate{calls: i % 3, then: func([]byte) (int, error) { return 0, errDisk }}, from, longSize-from); !errors.Is(err, errDisk) {
				t.Errorf("from %d: got %v, want %v", from, err, errDisk)
			}
		})
	}
	wg.Wait()
	f.close(t, "ranges")
	batches.wantAll(t, "ranges")
}
