package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestClockWatch(t *testing.T) {
	wall, ran := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Duration(0)
	w := clockWatch{clock: func() time.Time { return wall }, elapsed: func() time.Duration { return ran }}
	for _, tt := range []struct {
		name            string
		passed, setting time.Duration
		want            time.Duration
	}{
		{"first look", 0, 0, 0},
		{"time passes", time.Hour, 0, 0},
		{"a correction by seconds", time.Minute, 20 * time.Second, 0},
		{"set forward", time.Minute, 24 * time.Hour, 24 * time.Hour},
		{"no news of it later", time.Minute, 0, 0},
		{"set back", time.Minute, -time.Hour, -time.Hour},
	} {
		wall, ran = wall.Add(tt.passed+tt.setting), ran+tt.passed
		if got := w.look(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestClockBehind: a server whose clock is behind its own records serves, says
// so in log, metrics and health, and doctor finds it.
func TestClockBehind(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, Config{DataDir: dir})
	stop()
	cfg := Config{DataDir: dir, Clock: func() time.Time { return time.Now().Add(-48 * time.Hour) }}
	s, stop := start(t, cfg)
	defer stop()
	eventually(t, "the clock to be reported", func() bool {
		resp, err := http.Get(s.Endpoint() + "/_/health")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var h health
		if err := json.NewDecoder(resp.Body).Decode(&h); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode == http.StatusOK && slices.Equal(h.Failing, []string{"clock"})
	})
	if got := metric(t, s.Endpoint(), `strongroom_worker_failures_total{worker="clock"}`); got < 1 {
		t.Errorf("got %v failures of the worker, want 1 or more", got)
	}
	found := false
	for _, f := range Doctor(t.Context(), cfg) {
		found = found || f.Subject == "clock" && f.Err != nil && strings.Contains(f.Err.Error(), "set the clock")
	}
	if !found {
		t.Error("doctor does not find the clock that is behind")
	}
}
