package audit

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// Repaired says what Repair did; it is zero when the trail was whole.
type Repaired struct {
	Damage DamageError // the first thing that was wrong
	Bytes  int64       // how many were cut off, from Damage.Offset on
	Kept   string      // path of the file that has them
}

// Repair cuts the end off the last segment, from the first frame that is wrong.
// It is for what a power cut does to records of the last milliseconds, which
// reach the disk in any order. It cannot tell that from tampering: so nobody
// does it unasked, and what is cut off is kept in a file beside the segment.
//
// Damage before the last segment, or in its header, is not repaired; the error
// is a *DamageError then, and nothing is changed. An open log on the directory
// is refused with durable.ErrLocked.
func Repair(dir string) (Repaired, error) { return repair(durable.On(nil), dir) }

func repair(files durable.Files, dir string) (_ Repaired, err error) {
	lock, err := files.FS().Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Repaired{}, fmt.Errorf("locking the audit directory: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	s, err := scan(files.FS(), dir, func(int64, int64, frame) error { return nil })
	if err == nil {
		return Repaired{}, nil
	}
	d, ok := errors.AsType[*DamageError](err)
	if !ok {
		return Repaired{}, err
	}
	if d.Segment != s.segments || d.Offset < headerSize {
		return Repaired{}, fmt.Errorf("%w; only the end of the last segment can be cut off: put the segment back from a copy", d)
	}
	path := segmentPath(dir, d.Segment)
	b, err := files.ReadFile(path)
	if err != nil {
		return Repaired{}, err
	}
	r := Repaired{Damage: *d, Bytes: int64(len(b)) - d.Offset, Kept: fmt.Sprintf("%s.cut-%d", path, d.Offset)}
	if err := files.CreateFile(r.Kept, b[d.Offset:], 0o600); err != nil {
		return Repaired{}, fmt.Errorf("keeping what is cut off: %w", err)
	}
	f, err := openForWriting(files, path)
	if err != nil {
		return Repaired{}, err
	}
	if err := errors.Join(f.Truncate(d.Offset), f.Sync(), f.Close()); err != nil {
		return Repaired{}, fmt.Errorf("cutting off the end of %s: %w", segmentName(d.Segment), err)
	}
	return r, nil
}
