package s3http_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const minPart = 5 << 20

// begin begins an upload of key "k"; in may be nil.
func (k *kit) begin(in *client.CreateMultipartUploadInput) *client.CreateMultipartUploadOutput {
	k.t.Helper()
	if in == nil {
		in = &client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}
	}
	in.Bucket, in.Key = aws.String(bucket), aws.String("k")
	up, err := k.CreateMultipartUpload(k.t.Context(), in)
	k.check(err)
	return up
}

func (k *kit) part(up *client.CreateMultipartUploadOutput, number int32, data []byte) types.CompletedPart {
	k.t.Helper()
	p, err := k.tryPart(up, number, data)
	k.check(err)
	return p
}

func (k *kit) tryPart(up *client.CreateMultipartUploadOutput, number int32, data []byte) (types.CompletedPart, error) {
	out, err := k.UploadPart(k.t.Context(), &client.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId,
		PartNumber: &number, Body: bytes.NewReader(data), ChecksumAlgorithm: up.ChecksumAlgorithm})
	if err != nil {
		return types.CompletedPart{}, err
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C,
		ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256}, nil
}

func (k *kit) complete(up *client.CreateMultipartUploadOutput, parts ...types.CompletedPart) (*client.CompleteMultipartUploadOutput, error) {
	return k.CompleteMultipartUpload(k.t.Context(), &client.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
}

func TestMultipart(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	a, b, c := random(minPart+1), random(minPart), random(1000)
	up := k.begin(&client.CreateMultipartUploadInput{ContentType: aws.String("text/x"), Metadata: map[string]string{"m": "1"},
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256})
	// Out of order, with a gap in the numbers, one replaced, one not used.
	last := k.part(up, 9, c)
	k.part(up, 4, random(100))
	second := k.part(up, 4, b)
	first := k.part(up, 2, a)
	k.part(up, 5, random(100))
	list, err := k.ListParts(t.Context(), &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MaxParts: aws.Int32(3)})
	k.check(err)
	if len(list.Parts) != 3 || *list.Parts[0].PartNumber != 2 || *list.Parts[0].Size != minPart+1 || !*list.IsTruncated || *list.NextPartNumberMarker != "5" {
		t.Errorf("got %+v, want parts 2, 4, 5 and more", list)
	}
	out, err := k.complete(up, first, second, last)
	k.check(err)
	k.waitBlobs(3)
	sums := md5.New()
	digests := sha256.New()
	for _, p := range [][]byte{a, b, c} {
		sum := md5.Sum(p)
		sums.Write(sum[:])
		digest := sha256.Sum256(p)
		digests.Write(digest[:])
	}
	if got, want := *out.ETag, `"`+hex.EncodeToString(sums.Sum(nil))+`-3"`; got != want {
		t.Errorf("got ETag %s, want %s", got, want)
	}
	if got, want := *out.ChecksumSHA256, base64.StdEncoding.EncodeToString(digests.Sum(nil))+"-3"; got != want {
		t.Errorf("got SHA256 %s, want %s", got, want)
	}
	again, err := k.complete(up, first, second, last) // its answer was lost
	k.check(err)
	if *again.ETag != *out.ETag || aws.ToString(again.ChecksumSHA256) != *out.ChecksumSHA256 || again.ChecksumType != out.ChecksumType {
		t.Errorf("got %s, %s of type %q when completed again, want %s, %s of type %s", *again.ETag, aws.ToString(again.ChecksumSHA256), again.ChecksumType,
			*out.ETag, *out.ChecksumSHA256, out.ChecksumType)
	}
	whole := slicesConcat(a, b, c)
	k.wantGet("k", whole)
	for _, r := range [][2]int{{minPart - 5, minPart + 10}, {2*minPart - 1, 2*minPart + 100}, {0, len(whole)}, {len(whole) - 1, len(whole)}} {
		got, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: up.Bucket, Key: up.Key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", r[0], r[1]-1))})
		k.check(err)
		if data, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(data, whole[r[0]:r[1]]) {
			t.Errorf("got %d bytes and %v for %v", len(data), err, r)
		}
	}
	second2, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: up.Bucket, Key: up.Key, PartNumber: aws.Int32(2)})
	k.check(err)
	if data, err := io.ReadAll(second2.Body); err != nil || !bytes.Equal(data, b) || *second2.PartsCount != 3 {
		t.Errorf("got %d bytes and %v for part 2 of %d", len(data), err, *second2.PartsCount)
	}
	resp := k.raw("GET", "/bucket/k?partNumber=4", nil, "")
	if resp.StatusCode != 416 {
		t.Errorf("got status %d for part 4, want 416", resp.StatusCode)
	}
	head, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: up.Bucket, Key: up.Key})
	k.check(err)
	if *head.ContentType != "text/x" || head.Metadata["m"] != "1" || *head.ContentLength != int64(len(whole)) {
		t.Errorf("got %q, %v, %d from HEAD", *head.ContentType, head.Metadata, *head.ContentLength)
	}
	_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: up.Bucket, Key: up.Key})
	k.check(err)
	k.waitBlobs(0)
}

