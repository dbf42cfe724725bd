// Package s3http is the REST protocol of Amazon S3 (restXml): it finds the
// operation of a request, binds its parts to the operation's input, and writes
// the answer. It decides nothing else; package s3 does.
//
// Paths are routed as they were sent, escaped: a key may hold "//", ".." and
// "%2F", so nothing may clean the path. A bucket is named by the path, or by the
// host (virtual-hosted style).
package s3http

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// Handler answers authenticated S3 requests. It is safe for concurrent use.
type Handler struct {
	service *s3.Service
	log     *slog.Logger
	refused func(c identity.Caller, op string, err error) error
	domains []string
}

// Config is what a [Handler] is made of. Service is required.
type Config struct {
	Service *s3.Service
	Logger  *slog.Logger // nil means no log

	// Domains are the names, as [Domain] returns them, under which a bucket can
	// be addressed as BUCKET.DOMAIN. Every other host is path style.
	Domains []string

	// Refused, if not nil, is told of an authenticated request that no operation
	// saw: one for which there is no route, that has a header or payload the
	// route does not take, or that does not bind. Op is "" when there is no
	// route. What it returns is answered instead of err. It is where such a
	// request gets its audit record.
	Refused func(c identity.Caller, op string, err error) error
}

// New makes a Handler.
func New(cfg Config) *Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Refused == nil {
		cfg.Refused = func(_ identity.Caller, _ string, err error) error { return err }
	}
	return &Handler{cfg.Service, cfg.Logger, cfg.Refused, cfg.Domains}
}

// exchange is one request with its answer.
type exchange struct {
	h      *Handler
	w      http.ResponseWriter
	r      *http.Request
	caller identity.Caller
	route  *route
	bound  bool // the operation has been given its input

	bucket, key string
	hosted      bool // the host names the bucket
	query       url.Values
	payload     []byte // of an XML request
	body        *trackedReader
	trailer     func(string) string
	length      int64
}

// trackedReader remembers whether it was read to its end.
type trackedReader struct {
	r     io.Reader
	ended bool
}

func (t *trackedReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.ended = t.ended || err == io.EOF
	return n, err
}

// Serve answers a request of the authenticated caller c. Body is the payload
// after transfer decoding, which ends with io.EOF only when all of it was
// verified; errors it returns carry S3's codes. Trailer gives the trailing
// headers after that. DecodedLength is the payload's announced length in
// bytes, -1 when there is none.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, c identity.Caller, body io.Reader, trailer func(string) string, decodedLength int64) {
	x := &exchange{h: h, w: w, r: r, caller: c, body: &trackedReader{r: body}, trailer: trailer, length: decodedLength}
	err := x.serve()
	if err == nil {
		return
	}
	if !x.bound {
		op := ""
		if x.route != nil {
			op = x.route.name
		}
		err = h.refused(c, op, err)
	}
	if !x.body.ended && r.ContentLength != 0 {
		// What follows on this connection would be the rest of the body.
		w.Header().Set("Connection", "close")
	}
	h.WriteError(w, r, c.RequestID, err)
}

func (x *exchange) serve() error {
	if err := x.find(); err != nil {
		return err
	}
	if err := x.hoist(); err != nil {
		return err
	}
	if err := x.checkHeaders(); err != nil {
		return err
	}
	if !x.route.streams {
		if err := x.readPayload(); err != nil {
			return err
		}
	}
	return x.route.serve(x)
}

func (x *exchange) find() error {
	bucket, key, l, ok := splitPath(x.r.URL.EscapedPath())
	if host := hostBucket(x.r.Host, x.h.domains); host != "" {
		x.hosted, bucket = true, host
		key, l, ok = hostedKey(x.r.URL.EscapedPath())
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if !ok || err != nil {
		return awserr.New(s3api.InvalidURI, "Couldn't parse the specified URI.").With("URI", x.r.URL.EscapedPath())
	}
	x.bucket, x.key, x.query = bucket, key, query
	found, other := find(x.r.Method, l, query, x.copies())
	switch {
	case found != nil:
		x.route = found
		return nil
	case other != "":
		return awserr.New(s3api.NotImplemented, "A header you provided implies functionality that is not implemented").With("Header", other)
	}
	return awserr.New(s3api.MethodNotAllowed, "The specified method is not allowed against this resource.").
		With("Method", x.r.Method).With("ResourceType", l.String())
}

// copies reports whether the request names the source of a copy: in the header,
// or in a query that hoist makes headers of, or refuses.
func (x *exchange) copies() bool {
	if x.r.Header.Get("X-Amz-Copy-Source") != "" {
		return true
	}
	for name := range x.query {
		if strings.EqualFold(name, "X-Amz-Copy-Source") {
			return true
		}
	}
	return false
}

// transport are the x-amz headers that signature and transfer coding have used
// up, and those that only tell about the client.
var transport = set("x-amz-content-sha256", "x-amz-date", "x-amz-decoded-content-length", "x-amz-security-token",
	"x-amz-te", "x-amz-trailer", "x-amz-user-agent")

// checkHeaders refuses an x-amz header that the operation does not take, a
// trailer where there is no object data to verify with it, and a value that is
// not UTF-8 in a header that the operation takes: what AWS makes of one is not
// known, and to store it as JSON would change it.
func (x *exchange) checkHeaders() error {
	for name, values := range x.r.Header {
		name = strings.ToLower(name)
		switch {
		case name == "x-amz-trailer" && !x.route.streams:
		case strings.HasPrefix(name, "x-amz-meta-"), x.route.headers[name]:
			for _, value := range values {
				if !utf8.ValidString(value) {
					return invalidHeader(name)
				}
			}
			continue
		case !strings.HasPrefix(name, "x-amz-"), transport[name]:
			continue
		case x.route.bodyLimit > 0 && isChecksum(name): // readPayload's
			continue
		case x.route.headers["x-amz-checksum-crc32"] && isChecksum(name):
			return unknownChecksum()
		case strings.HasPrefix(name, "x-amz-server-side-encryption"):
			return awserr.New(s3api.InvalidArgument, "%s header is not supported for this operation.", name).
				With("ArgumentName", name).With("ArgumentValue", x.r.Header.Get(name))
		}
		return awserr.New(s3api.NotImplemented, "A header you provided implies functionality that is not implemented").With("Header", name)
	}
	return nil
}
