package server

import (
	"log/slog"
	"testing"
)

// TestFailuresAreCounted: a refusal, a warning and an error each have a metric.
func TestFailuresAreCounted(t *testing.T) {
	var log safeBuffer
	cfg := wireConfig(dataDirIn(t))
	cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError + 1})) // wants to hear nothing
	s, _ := start(t, cfg)

	ask(t, s.Endpoint(), "kms", kmsCall("DescribeKey", `{"KeyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}`))
	if got := metric(t, s.Endpoint(), `strongroom_call_failures_total{code="NotFoundException",source="kms.amazonaws.com"}`); got != 1 {
		t.Errorf("got %v failed calls, want 1", got)
	}
	s.log.With("a", 1).WithGroup("g").Error("something broke", "how", "badly")
	s.log.Warn("something may break")
	s.log.Info("nothing broke")
	for series, want := range map[string]float64{
		`strongroom_failures_total{level="error",message="something broke"}`:    1,
		`strongroom_failures_total{level="warn",message="something may break"}`: 1,
		`strongroom_failures_total{level="info",message="nothing broke"}`:       0,
	} {
		if got := metric(t, s.Endpoint(), series); got != want {
			t.Errorf("got %v for %s, want %v", got, series, want)
		}
	}
	if b := log.Bytes(); len(b) > 0 {
		t.Errorf("got in the log %q, want nothing below its level", b)
	}
}
