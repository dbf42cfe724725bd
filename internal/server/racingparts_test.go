package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/faultproxy"
)

// partRace is one multipart upload that several callers handle at once.
type partRace struct {
	t   *testing.T
	c   *awss3.Client
	key string
	id  string
}

func beginRace(t *testing.T, c *awss3.Client, key string) *partRace {
	t.Helper()
	up, err := c.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: aws.String(transferBucket), Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return &partRace{t, c, key, *up.UploadId}
}

// part uploads a part and returns it as Complete wants it.
func (r *partRace) part(number int32, body []byte) (s3types.CompletedPart, error) {
	out, err := r.c.UploadPart(context.Background(), &awss3.UploadPartInput{
		Bucket: aws.String(transferBucket), Key: &r.key, UploadId: &r.id, PartNumber: &number, Body: bytes.NewReader(body)})
	if err != nil {
		return s3types.CompletedPart{}, err
	}
	return s3types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}, nil
}

// must uploads a part that nothing can refuse.
func (r *partRace) must(number int32, body []byte) s3types.CompletedPart {
	r.t.Helper()
	p, err := r.part(number, body)
	if err != nil {
		r.t.Errorf("part %d: %v", number, err)
	}
	return p
}

// complete returns the object's ETag.
func (r *partRace) complete(parts ...s3types.CompletedPart) (string, error) {
	out, err := r.c.CompleteMultipartUpload(context.Background(), &awss3.CompleteMultipartUploadInput{
		Bucket: aws.String(transferBucket), Key: &r.key, UploadId: &r.id, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}

func (r *partRace) abort() error {
	_, err := r.c.AbortMultipartUpload(context.Background(), &awss3.AbortMultipartUploadInput{Bucket: aws.String(transferBucket), Key: &r.key, UploadId: &r.id})
	return err
}

// code is the API's error code, "ok" for no error.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return refused.ErrorCode()
	}
	return err.Error()
}

// oneOf fails unless got is among want.
func (r *partRace) oneOf(what string, got []byte, want ...[]byte) {
	r.t.Helper()
	for _, w := range want {
		if bytes.Equal(got, w) && (got == nil) == (w == nil) {
			return
		}
	}
	r.t.Errorf("%s: got an object of %d bytes %.20q, want one of %.20q", what, len(got), got, want)
}

// at runs all at the same time.
func at(all ...func()) {
	var ready, done sync.WaitGroup
	ready.Add(len(all))
	for _, f := range all {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			f()
		})
	}
	done.Wait()
}

