package server

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/sigv4"
	"github.com/strongroom/strongroom/internal/sts"
)

// refusals logs requests that never had a caller. They are not in the audit
// trail, because nobody without a credential shall be able to fill it; all are
// counted, and at most burst of them a second are logged.
type refusals struct {
	log   *slog.Logger
	clock func() time.Time

	mu         sync.Mutex // guards what follows
	second     int64      // Unix time of the current second
	logged     int        // lines in it
	suppressed int        // lines kept back since the last one that was logged
}

// burst is how many refusals are logged in one second.
const burst = 10

// allow reports whether one more line may be logged now, and how many were
// kept back before it.
func (f *refusals) allow() (suppressed int, ok bool) {
	now := f.clock().Unix()
	f.mu.Lock()
	defer f.mu.Unlock()
	if now != f.second {
		f.second, f.logged = now, 0
	}
	if f.logged >= burst {
		f.suppressed++
		return 0, false
	}
	f.logged++
	suppressed, f.suppressed = f.suppressed, 0
	return suppressed, true
}

// logger returns what one more line may be logged with now. What was kept back
// before it is told with it.
func (f *refusals) logger() (*slog.Logger, bool) {
	suppressed, ok := f.allow()
	if suppressed > 0 {
		return f.log.With("suppressed", suppressed), ok
	}
	return f.log, ok
}

// reason is the metric label of a refusal, from a small fixed set.
func reason(err error) string {
	switch {
	case errors.Is(err, iam.ErrUnknownAccessKey):
		return "unknown access key"
	case errors.Is(err, errSessionToken), errors.Is(err, sts.ErrToken):
		return "session token"
	case errors.Is(err, sts.ErrExpired):
		return "expired session"
	case errors.Is(err, sts.ErrPrincipal):
		return "session without principal"
	case errors.Is(err, errHeaderSection):
		return "header too large"
	case errors.Is(err, errTooLarge):
		return "body too large"
	case errors.Is(err, errBodyCut):
		return "body cut"
	}
	if k := sigv4.KindOf(err); k != 0 {
		return k.String()
	}
	return "internal"
}

// refuse counts and logs a request that is refused before a caller is known.
//
// The server reads what is left of a small body before it answers, to keep the
// connection: it does not wait long for a client that nobody knows.
func (e *edge) refuse(w http.ResponseWriter, r *http.Request, svc service, c identity.Caller, err error) {
	if r.ContentLength != 0 {
		// When this fails the connection is gone, and nobody has to be waited for.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.limits.refused))
	}
	why := reason(err)
	e.metrics.refused.WithLabelValues(why).Inc()
	suppressed, ok := e.refusals.allow()
	if !ok {
		return
	}
	attrs := []any{"requestID", c.RequestID, "service", svc, "reason", why, "method", r.Method, "sourceIP", c.SourceIP}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	if why == "internal" {
		attrs = append(attrs, "error", err)
	}
	e.refusals.log.Warn("request refused: no caller", attrs...)
}
