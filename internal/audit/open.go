package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// retryEvery is the pause between attempts to write while the trail cannot be
// written: short enough that service returns soon after there is room again.
const retryEvery = 250 * time.Millisecond

// Open opens the trail in cfg.Dir for writing, and begins one when there is
// none. Another log open on the same directory, in any process, is refused with
// durable.ErrLocked.
//
// A record at the very end whose writing was interrupted is cut off and logged:
// its call was never answered, or it was lost with the last milliseconds before
// a power cut. Frames there that are damaged are cut off too, and kept in a file
// beside the segment, when nothing shows that they ever were on disk (mark.go).
// Anything else that is wrong with the last segment, with the header of any
// other or with their numbering is a *DamageError, and nothing is changed. The
// records of the other segments are not read: Verify does that.
func Open(cfg Config) (*Log, error) {
	if cfg.Dir == "" {
		return nil, errors.New("audit: Config.Dir is required")
	}
	cfg = cfg.withDefaults()
	files := durable.On(cfg.FS)
	if err := files.Mkdir(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the audit directory: %w", err)
	}
	lock, err := files.FS().Lock(filepath.Join(cfg.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("locking the audit directory: %w", err)
	}
	l := &Log{
		cfg: cfg, files: files, lock: lock, retryEvery: retryEvery,
		dirty:   make(chan struct{}, 1),
		failing: make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
	if err := l.resume(); err != nil {
		lock.Close()
		if _, ok := errors.AsType[*DamageError](err); ok {
			err = fmt.Errorf("%w; nothing was changed: put the segment back from a copy, "+
				"or cut off and keep the damaged end with `strongroom audit repair`", err)
		}
		return nil, err
	}
	l.stopped.Add(1)
	go l.run()
	return l, nil
}

// resume finds the end of the trail, cuts off a torn write there and opens the
// last segment.
func (l *Log) resume() error {
	dir := l.cfg.Dir
	for _, pattern := range []string{"segment-*.log", "segment-*.log.cut-*"} {
		if err := l.files.RemoveTemps(filepath.Join(dir, pattern)); err != nil {
			return fmt.Errorf("removing what a crash left: %w", err)
		}
	}
	count, err := listSegments(l.files.FS(), dir)
	if err != nil {
		return err
	}
	if count == 0 {
		h := header{number: 1}
		if err := createSegment(l.files, segmentPath(dir, 1), h.append(nil)); err != nil {
			return fmt.Errorf("beginning the audit trail: %w", err)
		}
		count = 1
	}
	var before int64
	for n := int64(1); n <= count; n++ {
		h, err := statSegment(l.files.FS(), dir, n)
		if err != nil {
			return err
		}
		if h.lastChange < before {
			return &DamageError{Segment: n, Offset: 16, Reason: "the changes go backwards"}
		}
		before = h.lastChange
	}
	end, err := l.scanLast(count)
	if err != nil {
		return err
	}
	path := segmentPath(dir, count)
	info, err := l.files.FS().Stat(path)
	if err != nil {
		return err
	}
	l.number, l.size, l.at, l.accepted = count, info.Size()-end.tornBytes, end.at, end.at.change
	l.marked, l.recordsEnd = end.marked, end.recordsEnd
	l.mustRoll = end.plain // it takes no marks
	l.change.Store(end.at.change)
	l.segments.Store(count)
	if l.file, err = openForWriting(l.files, path); err != nil {
		return fmt.Errorf("opening the last audit segment: %w", err)
	}
	if err := errors.Join(l.settle(end), l.files.SyncDir(dir)); err != nil {
		l.file.Close()
		return err
	}
	l.durable.Store(end.at.change)
	return nil
}

// scanLast reads the last segment, and cuts off what a power cut damaged.
func (l *Log) scanLast(number int64) (segmentEnd, error) {
	read := func() (segmentEnd, error) {
		return scanSegment(l.files.FS(), l.cfg.Dir, number, nil, func(int64, int64, frame) error { return nil })
	}
	end, err := read()
	damage, ok := errors.AsType[*DamageError](err)
	if !ok || !damage.Unsynced {
		return end, err
	}
	r, err := cutEnd(l.files, l.cfg.Dir, *damage)
	if err != nil {
		return end, err
	}
	l.cfg.Logger.Warn("audit: the end of the trail was damaged before it was on disk, as by a power cut; it is cut off and kept",
		"segment", segmentName(number), "offset", damage.Offset, "bytes", r.Bytes, "kept", r.Kept)
	return read()
}

// settle cuts off an incomplete last frame, and brings the segment to disk:
// what the scan read may never have left the page cache. The same is true of
// the segments' names, which resume sees to.
func (l *Log) settle(end segmentEnd) error {
	name := segmentName(l.number)
	if end.tornBytes > 0 {
		l.cfg.Logger.Warn("audit: cutting off a record whose writing was interrupted",
			"segment", name, "offset", l.size, "bytes", end.tornBytes)
		if err := l.file.Truncate(l.size); err != nil {
			return fmt.Errorf("cutting off the torn end of %s: %w", name, err)
		}
	}
	if err := l.rewrite(end.marked); err != nil {
		return err
	}
	if err := l.file.SyncData(); err != nil {
		return fmt.Errorf("bringing %s to disk: %w", name, err)
	}
	return nil
}

// statSegment reads the header of a segment.
func statSegment(fsys durable.FS, dir string, number int64) (header, error) {
	f, err := fsys.OpenFile(segmentPath(dir, number), os.O_RDONLY, 0)
	if err != nil {
		return header{}, fmt.Errorf("opening an audit segment: %w", err)
	}
	defer f.Close()
	return readHeader(f, number)
}
