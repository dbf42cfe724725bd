package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/durable"
)

// Repaired says what Repair did; it is zero when the trail was whole.
type Repaired struct {
	Damage DamageError // the first thing that was wrong
	Bytes  int64       // how many were cut off, from Damage.Offset on
	Kept   string      // path of the file that has them
}

// Repair cuts the end off the last segment, from the first frame that is wrong,
// and keeps what it cuts off in a file beside the segment. What a power cut did
// Open repairs by itself; this is for an end that a mark says was on disk. Nobody
// can tell a disk that lost it from tampering: so nobody does it unasked.
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
	return cutEnd(files, dir, *d)
}

// cutEnd cuts the last segment off where d says, and keeps what was there. It
// can be done again when it was interrupted.
func cutEnd(files durable.Files, dir string, d DamageError) (Repaired, error) {
	path := segmentPath(dir, d.Segment)
	b, err := files.ReadFile(path)
	if err != nil {
		return Repaired{}, err
	}
	b = b[min(d.Offset, int64(len(b))):]
	r := Repaired{Damage: d, Bytes: int64(len(b))}
	if r.Kept, err = keep(files, fmt.Sprintf("%s.cut-%d", path, d.Offset), b); err != nil {
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

// keep puts b into a new file at path, or, when another end was cut off there
// before, at path with a number behind it. It returns the file's path.
func keep(files durable.Files, path string, b []byte) (string, error) {
	for n := 1; ; n++ {
		name := path
		if n > 1 {
			name = fmt.Sprintf("%s-%d", path, n)
		}
		err := files.CreateFile(name, b, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
		there, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		if bytes.Equal(there, b) { // this one, interrupted
			return name, files.SyncDir(filepath.Dir(name))
		}
	}
}
