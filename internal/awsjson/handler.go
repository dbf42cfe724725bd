// Package awsjson serves APIs of the AWS JSON 1.1 protocol (Smithy 2.0,
// "AWS JSON 1.1 protocol"): it decodes requests, dispatches them, and writes
// answers and errors. It decides nothing.
package awsjson

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
)

// Op is one operation of a service: its name on the wire and its function.
type Op struct {
	Name string
	// Call decodes body, runs the operation and returns a pointer to its
	// output structure, or nil for an operation that answers no body.
	Call func(ctx context.Context, c identity.Caller, body []byte) (any, error)
}

// Bind makes an Op of a typed function. A body that does not decode is
// answered with SerializationException, and fn is not called. The secrets of
// the response are wiped when it is written: fn must not keep them.
func Bind[Req, Resp any](name string, fn func(context.Context, identity.Caller, *Req) (*Resp, error)) Op {
	return Op{name, func(ctx context.Context, c identity.Caller, body []byte) (any, error) {
		req := new(Req)
		if err := Decode(body, req); err != nil {
			return nil, &undecoded{err}
		}
		resp, err := fn(ctx, c, req)
		if err != nil {
			return nil, err
		}
		return resp, nil
	}}
}

// BindVoid is Bind for an operation that has no output.
func BindVoid[Req any](name string, fn func(context.Context, identity.Caller, *Req) error) Op {
	return Op{name, func(ctx context.Context, c identity.Caller, body []byte) (any, error) {
		req := new(Req)
		if err := Decode(body, req); err != nil {
			return nil, &undecoded{err}
		}
		return nil, fn(ctx, c, req)
	}}
}

// undecoded wraps the error of a body that no operation has seen.
type undecoded struct{ error }

func (u *undecoded) Unwrap() error { return u.error }

// Config is what a Handler needs. TargetPrefix, Ops and Internal are required.
type Config struct {
	TargetPrefix string // of X-Amz-Target, without the dot: TrentService
	Ops          []Op

	// Status is the HTTP status of error codes; those that are not in it are
	// 400, and Internal is 500.
	Status map[awserr.Code]int

	// Internal is the code answered for an error that has none.
	Internal awserr.Code

	// Logger receives the causes of errors. Nil: slog.Default().
	Logger *slog.Logger

	// Refused, if not nil, is told of an authenticated request that no operation
	// saw, because there is none of that name (as the client sent it) or the
	// body does not decode. What it returns is answered instead of err. It is
	// where such a request gets its audit record.
	Refused func(c identity.Caller, op string, err error) error

	// OnError, if not nil, is called for each error that is answered, with the
	// code that the caller sees. It must be safe for concurrent use.
	OnError func(code awserr.Code)
}

// Handler serves one API. It is safe for concurrent use.
type Handler struct {
	cfg Config
	ops map[string]Op
}

// New makes a Handler. It panics when two operations have one name.
func New(cfg Config) *Handler {
	if cfg.Refused == nil {
		cfg.Refused = func(_ identity.Caller, _ string, err error) error { return err }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{cfg: cfg, ops: make(map[string]Op, len(cfg.Ops))}
	for _, op := range cfg.Ops {
		if _, twice := h.ops[op.Name]; twice {
			panic("awsjson: operation " + op.Name + " is given twice")
		}
		h.ops[op.Name] = op
	}
	return h
}

// Operation returns the operation that an X-Amz-Target header names, "" when
// the header is not for this service. The operation need not exist.
func (h *Handler) Operation(target string) string {
	op, ok := strings.CutPrefix(target, h.cfg.TargetPrefix+".")
	if !ok {
		return ""
	}
	return op
}

// Serve runs the operation op on a body that has been read and authenticated,
// and writes the answer. The request id is that of c.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, c identity.Caller, op string, body []byte) {
	o, ok := h.ops[op]
	if !ok {
		h.WriteError(w, c.RequestID, h.cfg.Refused(c, op, awserr.Bare(unknownOperation)))
		return
	}
	resp, err := o.Call(r.Context(), c, body)
	if u, ok := errors.AsType[*undecoded](err); ok {
		err = h.cfg.Refused(c, op, u.error)
	}
	if err != nil {
		h.WriteError(w, c.RequestID, err)
		return
	}
	if isVoid(resp) {
		writeHeaders(w, c.RequestID, 0, http.StatusOK)
		return
	}
	buf := buffers.Get().(*[]byte)
	defer release(buf)
	*buf, err = Append(*buf, resp)
	wipe(resp)
	if err != nil {
		h.WriteError(w, c.RequestID, err)
		return
	}
	writeHeaders(w, c.RequestID, len(*buf), http.StatusOK)
	_, _ = w.Write(*buf) // the client is gone: nobody is left to tell
}

// isVoid reports whether an operation has no output: AWS then answers a body
// of length 0, not an empty object.
func isVoid(resp any) bool {
	if resp == nil {
		return true
	}
	t := reflect.TypeOf(resp)
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && t.Elem().NumField() == 0
}

// buffers holds answers while they are written.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// keepBuffer is the greatest buffer, in bytes, that is kept for another answer.
const keepBuffer = 64 << 10

// release gives a buffer back, unless it grew large, without the plaintext it
// may have held.
func release(b *[]byte) {
	clear((*b)[:cap(*b)])
	if cap(*b) > keepBuffer {
		return
	}
	*b = (*b)[:0]
	buffers.Put(b)
}

// writeHeaders writes what all answers have. Caches must keep nothing: answers
// carry plaintexts.
func writeHeaders(w http.ResponseWriter, requestID string, length, status int) {
	header := w.Header()
	header["Content-Type"] = contentType
	header["Cache-Control"] = noStore
	values := [...]string{requestID, strconv.Itoa(length)} // one allocation for both
	header["x-amzn-RequestId"] = values[0:1:1]             // spelled as AWS does, which Set would not keep
	header["Content-Length"] = values[1:2:2]
	w.WriteHeader(status)
}

var (
	contentType = []string{"application/x-amz-json-1.1"}
	noStore     = []string{"no-cache, no-store, must-revalidate, private"}
)
