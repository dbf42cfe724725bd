package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A mark is a frame without a record that says: up to this offset, the segment
// was on disk before this was written. It costs no write of its own while
// records come: the next group takes it along.
//
// It is for the next Open. After a power cut the sectors written last may be
// there in any order, so that a frame may be damaged with whole ones behind it.
// When no mark behind the damage says that it was on disk, a power cut explains
// it, the calls it recorded are those of the last milliseconds that may be lost,
// and Open cuts off what is from there on, and keeps it. When a mark does, the
// disk has lost what it had taken, or someone was at it, and Open refuses.
//
// Somebody who can write to the file can remove the marks, as well as the
// records themselves: what is cut off shows no less than what is missing.

// markAfter is how long after a sync a mark is written when no record has come
// to take it along.
const markAfter = time.Second

// noRecord is the digest that a mark has in the chain.
var noRecord = head(sha256.Sum256(nil))

// appendMark appends a reserved mark when more is on disk than the last one
// says. The caller holds wmu.
func (l *Log) appendMark(out []byte) []byte {
	if s := l.onDisk(); s > l.marked {
		out = reserveFrame(out, s, noRecord, nil)
	}
	return out
}

// onDisk returns the offset up to which the segment is on disk, at the least.
// The caller holds wmu.
func (l *Log) onDisk() int64 {
	return l.size - (l.written.Load() - l.synced.Load())
}

// mark writes a mark alone, when the trail is on disk and its end is not
// marked. An error is the log's from then on. The caller holds wmu.
func (l *Log) mark() error {
	if l.failure.Load() != nil || l.excess || l.mustRoll || l.marked >= l.recordsEnd || l.onDisk() < l.recordsEnd {
		return nil
	}
	_, err := l.put(nil)
	return err
}

// markIdle is mark for the time when nothing is written.
func (l *Log) markIdle() {
	l.wmu.Lock()
	defer l.wmu.Unlock()
	_ = l.mark() // an error is in failure
}

// wasOnDisk reports whether rest, what a segment has from offset on, holds a
// mark that says that more than offset was on disk. Where frames begin behind a
// damaged one nobody knows, so it looks everywhere; and a mark that is not where
// it was written tells of tampering all the more.
func wasOnDisk(rest []byte, offset int64) bool {
	for i := 0; i+prefixSize <= len(rest); i++ {
		b := rest[i : i+prefixSize]
		if binary.BigEndian.Uint32(b[4:]) != 0 {
			continue
		}
		said := int64(binary.BigEndian.Uint64(b[8:]))
		if said > offset && crc32.Checksum(b[4:], castagnoli) == binary.BigEndian.Uint32(b) {
			return true
		}
	}
	return false
}

// rewrite writes the end of the segment again, from the last mark on, as it is.
// A process before this one may have had an fdatasync fail: the kernel then
// counts the pages as clean, and no later one would write them.
func (l *Log) rewrite(from int64) error {
	buf := make([]byte, min(1<<20, l.size-from))
	for at := from; at < l.size; {
		b := buf[:min(int64(len(buf)), l.size-at)]
		if _, err := l.file.ReadAt(b, at); err != nil {
			return fmt.Errorf("reading %s: %w", segmentName(l.number), err)
		}
		n, err := l.file.WriteAt(b, at)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", segmentName(l.number), err)
		}
		at += int64(n)
	}
	return nil
}
