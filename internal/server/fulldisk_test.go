package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// diskWorld is a server on a disk that stops taking writes.
type diskWorld struct {
	cl     clients
	bucket string
	key    string
	blob   []byte
}

// acknowledged makes what must outlive everything.
func (w *diskWorld) acknowledged(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	key, err := w.cl.kms.CreateKey(ctx, &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	w.key = *key.KeyMetadata.KeyId
	enc, err := w.cl.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: &w.key, Plaintext: []byte("before")})
	if err != nil {
		t.Fatal(err)
	}
	w.blob, w.bucket = enc.CiphertextBlob, "disk"
	if _, err := w.cl.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &w.bucket}); err != nil {
		t.Fatal(err)
	}
	if err := w.put(ctx, "before", strings.Repeat("before ", 20_000)); err != nil {
		t.Fatal(err)
	}
}

func (w *diskWorld) put(ctx context.Context, key, content string) error {
	_, err := w.cl.s3.PutObject(ctx, &awss3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: strings.NewReader(content)})
	return err
}

// calls are one of each kind. None of them may be answered with success while
// the trail cannot be written, and none with a client's error.
func (w *diskWorld) calls() map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"CreateKey": func(ctx context.Context) error {
			_, err := w.cl.kms.CreateKey(ctx, &awskms.CreateKeyInput{})
			return err
		},
		"CreateAlias": func(ctx context.Context) error {
			_, err := w.cl.kms.CreateAlias(ctx, &awskms.CreateAliasInput{AliasName: aws.String("alias/never"), TargetKeyId: &w.key})
			return err
		},
		"DisableKey": func(ctx context.Context) error {
			_, err := w.cl.kms.DisableKey(ctx, &awskms.DisableKeyInput{KeyId: &w.key})
			return err
		},
		"Encrypt": func(ctx context.Context) error {
			_, err := w.cl.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: &w.key, Plaintext: []byte("x")})
			return err
		},
		"Decrypt": func(ctx context.Context) error {
			_, err := w.cl.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: w.blob})
			return err
		},
		"DescribeKey": func(ctx context.Context) error {
			_, err := w.cl.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &w.key})
			return err
		},
		"CreateBucket": func(ctx context.Context) error {
			_, err := w.cl.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String("never-made")})
			return err
		},
		"PutObject":       func(ctx context.Context) error { return w.put(ctx, "never", strings.Repeat("never ", 50_000)) },
		"PutObject small": func(ctx context.Context) error { return w.put(ctx, "never", "") },
		"GetObject": func(ctx context.Context) error {
			out, err := w.cl.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: &w.bucket, Key: aws.String("before")})
			if err == nil {
				_ = out.Body.Close()
			}
			return err
		},
		"ListObjectsV2": func(ctx context.Context) error {
			_, err := w.cl.s3.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &w.bucket})
			return err
		},
		"CreateMultipartUpload": func(ctx context.Context) error {
			_, err := w.cl.s3.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: aws.String("never")})
			return err
		},
		"DeleteObject": func(ctx context.Context) error {
			_, err := w.cl.s3.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &w.bucket, Key: aws.String("before")})
			return err
		},
	}
}

// wantRefused fails unless err is the server's own and in AWS's words.
func wantRefused(t *testing.T, call string, err error) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	status, hasStatus := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	codes := []string{"KMSInternalException", "InternalError", "ServiceUnavailable"}
	if !ok || !hasStatus || status.HTTPStatusCode() < 500 || !slices.Contains(codes, e.ErrorCode()) {
		t.Errorf("%s: got %v, want one of %v", call, err, codes)
	}
}

func (w *diskWorld) health(t *testing.T, s *Server) int {
	t.Helper()
	resp, err := http.Get(s.Endpoint() + "/_/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// wantWhole finds what was acknowledged, and nothing of what was refused.
func (w *diskWorld) wantWhole(t *testing.T, want map[string]string) {
	t.Helper()
	ctx := t.Context()
	out, err := w.cl.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: w.blob})
	if err != nil || string(out.Plaintext) != "before" {
		t.Errorf("Decrypt: got %v", err)
	}
	keys, err := w.cl.kms.ListKeys(ctx, &awskms.ListKeysInput{})
	if err != nil || len(keys.Keys) != 1 {
		t.Errorf("ListKeys: got %d keys, %v, want the one that was acknowledged", len(keys.Keys), err)
	}
	aliases, err := w.cl.kms.ListAliases(ctx, &awskms.ListAliasesInput{KeyId: &w.key})
	if err != nil || len(aliases.Aliases) != 0 {
		t.Errorf("ListAliases: got %d, %v, want none", len(aliases.Aliases), err)
	}
	buckets, err := w.cl.s3.ListBuckets(ctx, &awss3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) != 1 {
		t.Errorf("ListBuckets: got %d, %v, want one", len(buckets.Buckets), err)
	}
	listed, err := w.cl.s3.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &w.bucket})
	if err != nil || len(listed.Contents) != len(want) {
		t.Errorf("ListObjectsV2: got %d objects, %v, want %d", len(listed.Contents), err, len(want))
	}
	for key, content := range want {
		if got, err := readObjectIn(ctx, w.cl, w.bucket, key); err != nil || got != content {
			t.Errorf("object %s: got %d bytes, %v, want %d", key, len(got), err, len(content))
		}
	}
	uploads, err := w.cl.s3.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &w.bucket})
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "NotImplemented" {
		return
	}
	if err != nil || len(uploads.Uploads) != 0 {
		t.Errorf("ListMultipartUploads: got %d, %v, want none", len(uploads.Uploads), err)
	}
}

