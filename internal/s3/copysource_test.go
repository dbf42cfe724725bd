package s3

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// Whatever names a source is refused, or names a bucket and key that could be, and
// is the same when it is written again.
func FuzzParseCopySource(f *testing.F) {
	for _, seed := range []string{"bucket/k", "/bucket/a%2Fb", "bucket%2Fa+b", "bucket/a?versionId=null", "bucket/?", "//", "%", "bucket/a?versionId=1&versionId=2", "bucket//../a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		src, err := parseCopySource(header)
		if err != nil {
			if awserr.CodeOf(err) != s3api.InvalidArgument {
				t.Errorf("got %v, want InvalidArgument", err)
			}
			return
		}
		if !validBucketName(src.bucket) || checkObjectKey(src.key) != nil {
			t.Fatalf("got %q and %q from %q", src.bucket, src.key, header)
		}
		again := src.bucket + "/" + url.QueryEscape(src.key)
		if src.version != nil {
			again += "?versionId=" + url.QueryEscape(*src.version)
		}
		back, err := parseCopySource(again)
		if err != nil || back.bucket != src.bucket || back.key != src.key || (back.version == nil) != (src.version == nil) || deref(back.version) != deref(src.version) {
			t.Errorf("got %+v and %v back, want %+v", back, err, src)
		}
	})
}

// Whatever range is asked for is refused, or lies within the object.
func FuzzParseCopyRange(f *testing.F) {
	for _, seed := range []string{"bytes=0-0", "bytes=-5", "bytes=5-", "bytes=1-2,3-4", "bytes=9-1", "x", "bytes=0-99999999999999999999"} {
		f.Add(seed, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		choose, err := parseCopyRange(&header)
		var s span
		if err == nil {
			s, err = choose(size)
		}
		if err != nil {
			if awserr.CodeOf(err) != s3api.InvalidArgument {
				t.Errorf("got %v, want InvalidArgument", err)
			}
			return
		}
		if s.offset < 0 || s.length < 1 || s.offset > size-s.length {
			t.Errorf("got %+v for %q of %d bytes", s, header, size)
		}
		again := fmt.Sprintf("bytes=%d-%d", s.offset, s.offset+s.length-1)
		if choose, err = parseCopyRange(&again); err != nil {
			t.Fatal(err)
		}
		if back, err := choose(size); err != nil || back != s {
			t.Errorf("got %+v and %v back from %s, want %+v", back, err, again, s)
		}
	})
}

// A date in the future is no condition, one that is now is.
func TestConditionsInTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 23, 11, 2, 3, 500_000_000, time.UTC)
	modified := now.Truncate(time.Second)
	for _, tt := range []struct {
		name  string
		since time.Time
		want  string
	}{
		{"before", modified.Add(-time.Second), ""},
		{"same", modified, ifModifiedSince},
		{"later", modified.Add(time.Hour), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (readConditions{ifModified: &tt.since}).failed("e", modified, now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Ids that are made one after another are in that order, whatever the clock does,
// and none is like another.
func TestUploadIDsAreInOrder(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	clock := start
	s := &Service{clock: func() time.Time { return clock }}
	last := ""
	for i := range 2000 {
		switch i % 4 {
		case 0:
			clock = clock.Add(time.Hour)
		case 1:
			clock = start // backwards
		}
		id := s.newUploadID()
		if !validUploadID(id) || id <= last {
			t.Fatalf("got %q after %q", id, last)
		}
		last = id
	}
	for _, id := range []string{"", "x", strings.Repeat("a", 42), strings.Repeat("a", 44), strings.Repeat("a", 42) + "/", strings.Repeat("a", 42) + "\n"} {
		if validUploadID(id) {
			t.Errorf("got %q taken for an id", id)
		}
	}
}
