package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/strongroom/strongroom/internal/awserr"
)

func TestConnectionLimit(t *testing.T) {
	for _, tt := range []struct {
		name       string
		configured int
		files      uint64
		want       int
		err        string
	}{
		{"default", 0, 1 << 20, DefaultMaxConnections, ""},
		{"default with few files", 0, 1024, (1024 - reservedFiles) / filesPerConnection, ""},
		{"default with hardly any", 0, 64, 1, ""},
		{"no limit of files", 0, ^uint64(0), DefaultMaxConnections, ""},
		{"configured", 10_000, 1 << 20, 10_000, ""},
		{"more than the files", 1000, 1024, 0, "--max-connections 1000 needs 3128 open files, and this process may have 1024"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := connectionLimit(tt.configured, tt.files)
			if got != tt.want || (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %d, %v, want %d, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

// trickle is a body that yields some bytes every so often.
type trickle struct {
	every time.Duration
	bytes int
	left  int
}

func (r *trickle) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(r.every) // of a bubble's clock
	n := min(r.bytes, r.left, len(p))
	r.left -= n
	return n, nil
}

// TestPatience: what rates pass, and for how long one that does not is borne.
// Timers are those of a bubble; the deadline is compared, not met.
func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name  string
		body  trickle
		after time.Duration // when it is over; 0: never
	}{
		{"one byte a second", trickle{time.Second, 1, 1 << 20}, 30 * time.Second},
		{"half the rate", trickle{time.Second, 512, 1 << 20}, 60 * time.Second},
		{"just the rate", trickle{time.Second, 1024, 1 << 20}, 0},
		{"a modem, 4 KiB/s", trickle{time.Second, 4096, 1 << 20}, 0},
		{"64 KiB every 25 s", trickle{25 * time.Second, 65536, 1 << 20}, 0},
		{"64 KiB every 35 s", trickle{35 * time.Second, 65536, 1 << 20}, 30 * time.Second},
		{"a pause of 20 s before a byte, twice", trickle{20 * time.Second, 1, 2}, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l limits
				l.complete()
				rec := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				r := httptest.NewRequest(http.MethodPut, "/", io.NopCloser(&tt.body))
				r.ContentLength = int64(tt.body.left)
				began := time.Now()
				b := newTimedBody(rec, r, &l)
				p := make([]byte, 1<<17)
				for {
					_, err := b.Read(p)
					if !rec.read.IsZero() && time.Now().After(rec.read) {
						if tt.after == 0 {
							t.Fatalf("the deadline passed after %v, want it never to", rec.read.Sub(began))
						}
						if got := rec.read.Sub(began); got < tt.after-2*time.Second || got > tt.after+2*time.Second {
							t.Errorf("the deadline passed after %v, want about %v", got, tt.after)
						}
						return
					}
					if err != nil {
						break
					}
				}
				if tt.after != 0 {
					t.Errorf("the body came whole in %v, want it cut after %v", time.Since(began), tt.after)
				}
				if !rec.read.IsZero() {
					t.Error("a deadline is left behind for the work on the request")
				}
			})
		})
	}
}

// deadlines is an http.ResponseWriter that remembers the read deadline.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = t; return nil }

