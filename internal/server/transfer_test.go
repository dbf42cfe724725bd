package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	tmtypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/store"
)

const (
	mib            = 1 << 20
	transferBucket = "transfer-bucket"
)

// content returns bytes that the seed decides and nothing compresses.
func content(seed uint64, size int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// patient is an S3 client with the root credential of a data directory that
// tries up to attempts times without long pauses, on a connection for each
// attempt, so that a fault of one connection is a fault of one attempt.
func patient(t testing.TB, address, dataDir string, attempts int, more ...func(*awss3.Options)) *awss3.Client {
	t.Helper()
	k, err := readCredentials(CredentialsFile(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	return awss3.NewFromConfig(aws.Config{
		Region:       DefaultRegion,
		Credentials:  credentials.NewStaticCredentialsProvider(k.ID, string(k.Secret.Expose()), ""),
		BaseEndpoint: aws.String("http://" + address),
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Second}, Timeout: time.Minute},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.RateLimiter = ratelimit.None
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 5 * time.Millisecond, nil })
			})
		},
	}, append(more, func(o *awss3.Options) { o.UsePathStyle = true })...)
}

// manager is the SDK's transfer manager with parts of the least size.
func manager(c *awss3.Client, more ...func(*transfermanager.Options)) *transfermanager.Client {
	return transfermanager.New(c, append([]func(*transfermanager.Options){func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = 5*mib, 5*mib, 4
		o.FailTimeout = time.Minute // what it has to abort with after its context has ended
	}}, more...)...)
}

func createTransferBucket(t testing.TB, c *awss3.Client) {
	t.Helper()
	if _, err := c.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(transferBucket)}); err != nil {
		t.Fatal(err)
	}
}

// memory is an io.WriterAt of a size.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := int(off) + len(p); n > len(m.b) {
		m.b = append(m.b, make([]byte, n-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

// download gets an object by the transfer manager.
func download(ctx context.Context, m *transfermanager.Client, key string, by tmtypes.GetObjectType) ([]byte, error) {
	var into memory
	_, err := m.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: aws.String(transferBucket), Key: &key, WriterAt: &into},
		func(o *transfermanager.Options) { o.GetObjectType = by })
	return into.b, err
}

// same compares by digest, for messages that can be read.
func sameBytes(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if g, w := sha256.Sum256(got), sha256.Sum256(want); g != w {
		t.Errorf("%s: got %d bytes of SHA-256 %x, want %d of %x", what, len(got), g, len(want), w)
	}
}

// whole gets an object by one request; nil when there is none.
func whole(t testing.TB, c *awss3.Client, key string) []byte {
	t.Helper()
	out, err := c.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(transferBucket), Key: &key})
	if err != nil {
		if !strings.Contains(err.Error(), "NoSuchKey") {
			t.Errorf("%s: %v", key, err)
		}
		return nil
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return b
}

// keeps is what a store keeps of uploads and sealed bytes.
type keeps struct{ uploads, parts, blobs int }

