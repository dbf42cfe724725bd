package server

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// testClock is a clock that a test moves.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func newTestClock(t time.Time) *testClock { return &testClock{t: t} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// TestServerClock: a server whose clock is wrong refuses everyone and says what
// time it has; when the clock is right again, it serves again.
func TestServerClock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		skew time.Duration
		// what KMS (5 minutes) and S3 (15 minutes) answer
		kms, s3 int
	}{
		{"right", 0, 200, 200},
		{"five minutes fast", 5 * time.Minute, 200, 200},
		{"five minutes and a second fast", 5*time.Minute + time.Second, 400, 200},
		{"five minutes and a second slow", -5*time.Minute - time.Second, 400, 200},
		{"fifteen minutes fast", 15 * time.Minute, 400, 200},
		{"fifteen minutes and a second fast", 15*time.Minute + time.Second, 400, 403},
		{"fifteen minutes and a second slow", -15*time.Minute - time.Second, 400, 403},
		{"a year slow", -365 * 24 * time.Hour, 400, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := newTestClock(wireTime.Add(tt.skew))
			cfg := wireConfig(dataDirIn(t))
			cfg.Clock = now.now
			s, _ := start(t, cfg)
			a := ask(t, s.Endpoint(), "kms", kmsCall("ListKeys", "{}"))
			if a.status != tt.kms {
				t.Errorf("kms: got %d %s, want %d", a.status, a.body, tt.kms)
			}
			if a = ask(t, s.Endpoint(), "s3", message{method: "GET", path: "/"}); a.status != tt.s3 {
				t.Errorf("s3: got %d %s, want %d", a.status, a.body, tt.s3)
			}
			if tt.s3 == 403 && !strings.Contains(a.body, "<ServerTime>"+now.now().Format("2006-01-02T15:04:05Z")+"</ServerTime>") {
				t.Errorf("got %s, want the server's time in it", a.body)
			}
			now.set(wireTime)
			mustAsk(t, s.Endpoint(), "kms", kmsCall("ListKeys", "{}"))
		})
	}
}

// TestClockGoesBack: the feed and the trail are in order by their numbers, so
// a clock that jumps does them no harm.
func TestClockGoesBack(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	now := newTestClock(wireTime)
	cfg := wireConfig(dir)
	cfg.Clock = now.now
	s, stop := start(t, cfg)
	first := createKey(t, s.Endpoint())
	now.set(wireTime.Add(-4 * time.Minute))
	second := createKey(t, s.Endpoint())
	stop()
	now.set(wireTime.Add(-10 * 365 * 24 * time.Hour))
	s, stop = start(t, cfg)
	now.set(wireTime)
	for _, id := range []string{first, second} {
		mustAsk(t, s.Endpoint(), "kms", kmsCall("DescribeKey", `{"KeyId":"`+id+`"}`))
	}
	stop()
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Error(err)
	}
}

// TestTwoServersOneDirectory starts a second process on a directory that is in
// use: it is told by whom, and changes nothing.
func TestTwoServersOneDirectory(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	first := startChild(t, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	second := exec.Command(self)
	second.Env = append(os.Environ(), serveEnv+"="+dir)
	second.Stdin = strings.NewReader("")
	out, err := second.CombinedOutput()
	if err == nil {
		t.Errorf("a second server ran: %s", out)
	}
	for _, want := range []string{dir, "in use by another process", fmt.Sprint(first.cmd.Process.Pid)} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %q, want %q in it", out, want)
		}
	}
	// In this process too.
	if _, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want that the directory is in use", err)
	}
	c := client(t, first.endpoint, dir, 1)
	if _, err := c.kms.ListKeys(t.Context(), nil); err != nil {
		t.Errorf("the first server does not serve any more: %v", err)
	}
	// What a killed server held is free at once.
	first.kill(t)
	again := startChild(t, dir)
	again.stop(t)
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Error(err)
	}
}
