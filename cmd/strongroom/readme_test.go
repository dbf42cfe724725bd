package main

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/server"
)

// TestREADME runs every command of README.md as a newcomer would: in order, in
// a copy of the tree, the server in one shell and all the rest in another.
func TestREADME(t *testing.T) {
	needClients(t)
	needEndpointVariable(t)
	endpoint := "http://" + server.DefaultListen
	if l, err := net.Listen("tcp", server.DefaultListen); err != nil {
		t.Skipf("README's address is not free: %v", err)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "strongroom")
	copyTree(t, "../..", tree)
	blocks := shellBlocks(readFile(t, "../../README.md"))
	if len(blocks) == 0 {
		t.Fatal("got no sh block in README.md, want some")
	}

	var script []string // of the second shell
	var serving *process
	for _, line := range slices.Concat(blocks...) {
		switch {
		case strings.HasSuffix(line, "strongroom serve"):
			if serving != nil {
				t.Fatal("README starts a second server; this test knows one")
			}
			serving = serveREADME(t, tree, line)
			awaitHealth(t, endpoint, serving)
		case strings.HasPrefix(line, "make "):
			wantTarget(t, strings.TrimPrefix(line, "make "))
		default:
			script = append(script, line)
		}
	}
	if serving == nil {
		t.Fatal("README starts no server")
	}
	got := runREADME(t, tree, script)
	for _, want := range []string{
		"arn:aws:iam::" + server.DefaultAccount + ":root",
		"attack at dawn",
		"dawn.txt",
		"refused, as it should be",
		"ok     server       running at " + endpoint,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no %q from README's commands, want it:\n%s", want, got)
		}
	}
	if err := serving.signal(syscall.SIGINT); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	_, _ = serving.wait() // `go run` exits with 1 after Ctrl-C, whatever its program does
	if log := readFile(t, tree+".log"); !strings.Contains(log, "stopping") || strings.Contains(log, "strongroom: ") {
		t.Errorf("got this log after Ctrl-C, want an orderly end:\n%s", log)
	}
}

var versions = regexp.MustCompile(`aws-cli/(\d+)\.(\d+)\.`)

// needEndpointVariable skips a test when the AWS CLI is too old to read
// AWS_ENDPOINT_URL: README says that such a one would talk to AWS itself.
func needEndpointVariable(t *testing.T) {
	t.Helper()
	out, err := exec.Command("aws", "--version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	m := versions.FindSubmatch(out)
	if m == nil {
		t.Fatalf("got %q from aws --version, want a version", out)
	}
	major, minor := number(t, m[1]), number(t, m[2])
	if major < 1 || major == 1 && minor < 29 || major == 2 && minor < 13 {
		t.Skipf("%s ignores AWS_ENDPOINT_URL; README wants 1.29 or 2.13", m[0])
	}
}

func number(t *testing.T, b []byte) int {
	t.Helper()
	n, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shellBlocks returns the lines of each block fenced as sh.
func shellBlocks(text string) [][]string {
	var blocks [][]string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "```sh":
			inside = true
			blocks = append(blocks, nil)
		case strings.HasPrefix(line, "```"):
			inside = false
		case inside && line != "" && !strings.HasPrefix(line, "#"):
			blocks[len(blocks)-1] = append(blocks[len(blocks)-1], line)
		}
	}
	return blocks
}

// newcomer is an environment without AWS settings, in which Go finds its caches.
func newcomer(t *testing.T, home string) []string {
	t.Helper()
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "STRONGROOM_") && !strings.HasPrefix(v, "HOME=") {
			env = append(env, v)
		}
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return append(env, "HOME="+home, "AWS_EC2_METADATA_DISABLED=true")
}

func serveREADME(t *testing.T, tree, line string) *process {
	t.Helper()
	cmd := exec.Command("bash", "-c", "exec "+line)
	cmd.Dir, cmd.Env = tree, newcomer(t, t.TempDir())
	p, err := startProcess(cmd, tree+".log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

// awaitHealth waits for the greeting, which may take a build, and a healthy answer.
func awaitHealth(t *testing.T, endpoint string, p *process) {
	t.Helper()
	for range 5 { // a minute each: `go run` may have to build everything
		if _, err := p.expect(regexp.MustCompile("^  aws kms create-key$")); err == nil {
			break
		} else if p.ended() {
			t.Fatal(err)
		}
	}
	resp, err := http.Get(endpoint + "/_/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s from %s/_/health, want 200", resp.Status, endpoint)
	}
}

// runREADME gives the lines to one bash, which stops at the first that fails.
func runREADME(t *testing.T, tree string, lines []string) string {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -e -o pipefail\n")
	for _, line := range lines {
		script.WriteString("printf '\\n$ %s\\n' " + shellQuote(line) + "\n" + line + "\n")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-s")
	cmd.Dir, cmd.Env = tree, newcomer(t, t.TempDir())
	cmd.Stdin = strings.NewReader(script.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("the last of these commands of README failed: %v\n%s", err, out.String())
	}
	return out.String()
}

// wantTarget checks that the Makefile has a target. To make it here would run
// this test again.
func wantTarget(t *testing.T, target string) {
	t.Helper()
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).MatchString(readFile(t, "../../Makefile")) {
		t.Errorf("README says make %s, and the Makefile has no such target", target)
	}
}

// copyTree copies the sources: what a clone would have, and what is not committed yet.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another program's temporary file
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if rel == ".git" || rel == "bin" || strings.HasPrefix(rel, server.DefaultDataDir) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}
