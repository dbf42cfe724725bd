package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	objectSize   = 64 << 20
	perGetRound  = 4 // transfers
	unsignedBody = "UNSIGNED-PAYLOAD"
)

// transfer is a connection to one server that moves an object again and again.
// It costs as little as a client can, because it shares the cores with the
// server: what it receives it drops in the kernel, what it sends it has signed
// before.
type transfer struct {
	server *process
	conn   *net.TCPConn
	in     *bufio.Reader
	header func() ([]byte, error) // of a request, signed now
}

func newTransfer(p *process, addr string, header func() ([]byte, error)) (*transfer, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &transfer{p, conn.(*net.TCPConn), bufio.NewReader(conn), header}, nil
}

// request sends one request with a body and reads the answer's headers.
func (t *transfer) request(body []byte) (*http.Response, error) {
	header, err := t.header()
	if err != nil {
		return nil, err
	}
	if err := t.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	if _, err := t.conn.Write(header); err != nil {
		return nil, err
	}
	for len(body) > 0 {
		n, err := t.conn.Write(body[:min(len(body), 1<<20)])
		if err != nil {
			return nil, err
		}
		body = body[n:]
	}
	resp, err := http.ReadResponse(t.in, nil)
	if err == nil && resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body) // it explains the status, if it is there
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return resp, err
}

// check gets the object and compares every byte.
func (t *transfer) check(want []byte) error {
	resp, err := t.request(nil)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("the body is not what was stored")
	}
	return nil
}

// get gets the object n times and returns the rate in MB/s and the server's CPU
// time in milliseconds per object.
func (t *transfer) get(n int) (rate, cpu float64, err error) {
	return t.measure(n, func() error {
		resp, err := t.request(nil)
		if err != nil {
			return err
		}
		if resp.ContentLength != objectSize {
			return fmt.Errorf("got %d bytes, want %d", resp.ContentLength, objectSize)
		}
		rest, err := t.in.Discard(t.in.Buffered())
		if err != nil {
			return err
		}
		return discard(t.conn, objectSize-rest)
	})
}

// put sends the object once.
func (t *transfer) put(content []byte) (rate, cpu float64, err error) {
	return t.measure(1, func() error {
		resp, err := t.request(content)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}

func (t *transfer) measure(n int, do func() error) (rate, cpu float64, err error) {
	before, err := t.server.cpu()
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	for range n {
		if err := do(); err != nil {
			return 0, 0, err
		}
	}
	took := time.Since(begin)
	after, err := t.server.cpu()
	return float64(n) * objectSize / 1e6 / took.Seconds(), float64((after - before).Microseconds()) / 1e3 / float64(n), err
}

// signedS3 returns what makes the header of a signed S3 request to a path.
func signedS3(addr, method, path string, size int, payloadHash string, extra map[string]string) func() ([]byte, error) {
	return func() ([]byte, error) {
		r, err := http.NewRequest(method, "http://"+addr+path, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
		r.Header.Set("User-Agent", "bench")
		for name, value := range extra {
			r.Header.Set(name, value)
		}
		cred := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey}
		if err := v4.NewSigner().SignHTTP(context.Background(), cred, r, payloadHash, "s3", region, time.Now()); err != nil {
			return nil, err
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, addr, size)
		if err := r.Header.Write(&b); err != nil {
			return nil, err
		}
		b.WriteString("\r\n")
		return b.Bytes(), nil
	}
}

// sealed makes the bucket of a server, stores content in it, and returns a
// transfer that gets it.
func sealed(p *process, content []byte) (*transfer, error) {
	bucket, err := newTransfer(p, p.addr, signedS3(p.addr, http.MethodPut, "/bench", 0, hashOf(nil), nil))
	if err != nil {
		return nil, err
	}
	defer bucket.conn.Close()
	if _, err := bucket.request(nil); err != nil {
		return nil, err
	}
	put, err := newTransfer(p, p.addr, signedS3(p.addr, http.MethodPut, "/bench/sealed", len(content), hashOf(content), nil))
	if err != nil {
		return nil, err
	}
	defer put.conn.Close()
	if _, err := put.request(content); err != nil {
		return nil, err
	}
	return newTransfer(p, p.addr, signedS3(p.addr, http.MethodGet, "/bench/sealed", 0, hashOf(nil), nil))
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// benchGet compares a GET of 64 MiB, opened chunk by chunk, with a copy of a
// file through a buffer in the same process.
func benchGet(s servers, dir string, g *gates) error {
	content := make([]byte, objectSize)
	_, _ = rand.Read(content) // never fails (crypto/rand)
	if err := os.WriteFile(filepath.Join(dir, plainFile), content, 0o600); err != nil {
		return err
	}
	ours, err := sealed(s.strongroom, content)
	if err != nil {
		return err
	}
	defer ours.conn.Close()
	plain, err := newTransfer(s.strongroom, s.strongroom.copier, func() ([]byte, error) {
		return []byte("GET / HTTP/1.1\r\nHost: bench\r\n\r\n"), nil
	})
	if err != nil {
		return err
	}
	defer plain.conn.Close()
	runs := []*transfer{ours, plain}
	if s.base != nil {
		before, err := sealed(s.base, content)
		if err != nil {
			return err
		}
		defer before.conn.Close()
		runs = append(runs, before)
	}
	for _, t := range runs {
		if err := t.check(content); err != nil {
			return err
		}
	}
	rates, cpus := make([][]float64, len(runs)), make([][]float64, len(runs))
	var least []float64 // CPU of a copy and of opening
	opening, err := newOpening()
	if err != nil {
		return err
	}
	for round := range rounds + 1 { // the first warms up
		alone, err := opening.cpu()
		if err != nil {
			return err
		}
		for i, t := range runs {
			rate, cpu, err := t.get(perGetRound)
			if err != nil {
				return err
			}
			if round > 0 {
				rates[i], cpus[i] = append(rates[i], rate), append(cpus[i], cpu)
			}
			if round > 0 && t == plain {
				least = append(least, cpu+alone)
			}
		}
	}
	g.atLeast("GET of 64 MiB sealed / user-space copy", "MB/s", rates[0], rates[1], minGet)
	g.atMost("  the server's CPU", "ms", cpus[0], cpus[1], 0)
	g.atMost("  the server's CPU / copy and AES-256-GCM alone", "ms", cpus[0], least, 0)
	if s.base != nil {
		g.atLeast("GET of 64 MiB sealed / base", "MB/s", rates[0], rates[2], 0)
		g.atMost("  the server's CPU", "ms", cpus[0], cpus[2], 0)
	}
	return nil
}
