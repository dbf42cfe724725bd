package s3http_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Writers, readers and deleters of one key: every read that succeeds is one
// whole version.
func TestOneKeyManyHands(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	version := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 70_000+i) }
	k.put("k", version(0))
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range 8 {
				_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: bytes.NewReader(version(w*8 + i))})
				if err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 20 {
				got, err := k.get("k")
				if err != nil {
					if !strings.Contains(err.Error(), "NoSuchKey") {
						t.Error(err)
					}
					continue
				}
				if want := version(int(got[0])); !bytes.Equal(got, want) {
					t.Errorf("got %d bytes that are no version", len(got))
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if _, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	k.put("k", version(1))
	k.waitBlobs(1)
	k.wantGet("k", version(1))
}

// An object that is overwritten and collected while it is read is read to its end.
func TestReadSurvivesOverwrite(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	a, b := random(minPart), random(minPart)
	pa, pb := k.part(up, 1, a), k.part(up, 2, b)
	_, err := k.complete(up, pa, pb)
	k.check(err)
	out, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: up.Bucket, Key: up.Key})
	k.check(err)
	head := make([]byte, 100)
	_, err = io.ReadFull(out.Body, head)
	k.check(err)
	k.put("k", []byte("new"))
	k.wantGet("k", []byte("new"))
	rest, err := io.ReadAll(out.Body)
	k.check(err)
	if !bytes.Equal(append(head, rest...), slicesConcat(a, b)) {
		t.Errorf("got %d bytes that are not the object", len(head)+len(rest))
	}
	k.waitBlobs(1) // collected once the reader is gone
}

// Of many conditional creations of one key exactly one wins.
func TestConditionalPutsRace(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"),
				Body: strings.NewReader(fmt.Sprint(i)), IfNoneMatch: aws.String("*")})
			if err == nil {
				mu.Lock()
				won++
				mu.Unlock()
				return
			}
			wantCode(t, err, "PreconditionFailed", 412)
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("got %d winners, want 1", won)
	}
	k.waitBlobs(1)
}

// A start after a crash publishes what a row refers to and removes the rest.
func TestRecover(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("kept"))
	k.waitBlobs(1)
	w, err := k.disk.Create(t.Context()) // sealed and committed, but its transaction never came
	k.check(err)
	_, err = w.Write([]byte("lost"))
	k.check(err)
	_, err = w.Commit()
	k.check(err)
	k.check(k.s3.Recover(t.Context()))
	k.waitBlobs(1)
	k.wantGet("k", []byte("kept"))
}
