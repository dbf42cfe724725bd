package s3http_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	"github.com/strongroom/strongroom/internal/store"
)

// wantRefused gets an object that was tampered with: no wrong byte may come,
// a damage in the first chunk is a clean 500, and the log names the object.
func (k *kit) wantRefused(key string, want []byte, clean bool) {
	k.t.Helper()
	got, err := k.get(key)
	if err == nil {
		k.t.Fatalf("got %d bytes of a tampered object", len(got))
	}
	if clean {
		wantCode(k.t, err, "InternalError", 500)
	}
	if !bytes.HasPrefix(want, got) {
		k.t.Error("a wrong byte was sent")
	}
	if !strings.Contains(k.log.String(), "bucket/"+key) {
		k.t.Errorf("the log does not name the object: %s", k.log)
	}
}

// newVictim puts an object of five chunks and waits for its blob to be in place.
func newVictim(t *testing.T) (k *kit, data []byte, path string) {
	k = newKit(t)
	k.createBucket()
	data = random(300_000)
	k.put("k", data)
	k.waitBlobs(1)
	return k, data, k.blobs()[0]
}

func TestFlippedBytes(t *testing.T) {
	k, data, path := newVictim(t)
	size := int64(len(readFile(t, path)))
	for _, tt := range []struct {
		name   string
		offset int64
		clean  bool
	}{
		{"part record", 3, true},
		{"first chunk's nonce", 70, true},
		{"first chunk", 5000, true},
		{"middle of the object", size / 2, false},
		{"last chunk", size - 1000, false},
		{"last byte", size - 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.flip(path, tt.offset)
			k.wantRefused("k", data, tt.clean)
			k.flip(path, tt.offset)
			k.wantGet("k", data)
		})
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestResizedBlob(t *testing.T) {
	k, data, path := newVictim(t)
	whole := readFile(t, path)
	for _, tt := range []struct {
		name  string
		bytes []byte
	}{
		{"empty", nil},
		{"one byte short", whole[:len(whole)-1]},
		{"one chunk short", whole[:len(whole)-65536-28]},
		{"extended", append(bytes.Clone(whole), 0)},
		{"extended by a chunk", append(bytes.Clone(whole), whole[len(whole)-65564:]...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.check(os.WriteFile(path, tt.bytes, 0o600))
			k.wantRefused("k", nil, true)
		})
	}
	k.check(os.Remove(path))
	k.wantRefused("k", nil, true)
	k.check(os.WriteFile(path, whole, 0o600))
	k.wantGet("k", data)
}

func TestSwappedChunks(t *testing.T) {
	k, data, path := newVictim(t)
	b := readFile(t, path)
	const chunk = 65536 + 28
	head := len(b) - (300_000 + 5*28)
	first, second := bytes.Clone(b[head:head+chunk]), bytes.Clone(b[head+chunk:head+2*chunk])
	copy(b[head:], second)
	copy(b[head+chunk:], first)
	k.check(os.WriteFile(path, b, 0o600))
	k.wantRefused("k", data, true)
}

func TestSwappedBlobs(t *testing.T) {
	k, _, path := newVictim(t)
	k.put("other", random(300_000))
	k.waitBlobs(2)
	var second string
	for _, p := range k.blobs() {
		if p != path {
			second = p
		}
	}
	a, b := readFile(t, path), readFile(t, second)
	k.check(os.WriteFile(path, b, 0o600))
	k.check(os.WriteFile(second, a, 0o600))
	k.wantRefused("k", nil, true)
	k.wantRefused("other", nil, true)
}

// A row that is moved to another key, or parts of it exchanged, does not open:
// not for GET, not for HEAD; and it does not break a listing.
func TestSwappedRows(t *testing.T) {
	k, data, _ := newVictim(t)
	k.put("other", random(100))
	mine, theirs := k.row(store.Objects, "bucket/k"), k.row(store.Objects, "bucket/other")
	swap := func(name string, fn func(mine, theirs map[string]json.RawMessage)) {
		t.Run(name, func(t *testing.T) {
			var m, o map[string]json.RawMessage
			k.check(json.Unmarshal(mine.Doc, &m))
			k.check(json.Unmarshal(theirs.Doc, &o))
			fn(m, o)
			row := mine
			row.Doc, _ = json.Marshal(m)
			k.putRow(store.Objects, row)
			k.wantRefused("k", nil, true)
			if name == "manifest" { // HEAD does not open it
				return
			}
			if resp := k.raw("HEAD", "/bucket/k", nil, ""); resp.StatusCode != 500 {
				t.Errorf("got status %d from HEAD, want 500", resp.StatusCode)
			}
			list, err := k.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String(bucket)})
			k.check(err)
			if len(list.Contents) != 1 || *list.Contents[0].Key != "other" {
				t.Errorf("got %d objects, want only the other one", len(list.Contents))
			}
		})
	}
	for _, field := range []string{"instance", "dataKey", "objectKey", "attributes", "manifest"} {
		swap(field, func(m, o map[string]json.RawMessage) { m[field] = o[field] })
	}
	swap("mode", func(m, _ map[string]json.RawMessage) { m["mode"] = json.RawMessage(`"aws:kms"`) })
	swap("key ARN", func(m, _ map[string]json.RawMessage) {
		m["keyArn"] = json.RawMessage(`"arn:aws:kms:us-east-1:111122223333:key/x"`)
	})
	swap("manifest blob", func(m, _ map[string]json.RawMessage) { m["manifestBlob"] = json.RawMessage(`"x"`) })
	swap("everything", func(m, o map[string]json.RawMessage) {
		for f := range m {
			m[f] = o[f]
		}
	})
	k.putRow(store.Objects, mine)
	k.wantGet("k", data)
	// A row that does not open can be overwritten and deleted.
	broken := mine
	broken.Doc = theirs.Doc
	k.putRow(store.Objects, broken)
	k.put("k", []byte("new"))
	k.wantGet("k", []byte("new"))
}

