package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/server"
)

// Each server is a process of its own, so that its CPU time is its own.
const (
	roleEnv        = "STRONGROOM_BENCH_ROLE"
	dirEnv         = "STRONGROOM_BENCH_DIR"
	profileEnv     = "STRONGROOM_BENCH_PROFILE"
	roleStrongroom = "strongroom"
	roleEcho       = "echo"

	accessKeyID = "AKIABENCHBENCHBENCH0"
	secretKey   = "bench-only-secret"
	region      = server.DefaultRegion
	plainFile   = "plain"
)

// process is a server under measurement.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	addr    string        // of the server
	copier  string        // of the plain copy of a file, beside Strongroom
	startup time.Duration // from its start to its first answer
	spent   time.Duration // CPU time of that
}

// startRole starts a server with its data in dir; the binary is a build of
// this command. Its CPU profile goes into the directory profile, if any.
func startRole(binary, role, dir, profile string) (_ *process, err error) {
	p := &process{cmd: exec.Command(binary)}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role, dirEnv+"="+dir, profileEnv+"="+profile)
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s did not start: %w", role, err)
	}
	p.addr, p.copier, _ = strings.Cut(strings.TrimSpace(line), " ")
	resp, err := http.Get("http://" + p.addr + "/_/health")
	if err != nil {
		return nil, err
	}
	p.startup = time.Since(begin)
	p.spent, err = p.cpu()
	return p, errors.Join(err, resp.Body.Close())
}

func (p *process) stop() {
	_ = p.stdin.Close() // ends the process
	_ = p.cmd.Wait()
}

// cpu returns the CPU time, user and system, that the threads of the process
// had so far, to the nanosecond (proc(5): schedstat). The runtime ends no
// threads, so none is lost.
func (p *process) cpu() (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		return 0, errors.Join(errors.New("the kernel does not tell the CPU time of threads"), err)
	}
	var total time.Duration
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		first, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n)
	}
	return total, nil
}

// memory returns the resident memory in bytes, 0 when it cannot be told.
func (p *process) memory() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// serveRole is the child process.
func serveRole(role string) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent holds the other end
		cancel()
	}()
	serve := func() error { return serveStrongroom(ctx, os.Getenv(dirEnv)) }
	if role == roleEcho {
		serve = func() error { return serveEcho(ctx) }
	}
	if dir := os.Getenv(profileEnv); dir != "" {
		serve = profiled(filepath.Join(dir, role+".pprof"), serve)
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// profiled returns serve with its CPU profile written to path.
func profiled(path string, serve func() error) func() error {
	return func() error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		err = serve()
		pprof.StopCPUProfile()
		return errors.Join(err, f.Close())
	}
}

func serveStrongroom(ctx context.Context, dir string) error {
	s, err := server.New(ctx, server.Config{
		DataDir: filepath.Join(dir, "data"), Listen: "127.0.0.1:0",
		RootAccessKeyID: accessKeyID, RootSecretAccessKey: secret.New([]byte(secretKey)),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer server.KeepHeapHeadroom()() // as `strongroom serve` does
	copier, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	plain := &http.Server{Handler: copyFile(filepath.Join(dir, plainFile)), ReadHeaderTimeout: time.Minute}
	go func() { _ = plain.Serve(copier) }() // ends with the process
	fmt.Println(strings.TrimPrefix(s.Endpoint(), "http://"), copier.Addr())
	return s.Serve(ctx)
}

// copyFile answers a file by way of a user-space buffer: what a server must do
// at least that looks at the bytes it sends. (The writer is wrapped, or net/http
// would hand the file to the kernel.)
func copyFile(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, 256<<10))
	})
}

// serveEcho is the floor of Encrypt: net/http and encoding/json, a request of
// the same shape in, an answer of the same size out, and nothing between.
func serveEcho(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	type request struct {
		KeyId     string
		Plaintext []byte
	}
	type response struct {
		CiphertextBlob      []byte
		EncryptionAlgorithm string
		KeyId               string
	}
	blob := make([]byte, 200)
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			return
		}
		var req request
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_ = json.NewEncoder(w).Encode(response{blob, "SYMMETRIC_DEFAULT", req.KeyId})
	})}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	fmt.Println(l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
