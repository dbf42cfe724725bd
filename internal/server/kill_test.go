package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// TestKill kills the server, as kill -9 does, 50 times under mixed load, and
// looks after each start: no acknowledged key, alias, object or record may be
// lost, and none may be half there.
func TestKill(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	if os.Getenv("STRONGROOM_TEST_LONG") != "" {
		rounds = 500
	}
	killRounds(t, rounds)
}

// killRounds is TestKill, and returns the data directory.
func killRounds(t *testing.T, rounds int) (dir string) {
	dir = dataDirIn(t)
	w := &world{objects: map[string]*object{}, requests: map[string]string{}}
	for round := range rounds {
		c := startChild(t, dir)
		cl := client(t, c.endpoint, dir, 1)
		if round == 0 {
			if _, err := cl.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(killBucket)}); err != nil {
				t.Fatal(err)
			}
		}
		w.check(t, cl)
		w.load(t, cl, round, nil, func() { c.kill(t) })
	}
	c := startChild(t, dir)
	w.check(t, client(t, c.endpoint, dir, 1))
	c.stop(t)
	w.checkTrail(t, dir)
	w.checkFiles(t, dir)
	t.Logf("%d keys, %d objects, %d acknowledged requests over %d kills", len(w.keys), len(w.objects), len(w.requests), rounds)
	if len(w.keys) < rounds/5 || len(w.requests) < 5*rounds {
		t.Errorf("got too little load to prove anything")
	}
	return dir
}

const killBucket = "kill-bucket"

// world is what the clients know: what was acknowledged, and what was under
// way when the server died.
type world struct {
	mu       sync.Mutex
	keys     []*killKey
	objects  map[string]*object
	requests map[string]string // acknowledged request id → operation
}

// killKey is an acknowledged key with what was acknowledged about it.
type killKey struct {
	id, alias string
	blob      []byte
	checked   bool
}

// object is one name, written by one worker over and over.
type object struct {
	mu      sync.Mutex
	acked   string // content last acknowledged; empty: none, or a delete
	pending string // content of the write under way, if any
	inDoubt bool   // a write or delete was under way
	dirty   bool   // changed since the last check
}

func (w *world) acknowledge(op string, md middleware.Metadata) {
	id, ok := awsmiddleware.GetRequestIDMetadata(md)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests[id] = op
}

// load runs clients until enough was acknowledged, and then kills the server
// while they go on; or until it has died by itself.
func (w *world) load(t *testing.T, cl clients, round int, died <-chan struct{}, kill func()) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var done sync.WaitGroup
	var acked atomic.Int64
	// The point of the kill wanders, so that it meets every kind of work.
	enough := int64(10 + (round*7)%40)
	reached := make(chan struct{})
	var once sync.Once
	work := func(f func() error) {
		done.Go(func() {
			for ctx.Err() == nil {
				if f() != nil {
					return // the server is dead
				}
				if acked.Add(1) >= enough {
					once.Do(func() { close(reached) })
				}
			}
		})
	}
	n := 0
	work(func() error { n++; return w.makeKey(ctx, cl, fmt.Sprintf("alias/r%d-%d", round, n)) })
	for i, size := range []int{0, 1000, 65536, 200_000} {
		seq := 0
		work(func() error {
			seq++
			return w.write(ctx, cl, fmt.Sprintf("object/%d", i), fmt.Sprintf("round %d write %d ", round, seq), size, i%2 == 1)
		})
	}
	seq := 0
	work(func() error {
		seq++
		return w.writeParts(ctx, cl, "object/parts", fmt.Sprintf("round %d parts %d ", round, seq))
	})
	select {
	case <-reached:
	case <-died:
	case <-ctx.Done():
		t.Error("the load did not get anywhere")
	}
	kill()
	done.Wait()
}

func (w *world) makeKey(ctx context.Context, cl clients, alias string) error {
	out, err := cl.kms.CreateKey(ctx, &awskms.CreateKeyInput{Description: &alias})
	if err != nil {
		return err
	}
	k := &killKey{id: *out.KeyMetadata.KeyId}
	w.acknowledge("CreateKey", out.ResultMetadata)
	w.mu.Lock()
	w.keys = append(w.keys, k)
	w.mu.Unlock()
	made, err := cl.kms.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: &alias, TargetKeyId: &k.id})
	if err != nil {
		return err
	}
	w.acknowledge("CreateAlias", made.ResultMetadata)
	k.alias = alias
	enc, err := cl.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: &alias, Plaintext: []byte(k.id)})
	if err != nil {
		return err
	}
	w.acknowledge("Encrypt", enc.ResultMetadata)
	k.blob = enc.CiphertextBlob
	return nil
}

// object returns the object called name, and opens it for a write of content.
func (w *world) begin(name, content string) *object {
	w.mu.Lock()
	o := w.objects[name]
	if o == nil {
		o = &object{}
		w.objects[name] = o
	}
	w.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pending, o.inDoubt, o.dirty = content, true, true
	return o
}

func (o *object) commit() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acked, o.pending, o.inDoubt = o.pending, "", false
}

// fill repeats what until it has size bytes; every prefix of it is telling.
func fill(what string, size int) string {
	return (what + strings.Repeat(what, size/len(what)+1))[:max(size, len(what))]
}

