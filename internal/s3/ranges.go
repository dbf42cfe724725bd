package s3

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// span is a range of an object's plaintext; partial is true when the answer is a
// 206 with a Content-Range.
type span struct {
	offset, length int64
	partial        bool
}

func (s span) contentRange(size int64) *string {
	if !s.partial {
		return nil
	}
	r := fmt.Sprintf("bytes %d-%d/%d", s.offset, s.offset+s.length-1, size)
	return &r
}

// parseRange reads a Range header (RFC 9110 section 14.1.2) for an object of
// size bytes. As S3 does, it takes a header it does not understand, or one with
// several ranges, as if it were absent.
func parseRange(header *string, size int64) (span, error) {
	whole := span{length: size}
	if header == nil {
		return whole, nil
	}
	first, last, ok := parseByteRange(*header)
	if !ok {
		return whole, nil
	}
	unsatisfiable := awserr.New(s3api.InvalidRange, "The requested range is not satisfiable").
		With("ActualObjectSize", strconv.FormatInt(size, 10)).With("RangeRequested", *header)
	if first < 0 { // the last bytes of the object
		n := min(last, size)
		if n == 0 {
			return span{}, unsatisfiable
		}
		return span{size - n, n, true}, nil
	}
	if first >= size {
		return span{}, unsatisfiable
	}
	return span{first, min(last, size-1) - first + 1, true}, nil
}

// parseByteRange splits "bytes=first-last". For a suffix, "bytes=-n", first is
// -1 and last is n; for an open end, last is the greatest int64.
func parseByteRange(header string) (first, last int64, ok bool) {
	spec, found := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	if !found || strings.Contains(spec, ",") {
		return 0, 0, false
	}
	from, to, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !found {
		return 0, 0, false
	}
	last = 1<<63 - 1
	if to != "" {
		if last, ok = parseOffset(to); !ok {
			return 0, 0, false
		}
	}
	if from == "" {
		return -1, last, to != ""
	}
	if first, ok = parseOffset(from); !ok || first > last {
		return 0, 0, false
	}
	return first, last, true
}

// parseOffset takes digits only; a number too big is the greatest int64.
func parseOffset(s string) (int64, bool) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, s != "" && (err == nil || n == 1<<63-1)
}
