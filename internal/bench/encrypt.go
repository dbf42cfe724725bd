package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
)

const (
	connections = 16
	perRound    = 8_000 // Encrypt calls
	idle        = 1_000 // connections
)

// benchEncrypt compares the CPU time a server spends on one Encrypt of 32
// bytes with what a bare net/http JSON echo spends.
func benchEncrypt(s servers, _ string, g *gates) error {
	ours, err := newEncrypter(s.strongroom)
	if err != nil {
		return err
	}
	var before *encrypter
	if s.base != nil {
		if before, err = newEncrypter(s.base); err != nil {
			return err
		}
	}
	var cost, base, floor, rate []float64
	for round := range rounds + 1 { // the first warms up
		request, err := ours.sign()
		if err != nil {
			return err
		}
		a, took, err := cpuPerCall(s.strongroom, request)
		if err != nil {
			return err
		}
		b, _, err := cpuPerCall(s.echo, request)
		if err != nil {
			return err
		}
		var c float64
		if before != nil {
			if request, err = before.sign(); err != nil {
				return err
			}
			if c, _, err = cpuPerCall(s.base, request); err != nil {
				return err
			}
		}
		if round > 0 {
			cost, floor, base = append(cost, a), append(floor, b), append(base, c)
			rate = append(rate, perRound/took.Seconds())
		}
	}
	g.atMost("server CPU per Encrypt / net/http JSON echo", "us", cost, floor, maxEncrypt)
	if before != nil {
		g.atMost("server CPU per Encrypt / base", "us", cost, base, 0)
	}
	fmt.Printf("%-46s %8.0f/s with %d connections\n", "Encrypt, whole requests", median(rate), connections)
	return idleConnections(s.strongroom, ours)
}

// idleConnections prints the memory of a server after its load, and what a
// connection takes that has done one Encrypt and waits.
func idleConnections(p *process, e *encrypter) error {
	request, err := e.sign()
	if err != nil {
		return err
	}
	before := p.memory()
	for range idle {
		conn, err := net.DialTimeout("tcp", p.addr, 5*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := exchange(conn, bufio.NewReader(conn), request); err != nil {
			return err
		}
	}
	after := p.memory()
	fmt.Printf("%-46s %8.0f MiB; %d idle connections more: %.0f MiB\n", "memory after the load", mib(before), idle, mib(after-before))
	return nil
}

// encrypter makes signed Encrypt requests for one server.
type encrypter struct {
	addr string
	body []byte
}

func newEncrypter(p *process) (*encrypter, error) {
	endpoint := "http://" + p.addr
	client := awskms.New(awskms.Options{Region: region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretKey, "")})
	key, err := client.CreateKey(context.Background(), &awskms.CreateKeyInput{})
	if err != nil {
		return nil, err
	}
	return &encrypter{p.addr, fmt.Appendf(nil, `{"KeyId":"%s","Plaintext":"%s"}`, *key.KeyMetadata.KeyId, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")}, nil
}

// sign returns the bytes of an HTTP request signed now: a signature is good for
// five minutes.
func (e *encrypter) sign() ([]byte, error) { return signedEncrypt(e.addr, e.body) }

// signedEncrypt returns the bytes of a signed HTTP request.
func signedEncrypt(addr string, body []byte) ([]byte, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	r.Header.Set("User-Agent", "bench")
	sum := sha256.Sum256(body)
	cred := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretKey}
	if err := v4.NewSigner().SignHTTP(context.Background(), cred, r, hex.EncodeToString(sum[:]), "kms", region, time.Now()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = r.Write(&b)
	return b.Bytes(), err
}

// cpuPerCall sends the request perRound times over a few connections and
// returns the server's CPU time per call in microseconds.
func cpuPerCall(p *process, request []byte) (float64, time.Duration, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	errs := make([]error, connections)
	var done sync.WaitGroup
	for i := range connections {
		done.Go(func() { errs[i] = drive(p.addr, request, perRound/connections) })
	}
	done.Wait()
	took := time.Since(begin)
	after, err := p.cpu()
	if err = errors.Join(append(errs, err)...); err != nil {
		return 0, 0, err
	}
	return float64((after - before).Microseconds()) / perRound, took, nil
}

// drive sends the request n times on one connection. It is a plain client of
// few allocations, so that it does not eat the cores it shares with the server.
func drive(addr string, request []byte, n int) error {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for range n {
		if err := exchange(conn, in, request); err != nil {
			return err
		}
	}
	return nil
}

// exchange sends a request and reads its answer, which must be a success.
func exchange(conn net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	return nil
}