// The owner of a bucket is an authority row: nobody can be given one.
func TestForgedBucketOwner(t *testing.T) {
	k, _, _ := newVictim(t)
	row := k.row(store.Buckets, bucket)
	row.Doc = bytes.ReplaceAll(row.Doc, []byte(account), []byte(other))
	row.Ref = other
	k.putRow(store.Buckets, row)
	for _, who := range []string{"AKIAOTHER", "AKIAROOT"} {
		_, err := k.client(who, region).GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		wantCode(t, err, "InternalError", 500)
	}
	if !strings.Contains(k.log.String(), "buckets/bucket") {
		t.Errorf("the log does not name the row: %s", k.log)
	}
}

// A part whose row is exchanged for another is refused at Complete.
func TestSwappedParts(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	first, second := k.part(up, 1, random(minPart)), k.part(up, 2, random(minPart))
	a, b := k.row(store.Parts, *up.UploadId+"/00001"), k.row(store.Parts, *up.UploadId+"/00002")
	a.Doc, b.Doc = b.Doc, a.Doc
	k.putRow(store.Parts, a)
	k.putRow(store.Parts, b)
	_, err := k.complete(up, first, second)
	wantCode(t, err, "InternalError", 500)
	if _, err := k.get("k"); err == nil {
		t.Error("an object was made of exchanged parts")
	}
}

// Nothing of what a client sent is in the data directory in the clear: not its
// bytes, not its metadata, not its headers, not its ETag.
func TestBlindness(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	marker := "Rosebud-7d1c2f"
	_, err := k.PutObject(t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader(marker),
		Metadata: map[string]string{"m": marker}, ContentType: &marker})
	k.check(err)
	up := k.begin(&client.CreateMultipartUploadInput{Metadata: map[string]string{"m": marker}})
	k.part(up, 1, []byte(marker))
	k.check(filepath.WalkDir(k.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.Contains(path, "audit") {
			return nil // the trail may name what was asked for; metadata is left out by a test of its own
		}
		b := readFile(t, path)
		for _, secret := range encodings(marker) {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s holds %q", filepath.Base(path), secret)
			}
		}
		return nil
	}))
}

