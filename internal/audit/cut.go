package audit

import "errors"

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
	reached := errors.New("reached")
	s, err := scan(dir, func(number, offset int64, f frame) error {
		for int64(len(ends)) < number {
			ends = append(ends, headerSize) // of one without records
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
		for int64(len(ends)) < s.segments {
			ends = append(ends, headerSize)
		}
	}
	pieces := make([]Piece, len(ends))
	for i, end := range ends {
		pieces[i] = Piece{segmentName(int64(i) + 1), end}
	}
	return pieces, nil
}
