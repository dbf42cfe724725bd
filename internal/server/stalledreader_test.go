package server

import (
	"strings"
	"testing"
	"time"
)

// TestStalledReader asks for a large object and reads nothing of it. The server
// must let go: the request ends, its outcome is in the trail, and the object's
// files can be removed.
func TestStalledReader(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.limits = limits{patience: time.Second}
	s, _ := start(t, cfg)
	putBucket(t, s.Endpoint(), "stalled")
	putKey(t, s.Endpoint(), "/stalled/large", strings.Repeat("0123456789abcdef", 2<<20))
	wire, _ := wireSigner("s3").sign(message{method: "GET", path: "/stalled/large"})
	conn := dial(t, s.Endpoint())
	if _, err := conn.Write(wire); err != nil {
		t.Fatal(err)
	}
	outcome := func() bool {
		for _, r := range records(t, dir) {
			if strings.Contains(r, `"eventName":"GetObject"`) && strings.Contains(r, `"errorCode"`) {
				return true
			}
		}
		return false
	}
	eventually(t, "the record of a GET that nobody reads", outcome)
	eventually(t, "the timeout in the metrics", func() bool { return metric(t, s.Endpoint(), `strongroom_timeouts_total{kind="answer"}`) == 1 })
}
