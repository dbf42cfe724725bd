package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/strongroom/strongroom/internal/durable"
)

// errTorn is what a reader returns where a write was interrupted, or is just
// happening. Only the last segment may have such an end.
var errTorn = errors.New("the last write is not complete")

// reader reads the frames of one segment in order.
type reader struct {
	file   durable.File
	number int64
	plain  bool  // of the first format
	offset int64 // of the next frame
	at     link  // where the chain stands before it
	buf    []byte
	ahead  []byte // bytes of buf from offset on that were read already

	marked     int64 // what the last mark says
	recordsEnd int64 // where the last record ends
}

// next returns the next frame that has a record, which is valid until the call
// after, and its offset. It returns io.EOF at the end, errTorn before an incomplete frame, and
// *DamageError. After any of them it can be called again, and looks anew.
func (r *reader) next() (frame, int64, error) {
	for {
		f, err := parseFrame(r.ahead, r.at.head)
		if err == nil && f.isMark() {
			if r.plain || f.change < headerSize || f.change > r.offset {
				return frame{}, r.offset, r.damage(errValues.Error())
			}
			r.offset += f.size()
			r.ahead = r.ahead[f.size():]
			r.at.head, r.marked = f.head, f.change
			continue
		}
		if err == nil && f.change != 0 && f.change <= r.at.change {
			return frame{}, r.offset, r.damage(fmt.Sprintf("change %d follows change %d", f.change, r.at.change))
		}
		if err == nil {
			at := r.offset
			r.offset += f.size()
			r.ahead = r.ahead[f.size():]
			r.at = link{f.head, max(r.at.change, f.change)}
			r.recordsEnd = r.offset
			return f, at, nil
		}
		if errors.Is(err, errShort) {
			more, readErr := r.fill()
			if readErr != nil {
				return frame{}, r.offset, readErr
			}
			if more {
				continue
			}
			rest := len(r.ahead)
			r.ahead = nil
			if rest == 0 {
				return frame{}, r.offset, io.EOF
			}
			return frame{}, r.offset, errTorn
		}
		r.ahead = nil
		rest, readErr := io.ReadAll(io.NewSectionReader(r.file, r.offset, 1<<62))
		if readErr != nil {
			return frame{}, r.offset, fmt.Errorf("reading %s: %w", segmentName(r.number), readErr)
		}
		if torn(rest, r.offset, err) {
			return frame{}, r.offset, errTorn
		}
		damage := r.damage(err.Error())
		damage.Unsynced = !r.plain && !wasOnDisk(rest, r.offset)
		return frame{}, r.offset, damage
	}
}

// damage reports what is wrong with the frame at the reader's offset.
func (r *reader) damage(reason string) *DamageError {
	return &DamageError{Segment: r.number, Offset: r.offset, Reason: reason}
}

// fill reads more of the file behind ahead and reports whether there was more.
func (r *reader) fill() (bool, error) {
	const step = 64 << 10
	if len(r.buf)-len(r.ahead) < step {
		grown := make([]byte, 2*len(r.ahead)+step)
		copy(grown, r.ahead)
		r.buf = grown
	} else {
		copy(r.buf, r.ahead)
	}
	have := len(r.ahead)
	n, err := r.file.ReadAt(r.buf[have:], r.offset+int64(have))
	r.ahead = r.buf[:have+n]
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("reading %s: %w", segmentName(r.number), err)
	}
	return n > 0, nil
}

// tail returns how many bytes the file has from the reader's offset on.
func (r *reader) tail() (int64, error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size() - r.offset, nil
}

// Position is a place between two records of a trail. The zero Position is its
// beginning.
type Position struct {
	Segment int64 // from 1
	Offset  int64 // in the segment's file
}

// Entry is one record of a trail and its place.
type Entry struct {
	Seq     int64 // the store's change that it records; 0 for any other call
	Segment int64
	Offset  int64  // of the frame in the segment's file
	Record  []byte // JSON; the caller owns it
}

// After returns the position behind the entry.
func (e Entry) After() Position {
	return Position{e.Segment, e.Offset + prefixSize + int64(len(e.Record))}
}

// Entries reads a whole trail and checks its chain on the way. A record that is
// being written, or whose writing was interrupted, ends it silently. An error
// ends it too: *DamageError, or one of the file system. Entries takes no lock,
// and the trail may be open for writing elsewhere.
func Entries(dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		stopped := errors.New("stopped")
		_, err := scan(durable.OS{}, dir, func(number, offset int64, f frame) error {
			if !yield(Entry{f.change, number, offset, bytes.Clone(f.record)}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(Entry{}, err)
		}
	}
}

// scanned is what scan found beside the frames.
type scanned struct {
	segments  int64
	at        link  // the end of the chain
	tornBytes int64 // behind it in the last segment
}

// scan gives every frame of the trail in dir to visit, which may stop it by an
// error.
func scan(fsys durable.FS, dir string, visit func(number, offset int64, f frame) error) (s scanned, err error) {
	if s.segments, err = listSegments(fsys, dir); err != nil {
		return s, err
	}
	if s.segments == 0 {
		return s, &DamageError{Segment: 1, Reason: "the segment is missing"}
	}
	for n := int64(1); n <= s.segments; n++ {
		end, err := scanSegment(fsys, dir, n, &s.at, visit)
		s.at, s.tornBytes = end.at, end.tornBytes
		if damage, ok := errors.AsType[*DamageError](err); ok && n < s.segments {
			damage.Unsynced = false // it was on disk before the next one was begun
		}
		if err != nil {
			return s, err
		}
		if s.tornBytes > 0 && n < s.segments {
			// A segment is complete and on disk before the next one is begun.
			info, err := fsys.Stat(segmentPath(dir, n))
			if err != nil {
				return s, err
			}
			return s, &DamageError{Segment: n, Offset: info.Size() - s.tornBytes, Reason: "the segment is cut off"}
		}
	}
	return s, nil
}

// segmentEnd is what scanSegment found at the end of a segment.
type segmentEnd struct {
	at         link
	tornBytes  int64 // of an incomplete frame behind it
	plain      bool  // the segment is of the first format
	marked     int64 // what its last mark says
	recordsEnd int64 // where its last record ends
}

// scanSegment is scan for one segment, which follows after in the chain; nil
// takes the header's word for it. With an error, the end is that of what was
// read.
func scanSegment(fsys durable.FS, dir string, number int64, after *link, visit func(number, offset int64, f frame) error) (end segmentEnd, err error) {
	r, err := openSegment(fsys, dir, number, after)
	if err != nil {
		return segmentEnd{}, err
	}
	defer r.file.Close()
	defer func() { end.at, end.plain, end.marked, end.recordsEnd = r.at, r.plain, r.marked, r.recordsEnd }()
	for {
		f, offset, err := r.next()
		switch {
		case err == io.EOF:
			return end, nil
		case err == errTorn:
			end.tornBytes, err = r.tail()
			return end, err
		case err != nil:
			return end, err
		}
		if err := visit(number, offset, f); err != nil {
			return end, err
		}
	}
}