// TestSlowClients: each kind of slowness ends with its own deadline, and is
// counted under its name.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.limits = limits{header: time.Second, idle: time.Second, body: time.Second, patience: time.Second, rate: 1 << 20}
	s, _ := start(t, cfg)
	putBucket(t, s.Endpoint(), "bucket")
	put := mustSign("s3", message{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 8<<20)})
	encrypt := mustSign("kms", kmsCall("Encrypt", strings.Repeat("x", 3000)))
	for _, tt := range []struct {
		name, kind string
		wire       []byte
		drip       bool // goes on with a byte at a time
		want       string
	}{
		{"no request", "idle", nil, false, ""},
		{"header that stops", "header", []byte("GET / HTTP/1.1\r\nHost: x\r\nX-A: "), false, ""},
		{"header that drips", "header", []byte("GET / HTTP/1.1\r\nHost: x\r\nX-A: "), true, ""},
		{"second header that drips", "header", []byte("GET /_/health HTTP/1.1\r\nHost: x\r\n\r\nGET "), true, "200 OK"},
		{"after a request", "idle", []byte("GET /_/health HTTP/1.1\r\nHost: x\r\n\r\n"), false, "200 OK"},
		{"KMS body that drips", "body", encrypt[:len(encrypt)-2000], true, "SerializationException"},
		{"upload that stops", "body", put[:len(put)-1<<20], false, "RequestTimeout"},
		{"upload that drips", "body", put[:len(put)-4<<20], true, "RequestTimeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			series := `strongroom_timeouts_total{kind="` + tt.kind + `"}`
			before := metric(t, s.Endpoint(), series)
			conn := dial(t, s.Endpoint())
			stop := make(chan struct{})
			dripped := make(chan struct{})
			go func() {
				defer close(dripped)
				_, _ = conn.Write(tt.wire)
				for tick := time.NewTicker(20 * time.Millisecond); tt.drip; {
					select {
					case <-stop:
						tick.Stop()
						return
					case <-tick.C:
						if _, err := conn.Write([]byte("x")); err != nil {
							tick.Stop()
							return
						}
					}
				}
			}()
			got, err := io.ReadAll(conn)
			close(stop)
			<-dripped
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Fatal("the server never closed the connection")
			}
			if !strings.Contains(string(got), tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
			eventually(t, series, func() bool { return metric(t, s.Endpoint(), series) > before })
		})
	}
	eventually(t, "no file of a cut upload", func() bool { return len(files(t, objectsDir(dir))) == 0 })
}

// TestSlowReaders: one write of the server may take far longer than its
// patience, as long as the client takes enough of it all the time.
func TestSlowReaders(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int // taken
		every time.Duration
		after time.Duration // when the server gives up; 0: never
	}{
		{"4 KiB a second", 4096, time.Second, 0},
		{"just the rate", 1024, time.Second, 0},
		{"half the rate", 512, time.Second, 60 * time.Second},
		{"a byte a second", 1, time.Second, 30 * time.Second},
		{"64 KiB every 25 s", 65536, 25 * time.Second, 0},
		{"nothing", 0, 0, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l limits
				l.complete()
				ours, theirs := net.Pipe()
				lines := &refusals{log: slog.New(slog.DiscardHandler), clock: time.Now}
				table := newConnections(nil, l, 1, false, newConnectionMetrics(prometheus.NewRegistry()), lines)
				c := &conn{Conn: ours, table: table, patience: l.newPatience()}
				content := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
				var got bytes.Buffer
				done := make(chan struct{})
				go func() {
					defer close(done)
					for tt.bytes > 0 {
						time.Sleep(tt.every) // of the bubble's clock
						if _, err := io.CopyN(&got, theirs, int64(tt.bytes)); err != nil {
							return
						}
					}
				}()
				began := time.Now()
				n, err := c.Write(content)
				took := time.Since(began)
				_ = ours.Close()
				<-done
				if tt.after == 0 {
					if err != nil || n != len(content) || !bytes.Equal(got.Bytes(), content) {
						t.Errorf("got %d bytes over after %v, %v, want all %d", n, took, err, len(content))
					}
					return
				}
				if err == nil || took < tt.after-4*time.Second || took > tt.after+4*time.Second {
					t.Errorf("got %v after %v, want an error after %v", err, took, tt.after)
				}
			})
		})
	}
}

