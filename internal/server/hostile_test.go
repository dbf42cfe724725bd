package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// memoryBound is what the server may use, in bytes, under what this test does.
// (Measured: 140 MiB with 4096 connections and their requests; an upload or a
// download takes 1.2 MiB beside.)
const memoryBound = 384 << 20

// TestHarmNobodyElse lets hostile clients of every kind hold on to a server,
// in numbers beyond its limit, while a well-behaved one works with it.
func TestHarmNobodyElse(t *testing.T) {
	limit, many, some := DefaultMaxConnections, 10_000, 100
	if raceEnabled { // which takes ten times the memory
		limit, many, some = 1000, 2500, 30
	}
	t.Setenv(serveConnectionsEnv, strconv.Itoa(limit))
	more := limit + limit/10
	files, err := raiseFileLimit()
	if err != nil {
		t.Fatal(err)
	}
	if files < uint64(many)+1000 {
		t.Skipf("%d files may be open, which is too few for %d connections", files, many)
	}
	dir := dataDirIn(t)
	c := startChild(t, dir)
	cl := client(t, c.endpoint, dir, 3)
	good := newGoodClient(t, cl)
	s3 := signerOf(t, dir, "s3")
	get, _ := s3.sign(message{method: "GET", path: "/good/large"})
	put, _ := s3.sign(message{method: "PUT", path: "/good/slow", body: strings.Repeat("x", 100_000), hash: "UNSIGNED-PAYLOAD"})
	forged := s3
	forged.secret, forged.service = "not the secret", "kms"
	encrypt, _ := forged.sign(kmsCall("Encrypt", strings.Repeat("x", 5000)))
	const stranger = "slow body of a stranger"
	for _, tt := range []struct {
		name string
		n    int
		send []byte
		wait bool // for the first bytes of an answer
	}{
		{"idle", many, nil, false},
		{"half a header", more, []byte("GET /bucket/key HTTP/1.1\r\nHost: x\r\nX-Amz-Date: "), false},
		{"kept alive", more, []byte("GET /_/health HTTP/1.1\r\nHost: x\r\n\r\n"), true},
		{stranger, more, encrypt[:len(encrypt)-4000], false},
		{"slow upload", some, put[:len(put)-90_000], false},
		{"answer that nobody reads", some, get, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			held := hold(t, c.endpoint, tt.n, tt.send, tt.wait)
			old := client(t, c.endpoint, dir, 3)
			for round := range 5 {
				// One over connections that are there, and one that has to get in.
				good.work(t, old, fmt.Sprintf("%s %d", tt.name, round))
				good.work(t, client(t, c.endpoint, dir, 3), fmt.Sprintf("%s %d", tt.name, round))
			}
			if got := residentMemory(t, c.cmd.Process.Pid); got > memoryBound && !raceEnabled {
				t.Errorf("the server uses %d MiB, want %d at most", got>>20, memoryBound>>20)
			} else {
				t.Logf("%d connections: %d MiB", tt.n, got>>20)
			}
			if tt.name == stranger {
				// While connections arrive, those of which nothing was read yet may
				// be the ones that give way; with all of them read, strangers are.
				eventually(t, "a stranger's connection to be closed for another's sake", func() bool {
					held = append(held, hold(t, c.endpoint, 1, tt.send, tt.wait)...)
					return metric(t, c.endpoint, `strongroom_connections_refused_total{reason="slow and unknown, for another's sake"}`) > 0
				})
			}
			for _, h := range held {
				_ = h.Close()
			}
		})
	}
	if got := metric(t, c.endpoint, `strongroom_connections_refused_total{reason="idle, for another's sake"}`); got == 0 {
		t.Error("no connection was closed for another's sake: the limit was not met")
	}
	c.stop(t)
}

// hold opens n connections and sends something over each.
func hold(t *testing.T, endpoint string, n int, wire []byte, wait bool) []net.Conn {
	t.Helper()
	held := make([]net.Conn, n)
	var wg sync.WaitGroup
	const dialers = 32
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < n; i += dialers {
				conn, err := net.Dial("tcp", strings.TrimPrefix(endpoint, "http://"))
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				held[i] = conn
				_, _ = conn.Write(wire) // the server may have closed it for another's sake
				if wait {
					_, _ = conn.Read(make([]byte, 100))
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return held
}

// goodClient is what the well-behaved client works with.
type goodClient struct {
	key     *string
	content []byte
}

func newGoodClient(t *testing.T, cl clients) *goodClient {
	t.Helper()
	key, err := cl.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	g := &goodClient{key.KeyMetadata.KeyId, bytes.Repeat([]byte("good "), 1<<17)}
	if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("good")}); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("good"), Key: aws.String("large"), Body: bytes.NewReader(make([]byte, 16<<20))}); err != nil {
		t.Fatal(err)
	}
	return g
}

// work is one round of calls, all of which must succeed.
func (g *goodClient) work(t *testing.T, cl clients, what string) {
	t.Helper()
	out, err := cl.kms.Encrypt(t.Context(), &awskms.EncryptInput{KeyId: g.key, Plaintext: []byte(what)})
	if err != nil {
		t.Errorf("Encrypt: %v", err)
		return
	}
	back, err := cl.kms.Decrypt(t.Context(), &awskms.DecryptInput{CiphertextBlob: out.CiphertextBlob})
	if err != nil || string(back.Plaintext) != what {
		t.Errorf("Decrypt: got %v", err)
	}
	bucket, name := aws.String("good"), aws.String(what)
	if _, err := cl.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: name, Body: bytes.NewReader(g.content)}); err != nil {
		t.Errorf("PutObject: %v", err)
		return
	}
	o, err := cl.s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: name})
	if err != nil {
		t.Errorf("GetObject: %v", err)
		return
	}
	defer o.Body.Close()
	if b, err := io.ReadAll(o.Body); err != nil || !bytes.Equal(b, g.content) {
		t.Errorf("GetObject: got %d bytes, %v", len(b), err)
	}
}

// signerOf signs with the root credential of a data directory, today.
func signerOf(t testing.TB, dir, service string) signer {
	t.Helper()
	k, err := readCredentials(CredentialsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	return signer{id: k.ID, secret: string(k.Secret.Expose()), region: DefaultRegion, service: service, at: time.Now()}
}

// residentMemory returns the memory of a process in bytes (proc(5), VmRSS).
func residentMemory(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("no way to ask for the server's memory: %v", err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Fatalf("no VmRSS in %s", b)
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
