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
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	connections  = 16
	perRound     = 16_000 // Encrypt calls
	objectSize   = 64 << 20
	getsPerRound = 4
)

// benchEncrypt compares the CPU time a server spends on one Encrypt of 32
// bytes with what a bare net/http JSON echo spends.
func benchEncrypt(strongroom, echo *process) error {
	ctx := context.Background()
	endpoint := "http://" + strongroom.addr
	client := awskms.New(awskms.Options{Region: region, BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretKey, "")})
	key, err := client.CreateKey(ctx, &awskms.CreateKeyInput{})
	if err != nil {
		return err
	}
	body := fmt.Appendf(nil, `{"KeyId":"%s","Plaintext":"%s"}`, *key.KeyMetadata.KeyId, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
	var ours, floor, rate []float64
	for round := range rounds + 1 { // the first warms up
		// Signed anew for every round: a signature is good for five minutes.
		request, err := signedEncrypt(strongroom.addr, body)
		if err != nil {
			return err
		}
		a, took, err := cpuPerCall(strongroom, request)
		if err != nil {
			return err
		}
		b, _, err := cpuPerCall(echo, request)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, floor = append(ours, a), append(floor, b)
			rate = append(rate, perRound/took.Seconds())
		}
	}
	ratio("server CPU per Encrypt / net/http JSON echo", "us", ours, floor)
	fmt.Printf("%-44s %8.0f/s with %d connections\n", "Encrypt, whole requests", median(rate), connections)
	return nil
}

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
	}
	return nil
}

// benchGet compares a GET of 64 MiB, opened chunk by chunk, with a copy of a
// file through a buffer in the same process.
func benchGet(strongroom *process, dir string) error {
	ctx := context.Background()
	content := make([]byte, objectSize)
	if _, err := rand.Read(content); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, plainFile), content, 0o600); err != nil {
		return err
	}
	endpoint := "http://" + strongroom.addr
	client := awss3.New(awss3.Options{Region: region, BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secretKey, "")})
	bucket, name := aws.String("bench"), aws.String("sealed")
	if _, err := client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	begin := time.Now()
	if _, err := client.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: name, Body: bytes.NewReader(content)}); err != nil {
		return err
	}
	putRate := objectSize / 1e6 / time.Since(begin).Seconds()
	signed, err := awss3.NewPresignClient(client).PresignGetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: name})
	if err != nil {
		return err
	}
	var ours, floor []float64
	for round := range rounds + 1 { // the first warms up
		a, err := fetch(signed.URL, content)
		if err != nil {
			return err
		}
		b, err := fetch("http://"+strongroom.copier+"/", content)
		if err != nil {
			return err
		}
		if round > 0 {
			ours, floor = append(ours, a), append(floor, b)
		}
	}
	ratio("GET of 64 MiB sealed / user-space copy", "MB/s", ours, floor)
	fmt.Printf("%-44s %8.0f MB/s, one at a time, hashed by the client too\n", "PUT of 64 MiB, SSE-S3", putRate)
	return nil
}

// fetch gets the URL a few times and returns the rate in MB/s. The first body
// of a round is compared with what it must be.
func fetch(url string, want []byte) (float64, error) {
	buf := make([]byte, 256<<10)
	var took time.Duration
	for i := range getsPerRound {
		begin := time.Now()
		resp, err := http.Get(url)
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			return 0, fmt.Errorf("%s", resp.Status)
		}
		at := 0
		for {
			n, err := resp.Body.Read(buf)
			if i == 0 && (at+n > len(want) || !bytes.Equal(buf[:n], want[at:at+n])) {
				resp.Body.Close()
				return 0, errors.New("the body is not what was stored")
			}
			at += n
			if err == io.EOF {
				break
			}
			if err != nil {
				resp.Body.Close()
				return 0, err
			}
		}
		resp.Body.Close()
		if at != len(want) {
			return 0, fmt.Errorf("got %d bytes, want %d", at, len(want))
		}
		if i > 0 { // comparing costs; the first does not count
			took += time.Since(begin)
		}
	}
	return float64(getsPerRound-1) * float64(len(want)) / 1e6 / took.Seconds(), nil
}