// TestHeaderLimits: what is out of proportion gets S3's words in every protocol.
func TestHeaderLimits(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	many := make([]field, maxHeaders+1)
	for i := range many {
		many[i] = field{"X-A", "b"}
	}
	long := strings.Repeat("a", maxURI)
	for _, tt := range []struct {
		name   string
		wire   []byte
		status int
		code   string
	}{
		{"S3, long path", mustSign("s3", message{method: "GET", path: "/bucket/" + long}), 400, "RequestHeaderSectionTooLarge"},
		{"S3, long query", mustSign("s3", message{method: "GET", path: "/bucket", query: "prefix=" + long}), 400, "RequestHeaderSectionTooLarge"},
		{"S3, many headers", mustSign("s3", message{method: "GET", path: "/bucket/key", unsigned: many}), 400, "RequestHeaderSectionTooLarge"},
		{"S3, a key of 1024 letters of three bytes", mustSign("s3", message{method: "GET", path: "/bucket/" + strings.Repeat("%E2%82%AC", 340)}), 404, "NoSuchBucket"},
		{"KMS, many headers", mustSign("kms", func() message { m := kmsCall("ListKeys", "{}"); m.unsigned = many; return m }()), 400, "RequestHeaderSectionTooLarge"},
		{"STS, many headers", mustSign("sts", func() message {
			m := stsCall("Action=GetCallerIdentity&Version=2011-06-15")
			m.unsigned = many
			return m
		}()), 400, "RequestHeaderSectionTooLarge"},
		{"200 KB of headers", []byte("GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("x", 200_000) + "\r\n\r\n"), 431, ""},
		{"request line of 200 KB", []byte("GET /" + strings.Repeat("x", 200_000) + " HTTP/1.1\r\nHost: x\r\n\r\n"), 431, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := send(t, s.Endpoint(), tt.wire)
			if code, _ := a.problem(); a.status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s\n%.300s", a.status, code, tt.status, tt.code, a.body)
			}
		})
	}
	if got := metric(t, s.Endpoint(), `strongroom_unauthenticated_total{reason="header too large"}`); got != 5 {
		t.Errorf("got %v refusals in the metrics, want 5", got)
	}
}

