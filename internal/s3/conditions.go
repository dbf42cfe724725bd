package s3

import (
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// readConditions are the conditional headers of GetObject and HeadObject.
type readConditions struct {
	ifMatch, ifNoneMatch         *string
	ifModified, ifUnmodifiedTime *time.Time
}

// check follows RFC 9110 section 13.2.2: If-Match goes before
// If-Unmodified-Since, If-None-Match before If-Modified-Since.
func (r readConditions) check(etag string, modified time.Time) error {
	switch {
	case r.ifMatch != nil:
		if !etagListed(*r.ifMatch, etag) {
			return preconditionFailed("If-Match")
		}
	case r.ifUnmodifiedTime != nil:
		if modified.After(*r.ifUnmodifiedTime) {
			return preconditionFailed("If-Unmodified-Since")
		}
	}
	switch {
	case r.ifNoneMatch != nil:
		if etagListed(*r.ifNoneMatch, etag) {
			return notModified(etag, modified)
		}
	case r.ifModified != nil:
		if !modified.After(*r.ifModified) {
			return notModified(etag, modified)
		}
	}
	return nil
}

// notModified carries the headers that a 304 has (RFC 9110 section 15.4.5).
func notModified(etag string, modified time.Time) error {
	return awserr.Bare(s3api.NotModified).With("ETag", *quote(etag)).
		With("Last-Modified", modified.Format(httpTime))
}

// httpTime is the IMF-fixdate of RFC 9110.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

func etagListed(header, etag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		if t := strings.TrimSpace(candidate); t == "*" || trimETag(t) == etag {
			return true
		}
	}
	return false
}

// writeConditions are those of PutObject, CompleteMultipartUpload and
// DeleteObject.
type writeConditions struct {
	ifMatch, ifNoneMatch *string
}

// checkForm refuses what S3 does not take: If-None-Match is only "*".
func (w writeConditions) checkForm() error {
	if w.ifNoneMatch != nil && strings.TrimSpace(*w.ifNoneMatch) != "*" {
		return notImplemented("If-None-Match")
	}
	if w.ifMatch != nil && w.ifNoneMatch != nil {
		return notImplemented("If-Match,If-None-Match")
	}
	return nil
}

func (w writeConditions) any() bool { return w.ifMatch != nil || w.ifNoneMatch != nil }

// check compares with the object that is there now; nil when there is none.
func (w writeConditions) check(key string, now *object) error {
	switch {
	case w.ifNoneMatch != nil && now != nil:
		return preconditionFailed("If-None-Match")
	case w.ifMatch != nil && now == nil:
		return noSuchKey(key)
	case w.ifMatch != nil && !etagListed(*w.ifMatch, now.attrs.ETag):
		return preconditionFailed("If-Match")
	}
	return nil
}