// fillDisk takes all the room there is on the disk of dir, and returns what gives it
// back.
func fillDisk(t *testing.T, dir string) (giveBack func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk under a server and makes room again. While it is
// full every call is refused as the server's own failure, reads too since they
// could not be recorded; nothing is lost, nothing is half done, and with room
// the server works again without a restart.
func TestDiskFull(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	defer func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }() // the namespace ends anyway
	dir := filepath.Join(disk, "data")
	var log safeBuffer // the failures are meant
	s, stop := start(t, Config{DataDir: dir, Logger: log.logger()})
	w := &diskWorld{cl: client(t, s.Endpoint(), dir, 1)}
	w.acknowledged(t)
	objects := map[string]string{"before": strings.Repeat("before ", 20_000)}
	for round := range 3 {
		giveBack := fillDisk(t, disk)
		// The trail has a page that it began: it may take some records yet. What
		// needs more room is refused all the same.
		for range 3 {
			wantRefused(t, "PutObject on the full disk", w.put(t.Context(), "never", strings.Repeat("x", 300_000)))
		}
		eventually(t, "the trail meets the full disk", func() bool {
			_, err := w.cl.kms.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &w.key})
			return err != nil
		})
		for name, call := range w.calls() {
			wantRefused(t, name, call(t.Context()))
		}
		if got := w.health(t, s); got != http.StatusServiceUnavailable {
			t.Errorf("health: got status %d, want 503", got)
		}
		giveBack()
		eventually(t, "there is room", func() bool {
			_, err := w.cl.kms.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: &w.key})
			return err == nil
		})
		w.wantWhole(t, objects)
		name := fmt.Sprintf("after-%d", round)
		objects[name] = strings.Repeat(name, 10_000)
		if err := w.put(t.Context(), name, objects[name]); err != nil {
			t.Errorf("with room: %v", err)
		}
		if got := w.health(t, s); got != http.StatusOK {
			t.Errorf("health with room: got status %d, want 200", got)
		}
	}
	stop()
	(&world{}).checkAll(t, dir)

	// A server cannot start on a full disk, says so, and changes nothing.
	giveBack := fillDisk(t, disk)
	if started, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: log.logger()}); err == nil {
		t.Error("a server started on a full disk")
		_ = started.Close()
	} else if !strings.Contains(err.Error(), "is full: make room") {
		t.Errorf("got %v, want the full disk named", err)
	}
	giveBack()
	s, stop = start(t, Config{DataDir: dir})
	w.cl = client(t, s.Endpoint(), dir, 1)
	w.wantWhole(t, objects)
	stop()
	(&world{}).checkAll(t, dir)
}

// TestReadOnlyDisk makes a real file system read-only under a server, as ext4
// does by itself when it meets an error: what was not on the disk is gone then,
// and nothing more can be written. All calls are refused; after the file system
// is mounted again everything that was acknowledged is there.
func TestReadOnlyDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	above := t.TempDir()
	image, disk := filepath.Join(above, "image"), filepath.Join(above, "disk")
	tool := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
	}
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 48<<20), os.Mkdir(disk, 0o700)); err != nil {
		t.Fatal(err)
	}
	tool("mkfs.ext4", "-q", "-F", image)
	tool("mount", "-o", "loop,errors=remount-ro", image, disk)
	defer func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) }()
	dir := filepath.Join(disk, "data")
	var log safeBuffer
	s, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: log.logger(), DurableAudit: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	w := &diskWorld{cl: client(t, s.Endpoint(), dir, 1)}
	w.acknowledged(t)

	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, "abort"); err != nil { // ext4(5)
		t.Skipf("aborting the file system: %v", err)
	}
	wantRefused(t, "PutObject", w.put(t.Context(), "never", strings.Repeat("x", 300_000)))
	for name, call := range w.calls() {
		wantRefused(t, name, call(t.Context()))
	}
	for name, call := range w.calls() { // the trail has found out by now
		wantRefused(t, name+" again", call(t.Context()))
	}
	if got := w.health(t, s); got != http.StatusServiceUnavailable {
		t.Errorf("health: got status %d, want 503", got)
	}
	if _, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: log.logger()}); err == nil {
		t.Error("a second server started")
	}
	cancel()
	if err := <-served; err == nil {
		t.Error("the server ended without an error, though it could not write")
	}
	if _, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", Logger: log.logger()}); err == nil || !strings.Contains(err.Error(), "is on a read-only file system") {
		t.Errorf("got %v, want the read-only file system named", err)
	}

	if left := openBelow(t, disk); len(left) > 0 {
		t.Errorf("got %q still open, want nothing", left)
	}
	if err := syscall.Unmount(disk, 0); err != nil {
		t.Fatal(err)
	}
	tool("mount", "-o", "loop", image, disk)
	s, stop := start(t, Config{DataDir: dir})
	w.cl = client(t, s.Endpoint(), dir, 1)
	w.wantWhole(t, map[string]string{"before": strings.Repeat("before ", 20_000)})
	stop()
	(&world{}).checkAll(t, dir)
}