func slicesConcat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestMultipartFullObjectChecksum(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	a, b := random(minPart), random(12345)
	up := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, ChecksumType: types.ChecksumTypeFullObject})
	pa, pb := k.part(up, 1, a), k.part(up, 2, b)
	sum := crc32.ChecksumIEEE(slicesConcat(a, b))
	want := base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	in := &client.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, ChecksumType: types.ChecksumTypeFullObject,
		ChecksumCRC32: aws.String("AAAAAA=="), MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{pa, pb}}}
	_, err := k.CompleteMultipartUpload(t.Context(), in)
	wantCode(t, err, "BadDigest", 400)
	in.ChecksumCRC32, in.MpuObjectSize = &want, aws.Int64(5)
	_, err = k.CompleteMultipartUpload(t.Context(), in)
	wantCode(t, err, "InvalidRequest", 400)
	in.MpuObjectSize = aws.Int64(minPart + 12345)
	out, err := k.CompleteMultipartUpload(t.Context(), in)
	k.check(err)
	if *out.ChecksumCRC32 != want || out.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("got %s of type %s, want %s of FULL_OBJECT", *out.ChecksumCRC32, out.ChecksumType, want)
	}
}

func TestCompleteRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	old := random(10)
	k.put("k", old)
	up := k.begin(nil)
	small, second := k.part(up, 1, random(100)), k.part(up, 2, random(200))
	with := func(p types.CompletedPart, fn func(*types.CompletedPart)) types.CompletedPart { fn(&p); return p }
	for _, tt := range []struct {
		name, code string
		parts      []types.CompletedPart
	}{
		{"order", "InvalidPartOrder", []types.CompletedPart{second, small}},
		{"twice", "InvalidPartOrder", []types.CompletedPart{small, small}},
		{"too small", "EntityTooSmall", []types.CompletedPart{small, second}},
		{"not uploaded", "InvalidPart", []types.CompletedPart{with(small, func(p *types.CompletedPart) { p.PartNumber = aws.Int32(7) })}},
		{"other ETag", "InvalidPart", []types.CompletedPart{with(small, func(p *types.CompletedPart) { p.ETag = aws.String("abc") })}},
		{"other checksum", "InvalidPart", []types.CompletedPart{with(small, func(p *types.CompletedPart) { p.ChecksumCRC32 = aws.String("AAAAAA==") })}},
		{"no checksum", "InvalidRequest", []types.CompletedPart{with(small, func(p *types.CompletedPart) { p.ChecksumCRC32 = nil })}},
		{"no part", "MalformedXML", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.complete(up, tt.parts...)
			wantCode(t, err, tt.code, 400)
		})
	}
	resp := k.raw("POST", "/bucket/k?uploadId="+*up.UploadId, nil, "<CompleteMultipartUpload><Part>")
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 400 || !strings.Contains(string(b), "MalformedXML") {
		t.Errorf("got %d and %s for broken XML", resp.StatusCode, b)
	}
	k.wantGet("k", old)
	_, err := k.AbortMultipartUpload(t.Context(), &client.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	k.check(err)
	k.waitBlobs(1)
	_, err = k.complete(up, small)
	wantCode(t, err, "NoSuchUpload", 404)
	_, err = k.tryPart(up, 1, random(10))
	wantCode(t, err, "NoSuchUpload", 404)
	_, err = k.AbortMultipartUpload(t.Context(), &client.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	wantCode(t, err, "NoSuchUpload", 404)
	_, err = k.AbortMultipartUpload(t.Context(), &client.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: aws.String("../../x")})
	wantCode(t, err, "NoSuchUpload", 404)
}