// TestRacingParts lets callers of one upload get into each other's way, and
// holds each outcome against those that the API allows. At the end the server
// keeps what the objects are made of, and nothing else.
func TestRacingParts(t *testing.T) {
	rounds := 5
	if long() {
		rounds = 50
	}
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	cl := client(t, s.Endpoint(), dir, 1).s3
	createTransferBucket(t, cl)
	alpha, beta := content(1, 150_000), content(2, 150_001)
	none := []byte(nil)
	var want keeps
	seen := map[string]int{}
	// made counts the object's blob, when there is one, and returns its content.
	made := func(r *partRace) []byte {
		got := whole(t, cl, r.key)
		if got != nil {
			want.parts, want.blobs = want.parts+1, want.blobs+1
		}
		return got
	}
	for _, tt := range []struct {
		name string
		race func(t *testing.T, r *partRace) (outcome string)
	}{
		{"one number twice", func(t *testing.T, r *partRace) string {
			var a, b s3types.CompletedPart
			at(func() { a = r.must(1, alpha) }, func() { b = r.must(1, beta) })
			_, errA := r.complete(a)
			_, errB := r.complete(b) // answers as the first if that made the object
			got := made(r)
			switch {
			case errA == nil:
				r.oneOf("the first part won", got, alpha)
			case code(errA) == "InvalidPart" && errB == nil:
				r.oneOf("the second part won", got, beta)
			default:
				t.Errorf("got %v and %v, want one part to be the last", errA, errB)
			}
			return code(errA)
		}},
		{"completed again and again", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			first, err := r.complete(p)
			for range 3 {
				again, errAgain := r.complete(p)
				if err != nil || errAgain != nil || again != first {
					t.Errorf("got %q %v, and again %q %v", first, err, again, errAgain)
				}
			}
			if err := r.abort(); code(err) != "NoSuchUpload" {
				t.Errorf("aborting what was completed: got %v, want NoSuchUpload", err)
			}
			r.oneOf("completed", made(r), alpha)
			return "ok"
		}},
		{"two Completes", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			var etag [2]string
			var errs [2]error
			at(func() { etag[0], errs[0] = r.complete(p) }, func() { etag[1], errs[1] = r.complete(p) })
			if errs[0] != nil || errs[1] != nil || etag[0] != etag[1] {
				t.Errorf("got %q %v and %q %v, want the same twice", etag[0], errs[0], etag[1], errs[1])
			}
			r.oneOf("completed twice", made(r), alpha)
			return "ok"
		}},
		{"Complete and Abort", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			var completed, aborted error
			at(func() { _, completed = r.complete(p) }, func() { aborted = r.abort() })
			got := made(r)
			switch outcome := code(completed) + ", " + code(aborted); outcome {
			case "ok, NoSuchUpload":
				r.oneOf(outcome, got, alpha)
				return outcome
			case "NoSuchUpload, ok":
				r.oneOf(outcome, got, none)
				return outcome
			default:
				t.Errorf("got %s, want one of them done and NoSuchUpload of the other", outcome)
				return outcome
			}
		}},
		{"Complete and a part of that number", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			var q s3types.CompletedPart
			var completed, uploaded error
			at(func() { _, completed = r.complete(p) }, func() { q, uploaded = r.part(1, beta) })
			outcome := code(completed) + ", " + code(uploaded)
			switch outcome {
			case "ok, NoSuchUpload":
				r.oneOf(outcome, made(r), alpha)
			case "InvalidPart, ok": // the part came first
				if _, err := r.complete(q); err != nil {
					t.Errorf("completing with the later part: %v", err)
				}
				r.oneOf(outcome, made(r), beta)
			default:
				t.Errorf("got %s", outcome)
			}
			return outcome
		}},
		{"Complete and a part of another number", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			var completed, uploaded error
			at(func() { _, completed = r.complete(p) }, func() { _, uploaded = r.part(2, beta) })
			if completed != nil || (uploaded != nil && code(uploaded) != "NoSuchUpload") {
				t.Errorf("got %v and %v", completed, uploaded)
			}
			r.oneOf("completed", made(r), alpha)
			return code(completed) + ", " + code(uploaded)
		}},
		{"Abort and a part", func(t *testing.T, r *partRace) string {
			var aborted, uploaded error
			at(func() { aborted = r.abort() }, func() { _, uploaded = r.part(1, beta) })
			if aborted != nil || (uploaded != nil && code(uploaded) != "NoSuchUpload") {
				t.Errorf("got %v and %v", aborted, uploaded)
			}
			r.oneOf("aborted", made(r), none)
			return code(aborted) + ", " + code(uploaded)
		}},
		{"Completes of different lists", func(t *testing.T, r *partRace) string {
			big := content(3, 5*mib)
			p, q := r.must(1, big), r.must(2, beta)
			var errs [2]error
			at(func() { _, errs[0] = r.complete(p, q) }, func() { _, errs[1] = r.complete(q) })
			// Who comes second is answered as the first was: the upload is what is asked about.
			if errs[0] != nil || errs[1] != nil {
				t.Errorf("got %v and %v", errs[0], errs[1])
			}
			got := made(r)
			both := append(bytes.Clone(big), beta...)
			if len(got) == len(both) {
				want.parts, want.blobs = want.parts+1, want.blobs+1
			}
			r.oneOf("of either list", got, both, beta)
			return fmt.Sprint(len(got))
		}},
		{"a Complete and a PUT of the key", func(t *testing.T, r *partRace) string {
			p := r.must(1, alpha)
			var completed, put error
			at(func() { _, completed = r.complete(p) }, func() {
				_, put = cl.PutObject(context.Background(), &awss3.PutObjectInput{Bucket: aws.String(transferBucket), Key: &r.key, Body: bytes.NewReader(beta)})
			})
			if completed != nil || put != nil {
				t.Errorf("got %v and %v", completed, put)
			}
			got := made(r)
			if bytes.Equal(got, beta) {
				want.parts-- // an object put whole has no rows of parts
			}
			r.oneOf("the later one", got, alpha, beta)
			return fmt.Sprint(len(got))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := rounds
			if tt.name == "Completes of different lists" {
				n = 3 // 5 MiB each
			}
			for i := range n {
				outcome := tt.race(t, beginRace(t, cl, fmt.Sprintf("%s/%d", tt.name, i)))
				seen[tt.name+": "+outcome]++
			}
		})
	}
	for outcome, n := range seen {
		t.Logf("%3d times %s", n, outcome)
	}
	settles(t, s.store, dir, want)
}

// TestPartUnderWay ends an upload while a part of it is under way, with half
// of its bytes here: the part finds no upload any more, and leaves nothing.
func TestPartUnderWay(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	direct := client(t, s.Endpoint(), dir, 1).s3
	createTransferBucket(t, direct)
	first, late := content(1, 100_000), content(2, 3*mib)
	var want keeps
	for _, tt := range []struct {
		name   string
		number int32 // of the part that is under way
		end    func(r *partRace, p s3types.CompletedPart) error
		made   []byte
	}{
		{"completed, the same part", 1, func(r *partRace, p s3types.CompletedPart) error { _, err := r.complete(p); return err }, first},
		{"completed, another part", 2, func(r *partRace, p s3types.CompletedPart) error { _, err := r.complete(p); return err }, first},
		{"aborted", 1, func(r *partRace, _ s3types.CompletedPart) error { return r.abort() }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := beginRace(t, direct, tt.name)
			p := r.must(1, first)
			ended := make(chan error, 1)
			proxy := startProxy(t, s.Endpoint(), func(int, string) faultproxy.Fault {
				return faultproxy.Fault{Kind: faultproxy.Pause, After: mib, Then: func() { ended <- tt.end(r, p) }}
			})
			slow := partRace{t, patient(t, proxy.Address(), dir, 1), r.key, r.id}
			_, err := slow.part(tt.number, late)
			if code(err) != "NoSuchUpload" {
				t.Fatalf("got %v for the part, want NoSuchUpload", err) // and no pause, perhaps
			}
			if err := <-ended; err != nil {
				t.Errorf("got %v for the end", err)
			}
			if tt.made != nil {
				want.parts, want.blobs = want.parts+1, want.blobs+1
			}
			r.oneOf(tt.name, whole(t, direct, r.key), tt.made)
			settles(t, s.store, dir, want)
		})
	}
}
