package server

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/internal/faultproxy"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// hostOf takes the address off an endpoint.
func hostOf(endpoint string) string { return strings.TrimPrefix(endpoint, "http://") }

func startProxy(t testing.TB, endpoint string, plan faultproxy.Plan) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Start(hostOf(endpoint), plan)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// long reports whether tests may take long.
func long() bool { return os.Getenv("STRONGROOM_TEST_LONG") != "" }

// seeds is how many runs a test with faults makes.
func seeds() uint64 {
	if long() {
		return 40
	}
	return 1
}

// TestTransferRetries transfers through connections that break, with more
// patience than there are faults: all of it arrives as it was sent, and nothing else is kept.
func TestTransferRetries(t *testing.T) {
	const faults = 30
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	direct := patient(t, hostOf(s.Endpoint()), dir, 1)
	createTransferBucket(t, direct)
	proxy := startProxy(t, s.Endpoint(), faultproxy.Clean)
	m := manager(patient(t, proxy.Address(), dir, faults+2))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	sizes := []int{100_000, 10*mib + 1, 11 * mib}
	for seed := range seeds() {
		proxy.Follow(faultproxy.Seeded(seed, faults, 6*mib, 20*time.Millisecond))
		var done sync.WaitGroup
		for i, size := range sizes {
			done.Go(func() {
				want := content(seed<<8|uint64(i), size)
				in := &transfermanager.UploadObjectInput{Bucket: aws.String(transferBucket), Key: aws.String(fmt.Sprint(i)), Body: bytes.NewReader(want)}
				if i%2 == 1 {
					in.ServerSideEncryption = tmtypes.ServerSideEncryptionAwsKms
				}
				if _, err := m.UploadObject(ctx, in); err != nil {
					t.Errorf("seed %d, upload %d: %v", seed, i, err)
					return
				}
				// What was acknowledged is there, for who asks without faults and with them.
				sameBytes(t, "direct", whole(t, direct, *in.Key), want)
				got, err := download(ctx, m, *in.Key, tmtypes.GetObjectRanges)
				if err != nil {
					t.Errorf("seed %d, download %d: %v", seed, i, err)
					return
				}
				sameBytes(t, "downloaded", got, want)
			})
		}
		done.Wait()
	}
	struck := proxy.Struck()
	t.Logf("faults that struck: %v", struck)
	sum := 0
	for _, n := range struck {
		sum += n
	}
	if sum < faults/3 { // a cut beyond a request's end does not strike
		t.Errorf("got %d faults that struck, want %d: the test proves too little", sum, faults/3)
	}
	// An upload whose beginning was answered and not heard is there, without
	// parts, until someone aborts it: that is the API.
	abortAll(t, direct, nil)
	settles(t, s.store, dir, keeps{parts: 3 + 3, blobs: 1 + 3 + 3})
}

// TestTransferGivesUp transfers with less patience than there are faults:
// every upload ends whole or with an error, and what is there is what was sent.
func TestTransferGivesUp(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	direct := patient(t, hostOf(s.Endpoint()), dir, 1)
	createTransferBucket(t, direct)
	proxy := startProxy(t, s.Endpoint(), faultproxy.Clean)
	m := manager(patient(t, proxy.Address(), dir, 2))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var mu sync.Mutex
	var want keeps
	// Uploads that the manager aborted. It does not tell of an abort that did not
	// arrive, so they are those of the first round, where everything does but a part.
	aborted := map[string]bool{}
	ended, arrived := 0, 0
	for seed := range 3 * seeds() {
		proxy.Follow(func(conn int, line string) faultproxy.Fault { // two of three connections break
			if seed == 0 { // but here no second part arrives, and all else does
				if strings.Contains(line, "partNumber=2") {
					return faultproxy.Fault{Kind: faultproxy.CutRequest, After: mib / 2}
				}
				return faultproxy.Fault{Kind: faultproxy.None}
			}
			if conn%3 == 2 {
				return faultproxy.Fault{Kind: faultproxy.None}
			}
			return faultproxy.Seeded(100+seed, 1000, 6*mib, time.Millisecond)(conn, line)
		})
		var done sync.WaitGroup
		for i, size := range []int{100_000, 6 * mib, 10*mib + 1} {
			done.Go(func() {
				sent := content(seed<<8|uint64(i), size)
				key := fmt.Sprintf("%d/%d", seed, i)
				_, err := m.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(transferBucket), Key: &key, Body: bytes.NewReader(sent)})
				got := whole(t, direct, key)
				mu.Lock()
				defer mu.Unlock()
				if got != nil || err == nil {
					sameBytes(t, key, got, sent)
					want.blobs++
					if size > 5*mib {
						want.blobs, want.parts = want.blobs+1, want.parts+2
						if size > 10*mib {
							want.blobs, want.parts = want.blobs+1, want.parts+1
						}
					}
				}
				if err == nil {
					arrived++
					return
				}
				ended++
				if failed, ok := err.(transfermanager.MultipartUploadError); ok && seed == 0 {
					aborted[failed.UploadID()] = true
				}
			})
		}
		done.Wait()
	}
	t.Logf("%d uploads whole, %d given up, %d of them aborted", arrived, ended, len(aborted))
	if arrived == 0 || len(aborted) == 0 {
		t.Error("got uploads of one kind only: the test proves too little")
	}
	abortAll(t, direct, aborted)
	settles(t, s.store, dir, want)
}

