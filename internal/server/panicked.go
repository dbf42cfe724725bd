package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
)

// errPanicked is what a request that panicked is answered with: an error
// without a code, which becomes the service's internal one.
var errPanicked = errors.New("the request panicked")

// panicked counts and logs a panic, and answers 500 in the words of the
// service. Where an answer has begun already the connection breaks, so that no
// client takes it for a whole one.
func (e *edge) panicked(w *statusWriter, r *http.Request, svc service, requestID string, value any) {
	if value == http.ErrAbortHandler {
		panic(value) // how an answer is broken off on purpose
	}
	e.metrics.panics.Inc()
	// The value may hold anything, so only its type and the stack are logged.
	e.log.Error("panic in a request: this is a bug", "requestID", requestID, "service", svc, "type", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
	if w.status >= 200 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Connection", "close")
	switch svc {
	case serviceKMS:
		e.kms.WriteError(w, requestID, errPanicked)
	case serviceSTS:
		e.sts.WriteError(w, requestID, errPanicked)
	case serviceS3:
		e.s3.WriteError(w, r, requestID, errPanicked)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}
