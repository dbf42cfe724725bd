package s3http

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/restxml"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// statuses has the HTTP status of every code that is not 400.
//
// Source: Amazon S3 API Reference, "Error responses", "List of error codes".
var statuses = map[awserr.Code]int{
	s3api.NotModified: http.StatusNotModified,

	s3api.AccessDenied:               http.StatusForbidden,
	s3api.InvalidAccessKeyId:         http.StatusForbidden,
	s3api.InvalidObjectState:         http.StatusForbidden,
	s3api.ObjectNotInActiveTierError: http.StatusForbidden,
	s3api.RequestTimeTooSkewed:       http.StatusForbidden,
	s3api.SignatureDoesNotMatch:      http.StatusForbidden,

	s3api.NoSuchBucket:       http.StatusNotFound,
	s3api.NoSuchBucketPolicy: http.StatusNotFound,
	s3api.NoSuchKey:          http.StatusNotFound,
	s3api.NoSuchUpload:       http.StatusNotFound,
	s3api.NoSuchVersion:      http.StatusNotFound,

	s3api.MethodNotAllowed: http.StatusMethodNotAllowed,

	s3api.BucketAlreadyExists:        http.StatusConflict,
	s3api.BucketAlreadyOwnedByYou:    http.StatusConflict,
	s3api.BucketNotEmpty:             http.StatusConflict,
	s3api.ConditionalRequestConflict: http.StatusConflict,
	s3api.OperationAborted:           http.StatusConflict,

	s3api.MissingContentLength: http.StatusLengthRequired,
	s3api.PreconditionFailed:   http.StatusPreconditionFailed,
	s3api.InvalidRange:         http.StatusRequestedRangeNotSatisfiable,
	s3.InvalidPartNumber:       http.StatusRequestedRangeNotSatisfiable,

	s3api.InternalError:      http.StatusInternalServerError,
	s3api.NotImplemented:     http.StatusNotImplemented,
	s3api.ServiceUnavailable: http.StatusServiceUnavailable,
	s3api.SlowDown:           http.StatusServiceUnavailable,
}

// statusOf returns the status of a code; all others of S3, and those of KMS
// with their prefix, are 400.
func statusOf(code awserr.Code) int {
	if status, ok := statuses[code]; ok {
		return status
	}
	return http.StatusBadRequest
}

// WriteError answers an error. One without a code becomes InternalError with a
// fixed text; its cause, and that of every other server error, goes to the log
// under the request id.
func (h *Handler) WriteError(w http.ResponseWriter, r *http.Request, requestID string, err error) {
	e, ok := errors.AsType[*awserr.Error](err)
	if !ok {
		e = awserr.Wrap(err, s3api.InternalError, "We encountered an internal error. Please try again.")
	}
	status := statusOf(e.Code)
	if status >= http.StatusInternalServerError && e.Code != s3api.NotImplemented {
		h.log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("requestID", requestID),
			slog.String("method", r.Method), slog.String("resource", h.resource(r)), slog.Any("error", err))
	}
	header := w.Header()
	setIDs(header, requestID)
	for _, f := range e.Fields {
		switch f.Name {
		case "Region":
			header.Set("X-Amz-Bucket-Region", f.Value)
		case "ActualObjectSize":
			header.Set("Content-Range", "bytes */"+f.Value)
		}
	}
	if status == http.StatusNotModified {
		for _, f := range e.Fields {
			header.Set(f.Name, f.Value)
		}
		w.WriteHeader(status)
		return
	}
	body := restxml.AppendError(nil, e, h.resource(r), requestID, s3.HostID(requestID))
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client left: there is nobody to tell
	}
}

// resource is the bucket or object that a request names, as a path, unescaped.
func (h *Handler) resource(r *http.Request) string {
	path := r.URL.Path
	if bucket := hostBucket(r.Host, h.domains); bucket != "" {
		path = "/" + bucket + path
	}
	return strings.ToValidUTF8(path, "\uFFFD")
}