// abortAll ends every upload that is left. Those in aborted must not be.
func abortAll(t testing.TB, c *awss3.Client, aborted map[string]bool) {
	t.Helper()
	left, err := c.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(transferBucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range left.Uploads {
		if aborted[*u.UploadId] {
			t.Errorf("upload %s of %s was aborted, and is there", *u.UploadId, *u.Key)
		}
		_, err := c.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: aws.String(transferBucket), Key: u.Key, UploadId: u.UploadId})
		if err != nil {
			t.Errorf("aborting what is left of %s: %v", *u.Key, err)
		}
	}
}

// TestTransferOverKill kills the server in the middle of a managed upload, as
// kill -9 does, and starts another on its directory. The manager's own retries
// finish the upload.
func TestTransferOverKill(t *testing.T) {
	want := content(7, 10*mib+100_000)
	for _, tt := range []struct {
		name    string
		line    string // that the request's first line has
		method  string
		fault   faultproxy.Kind
		after   int64
		uploads int // left over, of a beginning that nobody heard of
	}{
		{"upload begun, not heard", "?uploads", "POST", faultproxy.CutAnswer, 0, 1},
		{"in the middle of a part", "partNumber=2", "PUT", faultproxy.CutRequest, 3 * mib, 0},
		{"part taken, not heard", "partNumber=1&", "PUT", faultproxy.CutAnswer, 0, 0},
		{"in the middle of Complete", "uploadId=", "POST", faultproxy.CutRequest, 500, 0},
		{"object made, not heard", "uploadId=", "POST", faultproxy.CutAnswer, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := dataDirIn(t)
			first := startChild(t, dir)
			createTransferBucket(t, patient(t, hostOf(first.endpoint), dir, 1))
			struck, restarted := make(chan struct{}), make(chan struct{})
			var once sync.Once
			proxy := startProxy(t, first.endpoint, func(_ int, line string) faultproxy.Fault {
				f := faultproxy.Fault{Kind: faultproxy.None}
				if strings.HasPrefix(line, tt.method+" ") && strings.Contains(line, tt.line) {
					once.Do(func() {
						f = faultproxy.Fault{Kind: tt.fault, After: tt.after, Then: func() { close(struck); <-restarted }}
					})
				}
				return f
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			// As long as the context; and without asking before it sends a body, so that the first answer is the last.
			c := patient(t, proxy.Address(), dir, 100_000, func(o *awss3.Options) { o.ContinueHeaderThresholdBytes = -1 })
			ended := make(chan error, 1)
			go func() {
				_, err := manager(c).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(transferBucket), Key: aws.String("key"), Body: bytes.NewReader(want)})
				ended <- err
			}()
			select {
			case <-struck:
			case err := <-ended:
				close(restarted)
				t.Fatalf("the upload ended with %v before the server was killed", err)
			}
			first.kill(t)
			second := startChild(t, dir)
			proxy.Lead(hostOf(second.endpoint))
			close(restarted)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			got, err := download(ctx, manager(patient(t, hostOf(second.endpoint), dir, 1)), "key", tmtypes.GetObjectParts)
			if err != nil {
				t.Error(err)
			}
			sameBytes(t, "after the kill", got, want)
			second.stop(t)
			// The collector may not have come to all of it; another start goes on.
			s, stop := start(t, Config{DataDir: dir})
			settles(t, s.store, dir, keeps{uploads: tt.uploads, parts: 3, blobs: 3})
			stop()
			if _, err := VerifyAudit(t.Context(), dir); err != nil {
				t.Error(err)
			}
			st, err := sqlite.Open(t.Context(), sqlite.Config{Path: databasePath(dir)})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			if err := st.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
