package restxml

import (
	"net/http"
	"strings"
	"time"
)

// timeFormat is a form of timestamps on the wire.
type timeFormat uint8

const (
	httpDate       timeFormat = iota + 1 // Tue, 29 Apr 2014 18:30:38 GMT: RFC 9110, 5.6.7, which the model calls rfc822
	iso8601                              // 2014-04-29T18:30:38.000Z
	iso8601Seconds                       // 2014-04-29T18:30:38Z, as services of the Query protocol write them
)

// iso8601Layout has three decimals always, as S3 writes them.
const iso8601Layout = "2006-01-02T15:04:05.000Z"

func (f timeFormat) append(dst []byte, t time.Time) []byte {
	switch f {
	case httpDate:
		return t.UTC().AppendFormat(dst, http.TimeFormat)
	case iso8601Seconds:
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	}
	return t.UTC().AppendFormat(dst, iso8601Layout)
}

// parse reads a timestamp; a date of the other form is read too, as S3 does.
func (f timeFormat) parse(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	t, err := http.ParseTime(s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	return t.UTC(), err
}
