package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for something that always comes.
const patience = time.Minute

// process is a command in the background whose output is read line by line.
type process struct {
	cmd *exec.Cmd

	mu     sync.Mutex
	lines  []string      // of standard output, so far
	next   int           // the first line that no expect has passed
	closed bool          // standard output has ended
	more   chan struct{} // closed and replaced when lines or closed change
}

// startProcess starts cmd. Its standard error goes into the file at errPath.
func startProcess(cmd *exec.Cmd, errPath string) (*process, error) {
	errs, err := os.OpenFile(errPath, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer errs.Close()
	cmd.Stderr = errs
	// A group of its own: a signal reaches what the command itself started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, more: make(chan struct{})}
	go p.read(out)
	return p, nil
}

func (p *process) read(out io.Reader) {
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		p.change(func() { p.lines = append(p.lines, s.Text()) })
	}
	p.change(func() { p.closed = true })
}

func (p *process) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.more)
	p.more = make(chan struct{})
}

// expect waits for a line that matches and returns its submatches. Lines
// before it are passed over, here and in the next expect.
func (p *process) expect(want *regexp.Regexp) ([]string, error) {
	late := time.After(patience)
	for {
		p.mu.Lock()
		for p.next < len(p.lines) {
			p.next++
			if m := want.FindStringSubmatch(p.lines[p.next-1]); m != nil {
				p.mu.Unlock()
				return m, nil
			}
		}
		more, closed := p.more, p.closed
		p.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("%s ended without a line like %q", p.cmd.Path, want)
		}
		select {
		case <-more:
		case <-late:
			return nil, fmt.Errorf("%s: no line like %q within %v", p.cmd.Path, want, patience)
		}
	}
}

// ended reports whether standard output has ended, and with it the process.
func (p *process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// wait returns all of standard output when the process has ended.
func (p *process) wait() (string, error) {
	late := time.AfterFunc(patience, func() { _ = p.signal(syscall.SIGQUIT) })
	defer late.Stop()
	for {
		p.mu.Lock()
		more, closed := p.more, p.closed
		p.mu.Unlock()
		if closed {
			break
		}
		<-more
	}
	err := p.cmd.Wait()
	if len(p.lines) == 0 {
		return "", err
	}
	return strings.Join(p.lines, "\n") + "\n", err
}

// signal sends s to the process and all that it started.
func (p *process) signal(s syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// end kills the process if it still runs.
func (p *process) end() {
	if p.cmd.ProcessState == nil {
		_ = p.signal(syscall.SIGKILL)
		_, _ = p.wait()
	}
}

// readFile returns a file's content for a message.
func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
