package store

import (
	"encoding/binary"
	"hash/crc32"
)

// Every row carries a CRC-32C of its content, because SQLite has no checksum on
// its pages: a flipped bit in a document would be read back as if it had been
// written so. It is against rot, not against people; that is what MACs are for.
//
// It is computed over each field as its length (8 bytes, big-endian) and its
// bytes; a number is a field of 8 bytes, big-endian. It is drawn in
// docs/formats/store.md.
type sum uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (s *sum) bytes(b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	*s = sum(crc32.Update(crc32.Update(uint32(*s), castagnoli, n[:]), castagnoli, b))
}

func (s *sum) string(v string) { s.bytes([]byte(v)) }

func (s *sum) int(v int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	s.bytes(b[:])
}

// sumRow covers the table too, so that a row in the wrong one is found.
func sumRow(t Table, r Row) int64 {
	var s sum
	s.string(string(t))
	s.string(r.Key)
	s.int(r.Rev)
	s.bytes(r.Doc)
	s.bytes(r.MAC)
	s.string(r.Ref)
	return int64(s)
}

// sumChange leaves the position out: the database gives it when the row, and
// its sum, are written.
func sumChange(c Change) int64 {
	var s sum
	s.int(c.Time.UnixMicro())
	s.string(string(c.Table))
	s.string(c.Key)
	s.int(c.Rev)
	s.bytes(c.Record)
	return int64(s)
}
