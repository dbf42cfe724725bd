package hsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func newTestPart(t testing.TB, k *ObjectKey, number uint32) (*PartKey, []byte) {
	t.Helper()
	p, record, err := k.NewPart(number)
	if err != nil {
		t.Fatal(err)
	}
	return p, record
}

func TestPartRecord(t *testing.T) {
	m := openTestModule(t)
	k := newTestObjectKey(t, m)
	p, record := newTestPart(t, k, 3)
	salt := p.Salt()
	if !bytes.Equal(salt[:], record[8:24]) {
		t.Errorf("got salt %x, the record is %x", salt, record)
	}
	if len(record) != PartRecordSize {
		t.Fatalf("got a record of %d bytes, want %d", len(record), PartRecordSize)
	}
	if _, err := k.OpenPart(3, salt, record); err != nil {
		t.Errorf("the untouched record: %v", err)
	}
	refused := func(what string, i int, k *ObjectKey, number uint32, record []byte) {
		t.Helper()
		if _, err := k.OpenPart(number, salt, record); !errors.Is(err, ErrAuth) {
			t.Errorf("%s %d: got %v, want %v", what, i, err, ErrAuth)
		}
	}
	for i := range record {
		refused("flip at", i, k, 3, flip(record, i))
		refused("cut to", i, k, 3, record[:i])
	}
	refused("extended by", 1, k, 3, append(bytes.Clone(record), 0))
	refused("opened as part", 4, k, 4, record)
	renumbered := bytes.Clone(record)
	binary.BigEndian.PutUint32(renumbered[4:], 4)
	refused("renumbered to", 4, k, 4, renumbered)
	_, again := newTestPart(t, k, 3)
	refused("of another attempt", 0, k, 3, again)
	for i := range salt {
		other := salt
		other[i] ^= 1
		if _, err := k.OpenPart(3, other, record); !errors.Is(err, ErrAuth) {
			t.Errorf("another salt at %d: got %v, want %v", i, err, ErrAuth)
		}
	}
	refused("of another object", 0, newTestObjectKey(t, m), 3, record)
	if _, _, err := k.NewPart(0); err == nil {
		t.Error("part 0 must be refused")
	}
}

func TestChunks(t *testing.T) {
	m := openTestModule(t)
	k := newTestObjectKey(t, m)
	writer, record := newTestPart(t, k, 3)
	reader, err := k.OpenPart(3, writer.Salt(), record)
	if err != nil {
		t.Fatal(err)
	}
	plaintext := []byte("one chunk")
	sealed := writer.SealChunk([]byte("prefix"), plaintext, 5, true)[len("prefix"):]
	if len(sealed) != len(plaintext)+ChunkOverhead {
		t.Fatalf("got %d bytes, want %d", len(sealed), len(plaintext)+ChunkOverhead)
	}
	for name, p := range map[string]*PartKey{"writer": writer, "reader": reader} {
		if got, err := p.OpenChunk(nil, sealed, 5, true); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, plaintext)
		}
	}
	again, _ := newTestPart(t, k, 3)
	otherNumber, _ := newTestPart(t, k, 4)
	otherObject, _ := newTestPart(t, newTestObjectKey(t, m), 3)
	for _, row := range []struct {
		name  string
		key   *PartKey
		index uint64
		final bool
	}{
		{"earlier", reader, 4, true},
		{"later", reader, 6, true},
		{"index with a high bit", reader, 5 | 1<<63, true},
		{"not the last", reader, 5, false},
		{"another attempt", again, 5, true},
		{"another part", otherNumber, 5, true},
		{"another object", otherObject, 5, true},
	} {
		if _, err := row.key.OpenChunk(nil, sealed, row.index, row.final); !errors.Is(err, ErrAuth) {
			t.Errorf("%s: got %v, want %v", row.name, err, ErrAuth)
		}
	}
	for i := range sealed {
		if _, err := reader.OpenChunk(nil, flip(sealed, i), 5, true); !errors.Is(err, ErrAuth) {
			t.Errorf("flip at %d: got %v, want %v", i, err, ErrAuth)
		}
		if _, err := reader.OpenChunk(nil, sealed[:i], 5, true); !errors.Is(err, ErrAuth) {
			t.Errorf("cut to %d: got %v, want %v", i, err, ErrAuth)
		}
	}
}

// panicText returns what f panics with.
func panicText(f func()) (text string) {
	defer func() { text, _ = recover().(string) }()
	f()
	return ""
}

// SP 800-38D section 8.3: one key seals at most 2^32 messages.
func TestPartKeyLimit(t *testing.T) {
	k := newTestObjectKey(t, openTestModule(t))
	p, record := newTestPart(t, k, 1)
	p.sealed.Store(MaxChunks - 1)
	p.SealChunk(nil, nil, MaxChunks-1, false)
	if got := panicText(func() { p.SealChunk(nil, nil, MaxChunks, true) }); !strings.Contains(got, "all the chunks") {
		t.Errorf("seal 2^32 + 1: got panic %q, want one that names the limit", got)
	}
	opened, err := k.OpenPart(1, p.Salt(), record)
	if err != nil {
		t.Fatal(err)
	}
	if got := panicText(func() { opened.SealChunk(nil, nil, 0, true) }); !strings.Contains(got, "does not seal") {
		t.Errorf("opened key: got panic %q, want one", got)
	}
}

func FuzzPartRecord(f *testing.F) {
	k := newTestObjectKey(f, openTestModule(f))
	_, sealed := newTestPart(f, k, 9)
	f.Add(sealed)
	f.Add(sealed[:PartRecordSize-1])
	f.Fuzz(func(t *testing.T, in []byte) {
		number, salt, seal, ok := parsePartRecord(in)
		if !ok {
			return
		}
		again := binary.BigEndian.AppendUint32([]byte(partMagic), number)
		again = append(append(again, salt[:]...), seal...)
		if !bytes.Equal(again, in) {
			t.Errorf("got %x, want %x", again, in)
		}
		if _, err := k.OpenPart(number, salt, in); err == nil && !bytes.Equal(in, sealed) {
			t.Errorf("%x opened and was never sealed", in)
		}
	})
}
