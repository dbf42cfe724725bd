package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// pollEvery is how often Follow looks for more. Polling works across processes
// and on every file system, which notification does not.
const pollEvery = 50 * time.Millisecond

// Follow yields the records of a trail from a position on, and then those that
// are added to it, in this process or another, until ctx is done; that ends it
// without an error. From must be the zero Position or one of Entry.After; the
// chain is checked from the start of its segment. An error, *DamageError or one
// of the file system, is the last thing yielded. Follow takes no lock.
func Follow(ctx context.Context, dir string, from Position) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		err := follow(ctx, dir, from, func(e Entry) bool { return yield(e, nil) })
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

func follow(ctx context.Context, dir string, from Position, yield func(Entry) bool) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("following the audit trail: %w", err)
	}
	number := max(from.Segment, 1)
	var after *link // nil: the position is trusted, what lies before it is not read
	for {
		if ok, err := awaitSegment(ctx, dir, number); !ok || err != nil {
			return err
		}
		r, err := openSegment(durable.OS{}, dir, number, after)
		if err != nil {
			return err
		}
		more, err := followSegment(ctx, dir, r, from, yield)
		after = &r.at
		r.file.Close()
		if !more || err != nil {
			return err
		}
		number++
	}
}

// followSegment yields the entries of one segment at or behind from. It
// returns true when the segment is complete and the next one begun.
func followSegment(ctx context.Context, dir string, r *reader, from Position, yield func(Entry) bool) (bool, error) {
	var suspect bool // the last look found damage
	for {
		// Looked for before reading: nothing is added to a segment once the
		// next one is there, so the end that is found then is the end.
		complete, err := segmentExists(dir, r.number+1)
		if err != nil {
			return false, err
		}
		for err == nil {
			var f frame
			var offset int64
			if f, offset, err = r.next(); err == nil {
				if r.number == from.Segment && offset < from.Offset {
					continue
				}
				if !yield(Entry{f.change, r.number, offset, bytes.Clone(f.record)}) {
					return false, nil
				}
			}
		}
		damage, isDamage := errors.AsType[*DamageError](err)
		switch {
		case isDamage && (complete || suspect):
			return false, damage
		case isDamage:
			// A write that failed half way may just have been undone and its
			// place written again, between two reads of ours. Look once more.
			suspect = true
		case err != io.EOF && err != errTorn:
			return false, err
		case complete && err == errTorn:
			return false, &DamageError{Segment: r.number, Offset: r.offset, Reason: "the segment is cut off"}
		case complete:
			return true, nil
		default:
			suspect = false
		}
		if !pause(ctx) {
			return false, nil
		}
	}
}

// awaitSegment waits until a segment is there; false means that ctx is done.
func awaitSegment(ctx context.Context, dir string, number int64) (bool, error) {
	for {
		if ok, err := segmentExists(dir, number); ok || err != nil {
			return ok, err
		}
		if !pause(ctx) {
			return false, nil
		}
	}
}

func segmentExists(dir string, number int64) (bool, error) {
	_, err := os.Stat(segmentPath(dir, number))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// pause waits for the next look; false means that ctx is done.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pollEvery):
		return true
	}
}
