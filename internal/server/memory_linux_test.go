package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	hugeSize   = 5 << 30     // the largest single PUT
	hugeMemory = 100_000_000 // bytes the server may have had resident at any time
	hugeDisk   = 12 << 30    // bytes the test wants free
	hugePart   = 64 << 20    // of the multipart upload
	hugeBlock  = 1 << 20     // after which the content repeats, but for its number
	hugeBucket = "huge"
)

// TestHugeObject moves 5 GiB in and out, in parts and in one piece, and looks
// at how much memory the server process ever had resident.
func TestHugeObject(t *testing.T) {
	if os.Getenv("STRONGROOM_TEST_LONG") == "" {
		t.Skip("takes minutes and 12 GiB of disk; set STRONGROOM_TEST_LONG=1")
	}
	dir := dataDirIn(t)
	var fs syscall.Statfs_t
	if err := syscall.Statfs(t.TempDir(), &fs); err != nil {
		t.Fatal(err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < hugeDisk {
		t.Skipf("%s has %d bytes free; this wants %d", t.TempDir(), free, int64(hugeDisk))
	}
	c := startChild(t, dir)
	k, err := readCredentials(CredentialsFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	s3 := awss3.New(awss3.Options{
		Region: DefaultRegion, BaseEndpoint: &c.endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, string(k.Secret.Expose()), ""),
	})
	bucket, key := aws.String(hugeBucket), aws.String("object")
	if _, err := s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	content := newHugeContent()
	want := sha256.New()
	if _, err := io.Copy(want, io.NewSectionReader(content, 0, hugeSize)); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct {
		name string
		put  func(*testing.T, *awss3.Client, io.ReaderAt) error
	}{
		{"parts, SSE-KMS, signed", putHugeParts},
		{"one PUT, SSE-S3, unsigned payload", putHugeWhole},
	} {
		t.Run(way.name, func(t *testing.T) {
			if err := way.put(t, s3, content); err != nil {
				t.Fatal(err)
			}
			c.checkMemory(t, "after the upload")
			out, err := s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			got := sha256.New()
			if n, err := io.Copy(got, out.Body); n != hugeSize || err != nil {
				t.Fatalf("got %d bytes and %v, want %d", n, err, int64(hugeSize))
			}
			if err := out.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
				t.Error("what came back is not what was sent")
			}
			c.checkMemory(t, "after the download")
			if _, err := s3.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
				t.Fatal(err)
			}
			eventually(t, "no file", func() bool { return len(files(t, objectsDir(dir))) == 0 })
			c.checkMemory(t, "after the removal")
		})
	}
	c.stop(t)
}

// putHugeParts uploads four parts at a time, as transfer managers do.
func putHugeParts(t *testing.T, s3 *awss3.Client, content io.ReaderAt) error {
	bucket, key := aws.String(hugeBucket), aws.String("object")
	up, err := s3.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
		Bucket: bucket, Key: key, ServerSideEncryption: s3types.ServerSideEncryptionAwsKms,
	})
	if err != nil {
		return err
	}
	const count = hugeSize / hugePart
	parts, errs := make([]s3types.CompletedPart, count), make([]error, count)
	numbers := make(chan int)
	var sending sync.WaitGroup
	for range 4 {
		sending.Go(func() {
			for i := range numbers {
				number := aws.Int32(int32(i) + 1)
				part, err := s3.UploadPart(t.Context(), &awss3.UploadPartInput{
					Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: number,
					Body: io.NewSectionReader(content, int64(i)*hugePart, hugePart),
				})
				if errs[i] = err; err == nil {
					parts[i] = s3types.CompletedPart{PartNumber: number, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32}
				}
			}
		})
	}
	for i := range count {
		numbers <- i
	}
	close(numbers)
	sending.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = s3.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, MultipartUpload: &s3types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

func putHugeWhole(t *testing.T, s3 *awss3.Client, content io.ReaderAt) error {
	_, err := s3.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String(hugeBucket), Key: aws.String("object"), Body: io.NewSectionReader(content, 0, hugeSize),
	}, awss3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	return err
}

// checkMemory fails the test when the process ever had more resident than it
// may (proc(5): VmHWM).
func (c *child) checkMemory(t *testing.T, when string) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, line, ok := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(line, &kib); !ok || err != nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	t.Logf("%s: %d MB at the most", when, kib*1024/1_000_000)
	if kib*1024 > hugeMemory {
		t.Errorf("%s: the server had %d bytes resident, want %d at the most", when, kib*1024, hugeMemory)
	}
}

// hugeContent is bytes without end that take no memory: one random block over
// and over, each time with its number at its beginning.
type hugeContent struct{ block [hugeBlock]byte }

func newHugeContent() *hugeContent {
	c := new(hugeContent)
	_, _ = rand.NewChaCha8([32]byte{}).Read(c.block[:]) // never fails
	return c
}

// ReadAt implements io.ReaderAt.
func (c *hugeContent) ReadAt(p []byte, off int64) (int, error) {
	var number [8]byte
	for n := 0; n < len(p); {
		at := off + int64(n)
		binary.BigEndian.PutUint64(number[:], uint64(at/hugeBlock))
		if in := at % hugeBlock; in < int64(len(number)) {
			n += copy(p[n:], number[in:])
		} else {
			n += copy(p[n:], c.block[in:])
		}
	}
	return len(p), nil
}
