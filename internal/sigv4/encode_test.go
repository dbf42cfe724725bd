package sigv4

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDecodeTime compares with time.Parse, fractions aside.
func TestDecodeTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`([0-9]{4}(0[0-9]|1[0-9]|[0-9]{2})[0-3][0-9](T[0-2][0-9][0-6][0-9][0-6][0-9]Z)?)|[0-9TZ.]{7,17}`).Draw(t, "s")
		layout := timeFormat
		if len(s) == 8 {
			layout = "20060102"
		}
		want, err := time.Parse(layout, s)
		got, ok := decodeTime(s)
		if len(s) > 16 {
			err = errors.ErrUnsupported // a fraction of a second
		}
		if ok != (err == nil) || ok && !got.Equal(want) {
			t.Fatalf("got %v, %v for %q, want %v, %v", got, ok, s, want, err)
		}
	})
}
