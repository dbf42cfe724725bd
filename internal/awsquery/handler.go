// Package awsquery serves APIs of the AWS Query protocol (Smithy 2.0, "AWS
// Query protocol"), such as STS: it decodes forms, dispatches by Action, and
// writes answers and errors as XML. It decides nothing.
package awsquery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/restxml"
)

// Op is one operation of a service: its name on the wire and its function.
type Op struct {
	Name string
	// Call decodes the form, runs the operation and returns a pointer to its
	// output structure.
	Call func(ctx context.Context, c identity.Caller, form url.Values) (any, error)
}

// Bind makes an Op of a typed function. A form that does not decode is answered
// with MalformedInput, and fn is not called.
func Bind[Req, Resp any](name string, fn func(context.Context, identity.Caller, *Req) (*Resp, error)) Op {
	return Op{name, func(ctx context.Context, c identity.Caller, form url.Values) (any, error) {
		req := new(Req)
		if err := Decode(form, req); err != nil {
			return nil, &undecoded{err}
		}
		resp, err := fn(ctx, c, req)
		if err != nil {
			return nil, err
		}
		return resp, nil
	}}
}

// undecoded wraps the error of a form that no operation has seen.
type undecoded struct{ error }

func (u *undecoded) Unwrap() error { return u.error }

// Config is what a Handler needs. Version, Namespace, Ops and Internal are required.
type Config struct {
	Version   string // of the API: 2011-06-15
	Namespace string // of answers: https://sts.amazonaws.com/doc/2011-06-15/
	Ops       []Op

	// Status is the HTTP status of error codes; those that are not in it are
	// 400, and Internal is 500.
	Status map[awserr.Code]int

	// Internal is the code answered for an error that has none.
	Internal awserr.Code

	// Logger receives the causes of errors. Nil: slog.Default().
	Logger *slog.Logger

	// Refused, if not nil, is told of an authenticated request that no operation
	// saw, because there is none of that name (as the client sent it) or the
	// form does not decode. What it returns is answered instead of err. It is
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
			panic("awsquery: operation " + op.Name + " is given twice")
		}
		h.ops[op.Name] = op
	}
	return h
}

// Serve runs the operation that the form's Action names and writes the answer.
// The form is that of a body, or of a query, that has been authenticated; the
// request id is that of c.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, c identity.Caller, form url.Values) {
	action, version := form.Get("Action"), form.Get("Version")
	if action == "" {
		h.WriteError(w, c.RequestID, h.cfg.Refused(c, "", awserr.New(missingAction, "Missing Action")))
		return
	}
	op, ok := h.ops[action]
	if !ok || version != "" && version != h.cfg.Version {
		err := awserr.New(invalidAction, "Could not find operation %s for version %s", action, cmp.Or(version, "NO_VERSION_SPECIFIED"))
		h.WriteError(w, c.RequestID, h.cfg.Refused(c, action, err))
		return
	}
	resp, err := op.Call(r.Context(), c, form)
	if u, ok := errors.AsType[*undecoded](err); ok {
		err = h.cfg.Refused(c, action, u.error)
	}
	if err != nil {
		h.WriteError(w, c.RequestID, err)
		return
	}
	write(w, c.RequestID, http.StatusOK, h.appendAnswer(nil, action, c.RequestID, resp))
}

// appendAnswer writes OpResponse around OpResult around the members.
func (h *Handler) appendAnswer(dst []byte, action, requestID string, resp any) []byte {
	dst = append(dst, "<"+action+`Response xmlns="`+h.cfg.Namespace+`"><`+action+"Result>"...)
	dst = restxml.AppendMembers(dst, resp)
	dst = append(dst, "</"+action+"Result><ResponseMetadata>"...)
	dst = restxml.AppendElement(dst, "RequestId", requestID)
	return append(dst, "</ResponseMetadata></"+action+"Response>"...)
}

func write(w http.ResponseWriter, requestID string, status int, body []byte) {
	header := w.Header()
	header["Content-Type"] = []string{"text/xml"}
	header["Cache-Control"] = []string{"no-cache, no-store, must-revalidate, private"}
	// Spelled as AWS does, which Set would not keep.
	header["x-amzn-RequestId"] = []string{requestID}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}