// A manifest of many parts is a blob of its own, and goes with the object.
func TestManyParts(t *testing.T) {
	if testing.Short() {
		t.Skip("uploads 250 MiB")
	}
	k := newKit(t)
	k.createBucket()
	up := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
	data := random(minPart)
	var parts []types.CompletedPart
	const n = 50
	for i := range int32(n) {
		parts = append(parts, k.part(up, i+1, data))
	}
	_, err := k.complete(up, parts...)
	k.check(err)
	k.waitBlobs(n + 1)
	out, err := k.GetObject(t.Context(), &client.GetObjectInput{Bucket: up.Bucket, Key: up.Key, ChecksumMode: types.ChecksumModeEnabled,
		Range: aws.String(fmt.Sprintf("bytes=%d-", (n-1)*minPart))})
	k.check(err)
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes and %v, want the last part", len(got), err)
	}
	// The object goes while a HEAD is on its way to the manifest: the
	// collector waits for it, and no alarm is raised.
	k.opening.Store(new(sync.OnceFunc(func() {
		_, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: up.Bucket, Key: up.Key})
		if err != nil {
			t.Error(err)
		}
		for start := time.Now(); time.Since(start) < 500*time.Millisecond && len(k.blobs()) > 0; {
			time.Sleep(time.Millisecond)
		}
	})))
	head, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: up.Bucket, Key: up.Key, ChecksumMode: types.ChecksumModeEnabled})
	k.check(err)
	if head.ChecksumCRC64NVME == nil {
		t.Error("got no checksum")
	}
	k.waitBlobs(0)
}

// However many times, and at the same time, one upload is completed: each gets
// the answer of the one that did it.
func TestCompletesRace(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for round := range 10 {
		kind := types.ChecksumTypeComposite
		if round%2 == 0 {
			kind = types.ChecksumTypeFullObject
		}
		up := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32, ChecksumType: kind})
		in := &client.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{k.part(up, 1, random(1000))}}}
		k.part(up, 2, random(10)) // not used
		if round >= 5 {
			in.IfNoneMatch = aws.String("*")
		}
		var wg sync.WaitGroup
		answers := make([]*client.CompleteMultipartUploadOutput, 6)
		for i := range answers {
			wg.Go(func() {
				out, err := k.CompleteMultipartUpload(t.Context(), in)
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
				answers[i] = out
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		head, err := k.HeadObject(t.Context(), &client.HeadObjectInput{Bucket: up.Bucket, Key: up.Key, ChecksumMode: types.ChecksumModeEnabled})
		k.check(err)
		for _, a := range answers {
			if *a.ETag != *head.ETag || aws.ToString(a.ChecksumCRC32) != *head.ChecksumCRC32 || a.ChecksumType != kind {
				t.Errorf("got %s, %s of type %q, want %s, %s of type %s", *a.ETag, aws.ToString(a.ChecksumCRC32), a.ChecksumType, *head.ETag, *head.ChecksumCRC32, kind)
			}
		}
		k.waitBlobs(1)
		_, err = k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: up.Bucket, Key: up.Key})
		k.check(err)
	}
}
