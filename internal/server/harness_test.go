package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
)

// serveEnv makes the test binary a server: its value is the data directory.
const serveEnv = "STRONGROOM_TEST_SERVE"

// serveConnectionsEnv is that server's MaxConnections.
const serveConnectionsEnv = "STRONGROOM_TEST_CONNECTIONS"

// trimEnv makes that server trim its change feed all the time, to one change.
const trimEnv = "STRONGROOM_TEST_TRIM"

// rotateEnv makes such a server rotate its domain keys over and over.
const rotateEnv = "STRONGROOM_TEST_ROTATE"

// TestMain is the server itself when a test has started the binary anew, so
// that there is a process to kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv(backupEnv); dir != "" {
		backupAndStop(dir, os.Getenv(backupDestEnv))
	}
	dir := os.Getenv(serveEnv)
	if dir == "" {
		os.Exit(m.Run())
	}
	connections, _ := strconv.Atoi(os.Getenv(serveConnectionsEnv)) // 0, the default, when it is not set
	level := slog.LevelInfo
	if os.Getenv(rotateEnv) != "" {
		level = slog.LevelWarn // a line for every rotation would be among what startChild reads
	}
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", MaxConnections: connections, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}
	k := killerFromEnv(&cfg)
	s, err := New(context.Background(), cfg)
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	defer KeepHeapHeadroom()() // as the command does
	println("endpoint " + s.Endpoint())
	if os.Getenv(rotateEnv) != "" {
		go rotateAlways(s)
	}
	// Standard input is the parent: when it goes, so does the server.
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for said := bufio.NewScanner(os.Stdin); said.Scan(); {
			k.arm(said.Text())
			println("armed")
		}
		cancel()
	}()
	if os.Getenv(trimEnv) != "" {
		go trimAlways(ctx, s)
	}
	if err := s.Serve(ctx); err != nil {
		println(err.Error())
		os.Exit(1)
	}
}

// rotateAlways rotates the domain keys until the process dies, and leaves the
// load some time between.
func rotateAlways(s *Server) {
	for range time.Tick(20 * time.Millisecond) {
		if err := errors.Join(s.custody.RequestAll(context.Background()), s.custody.Work(context.Background())); err != nil {
			println(err.Error())
			return
		}
	}
}

// clients are the AWS SDK's, with the root credential of a data directory.
type clients struct {
	kms *awskms.Client
	s3  *awss3.Client
	sts *awssts.Client
}

// client makes the SDK's clients. Retries is how often the SDK may try.
func client(t testing.TB, endpoint, dataDir string, retries int) clients {
	t.Helper()
	k, err := readCredentials(CredentialsFile(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	return clientFor(endpoint, k.ID, string(k.Secret.Expose()), DefaultRegion, retries)
}

func clientFor(endpoint, id, secretKey, region string, retries int) clients {
	return clientWith(&http.Transport{MaxIdleConnsPerHost: 64}, endpoint, id, secretKey, region, retries)
}

// clientOver makes clients that speak TLS to the server of a data directory,
// at the listener's own address.
func clientOver(t testing.TB, endpoint, dataDir string, trust *tls.Config) clients {
	t.Helper()
	k, err := readCredentials(CredentialsFile(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	return clientWith(&http.Transport{MaxIdleConnsPerHost: 64, TLSClientConfig: trust}, endpoint, k.ID, string(k.Secret.Expose()), DefaultRegion, 1)
}

func clientWith(transport *http.Transport, endpoint, id, secretKey, region string, retries int) clients {
	cfg := aws.Config{
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider(id, secretKey, ""),
		BaseEndpoint:     &endpoint,
		RetryMaxAttempts: retries,
		HTTPClient:       &http.Client{Transport: transport, Timeout: time.Minute},
	}
	return clients{
		kms: awskms.NewFromConfig(cfg),
		s3:  awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true }),
		sts: awssts.NewFromConfig(cfg),
	}
}

// dataDirIn returns the path of a data directory, not made yet, in a
// directory of its own: the root key and the credentials lie beside it.
func dataDirIn(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "data")
}

// start runs a server in this process until the test ends or stop is called.
func start(t testing.TB, cfg Config) (s *Server, stop func()) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

// testWriter puts the server's log into the test's.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// child is a server in a process of its own.
type child struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	endpoint string
	said     *bufio.Scanner // its log, until somebody reads on
}

// startChild starts a server process on the directory, with args before the
// command when a test wants to look at it (strace), and waits until it listens.
func startChild(t testing.TB, dataDir string, wrap ...string) *child {
	t.Helper()
	c, said := tryChild(t, dataDir, nil, wrap...)
	if c.endpoint == "" {
		t.Fatalf("the server did not start: %s", said)
	}
	go func() { // so that it never waits for a reader
		for c.said.Scan() {
		}
	}()
	return c
}

// tryChild is startChild for a server that may die before it listens: endpoint
// is empty then, and said is what it said.
func tryChild(t testing.TB, dataDir string, env []string, wrap ...string) (c *child, said string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(wrap, self)
	c = &child{cmd: exec.Command(args[0], args[1:]...)}
	c.cmd.Env = append(append(os.Environ(), serveEnv+"="+dataDir), env...)
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	var lines []string
	c.said = bufio.NewScanner(out)
	for c.said.Scan() {
		if e, ok := strings.CutPrefix(c.said.Text(), "endpoint "); ok {
			c.endpoint = e
			return c, ""
		}
		lines = append(lines, c.said.Text())
	}
	return c, strings.Join(lines, "\n")
}

// kill ends the process at once, as a power cut of the process would.
func (c *child) kill(t testing.TB) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // says that it was killed
}

// stop ends the process in order.
func (c *child) stop(t testing.TB) {
	t.Helper()
	if err := c.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("the server stopped with %v", err)
	}
}

// safeBuffer takes a log that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// Bytes returns a copy of what was logged.
func (b *safeBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

func (b *safeBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