// TestSmuggling sends what a proxy in front could read otherwise: two requests
// to one side and one to the other. Either it is refused, or the connection
// ends with the answer.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	const second = "GET /_/health HTTP/1.1\r\nHost: smuggled\r\n\r\n"
	for _, tt := range []struct{ name, wire string }{
		{"length and chunks", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"chunks and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 4\r\n\r\n"},
		{"list of lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 4\r\n\r\n"},
		{"signed length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n"},
		{"negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"},
		{"length of no end", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"},
		{"other coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
		{"two codings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
		{"coding twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
		{"space before the colon", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\n"},
		{"control character", "POST / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n"},
		{"chunk size with a sign", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n"},
		{"chunk size of no end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n\r\n"},
		{"chunk extension of 100 KB", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 100_000) + "\r\nx\r\n0\r\n\r\n"},
		{"chunk extensions without end", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\nx\r\n", 50) + "0\r\n\r\n"},
		{"unknown expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: the-unexpected\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, s.Endpoint())
			go func() { _, _ = io.WriteString(conn, tt.wire+second) }()
			got, err := io.ReadAll(conn)
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				t.Fatalf("the connection stays open after %q", got)
			}
			if !bytes.HasPrefix(got, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(got, []byte("HTTP/1.1 501")) {
				t.Errorf("got %.100q, want a refusal", got)
			}
			if n := bytes.Count(got, []byte("HTTP/1.1 ")); n != 1 || bytes.Contains(got, []byte(`"status":"ok"`)) {
				t.Errorf("got %d answers, want one:\n%s", n, got)
			}
		})
	}
	// A folded header line is one value, with a space for the fold.
	wire := strings.Replace(string(mustSign("s3", message{method: "GET", path: "/bucket/key", signed: []field{{"X-Amz-Meta-A", "one two"}}})), "one two", "one\r\n two", 1)
	if a := send(t, s.Endpoint(), []byte(wire)); a.status != 404 && a.status != 501 && a.status != 400 {
		t.Errorf("a folded line: got %d %s", a.status, a.body)
	}
}

// TestManyRequestsOneConnection pipelines them: each has its answer, in order.
func TestManyRequestsOneConnection(t *testing.T) {
	t.Parallel()
	s, _ := start(t, wireConfig(dataDirIn(t)))
	n := 100_000
	if raceEnabled {
		n = 10_000
	}
	conn := dial(t, s.Endpoint())
	go func() {
		w := bufio.NewWriter(conn)
		for i := range n {
			path := "health"
			if i%2 == 1 {
				path = "nothing"
			}
			_, _ = fmt.Fprintf(w, "GET /_/%s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		}
		_ = w.Flush()
	}()
	r := bufio.NewReader(conn)
	for i := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		if want := 200 + 204*(i%2); resp.StatusCode != want {
			t.Fatalf("answer %d: got %d, want %d", i, resp.StatusCode, want)
		}
	}
}

// TestPanic: a panic is one 500 in the service's own words, and a metric; the
// next request is served.
func TestPanic(t *testing.T) {
	t.Parallel()
	cfg := wireConfig(dataDirIn(t))
	var log safeBuffer
	cfg.Logger = log.logger()
	s, err := New(t.Context(), func() Config { c := cfg; c.Listen = "127.0.0.1:0"; return c }())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e := s.http.Handler.(*edge)
	own := e.own
	e.own = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/_/panic":
			panic("attack at dawn")
		case "/_/late":
			w.WriteHeader(200)
			panic("attack at dawn")
		}
		own.ServeHTTP(w, r)
	})
	web := httptest.NewServer(e)
	defer web.Close()
	resp, err := http.Get(web.URL + "/_/panic")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 500 || !resp.Close {
		t.Errorf("got %s, closed: %v, want 500 and the end of the connection", resp.Status, resp.Close)
	}
	if resp, err := http.Get(web.URL + "/_/late"); err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil {
			t.Error("got a whole answer from a handler that panicked in it, want a broken one")
		}
	}
	for svc, want := range map[service]string{serviceKMS: "KMSInternalException", serviceSTS: "InternalFailure", serviceS3: "InternalError"} {
		rec := httptest.NewRecorder()
		e.panicked(&statusWriter{ResponseWriter: rec}, httptest.NewRequest("GET", "/", nil), svc, "id", "attack at dawn")
		if rec.Code != 500 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: got %d %s, want 500 %s", svc, rec.Code, rec.Body, want)
		}
	}
	if got := metric(t, web.URL, "strongroom_panics_total"); got != 5 {
		t.Errorf("got %v panics in the metrics, want 5", got)
	}
	if strings.Contains(string(log.Bytes()), "attack at dawn") {
		t.Error("the log holds the value of the panic")
	}
}

