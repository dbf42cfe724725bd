package audit

import (
	"errors"
	"os"

	"github.com/strongroom/strongroom/internal/durable"
)

// Piece is the beginning of a segment's file.
type Piece struct {
	Name string // of the file in the trail's directory
	Size int64  // bytes of it, up to the end of a record
}

// Cut returns the pieces of the trail in dir that make a trail of their own
// which ends before the first change above through: a copy of them goes with a
// copy of the store that ends at change through. The chain is checked on the
// way; the error is a *DamageError or one of the file system. Cut takes no
// lock, and the trail may be open for writing elsewhere: what it returns is
// never changed again.
func Cut(dir string, through int64) ([]Piece, error) {
	var ends []int64
	// begin begins the segments up to number. The one before the last is
	// complete then, and of it everything goes: a mark may be behind its last
	// record.
	begin := func(number int64) error {
		for int64(len(ends)) < number {
			if n := int64(len(ends)); n > 0 {
				info, err := os.Stat(segmentPath(dir, n))
				if err != nil {
					return err
				}
				ends[n-1] = info.Size()
			}
			ends = append(ends, headerSize) // of one without records
		}
		return nil
	}
	reached := errors.New("reached")
	s, err := scan(durable.OS{}, dir, func(number, offset int64, f frame) error {
		if err := begin(number); err != nil {
			return err
		}
		if f.change > through {
			return reached
		}
		ends[number-1] = offset + f.size()
		return nil
	})
	if err != nil && err != reached {
		return nil, err
	}
	if err == nil {
		if err := begin(s.segments); err != nil {
			return nil, err
		}
	}
	pieces := make([]Piece, len(ends))
	for i, end := range ends {
		pieces[i] = Piece{segmentName(int64(i) + 1), end}
	}
	return pieces, nil
}
