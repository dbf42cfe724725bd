package awsjson

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/jsonstring"
)

const (
	unknownOperation awserr.Code = "UnknownOperationException"

	// accessDenied is how the gate names a refusal; JSON services put
	// accessDeniedException on the wire.
	accessDenied          awserr.Code = "AccessDenied"
	accessDeniedException awserr.Code = "AccessDeniedException"
)

// internalMessage is all that a caller learns of an error that has no code.
const internalMessage = "An internal error occurred. The request can be retried."

// WriteError answers an error: {"__type":"CODE","message":"TEXT"}. A code
// without a text has no message member, and AccessDeniedException spells it
// Message, as AWS does. An error without a code is answered as the service's
// internal error with a fixed text. Causes go to the log under the request id.
func (h *Handler) WriteError(w http.ResponseWriter, requestID string, err error) {
	code, message, cause := awserr.CodeOf(err), "", error(nil)
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		message, cause = e.Message, e.Err
	}
	if code == "" {
		code, message, cause = h.cfg.Internal, internalMessage, err
	}
	if code == accessDenied {
		code = accessDeniedException
	}
	status := h.status(code)
	if cause != nil {
		level := slog.LevelInfo
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		h.cfg.Logger.Log(context.Background(), level, "request failed", "requestID", requestID, "code", string(code), "err", cause)
	}
	if h.cfg.OnError != nil {
		h.cfg.OnError(code)
	}
	body := jsonstring.Append([]byte(`{"__type":`), string(code))
	if message != "" {
		key := `,"message":`
		if code == accessDeniedException {
			key = `,"Message":`
		}
		body = jsonstring.Append(append(body, key...), message)
	}
	body = append(body, '}')
	writeHeaders(w, requestID, len(body), status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}

func (h *Handler) status(code awserr.Code) int {
	if status, ok := h.cfg.Status[code]; ok {
		return status
	}
	if code == h.cfg.Internal {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
