package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/durable"
)

// DamageError says that the trail is not what was written. Nothing but Repair
// changes a damaged trail.
type DamageError struct {
	Segment int64  // number of the segment
	Offset  int64  // in the segment's file: the start of the frame or field that is wrong
	Reason  string // what is wrong there

	// Unsynced says that nothing shows that it ever was on disk: Open takes it
	// for what a power cut left, cuts it off and keeps it.
	Unsynced bool
}

// Error names the segment's file, the offset and the reason.
func (e *DamageError) Error() string {
	s := fmt.Sprintf("audit: %s is damaged at offset %d: %s", segmentName(e.Segment), e.Offset, e.Reason)
	if e.Unsynced {
		s += "; nothing shows that it ever was on disk: the next start cuts it off and keeps it"
	}
	return s
}

// segmentName returns the file name of a segment.
func segmentName(number int64) string { return fmt.Sprintf("segment-%012d.log", number) }

// segmentPath returns the path of a segment in dir.
func segmentPath(dir string, number int64) string { return filepath.Join(dir, segmentName(number)) }

// listSegments returns how many segments dir has. They are numbered from 1
// without a gap; the first that is missing is damage.
func listSegments(fsys durable.FS, dir string) (int64, error) {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, fmt.Errorf("listing the audit segments: %w", err)
	}
	var numbers []int64
	for _, e := range entries {
		middle, isSegment := strings.CutPrefix(e.Name(), "segment-")
		middle, isLog := strings.CutSuffix(middle, ".log")
		if !isSegment || !isLog {
			continue // the lock, or a file that a crash left half made
		}
		n, err := strconv.ParseInt(middle, 10, 64)
		if err != nil || segmentName(n) != e.Name() {
			continue
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if want := int64(i) + 1; n != want {
			return 0, &DamageError{Segment: want, Reason: "the segment is missing"}
		}
	}
	return int64(len(numbers)), nil
}

// readHeader reads and checks the header of one segment.
func readHeader(f io.ReaderAt, number int64) (header, error) {
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, fmt.Errorf("reading %s: %w", segmentName(number), err)
	}
	h, damage := parseHeader(b[:n])
	if damage != nil {
		damage.Segment = number
		return header{}, damage
	}
	if h.number != number {
		return header{}, &DamageError{Segment: number, Offset: 8,
			Reason: fmt.Sprintf("the file holds segment %d", h.number)}
	}
	return h, nil
}

// link is where the chain stands between two segments.
type link struct {
	head   head
	change int64
}

// openSegment opens a segment for reading. When after is not nil the segment
// must continue the chain from there.
func openSegment(fsys durable.FS, dir string, number int64, after *link) (*reader, error) {
	f, err := fsys.OpenFile(segmentPath(dir, number), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{Segment: number, Reason: "the segment is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("opening an audit segment: %w", err)
	}
	h, err := readHeader(f, number)
	switch {
	case err != nil:
	case after != nil && h.lastChange != after.change:
		err = &DamageError{Segment: number, Offset: 16,
			Reason: fmt.Sprintf("the segment follows change %d, but the one before ends with %d", h.lastChange, after.change)}
	case after != nil && h.previous != after.head:
		err = &DamageError{Segment: number, Offset: 24,
			Reason: "the segment does not continue the chain of the one before"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &reader{file: f, number: number, plain: h.plain, offset: headerSize, at: link{h.head(), h.lastChange},
		marked: headerSize, recordsEnd: headerSize}, nil
}
