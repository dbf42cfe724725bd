package s3http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/restxml"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// bind makes a route's function of an operation without object data.
func bind[In, Out any](op func(*s3.Service, context.Context, identity.Caller, *In) (*Out, error)) func(*exchange) error {
	return func(x *exchange) error {
		in, err := input[In](x)
		if err != nil {
			return err
		}
		out, err := op(x.h.service, x.r.Context(), x.caller, in)
		if err != nil {
			return err
		}
		x.answer(out, x.route.status)
		return nil
	}
}

// bindBody is bind for the operations that take object data.
func bindBody[In, Out any](op func(*s3.Service, context.Context, identity.Caller, *In, s3.Body) (*Out, error)) func(*exchange) error {
	return func(x *exchange) error {
		in, err := input[In](x)
		if err != nil {
			return err
		}
		out, err := op(x.h.service, x.r.Context(), x.caller, in, x.data())
		if err != nil {
			return err
		}
		x.answer(out, x.route.status)
		return nil
	}
}

// input binds the request to its operation's input. What follows is the operation.
func input[In any](x *exchange) (*In, error) {
	in := new(In)
	err := restxml.BindRequest(x.r, x.bucket, x.key, x.query, x.payload, in)
	x.bound = err == nil
	return in, err
}

// data is the payload of a request that brings object data.
func (x *exchange) data() s3.Body {
	b := s3.Body{Reader: x.body, Length: x.length, Trailer: x.trailer}
	for _, values := range x.r.Header.Values("X-Amz-Trailer") {
		for name := range strings.SplitSeq(values, ",") {
			b.Announced = append(b.Announced, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	return b
}

// answer writes a success that has no object data.
func (x *exchange) answer(out any, status int) {
	header := x.w.Header()
	setIDs(header, x.caller.RequestID)
	restxml.SetHeaders(header, out)
	if !restxml.HasBody(out) || x.r.Method == http.MethodHead {
		if status != http.StatusNoContent && x.r.Method != http.MethodHead {
			header.Set("Content-Length", "0")
		}
		x.w.WriteHeader(status)
		return
	}
	body := restxml.AppendBody(nil, out)
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(status)
	// The operation is done and recorded; that the client left is nothing to
	// report to it.
	_, _ = x.w.Write(body)
}

// setIDs sets what every S3 answer has.
func setIDs(header http.Header, requestID string) {
	header.Set("X-Amz-Request-Id", requestID)
	header.Set("X-Amz-Id-2", s3.HostID(requestID))
	header.Set("Server", "Strongroom")
}

// getObject streams. The status line leaves with the first verified bytes, so
// that an object whose first chunk is damaged still gets a clean error.
func getObject(x *exchange) error {
	in, err := input[s3api.GetObjectRequest](x)
	if err != nil {
		return err
	}
	object, err := x.h.service.GetObject(x.r.Context(), x.caller, in)
	if err != nil {
		return err
	}
	defer func() { _ = object.Close() }() // does nothing after WriteTo
	w := &lateWriter{x: x, object: object}
	if _, err = object.WriteTo(w); err == nil {
		w.begin() // for an object of no bytes
		return nil
	}
	if !w.begun {
		return err
	}
	// Fewer bytes than Content-Length were written: the server closes the
	// connection, and the client sees that the object was cut off.
	level := slog.LevelError
	if errors.Is(err, s3api.RequestTimeout) { // the client went away, which any client may: nothing is wrong here
		level = slog.LevelInfo
	}
	x.h.log.Log(x.r.Context(), level, "streaming object", "requestID", x.caller.RequestID, "bucket", x.bucket, "key", x.key, "error", err)
	return nil
}

// lateWriter sends the headers before the first byte.
type lateWriter struct {
	x      *exchange
	object *s3.Object
	begun  bool
}

func (w *lateWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.x.w.Write(p)
}

func (w *lateWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	header := w.x.w.Header()
	setIDs(header, w.x.caller.RequestID)
	restxml.SetHeaders(header, w.object.Output)
	status := http.StatusOK
	if w.object.Partial {
		status = http.StatusPartialContent
	}
	w.x.w.WriteHeader(status)
}

// completeMultipartUpload adds to the answer where the object is to be found,
// by the name that the client has for this server.
func completeMultipartUpload(x *exchange) error {
	in, err := input[s3api.CompleteMultipartUploadRequest](x)
	if err != nil {
		return err
	}
	out, err := x.h.service.CompleteMultipartUpload(x.r.Context(), x.caller, in)
	if err != nil {
		return err
	}
	location := url.URL{Scheme: "http", Host: x.r.Host, Path: "/" + x.key}
	if x.caller.TLSVersion != "" {
		location.Scheme = "https"
	}
	if !x.hosted {
		location.Path = "/" + x.bucket + location.Path
	}
	text := location.String()
	out.Location = &text
	x.answer(out, x.route.status)
	return nil
}

func headObject(x *exchange) error {
	in, err := input[s3api.HeadObjectRequest](x)
	if err != nil {
		return err
	}
	out, err := x.h.service.HeadObject(x.r.Context(), x.caller, in)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if out.ContentRange != nil {
		status = http.StatusPartialContent
	}
	x.answer(out, status)
	return nil
}
