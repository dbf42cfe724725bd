package sse

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"pgregory.net/rapid"
)

// newDataKey returns a data key of a KMS key of a new server.
func newDataKey(t testing.TB) *hsm.DataKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-key")
	if err := hsm.CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey("global", 1); err != nil {
		t.Fatal(err)
	}
	b := hsm.Binding{Purpose: hsm.PurposeBackingKey, Domain: "global"}
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	backing, err := m.LoadBackingKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	dataKey, _, err := backing.NewDataKey(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dataKey
}

func newObjectKey(t testing.TB) *hsm.ObjectKey {
	t.Helper()
	k, _, err := newDataKey(t).NewObjectKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// sealPart writes plaintext as one part, in pieces of the given sizes; the last
// size is repeated.
func sealPart(t testing.TB, k *hsm.ObjectKey, number uint32, plaintext []byte, pieces ...int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewPartWriter(&out, k, number)
	if err != nil {
		t.Fatal(err)
	}
	for rest := plaintext; len(rest) > 0; {
		n := len(rest)
		if len(pieces) > 0 {
			n = min(n, pieces[0])
			pieces = pieces[min(1, len(pieces)-1):]
		}
		if m, err := w.Write(rest[:n]); m != n || err != nil {
			t.Fatalf("got %d, %v, want %d", m, err, n)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.PlainSize(); got != int64(len(plaintext)) {
		t.Errorf("got plain size %d, want %d", got, len(plaintext))
	}
	if got, want := int64(out.Len()), StoredSize(int64(len(plaintext))); got != want {
		t.Errorf("got %d stored bytes, want %d", got, want)
	}
	return out.Bytes()
}

// manifestPart is what a manifest would say of a stored part: the salt is the
// one in its record.
func manifestPart(number uint32, stored []byte, plainSize int64) ManifestPart {
	p := ManifestPart{Number: number, PlainSize: plainSize}
	copy(p.Salt[:], stored[min(8, len(stored)):])
	return p
}

// openPart reads a whole part, of whatever attempt it is.
func openPart(k *hsm.ObjectKey, number uint32, stored []byte, plainSize int64) ([]byte, error) {
	r, err := OpenPart(bytes.NewReader(stored), int64(len(stored)), k, manifestPart(number, stored, plainSize))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = r.WriteRange(&out, 0, plainSize)
	return out.Bytes(), err
}

func TestPartSizes(t *testing.T) {
	k := newObjectKey(t)
	for _, size := range []int{0, 1, ChunkSize - 1, ChunkSize, ChunkSize + 1, 2 * ChunkSize, batchChunks*ChunkSize - 1, batchChunks * ChunkSize, batchChunks*ChunkSize + 1} {
		for _, pieces := range [][]int{nil, {1000}, {ChunkSize}, {1, ChunkSize}, {ChunkSize + 1}, {3 * ChunkSize}} {
			plaintext := randomBytes(size)
			got, err := openPart(k, 1, sealPart(t, k, 1, plaintext, pieces...), int64(size))
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes in pieces of %v: got other bytes, or %v", size, pieces, err)
			}
		}
	}
}

func TestStoredSize(t *testing.T) {
	for _, row := range []struct{ plain, want int64 }{
		{0, 52 + 28}, {1, 52 + 1 + 28}, {ChunkSize, 52 + ChunkSize + 28}, {ChunkSize + 1, 52 + ChunkSize + 1 + 2*28}, {5 << 30, 52 + 5<<30 + 81920*28},
	} {
		if got := StoredSize(row.plain); got != row.want {
			t.Errorf("%d: got %d, want %d", row.plain, got, row.want)
		}
	}
	for _, stored := range []int64{-1 << 63, -1, 0, 52, 52 + 27, 52 + sealedChunkSize + 28, 52 + sealedChunkSize + 1, 1<<63 - 1} {
		if got, ok := PlainSize(stored); ok {
			t.Errorf("%d is no stored size, got %d", stored, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.OneOf(rapid.Int64Range(0, 4*ChunkSize), rapid.Int64Range(0, MaxPlainSize), rapid.Just[int64](MaxPlainSize)).Draw(t, "plain")
		if got, ok := PlainSize(StoredSize(plain)); !ok || got != plain {
			t.Errorf("got %d, %v, want %d", got, ok, plain)
		}
		stored := rapid.OneOf(rapid.Int64Range(0, 4*sealedChunkSize), rapid.Int64()).Draw(t, "stored")
		if got, ok := PlainSize(stored); ok && StoredSize(got) != stored {
			t.Errorf("stored %d: got plain size %d, whose stored size is %d", stored, got, StoredSize(got))
		}
	})
}

func TestRanges(t *testing.T) {
	k := newObjectKey(t)
	const size = 2*batchChunks*ChunkSize + 1234
	plaintext := randomBytes(size)
	stored := sealPart(t, k, 7, plaintext)
	r, err := OpenPart(bytes.NewReader(stored), int64(len(stored)), k, manifestPart(7, stored, size))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.PlainSize(); got != size {
		t.Errorf("got plain size %d, want %d", got, size)
	}
	check := func(t interface{ Errorf(string, ...any) }, off, n int64) {
		var out bytes.Buffer
		if err := r.WriteRange(&out, off, n); err != nil || !bytes.Equal(out.Bytes(), plaintext[off:off+n]) {
			t.Errorf("range %d+%d: got other bytes, or %v", off, n, err)
		}
	}
	for _, row := range [][2]int64{{0, 0}, {0, 1}, {size, 0}, {size - 1, 1}, {ChunkSize - 1, 2}, {ChunkSize, ChunkSize}, {batchChunks*ChunkSize - 1, 2}, {0, size}} {
		check(t, row[0], row[1])
	}
	rapid.Check(t, func(t *rapid.T) {
		off := rapid.Int64Range(0, size).Draw(t, "off")
		check(t, off, rapid.Int64Range(0, size-off).Draw(t, "n"))
	})
	for _, row := range [][2]int64{{-1, 1}, {0, -1}, {0, size + 1}, {size, 1}, {size + 1, 0}, {1, 1<<63 - 1}} {
		var out bytes.Buffer
		if err := r.WriteRange(&out, row[0], row[1]); err == nil || out.Len() > 0 {
			t.Errorf("range %d+%d: got %d bytes, %v, want an error", row[0], row[1], out.Len(), err)
		}
	}
}

// The positions of a stored part where one thing ends and another begins.
func edges(stored []byte) []int {
	at := []int{0, 4, 8, 24, 36, hsm.PartRecordSize - 1}
	for start := hsm.PartRecordSize; start < len(stored); start += sealedChunkSize {
		end := min(start+sealedChunkSize, len(stored))
		at = append(at, start, start+11, start+12, (start+end)/2, end-17, end-16, end-1)
	}
	return at
}

func TestPartDamage(t *testing.T) {
	k := newObjectKey(t)
	const size = 2*ChunkSize + 100
	stored := sealPart(t, k, 1, randomBytes(size))
	for _, i := range edges(stored) {
		damaged := bytes.Clone(stored)
		damaged[i] ^= 0x10
		if _, err := openPart(k, 1, damaged, size); !errors.Is(err, ErrTampered) {
			t.Errorf("flip at %d: got %v, want %v", i, err, ErrTampered)
		}
		if _, err := openPart(k, 1, stored[:i], size); !errors.Is(err, ErrTampered) {
			t.Errorf("cut to %d: got %v, want %v", i, err, ErrTampered)
		}
	}
	small := sealPart(t, k, 1, []byte("every byte of a small part"))
	for i := range small {
		damaged := bytes.Clone(small)
		damaged[i] ^= 1 << (i % 8)
		if _, err := openPart(k, 1, damaged, 26); !errors.Is(err, ErrTampered) {
			t.Errorf("small part, flip at %d: got %v, want %v", i, err, ErrTampered)
		}
		if _, err := openPart(k, 1, small[:i], 26); !errors.Is(err, ErrTampered) {
			t.Errorf("small part, cut to %d: got %v, want %v", i, err, ErrTampered)
		}
	}
	if _, err := openPart(k, 1, append(bytes.Clone(small), 0), 26); !errors.Is(err, ErrTampered) {
		t.Errorf("extended: got %v, want %v", err, ErrTampered)
	}
}

func TestPartSplice(t *testing.T) {
	k := newObjectKey(t)
	const size = 3 * ChunkSize
	stored := sealPart(t, k, 1, randomBytes(size))
	again := sealPart(t, k, 1, randomBytes(size))
	part2 := sealPart(t, k, 2, randomBytes(size))
	foreign := sealPart(t, newObjectKey(t), 1, randomBytes(size))
	record := func(p []byte) []byte { return p[:hsm.PartRecordSize] }
	chunk := func(p []byte, i int) []byte { return p[hsm.PartRecordSize+i*sealedChunkSize:][:sealedChunkSize] }
	for _, row := range []struct {
		name   string
		pieces [][]byte
		size   int64
	}{
		{"chunks exchanged", [][]byte{record(stored), chunk(stored, 1), chunk(stored, 0), chunk(stored, 2)}, size},
		{"chunk repeated", [][]byte{record(stored), chunk(stored, 0), chunk(stored, 0), chunk(stored, 2)}, size},
		{"last chunk dropped", [][]byte{record(stored), chunk(stored, 0), chunk(stored, 1)}, size - ChunkSize},
		{"first chunk dropped", [][]byte{record(stored), chunk(stored, 1), chunk(stored, 2)}, size - ChunkSize},
		{"chunk after the last", [][]byte{record(stored), chunk(stored, 0), chunk(stored, 1), chunk(stored, 2), chunk(stored, 2)}, size + ChunkSize},
		{"chunk of another attempt", [][]byte{record(stored), chunk(stored, 0), chunk(again, 1), chunk(stored, 2)}, size},
		{"record of another attempt", [][]byte{record(again), chunk(stored, 0), chunk(stored, 1), chunk(stored, 2)}, size},
		{"chunk of another part", [][]byte{record(stored), chunk(stored, 0), chunk(part2, 1), chunk(stored, 2)}, size},
		{"another part", [][]byte{part2}, size},
		{"another object's part", [][]byte{foreign}, size},
		{"another object's chunk", [][]byte{record(stored), chunk(foreign, 0), chunk(stored, 1), chunk(stored, 2)}, size},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := openPart(k, 1, bytes.Join(row.pieces, nil), row.size); !errors.Is(err, ErrTampered) {
				t.Errorf("got %v, want %v", err, ErrTampered)
			}
		})
	}
	if _, err := openPart(k, 1, stored, size-1); !errors.Is(err, ErrTampered) {
		t.Errorf("another size in the manifest: got %v, want %v", err, ErrTampered)
	}
}

// All attempts to upload a part share its object key. Only the one whose salt
// the manifest has is opened, and of another no chunk is even read.
func TestPartRolledBack(t *testing.T) {
	k := newObjectKey(t)
	seal := func(plaintext []byte) (stored []byte, p ManifestPart) {
		var out bytes.Buffer
		w, err := NewPartWriter(&out, k, 1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(plaintext); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes(), ManifestPart{Number: 1, PlainSize: w.PlainSize(), Salt: w.Salt()}
	}
	const size = ChunkSize + 100
	first, firstPart := seal(randomBytes(size))
	second, secondPart := seal(randomBytes(size))
	none := firstPart
	none.Salt = hsm.PartSalt{}
	for _, row := range []struct {
		name   string
		stored []byte
		want   ManifestPart
		ok     bool
	}{
		{"the first", first, firstPart, true},
		{"the second", second, secondPart, true},
		{"the first in place of the second", first, secondPart, false},
		{"the second in place of the first", second, firstPart, false},
		{"record of the second before the first's chunks", append(bytes.Clone(second[:hsm.PartRecordSize]), first[hsm.PartRecordSize:]...), firstPart, false},
		{"salt of the second in the first's record", append(append(bytes.Clone(first[:8]), second[8:24]...), first[24:]...), secondPart, false},
		{"no salt", first, none, false},
	} {
		r := &within{bytes.NewReader(row.stored), hsm.PartRecordSize}
		if _, err := OpenPart(r, int64(len(row.stored)), k, row.want); row.ok != (err == nil) || (!row.ok && !errors.Is(err, ErrTampered)) {
			t.Errorf("%s: got %v, want ok %v", row.name, err, row.ok)
		}
	}
}

// within fails when it is read beyond its limit.
type within struct {
	r     io.ReaderAt
	limit int64
}

func (w *within) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > w.limit {
		return 0, errDisk
	}
	return w.r.ReadAt(p, off)
}

// Nothing of a damaged chunk is written, nor anything after it, and the error
// says which chunk it is.
func TestDamagedChunkIsNotReleased(t *testing.T) {
	k := newObjectKey(t)
	const size = (2*batchChunks + 3) * ChunkSize
	plaintext := randomBytes(size)
	stored := sealPart(t, k, 1, plaintext)
	const damaged = batchChunks + 2
	stored[hsm.PartRecordSize+damaged*sealedChunkSize+500] ^= 1
	r, err := OpenPart(bytes.NewReader(stored), int64(len(stored)), k, manifestPart(1, stored, size))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = r.WriteRange(&out, 0, size)
	if want := fmt.Sprintf("part 1: chunk %d: %v", damaged, ErrTampered); !errors.Is(err, ErrTampered) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if out.Len() > damaged*ChunkSize || !bytes.HasPrefix(plaintext, out.Bytes()) {
		t.Errorf("got %d bytes, want a prefix that ends before chunk %d", out.Len(), damaged)
	}
	out.Reset()
	if err := r.WriteRange(&out, (damaged+1)*ChunkSize, 10); err != nil {
		t.Errorf("a range beside the damage: %v", err)
	}
}

// A file whose end is missing although its size was right at OpenPart.
func TestPartCutOffAfterOpen(t *testing.T) {
	k := newObjectKey(t)
	stored := sealPart(t, k, 1, randomBytes(3*ChunkSize))
	r, err := OpenPart(bytes.NewReader(stored[:len(stored)-1]), int64(len(stored)), k, manifestPart(1, stored, 3*ChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteRange(io.Discard, 0, 3*ChunkSize); !errors.Is(err, ErrTampered) {
		t.Errorf("got %v, want %v", err, ErrTampered)
	}
}

// failing fails after n bytes; as a reader it always fails.
type failing struct{ n int }

var errDisk = errors.New("disk on fire")

func (f *failing) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func (f *failing) ReadAt([]byte, int64) (int, error) { return 0, errDisk }

func TestIOErrors(t *testing.T) {
	k := newObjectKey(t)
	plaintext := randomBytes(3 * ChunkSize)
	if _, err := NewPartWriter(&failing{10}, k, 1); !errors.Is(err, errDisk) {
		t.Errorf("record: got %v, want %v", err, errDisk)
	}
	for room := hsm.PartRecordSize; room < int(StoredSize(3*ChunkSize)); room += sealedChunkSize {
		w, err := NewPartWriter(&failing{room}, k, 1)
		if err != nil {
			t.Fatal(err)
		}
		_, writeErr := w.Write(plaintext)
		closeErr := w.Close()
		if !errors.Is(closeErr, errDisk) || (writeErr != nil && !errors.Is(writeErr, errDisk)) {
			t.Errorf("room for %d: got %v and %v, want %v at Close at the latest", room, writeErr, closeErr, errDisk)
		}
		if _, err := w.Write(nil); !errors.Is(err, errDisk) {
			t.Errorf("room for %d: a later Write got %v, want %v", room, err, errDisk)
		}
		if err := w.Close(); !errors.Is(err, errDisk) {
			t.Errorf("room for %d: a second Close got %v, want %v", room, err, errDisk)
		}
	}
	if _, err := OpenPart(&failing{}, StoredSize(1), k, ManifestPart{Number: 1, PlainSize: 1}); !errors.Is(err, errDisk) || errors.Is(err, ErrTampered) {
		t.Errorf("got %v, want %v and no tampering", err, errDisk)
	}
	stored := sealPart(t, k, 1, plaintext)
	r, err := OpenPart(bytes.NewReader(stored), int64(len(stored)), k, manifestPart(1, stored, 3*ChunkSize))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.WriteRange(&failing{10}, 0, 3*ChunkSize); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want %v", err, errDisk)
	}
}

func TestWriterAfterClose(t *testing.T) {
	var out bytes.Buffer
	w, err := NewPartWriter(&out, newObjectKey(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("Write after Close must fail")
	}
	if got, want := int64(out.Len()), StoredSize(0); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
}

// The writer stops before the key's limit makes custody panic.
func TestPartTooLong(t *testing.T) {
	w, err := NewPartWriter(io.Discard, newObjectKey(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	w.next = hsm.MaxChunks
	if _, err := w.Write(make([]byte, ChunkSize+1)); !errors.Is(err, ErrPartTooLong) {
		t.Errorf("got %v, want %v", err, ErrPartTooLong)
	}
	if err := w.Close(); !errors.Is(err, ErrPartTooLong) {
		t.Errorf("got %v, want %v", err, ErrPartTooLong)
	}
}

func TestModes(t *testing.T) {
	for _, row := range []struct {
		header string
		want   Mode
	}{{"AES256", SSES3}, {"aws:kms", SSEKMS}, {"", 0}, {"aes256", 0}, {"aws:kms:dsse", 0}, {"mode 0", 0}} {
		got, ok := ParseMode(row.header)
		if got != row.want || ok != (row.want != 0) {
			t.Errorf("%q: got %v, %v, want %v", row.header, got, ok, row.want)
		}
	}
}

func TestBindingAAD(t *testing.T) {
	b := Binding{Mode: SSEKMS, Bucket: "bk", Key: "ä", Instance: [16]byte{15: 9}}
	want := "\x00\x00\x00\x13strongroom/1 object\x02\x00\x00\x00\x02bk\x00\x00\x00\x02ä" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09"
	if got := string(b.AAD()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	a, err := NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := NewInstance(); err != nil || a == c {
		t.Errorf("two instances must differ (%v)", err)
	}
}

// An object key and a manifest open with their own binding and no other.
func TestObjectMoved(t *testing.T) {
	dataKey := newDataKey(t)
	b := Binding{Mode: SSES3, Bucket: "bucket", Key: "key", Instance: [16]byte{1}}
	k, wrapped, err := dataKey.NewObjectKey(b.AAD())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := (&Manifest{Parts: []ManifestPart{{Number: 1, Salt: hsm.PartSalt{1}}}}).Seal(k, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		b    Binding
		ok   bool
	}{
		{"same", b, true},
		{"mode", Binding{SSEKMS, b.Bucket, b.Key, b.Instance}, false},
		{"bucket", Binding{b.Mode, "other", b.Key, b.Instance}, false},
		{"key", Binding{b.Mode, b.Bucket, "other", b.Instance}, false},
		{"instance", Binding{b.Mode, b.Bucket, b.Key, [16]byte{2}}, false},
		{"bucket and key joined", Binding{b.Mode, "bucketk", "ey", b.Instance}, false},
	} {
		if _, err := dataKey.OpenObjectKey(wrapped, row.b.AAD()); row.ok != (err == nil) {
			t.Errorf("%s: object key: got %v, want ok %v", row.name, err, row.ok)
		}
		if _, err := OpenManifest(k, row.b, sealed); row.ok != (err == nil) || (!row.ok && !errors.Is(err, ErrTampered)) {
			t.Errorf("%s: manifest: got %v, want ok %v", row.name, err, row.ok)
		}
	}
}

func FuzzPart(f *testing.F) {
	k := newObjectKey(f)
	stored := sealPart(f, k, 1, []byte("fuzzed"))
	f.Add(stored)
	f.Add(binary.BigEndian.AppendUint32([]byte("SRP1"), 1))
	f.Fuzz(func(t *testing.T, in []byte) {
		plain, ok := PlainSize(int64(len(in)))
		if !ok {
			return
		}
		if _, err := openPart(k, 1, in, plain); err == nil && !bytes.Equal(in, stored) {
			t.Errorf("%x opened and was never sealed", in)
		}
	})
}