// kept counts; all of it lies still only when nothing is left to collect.
func kept(t testing.TB, st *store.Store, dir string) (k keeps, still bool) {
	t.Helper()
	list := func(table store.Table) []store.Row {
		rows, err := st.List(context.Background(), table, store.Query{Limit: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	still = true
	for _, row := range list(store.Uploads) {
		if strings.HasPrefix(row.Key, ".") { // a tombstone
			still = false
			continue
		}
		k.uploads++
	}
	k.parts = len(list(store.Parts))
	for _, row := range list(store.Blobs) {
		k.blobs++
		still = still && row.Ref == "live"
	}
	staged := len(files(t, filepath.Join(objectsDir(dir), "staging")))
	return k, still && staged == 0 && len(files(t, objectsDir(dir))) == k.blobs
}

// settles waits until the server keeps want and no more: no upload, no part and no
// file of sealed bytes that nothing refers to.
func settles(t testing.TB, st *store.Store, dir string, want keeps) {
	t.Helper()
	var got keeps
	var still bool
	defer func() {
		if t.Failed() {
			t.Logf("kept at the end: %+v, still %t, want %+v", got, still, want)
		}
	}()
	eventually(t, "that only what objects are made of is kept", func() bool {
		got, still = kept(t, st, dir)
		return still && got == want
	})
}

// stream hides that a reader can seek.
type stream struct{ io.Reader }

// TestTransferManager sends objects up in parallel parts and gets them back in
// parallel, by the transfer manager of the SDK, in each way that it can be told to.
func TestTransferManager(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1)
	createTransferBucket(t, c.s3)
	key, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	arn := *key.KeyMetadata.Arn
	for i, tt := range []struct {
		name      string
		size      int
		streamed  bool // of a length that the manager does not know
		kms       bool
		algorithm tmtypes.ChecksumAlgorithm
		required  bool // checksums only where S3 demands them
		long      bool // half as large unless tests may take long
		checksum  s3types.ChecksumType
	}{
		{name: "default", size: 40*mib + 12346, long: true, checksum: s3types.ChecksumTypeComposite},
		{name: "stream, KMS", size: 41 * mib, long: true, streamed: true, kms: true, checksum: s3types.ChecksumTypeComposite},
		{name: "CRC32", size: 5 * mib, algorithm: "CRC32", streamed: true, checksum: s3types.ChecksumTypeComposite},
		{name: "CRC32C, KMS", size: 5*mib + 1, algorithm: "CRC32C", kms: true, checksum: s3types.ChecksumTypeComposite},
		{name: "SHA1", size: 6 * mib, algorithm: "SHA1", checksum: s3types.ChecksumTypeComposite},
		{name: "SHA256, KMS", size: 6 * mib, algorithm: "SHA256", kms: true, checksum: s3types.ChecksumTypeComposite},
		{name: "CRC64NVME", size: 10*mib - 1, algorithm: "CRC64NVME", checksum: s3types.ChecksumTypeFullObject},
		{name: "CRC64NVME, stream, KMS", size: 6 * mib, algorithm: "CRC64NVME", streamed: true, kms: true, checksum: s3types.ChecksumTypeFullObject},
		{name: "none", size: 5*mib + 77, required: true, checksum: s3types.ChecksumTypeFullObject},
		{name: "one request", size: 5*mib - 1, algorithm: "SHA256", checksum: s3types.ChecksumTypeFullObject},
		{name: "empty stream", size: 0, streamed: true, checksum: s3types.ChecksumTypeFullObject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := manager(c.s3, func(o *transfermanager.Options) {
				o.ChecksumAlgorithm = tt.algorithm
				if tt.required {
					o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
				}
			})
			if tt.long && !long() {
				tt.size /= 2
			}
			want := content(uint64(i), tt.size)
			var body io.Reader = bytes.NewReader(want)
			if tt.streamed {
				body = stream{body}
			}
			in := &transfermanager.UploadObjectInput{Bucket: aws.String(transferBucket), Key: aws.String(tt.name), Body: body}
			mode := s3types.ServerSideEncryptionAes256
			if tt.kms {
				mode = s3types.ServerSideEncryptionAwsKms
				in.ServerSideEncryption, in.SSEKMSKeyID = tmtypes.ServerSideEncryption(mode), &arn
			}
			if _, err := m.UploadObject(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			head, err := c.s3.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: in.Bucket, Key: in.Key, ChecksumMode: s3types.ChecksumModeEnabled})
			if err != nil {
				t.Fatal(err)
			}
			if *head.ContentLength != int64(tt.size) || head.ServerSideEncryption != mode || head.ChecksumType != tt.checksum {
				t.Errorf("got %d bytes, %s, %s, want %d, %s, %s", *head.ContentLength, head.ServerSideEncryption, head.ChecksumType, tt.size, mode, tt.checksum)
			}
			if tt.kms && aws.ToString(head.SSEKMSKeyId) != arn {
				t.Errorf("got key %s, want %s", aws.ToString(head.SSEKMSKeyId), arn)
			}
			parts := (tt.size + 5*mib - 1) / (5 * mib)
			if suffix := fmt.Sprintf("-%d\"", parts); tt.size >= 5*mib && !strings.HasSuffix(*head.ETag, suffix) {
				t.Errorf("got ETag %s, want %s at its end", *head.ETag, suffix)
			}
			for _, by := range []tmtypes.GetObjectType{tmtypes.GetObjectParts, tmtypes.GetObjectRanges} {
				got, err := download(t.Context(), m, tt.name, by)
				if err != nil {
					t.Errorf("by %s: %v", by, err)
				}
				sameBytes(t, "by "+string(by), got, want)
			}
		})
	}
}

// TestTransferAborted ends managed uploads in the middle: the manager aborts
// them, and nothing is left of them, on the disk neither.
func TestTransferAborted(t *testing.T) {
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	c := patient(t, strings.TrimPrefix(s.Endpoint(), "http://"), dir, 1)
	createTransferBucket(t, c)
	want := content(1, 24*mib)
	for _, tt := range []struct {
		name string
		body func(cancel func()) io.Reader
	}{
		{"cancelled while the first parts go up", func(cancel func()) io.Reader { return &tripwire{want, 6 * mib, nil, cancel} }},
		{"cancelled before the last part", func(cancel func()) io.Reader { return &tripwire{want, 1, nil, cancel} }},
		{"the source fails", func(func()) io.Reader { return &tripwire{want, 4 * mib, io.ErrUnexpectedEOF, func() {}} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, err := manager(c).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String(transferBucket), Key: &tt.name, Body: tt.body(cancel)})
			if err == nil || strings.Contains(err.Error(), "failed to abort") {
				t.Fatalf("got %v, want an upload that was given up and aborted", err)
			}
			if got := whole(t, c, tt.name); got != nil {
				t.Errorf("got an object of %d bytes of an upload that was given up", len(got))
			}
			settles(t, s.store, dir, keeps{})
		})
	}
}

// tripwire is a source that does something when only left bytes are left of it.
type tripwire struct {
	rest []byte
	left int
	err  error
	then func()
}

func (w *tripwire) Read(p []byte) (int, error) {
	if len(w.rest) <= w.left {
		w.then()
		if w.err != nil {
			return 0, w.err
		}
	}
	if len(w.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), max(len(w.rest)-w.left, 1))], w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
