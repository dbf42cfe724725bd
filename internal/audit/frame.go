package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A segment is a header and then frames, one per record, with nothing between
// them. Numbers are big-endian. Drawn with its reasons in
// docs/formats/audit-segment.md.
//
//	header, 64 bytes                          frame, 48 bytes and the record
//	 0  8  "SRAUDIT2"                          0  4  CRC-32C of bytes 4..48
//	 8  8  segment number, from 1              4  4  length of the record, n
//	16  8  last change before this segment     8  8  change number; 0: no change
//	24 32  head of the segment before         16 32  head after this record
//	56  4  zero                               48  n  record, JSON
//	60  4  CRC-32C of bytes 0..60
//
// A frame without a record is a mark (mark.go): its number is not that of a
// change but an offset, up to which the segment was on disk before the mark was
// written. Segments that begin with "SRAUDIT1" have none, and are only read.
//
// The head of a header is SHA-256 of its 64 bytes; the head of a frame is
//
//	SHA-256( head before it | change number | SHA-256(record) )
//
// The CRC guards the length: without it, a flipped bit there would make a
// frame reach past the end of the file, and what follows would be cut off as a
// torn write. The record needs none, the head covers it.
const (
	magic      = "SRAUDIT2"
	plainMagic = "SRAUDIT1"
	headerSize = 64
	prefixSize = 48
	sectorSize = 512 // what a disk writes at once, at the least
)

// castagnoli has instructions on amd64 and arm64.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is one link of the chain.
type head [sha256.Size]byte

// header is the beginning of a segment.
type header struct {
	number     int64
	lastChange int64
	previous   head
	plain      bool // of the first format: no marks
}

// append appends the 64 bytes of h.
func (h header) append(dst []byte) []byte {
	start := len(dst)
	if h.plain {
		dst = append(dst, plainMagic...)
	} else {
		dst = append(dst, magic...)
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.number))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.lastChange))
	dst = append(dst, h.previous[:]...)
	dst = append(dst, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// head returns the head with which the segment's chain begins.
func (h header) head() head { return sha256.Sum256(h.append(make([]byte, 0, headerSize))) }

// parseHeader reads the first 64 bytes of a segment. The offset of an error is
// that of the field.
func parseHeader(b []byte) (header, *DamageError) {
	if len(b) < headerSize {
		return header{}, &DamageError{Offset: int64(len(b)), Reason: "the header is not complete"}
	}
	b = b[:headerSize]
	if string(b[:8]) != magic && string(b[:8]) != plainMagic {
		return header{}, &DamageError{Reason: "this is not an audit segment, or one of a newer format"}
	}
	if crc32.Checksum(b[:60], castagnoli) != binary.BigEndian.Uint32(b[60:]) {
		return header{}, &DamageError{Reason: "the header does not match its checksum"}
	}
	h := header{
		number:     int64(binary.BigEndian.Uint64(b[8:])),
		lastChange: int64(binary.BigEndian.Uint64(b[16:])),
		previous:   head(b[24:56]),
		plain:      string(b[:8]) == plainMagic,
	}
	if h.number < 1 || h.lastChange < 0 || binary.BigEndian.Uint32(b[56:]) != 0 {
		return header{}, &DamageError{Reason: "the header has values that are never written"}
	}
	return h, nil
}

// frame is one record with its place in the chain.
type frame struct {
	change int64
	head   head
	record []byte // shares memory with what was parsed; empty: a mark
}

// isMark reports whether f is a mark; change is then its offset.
func (f frame) isMark() bool { return len(f.record) == 0 }

// size is the length of the frame in the file.
func (f frame) size() int64 { return prefixSize + int64(len(f.record)) }

// reserveFrame appends a frame to which seal gives its head later, when its
// place in the chain is known.
//
// digest is SHA-256(record): callers compute it before they take a lock.
func reserveFrame(dst []byte, change int64, digest head, record []byte) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.BigEndian.AppendUint64(dst, uint64(change))
	dst = append(dst, digest[:]...) // kept where the head will be
	return append(dst, record...)
}

// seal links the first reserved frame of b into the chain after prev. It
// returns the new head and the frame's size.
func seal(b []byte, prev head) (head, int) {
	var in [72]byte
	copy(in[:], prev[:])
	copy(in[32:], b[8:prefixSize]) // change number and digest of the record
	h := head(sha256.Sum256(in[:]))
	copy(b[16:], h[:])
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:prefixSize], castagnoli))
	return h, frameSize(b)
}

// frameSize returns the size of the frame at the start of b as its length
// field has it.
func frameSize(b []byte) int { return prefixSize + int(binary.BigEndian.Uint32(b[4:])) }

// What parseFrame finds instead of a frame.
var (
	errShort  = errors.New("the frame reaches past the end") // more bytes may complete it
	errPrefix = errors.New("the frame's beginning does not match its checksum")
	errRecord = errors.New("the record does not match the chain")
	errValues = errors.New("the frame has values that are never written")
)

// parseFrame reads the frame at the start of b, which follows prev in the
// chain.
func parseFrame(b []byte, prev head) (frame, error) {
	if len(b) < prefixSize {
		return frame{}, errShort
	}
	if crc32.Checksum(b[4:prefixSize], castagnoli) != binary.BigEndian.Uint32(b) {
		return frame{}, errPrefix
	}
	n := binary.BigEndian.Uint32(b[4:])
	f := frame{change: int64(binary.BigEndian.Uint64(b[8:])), head: head(b[16:])}
	if n > MaxRecord || f.change < 0 {
		return frame{}, errValues
	}
	if len(b)-prefixSize < int(n) {
		return frame{}, errShort
	}
	f.record = b[prefixSize : prefixSize+int(n) : prefixSize+int(n)]
	var in [72]byte
	copy(in[:], prev[:])
	copy(in[32:], b[8:16])
	digest := sha256.Sum256(f.record)
	copy(in[40:], digest[:])
	if sha256.Sum256(in[:]) != f.head {
		return frame{}, errRecord
	}
	return f, nil
}

// torn reports whether rest, all that a last segment has from offset on, is
// what a write leaves that a power cut interrupted: the first frame of it is
// not complete, or its sectors from some point on were never written and read
// as zeros, as does all that follows. A record is JSON and holds no zero byte.
// err is what parseFrame says of rest.
func torn(rest []byte, offset int64, err error) bool {
	if errors.Is(err, errShort) {
		return true
	}
	data := int64(len(bytes.TrimRight(rest, "\x00")))
	if data == 0 {
		return true
	}
	end := int64(prefixSize) // of the first frame, as far as it can be known
	if errors.Is(err, errRecord) {
		end = int64(frameSize(rest))
	}
	sector := (offset + data + sectorSize - 1) / sectorSize * sectorSize // the first that is all zeros
	return sector < offset+min(end, int64(len(rest)))
}
