package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// Report is what Verify found in a trail that is whole.
type Report struct {
	Segments   int
	Records    int
	LastChange int64    // the highest number of a store change; 0 when there is none
	Head       [32]byte // the end of the chain
	First      time.Time
	Last       time.Time // eventTime of the first and last record; zero when there is none

	// TornBytes is the length of an incomplete record at the very end. It is 0
	// unless the trail is being written right now, or a crash interrupted it
	// and the next Open will cut the rest off.
	TornBytes int64
}

// Verify reads a whole trail and checks the segments' names and headers, the
// numbering without gap, the checksum of every frame, the chain within and
// across segments, the order of the changes, and that every record is one JSON
// object. The error is a *DamageError for the first thing that is wrong, or
// one of the file system. It changes nothing and takes no lock.
func Verify(dir string) (Report, error) { return VerifyContext(context.Background(), dir) }

// VerifyContext is Verify that ends with the error of ctx when ctx does: a long
// trail takes a while.
func VerifyContext(ctx context.Context, dir string) (Report, error) {
	return verify(ctx, durable.OS{}, dir)
}

func verify(ctx context.Context, fsys durable.FS, dir string) (Report, error) {
	var (
		report      Report
		first, last []byte
	)
	s, err := scan(fsys, dir, func(number, offset int64, f frame) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !json.Valid(f.record) || !isObject(f.record) {
			return &DamageError{Segment: number, Offset: offset, Reason: "the record is not a JSON object"}
		}
		if report.Records++; report.Records == 1 {
			first = append(first, f.record...)
		}
		last = append(last[:0], f.record...)
		return nil
	})
	if err != nil {
		return Report{}, err
	}
	report.Segments = int(s.segments)
	report.LastChange = s.at.change
	report.Head = s.at.head
	report.TornBytes = s.tornBytes
	report.First, report.Last = eventTime(first), eventTime(last)
	return report, nil
}

// isObject reports whether record begins and ends as our records do.
func isObject(record []byte) bool {
	return len(record) >= 2 && record[0] == '{' && record[len(record)-1] == '}'
}

// eventTime returns the time in a record, zero when it has none.
func eventTime(record []byte) time.Time {
	var r struct {
		EventTime time.Time `json:"eventTime"`
	}
	if json.Unmarshal(record, &r) != nil {
		return time.Time{}
	}
	return r.EventTime
}