func (w *world) write(ctx context.Context, cl clients, name, what string, size int, kms bool) error {
	content := fill(what, size)
	o := w.begin(name, content)
	in := &awss3.PutObjectInput{Bucket: aws.String(killBucket), Key: &name, Body: strings.NewReader(content)}
	if kms {
		in.ServerSideEncryption = s3types.ServerSideEncryptionAwsKms
	}
	out, err := cl.s3.PutObject(ctx, in)
	if err != nil {
		return err
	}
	o.commit()
	w.acknowledge("PutObject", out.ResultMetadata)
	if !strings.Contains(what, "7 ") {
		return nil
	}
	o = w.begin(name, "")
	del, err := cl.s3.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: in.Bucket, Key: &name})
	if err != nil {
		return err
	}
	o.commit()
	w.acknowledge("DeleteObject", del.ResultMetadata)
	return nil
}

func (w *world) writeParts(ctx context.Context, cl clients, name, what string) error {
	parts := []string{fill(what, 5<<20), fill("the end of "+what, 70_000)}
	o := w.begin(name, strings.Join(parts, ""))
	bucket := aws.String(killBucket)
	up, err := cl.s3.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: bucket, Key: &name})
	if err != nil {
		return err
	}
	var done s3types.CompletedMultipartUpload
	for i := len(parts); i >= 1; i-- { // the last part first: the order is the client's affair
		n := int32(i)
		out, err := cl.s3.UploadPart(ctx, &awss3.UploadPartInput{Bucket: bucket, Key: &name, UploadId: up.UploadId, PartNumber: &n, Body: strings.NewReader(parts[i-1])})
		if err != nil {
			return err
		}
		done.Parts = append([]s3types.CompletedPart{{ETag: out.ETag, PartNumber: &n, ChecksumCRC32: out.ChecksumCRC32}}, done.Parts...)
	}
	out, err := cl.s3.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: bucket, Key: &name, UploadId: up.UploadId, MultipartUpload: &done})
	if err != nil {
		return err
	}
	o.commit()
	w.acknowledge("CompleteMultipartUpload", out.ResultMetadata)
	return nil
}

// check reads back what is not checked yet, through a server that came up after a kill.
func (w *world) check(t *testing.T, cl clients) {
	t.Helper()
	ctx := t.Context()
	for _, k := range w.keys {
		if k.checked {
			continue
		}
		k.checked = true
		if _, err := cl.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &k.id}); err != nil {
			t.Errorf("acknowledged key %s: %v", k.id, err)
		}
		if k.alias != "" {
			out, err := cl.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &k.alias})
			if err != nil || *out.KeyMetadata.KeyId != k.id {
				t.Errorf("acknowledged alias %s of %s: %v", k.alias, k.id, err)
			}
		}
		if k.blob != nil {
			out, err := cl.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: k.blob})
			if err != nil || string(out.Plaintext) != k.id {
				t.Errorf("acknowledged ciphertext of %s: %v", k.id, err)
			}
		}
	}
	for name, o := range w.objects {
		if !o.dirty {
			continue
		}
		o.dirty = false
		got, err := readObject(ctx, cl, name)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case got == o.acked:
		case o.inDoubt && got == o.pending:
			o.acked = o.pending
		default:
			t.Errorf("%s: got %d bytes %.40q, want what was acknowledged (%d bytes %.40q) or what was under way (%d bytes)",
				name, len(got), got, len(o.acked), o.acked, len(o.pending))
		}
		o.pending, o.inDoubt = "", false
	}
}

// readObject returns an object's content, and nothing for one that is not there.
func readObject(ctx context.Context, cl clients, name string) (string, error) {
	return readObjectIn(ctx, cl, killBucket, name)
}

func readObjectIn(ctx context.Context, cl clients, bucket, name string) (string, error) {
	out, err := cl.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &name})
	if _, ok := errors.AsType[*s3types.NoSuchKey](err); ok {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

// checkTrail finds the record of every acknowledged request, exactly once.
func (w *world) checkTrail(t *testing.T, dir string) {
	t.Helper()
	if _, err := VerifyAudit(t.Context(), dir); err != nil {
		t.Errorf("verifying the trail: %v", err)
	}
	count := map[string]int{}
	for e, err := range audit.Entries(AuditDir(dir)) {
		if err != nil {
			t.Fatal(err)
		}
		var r struct{ RequestID, EventName string }
		if err := json.NewDecoder(bytes.NewReader(e.Record)).Decode(&r); err != nil {
			t.Fatal(err)
		}
		if w.requests[r.RequestID] == r.EventName {
			count[r.RequestID]++
		}
	}
	for id, op := range w.requests {
		if count[id] != 1 {
			t.Errorf("%s %s has %d records in the trail, want 1", op, id, count[id])
		}
	}
}

// checkFiles compares the files of sealed bytes with the rows that refer to
// them: after a clean stop neither may have what the other lacks.
func (w *world) checkFiles(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(objectsDir(dir), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: databasePath(dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	rows, err := st.List(t.Context(), store.Blobs, store.Query{Limit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	if files != len(rows) {
		t.Errorf("got %d files of sealed bytes and %d rows that know one, want as many", files, len(rows))
	}
	if err := st.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
