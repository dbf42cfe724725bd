package awsquery

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/restxml"
)

const (
	invalidAction awserr.Code = "InvalidAction"
	missingAction awserr.Code = "MissingAction"
)

// internalMessage is all that a caller learns of an error that has no code.
const internalMessage = "An internal error occurred. The request can be retried."

// WriteError answers an error as an ErrorResponse document. An error without a
// code is answered as the service's internal error with a fixed text. Causes go
// to the log under the request id.
func (h *Handler) WriteError(w http.ResponseWriter, requestID string, err error) {
	code, message, cause := awserr.CodeOf(err), "", error(nil)
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		message, cause = e.Message, e.Err
	}
	if code == "" {
		code, message, cause = h.cfg.Internal, internalMessage, err
	}
	status, fault := h.status(code), "Sender"
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		fault, level = "Receiver", slog.LevelError
	}
	if cause != nil {
		h.cfg.Logger.Log(context.Background(), level, "request failed", "requestID", requestID, "code", string(code), "err", cause)
	}
	if h.cfg.OnError != nil {
		h.cfg.OnError(code)
	}
	body := []byte(`<ErrorResponse xmlns="` + h.cfg.Namespace + `"><Error>`)
	body = restxml.AppendElement(body, "Type", fault)
	body = restxml.AppendElement(body, "Code", string(code))
	body = restxml.AppendElement(body, "Message", message)
	body = restxml.AppendElement(append(body, "</Error>"...), "RequestId", requestID)
	write(w, requestID, status, append(body, "</ErrorResponse>"...))
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
