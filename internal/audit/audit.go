// Package audit keeps the trail: one CloudTrail record for every call, in
// hash-chained segment files that are written in groups and checked when they
// are read. It knows no service.
//
// The record is the one of the AWS CloudTrail User Guide, "CloudTrail record
// contents". The segment files are ours: docs/formats/audit-segment.md.
//
// What a caller may rely on: a record for which Append returned nil is in the
// kernel's hands and survives the process; it is on disk within
// Config.SyncEvery, or before Append returns when Config.Durable is set. A
// record for which Append returned an error is not in the trail, with one
// exception: after a failed fdatasync nobody knows, and the log stays failed.
//
// What the chain does not show is that whole records, or whole segments, were
// cut off at the very end: nothing follows them that could be missed.
package audit

import (
	"errors"
	"log/slog"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// MaxRecord is the greatest length of one record in bytes. A Record whose
// fields are within CloudTrail's limits is always shorter.
const MaxRecord = 1 << 20

// Errors of a log. All others are those of the file system, or *DamageError.
var (
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("audit: the log is closed")
	// ErrSync says that fdatasync failed. What was written since the last one
	// that succeeded may or may not be on disk, and the kernel may have
	// dropped it, so trying again proves nothing: it is final until restart.
	ErrSync = errors.New("bringing the trail to disk")
	// ErrRecord refuses something that is not one JSON object of at most
	// MaxRecord bytes.
	ErrRecord = errors.New("audit: not a record")
	// ErrOrder refuses a change whose number is not above that of the last.
	ErrOrder = errors.New("audit: change out of order")
)

// Config says where the trail is and how it is written.
type Config struct {
	// Dir holds the segments and a lock file. It is made, with mode 0700, when
	// it is not there. Required.
	Dir string

	// SegmentSize is the size in bytes above which a new segment is begun. A
	// segment may be larger by one group of records and a mark. 0 means 64 MiB.
	SegmentSize int64

	// SyncEvery is the time after which a written record is brought to disk.
	// 0 means 5 ms.
	SyncEvery time.Duration

	// Durable makes Append wait until its record is on disk. It does not
	// concern AppendChange: a change is on disk in the store already.
	Durable bool

	// FS is the file system that Dir is on. nil means the machine's.
	FS durable.FS

	// Logger gets what recovery cut off and when the trail stops and starts
	// being writable. nil means slog.Default().
	Logger *slog.Logger
}

// withDefaults fills in what zero means.
func (c Config) withDefaults() Config {
	if c.SegmentSize <= 0 {
		c.SegmentSize = 64 << 20
	}
	if c.SyncEvery <= 0 {
		c.SyncEvery = 5 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Stats counts what a log did since it was opened.
type Stats struct {
	Records  int64 // records written
	Bytes    int64 // bytes written, frames included
	Segments int64 // segments in the directory
	Syncs    int64 // calls of fdatasync
}
