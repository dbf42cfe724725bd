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

// The names of the conditions, as errors have them.
const (
	ifMatch           = "If-Match"
	ifUnmodifiedSince = "If-Unmodified-Since"
	ifNoneMatch       = "If-None-Match"
	ifModifiedSince   = "If-Modified-Since"
)

// failed returns the name of the condition that does not hold, "" when all do. It
// follows RFC 9110 section 13.2.2: If-Match goes before If-Unmodified-Since,
// If-None-Match before If-Modified-Since. A date in the future is none, as AWS has
// it, or a client whose clock is ahead would never see a change.
func (r readConditions) failed(etag string, modified, now time.Time) string {
	switch {
	case r.ifMatch != nil:
		if !etagListed(*r.ifMatch, etag) {
			return ifMatch
		}
	case r.ifUnmodifiedTime != nil:
		if modified.After(*r.ifUnmodifiedTime) {
			return ifUnmodifiedSince
		}
	}
	switch {
	case r.ifNoneMatch != nil:
		if etagListed(*r.ifNoneMatch, etag) {
			return ifNoneMatch
		}
	case r.ifModified != nil:
		if !modified.After(*r.ifModified) && !r.ifModified.After(now) {
			return ifModifiedSince
		}
	}
	return ""
}

// check is for GetObject and HeadObject.
func (r readConditions) check(etag string, modified, now time.Time) error {
	switch name := r.failed(etag, modified, now); name {
	case "":
		return nil
	case ifMatch, ifUnmodifiedSince:
		return preconditionFailed(name)
	}
	return notModified(etag, modified)
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

// checkForm refuses what S3 does not take: If-None-Match is only "*", and If-Match
// never is. Texts: as recorded from AWS.
func (w writeConditions) checkForm() error {
	refuse := func(header, why string) error {
		return awserr.New(s3api.NotImplemented, "A header you provided implies functionality that is not implemented").
			With("Header", header).With("additionalMessage", why)
	}
	switch {
	case w.ifMatch != nil && w.ifNoneMatch != nil:
		return refuse("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	case w.ifNoneMatch != nil && strings.TrimSpace(*w.ifNoneMatch) != "*":
		return refuse(ifNoneMatch, "We don't accept the provided value of If-None-Match header for this API")
	case w.ifMatch != nil && strings.TrimSpace(*w.ifMatch) == "*":
		return refuse(ifMatch, "We don't accept the provided value of If-Match header for this API")
	}
	return nil
}

func (w writeConditions) any() bool { return w.ifMatch != nil || w.ifNoneMatch != nil }

// check compares with the object that is there now; nil when there is none.
func (w writeConditions) check(key string, now *object) error {
	switch {
	case w.ifNoneMatch != nil && now != nil:
		return preconditionFailed(ifNoneMatch)
	case w.ifMatch != nil && now == nil:
		return noSuchKey(key)
	case w.ifMatch != nil && !etagListed(*w.ifMatch, now.attrs.ETag):
		return preconditionFailed(ifMatch)
	}
	return nil
}