// TestAllBusy: when every connection has a request of a known caller, a new
// one waits, and is served as soon as there is room.
func TestAllBusy(t *testing.T) {
	t.Parallel()
	cfg := wireConfig(dataDirIn(t))
	cfg.MaxConnections = 3
	cfg.limits = limits{strangers: 200 * time.Millisecond}
	s, _ := start(t, cfg)
	putBucket(t, s.Endpoint(), "bucket")
	body := strings.Repeat("x", 100_000)
	var busy []*net.TCPConn
	put := mustSign("s3", message{method: "PUT", path: "/bucket/key", body: body})
	for range cfg.MaxConnections {
		conn := dial(t, s.Endpoint())
		if _, err := conn.Write(put[:len(put)-1000]); err != nil {
			t.Fatal(err)
		}
		busy = append(busy, conn)
	}
	table := s.listener.(*connections)
	eventually(t, "three busy connections of known callers", func() bool {
		table.mu.Lock()
		defer table.mu.Unlock()
		n := 0
		for c := range table.open {
			if c.status.Load()%connStates == connKnown {
				n++
			}
		}
		return n == cfg.MaxConnections
	})
	late := dial(t, s.Endpoint())
	if _, err := late.Write(mustSign("kms", kmsCall("ListKeys", "{}"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a connection that waits", table.waiting.Load)
	for _, conn := range busy {
		if _, err := conn.Write(put[len(put)-1000:]); err != nil {
			t.Fatal(err)
		}
		if a := readAnswerFrom(t, conn); a.status != 200 {
			t.Errorf("a busy connection: got %d %s, want 200", a.status, a.body)
		}
	}
	if a := readAnswerFrom(t, late); a.status != 200 {
		t.Errorf("the one that waited: got %d %s, want 200", a.status, a.body)
	}
	if got := metric(t, s.Endpoint(), "strongroom_connections_waited_total"); got < 1 {
		t.Errorf("got %v waits in the metrics, want 1 or more", got)
	}
}

// TestVictims: who goes first.
func TestVictims(t *testing.T) {
	var l limits
	l.complete()
	table := newConnections(nil, l, 8, false, newConnectionMetrics(prometheus.NewRegistry()), nil)
	crowd, lone := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	begin := -10 * int64(time.Second)
	add := func(peer netip.Addr, state int64, age time.Duration) *conn {
		c := &conn{table: table, peer: peer}
		c.status.Store((begin-int64(age))*connStates + state)
		table.open[c] = struct{}{}
		return c
	}
	// Times are negative here, and Go's remainder with them: shift.
	begin = int64(1000 * time.Second)
	table.epoch = time.Now().Add(-1000 * time.Second)
	want := []*conn{
		add(crowd, connIdle, 9*time.Second),
		add(crowd, connIdle, 5*time.Second),
		add(lone, connIdle, 20*time.Second),
		add(crowd, connBusy, 3*time.Second),
		add(lone, connBusy, 4*time.Second),
	}
	add(crowd, connBusy, time.Second)    // not for long enough
	add(crowd, connKnown, time.Hour/100) // of a known caller
	table.findVictims()
	if len(table.victims) != len(want) {
		t.Fatalf("got %d victims, want %d", len(table.victims), len(want))
	}
	for i, v := range table.victims {
		if v.conn != want[i] {
			t.Errorf("place %d: got another one", i)
		}
	}
}

// TestNoFileDescriptors takes the server's file descriptors away: it keeps
// serving the connections it has, takes new ones again afterwards, and lives.
func TestNoFileDescriptors(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	c := startChild(t, dir)
	cl := client(t, c.endpoint, dir, 1)
	good := newGoodClient(t, cl)
	pid := c.cmd.Process.Pid
	var old unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		t.Skipf("no way to change the server's limits: %v", err)
	}
	keep := dial(t, c.endpoint)
	r := bufio.NewReader(keep)
	ask := func() answer {
		if _, err := io.WriteString(keep, "GET /_/metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return readAnswer(t, r, "")
	}
	ask()
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}, nil); err != nil {
		t.Fatal(err)
	}
	waiting := dial(t, c.endpoint)
	if _, err := io.WriteString(waiting, "GET /_/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// Idle connections go, to make room; this one may be among them.
	eventually(t, "a server without idle connections", func() bool {
		_ = keep.SetReadDeadline(time.Now().Add(time.Millisecond))
		_, err := r.Peek(1)
		return errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET)
	})
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil); err != nil {
		t.Fatal(err)
	}
	if a := readAnswerFrom(t, waiting); a.status != 200 {
		t.Errorf("the one that waited: got %d, want 200", a.status)
	}
	if got := metric(t, c.endpoint, "strongroom_accept_failures_total"); got < 1 || got > 1000 {
		t.Errorf("got %v attempts, want some, and not all the time", got)
	}
	good.work(t, client(t, c.endpoint, dir, 1), "after")
	c.stop(t)
}

// TestHeaderTooLargeTexts: the words are S3's.
func TestHeaderTooLargeTexts(t *testing.T) {
	e, ok := errors.AsType[*awserr.Error](s3AuthError(errHeaderSection))
	if !ok || e.Message != "Your request header section exceeds the maximum allowed size." || len(e.Fields) != 1 || e.Fields[0].Name != "MaxSizeAllowed" {
		t.Errorf("got %+v", e)
	}
}
