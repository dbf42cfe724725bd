package s3http_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
)

// All attempts to upload a part share the object's key. None of them may pass
// for the one that Complete took: not an earlier one of the same size, and not
// one that was never acknowledged.

// wantRolledBack gives a blob, which holds part number of two, the bytes of an
// earlier attempt and back again.
func (k *kit) wantRolledBack(path string, old []byte, number int, before, want []byte) {
	k.t.Helper()
	now := readFile(k.t, path)
	if len(old) != len(now) {
		k.t.Fatalf("got attempts of %d and %d stored bytes, want the same", len(old), len(now))
	}
	k.check(os.WriteFile(path, old, 0o600))
	// Nothing of the part is sent; what comes before it may be.
	k.wantRefused("k", before, number == 1)
	resp := k.raw("GET", "/bucket/k", map[string]string{"Range": "bytes=-1"}, "")
	if last := number == 2; (resp.StatusCode == 500) != last {
		k.t.Errorf("got status %d for the last byte, want a 500 only when the last part is the one", resp.StatusCode)
	}
	k.check(os.WriteFile(path, now, 0o600))
	k.wantGet("k", want)
}

func TestRolledBackPart(t *testing.T) {
	for _, number := range []int32{1, 2} {
		for _, in := range []*client.CreateMultipartUploadInput{nil, {ServerSideEncryption: "aws:kms"}} {
			name := map[bool]string{true: "SSE-S3", false: "SSE-KMS"}[in == nil] + map[int32]string{1: ", first part", 2: ", last part"}[number]
			t.Run(name, func(t *testing.T) {
				k := newKit(t)
				k.createBucket()
				up := k.begin(in)
				a, b, rest := random(minPart), random(minPart), random(minPart)
				k.part(up, number, a)
				k.waitBlobs(1)
				old := readFile(t, k.blobs()[0])
				replaced := k.part(up, number, b)
				k.waitBlobs(1)
				path := k.blobs()[0]
				unchanged := k.part(up, 3-number, rest)
				var before, want []byte
				var err error
				if number == 1 {
					want = slicesConcat(b, rest)
					_, err = k.complete(up, replaced, unchanged)
				} else {
					before, want = rest, slicesConcat(rest, b)
					_, err = k.complete(up, unchanged, replaced)
				}
				k.check(err)
				k.waitBlobs(2)
				k.wantGet("k", want)
				k.wantRolledBack(path, old, int(number), before, want)
			})
		}
	}
}

// Exchanged before Complete, a part is refused as well.
func TestRolledBackPartBeforeComplete(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	k.part(up, 1, random(1000))
	k.waitBlobs(1)
	old := readFile(t, k.blobs()[0])
	replaced := k.part(up, 1, random(1000))
	k.waitBlobs(1)
	k.check(os.WriteFile(k.blobs()[0], old, 0o600))
	_, err := k.complete(up, replaced)
	k.check(err) // it does not read the parts
	k.wantRefused("k", nil, true)
}

// An object put again has another key, so that the file of the one before it
// is as foreign as any other.
func TestRolledBackObject(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", random(100_000))
	k.waitBlobs(1)
	old := readFile(t, k.blobs()[0])
	now := random(100_000)
	k.put("k", now)
	k.waitBlobs(1)
	path := k.blobs()[0]
	good := readFile(t, path)
	k.check(os.WriteFile(path, old, 0o600))
	k.wantRefused("k", nil, true)
	k.check(os.WriteFile(path, good, 0o600))
	k.wantGet("k", now)
}

// putSlowly sends data in two pieces with a wrong Content-MD5. Between them it
// gives the file in the staging area a second name outside, which keeps what is
// written to it: it returns the bytes that the server has sealed and refused.
func (k *kit) putSlowly(target string, data []byte) (refused []byte) {
	k.t.Helper()
	pr, pw := io.Pipe()
	r, err := http.NewRequestWithContext(k.t.Context(), "PUT", k.server.URL, pr)
	k.check(err)
	r.URL.Opaque, r.ContentLength = target, int64(len(data))
	for name, value := range map[string]string{
		"X-Amz-Date": "20261123T110203Z", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA==",
		"Authorization": "AWS4-HMAC-SHA256 Credential=AKIAROOT/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64),
	} {
		r.Header.Set(name, value)
	}
	kept := filepath.Join(k.t.TempDir(), "kept")
	go func() {
		_, err := pw.Write(data[:len(data)/2])
		limit := time.Now().Add(20 * time.Second)
		for linked := false; err == nil && !linked && time.Now().Before(limit); time.Sleep(time.Millisecond) {
			names, _ := filepath.Glob(filepath.Join(k.dir, "objects", "staging", "*"))
			linked = len(names) == 1 && os.Link(names[0], kept) == nil
		}
		if err == nil {
			_, err = pw.Write(data[len(data)/2:])
		}
		pw.CloseWithError(err)
	}()
	resp, err := k.server.Client().Do(r)
	k.check(err)
	defer func() { _ = resp.Body.Close() }()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !bytes.Contains(b, []byte("BadDigest")) {
		k.t.Fatalf("got status %d and %s, want BadDigest", resp.StatusCode, b)
	}
	return readFile(k.t, kept)
}

// What the server refused it has nevertheless sealed, under the upload's key,
// as part 1 and of the right size.
func TestRefusedPartIsOfNoUse(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(&client.CreateMultipartUploadInput{})
	bad, good := random(200_000), random(200_000)
	refused := k.putSlowly("/bucket/k?partNumber=1&uploadId="+*up.UploadId, bad)
	k.waitBlobs(0)
	part := k.part(up, 1, good)
	k.waitBlobs(1)
	path := k.blobs()[0]
	_, err := k.complete(up, part)
	k.check(err)
	k.wantGet("k", good)
	now := readFile(t, path)
	if len(refused) != len(now) {
		t.Fatalf("got %d stored bytes of the refused part, want %d", len(refused), len(now))
	}
	k.check(os.WriteFile(path, refused, 0o600))
	k.wantRefused("k", nil, true)
	k.check(os.WriteFile(path, now, 0o600))
	k.wantGet("k", good)
}

func TestRefusedObjectIsOfNoUse(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	good := random(200_000)
	refused := k.putSlowly("/bucket/k", random(200_000))
	k.waitBlobs(0)
	k.put("k", good)
	k.waitBlobs(1)
	k.check(os.WriteFile(k.blobs()[0], refused, 0o600))
	_, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	wantCode(t, err, "InternalError", 500)
}
