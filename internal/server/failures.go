package server

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
)

// failures counts what goes into the log as a warning or an error, so that
// there is no failure that a person could read of and an alert could not see.
// The message is the label: messages are constants of the source (a test of
// the house rules sees to that), what varies is in the attributes.
type failures struct{ total *prometheus.CounterVec }

func newFailures() failures {
	return failures{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "strongroom_failures_total", Help: "Lines of the log that are warnings or errors, by level and message.",
	}, []string{"level", "message"})}
}

// logger returns a logger that writes to log's handler and counts.
func (f failures) logger(log *slog.Logger) *slog.Logger {
	return slog.New(countingHandler{log.Handler(), f.total})
}

// countingHandler is a slog.Handler that counts.
type countingHandler struct {
	slog.Handler
	total *prometheus.CounterVec
}

// Enabled lets warnings pass that the handler below would drop: they count.
func (h countingHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h countingHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		level := "warn"
		if r.Level >= slog.LevelError {
			level = "error"
		}
		h.total.WithLabelValues(level, r.Message).Inc()
		if !h.Handler.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h countingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countingHandler{h.Handler.WithAttrs(attrs), h.total}
}

// WithGroup implements slog.Handler.
func (h countingHandler) WithGroup(name string) slog.Handler {
	return countingHandler{h.Handler.WithGroup(name), h.total}
}
