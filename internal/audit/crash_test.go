package audit

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The test binary runs itself as another process: STRONGROOM_AUDIT_CHILD says
// as which, STRONGROOM_AUDIT_DIR where the trail is.
func TestMain(m *testing.M) {
	dir := os.Getenv("STRONGROOM_AUDIT_DIR")
	switch os.Getenv("STRONGROOM_AUDIT_CHILD") {
	case "":
		os.Exit(m.Run())
	case "crash":
		childCrash(dir, os.Getenv("STRONGROOM_AUDIT_ROUND"))
	case "append":
		childAppend(dir)
	}
}

// child returns the command that runs this binary as role.
func child(t *testing.T, role, dir string, env ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "STRONGROOM_AUDIT_CHILD="+role, "STRONGROOM_AUDIT_DIR="+dir)
	cmd.Env = append(cmd.Env, env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// childCrash appends from 16 goroutines until it is killed, and prints the id
// of each record once Append has returned.
func childCrash(dir, round string) {
	l, err := Open(Config{Dir: dir, SegmentSize: 30_000, Logger: quiet})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // keeps the lines whole
	acknowledge := func(id string, err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(id)
	}
	for c := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s.%d.%d", round, c, i)
				acknowledge(id, l.Append(fmt.Appendf(nil, `{"eventID":"%s","pad":"%s"}`, id, strings.Repeat("x", i%700))))
			}
		})
	}
	wg.Go(func() {
		for seq := l.LastChange() + 1; ; seq++ {
			id := fmt.Sprintf("%s.change.%d", round, seq)
			acknowledge(id, l.AppendChange(seq, fmt.Appendf(nil, `{"eventID":"%s"}`, id)))
		}
	})
	wg.Wait()
}

// TestKilled kills a process that appends, again and again on one trail: every
// record it acknowledged is there, in an unbroken chain.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for round := range 6 {
		cmd := child(t, "crash", dir, "STRONGROOM_AUDIT_ROUND="+strconv.Itoa(round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			acknowledged[lines.Text()] = true
			if n == 500+100*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				// What it printed before it died is still in the pipe.
			}
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("the child ended by itself: %v", err)
		}
		l := openTest(t, Config{Dir: dir})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		report, err := Verify(dir)
		if err != nil || report.TornBytes != 0 {
			t.Fatalf("round %d: got %+v, %v", round, report, err)
		}
	}
	there, _ := entries(t, dir)
	ids := map[string]bool{}
	for _, r := range there {
		ids[r[len(`{"eventID":"`):strings.IndexAny(r[12:], `"`)+12]] = true
	}
	if len(ids) != len(there) {
		t.Errorf("got %d records, %d ids", len(there), len(ids))
	}
	lost := 0
	for id := range acknowledged {
		// The last line may be cut off, and then is a shorter id or none.
		if !ids[id] && strings.Count(id, ".") == 2 && !strings.HasSuffix(id, ".") {
			lost++
			t.Errorf("acknowledged record %s is lost", id)
		}
	}
	if len(acknowledged) < 4000 {
		t.Errorf("only %d records were acknowledged", len(acknowledged))
	}
	t.Logf("%d acknowledged, %d in the trail, %d lost", len(acknowledged), len(there), lost)
}

// childAppend appends as many records as it reads lines on its input, over
// many small segments.
func childAppend(dir string) {
	l, err := Open(Config{Dir: dir, SegmentSize: 2000, Logger: quiet})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := l.Append(bytes.TrimSpace(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if err := l.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