// No digest of a payload is in the data directory in the clear, the trail
// included: of a short or well-known text it would give the text away.
func TestBlindnessOfDigests(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	arn := k.createKey()
	data := []byte("Rosebud-7d1c2f")
	md, sha, sha160, sha512 := md5.Sum(data), sha256.Sum256(data), sha1.Sum(data), sha512.Sum512(data)
	xxh128 := xxh3.Hash128(data).Bytes()
	xxh := binary.BigEndian.AppendUint64(nil, xxh3.Hash(data))
	xxh64 := binary.BigEndian.AppendUint64(nil, xxhash.Sum64(data))
	crc64 := crc64nvme.New()
	_, _ = crc64.Write(data)
	crc := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data))
	crcC := binary.BigEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	of := md5.Sum(md[:]) // in the ETag of an upload of one part
	digests := map[string][]byte{"MD5": md[:], "MD5 of MD5s": of[:], "SHA-256": sha[:], "SHA-1": sha160[:], "CRC-64": crc64.Sum(nil), "CRC-32": crc, "CRC-32C": crcC,
		"SHA-512": sha512[:], "XXH128": xxh128[:], "XXH3": xxh, "XXH64": xxh64}
	b64 := base64.StdEncoding.EncodeToString
	headers := map[string]string{
		"x-amz-checksum-sha256": b64(sha[:]), "x-amz-checksum-sha1": b64(sha160[:]), "x-amz-checksum-crc64nvme": b64(crc64.Sum(nil)),
		"x-amz-checksum-crc32": b64(crc), "x-amz-checksum-crc32c": b64(crcC), "Content-MD5": b64(md[:]),
		"x-amz-checksum-md5": b64(md[:]), "x-amz-checksum-sha512": b64(sha512[:]), "x-amz-checksum-xxhash128": b64(xxh128[:]),
		"x-amz-checksum-xxhash3": b64(xxh), "x-amz-checksum-xxhash64": b64(xxh64),
	}
	modes := []map[string]string{{}, {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": arn}}
	for _, mode := range modes {
		for name, value := range headers {
			h := maps.Clone(mode)
			h[name] = value
			if resp := k.raw("PUT", "/bucket/k", h, string(data)); resp.StatusCode != 200 {
				t.Fatalf("got status %d of a PUT with %s", resp.StatusCode, name)
			}
			// Refused, and recorded all the same.
			if resp := k.raw("PUT", "/bucket/k", h, string(data)+"x"); resp.StatusCode != 400 {
				t.Errorf("got status %d of a PUT with the wrong %s, want 400", resp.StatusCode, name)
			}
		}
		etag := k.raw("HEAD", "/bucket/k", nil, "").Header.Get("ETag")
		k.raw("GET", "/bucket/k", map[string]string{"If-Match": etag, "x-amz-checksum-mode": "ENABLED"}, "")
		k.raw("GET", "/bucket/k", map[string]string{"If-None-Match": etag}, "")
	}
	in := &client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject}
	for range 2 {
		up := k.begin(in)
		part := k.part(up, 1, data)
		_, err := k.ListParts(t.Context(), &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
		k.check(err)
		_, err = k.CompleteMultipartUpload(t.Context(), &client.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId,
			ChecksumCRC64NVME: aws.String(b64(crc64.Sum(nil))), ChecksumType: in.ChecksumType, MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{part}}})
		k.check(err)
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &arn
	}
	// While it runs, the log of the database has all that ever was in it.
	k.check(filepath.WalkDir(k.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b := readFile(t, path)
		for name, digest := range digests {
			texts := []string{hex.EncodeToString(digest), strings.ToUpper(hex.EncodeToString(digest)), b64(digest), base64.RawURLEncoding.EncodeToString(digest)}
			if len(digest) > 4 { // four bytes come about by themselves
				texts = append(texts, string(digest))
			}
			for _, text := range texts {
				if bytes.Contains(b, []byte(text)) {
					t.Errorf("%s holds the %s: %q", filepath.Base(path), name, text)
				}
			}
		}
		return nil
	}))
	if got := k.records("PutObject"); len(got) != 4*len(headers) {
		t.Errorf("got %d records of PutObject, want %d", len(got), 4*len(headers))
	}
}
