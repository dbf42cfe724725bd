package s3http_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/internal/store"
)

// rot changes a row as a failing disk does, behind the back of the store.
func (k *kit) rot(table store.Table, key string) {
	k.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(k.dir, "store.db")+"?_pragma=busy_timeout(5000)")
	k.check(err)
	res, err := db.ExecContext(k.t.Context(), `UPDATE `+string(table)+` SET doc = CAST(replace(doc, '"version":1', '"version":3') AS BLOB) WHERE key = ?`, key)
	k.check(err)
	if n, _ := res.RowsAffected(); n != 1 {
		k.t.Fatalf("there is no row %s/%s", table, key)
	}
	k.check(db.Close())
}

// keysOf lists a bucket page by page.
func (k *kit) keysOf(page int32, delimiter string) []string {
	k.t.Helper()
	in := &client.ListObjectsV2Input{Bucket: aws.String(bucket), MaxKeys: &page}
	if delimiter != "" {
		in.Delimiter = &delimiter
	}
	var names []string
	for p := client.NewListObjectsV2Paginator(k.Client, in); p.HasMorePages(); {
		out, err := p.NextPage(k.t.Context())
		k.check(err)
		for _, o := range out.Contents {
			names = append(names, *o.Key)
		}
		for _, c := range out.CommonPrefixes {
			names = append(names, *c.Prefix)
		}
	}
	return names
}

// A row that has rotted hides no other object, and its own can be overwritten
// and deleted.
func TestRottedObjects(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	all := []string{"a", "b", "c/1", "c/2", "c/3", "d", "e", "f"}
	for _, key := range all {
		k.put(key, []byte(key))
	}
	want := []string{"b", "c/2", "f"}
	for _, key := range all {
		if !slices.Contains(want, key) {
			k.rot(store.Objects, "bucket/"+key)
		}
	}
	for _, page := range []int32{1, 2, 3, 1000} {
		if got := k.keysOf(page, ""); !slices.Equal(got, want) {
			t.Errorf("got %q in pages of %d, want %q", got, page, want)
		}
		if got := k.keysOf(page, "/"); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"b", "c/", "f"}) {
			t.Errorf("got %q in pages of %d with a delimiter", got, page)
		}
	}
	if !strings.Contains(k.log.String(), "objects/bucket/a") {
		t.Errorf("the log does not name the row: %s", k.log)
	}
	_, err := k.get("a")
	wantCode(t, err, "InternalError", 500)
	k.put("a", []byte("new"))
	k.wantGet("a", []byte("new"))
	for _, key := range all {
		_, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: &key})
		k.check(err)
	}
	if got := k.records("DeleteObject"); len(got) != len(all) {
		t.Errorf("got %d records of DeleteObject, want %d", len(got), len(all))
	}
	if got := k.keysOf(1000, ""); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
	k.check(k.store.Check(t.Context()))

	k.put("last", nil)
	k.rot(store.Objects, "bucket/last")
	_, err = k.DeleteBucket(t.Context(), &client.DeleteBucketInput{Bucket: aws.String(bucket)})
	wantCode(t, err, "BucketNotEmpty", 409)
}

// A part whose row has rotted is refused, and can be uploaded again.
func TestRottedPart(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	first, second := k.part(up, 1, random(100)), k.part(up, 2, random(200))
	k.rot(store.Parts, *up.UploadId+"/00001")
	list, err := k.ListParts(t.Context(), &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
	k.check(err)
	if len(list.Parts) != 1 || *list.Parts[0].PartNumber != 2 || *list.IsTruncated {
		t.Errorf("got %+v, want part 2 alone", list.Parts)
	}
	_, err = k.complete(up, first)
	wantCode(t, err, "InternalError", 500)
	data := random(300)
	again := k.part(up, 1, data)
	k.rot(store.Parts, *up.UploadId+"/00002")
	_ = second
	_, err = k.complete(up, again)
	k.check(err)
	k.wantGet("k", data)
}

// A part whose record was exchanged is left out of a listing, and keeps no client
// at its page.
func TestListingGoesPastForgedPart(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	for n := range 4 {
		k.part(up, int32(n)+1, random(100))
	}
	from := k.row(store.Parts, *up.UploadId+"/00004")
	for _, number := range []string{"/00001", "/00002"} {
		to := k.row(store.Parts, *up.UploadId+number)
		to.Doc = from.Doc
		k.putRow(store.Parts, to)
	}
	var got []int32
	in := &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MaxParts: aws.Int32(1)}
	for range 6 {
		out, err := k.ListParts(t.Context(), in)
		k.check(err)
		for _, p := range out.Parts {
			got = append(got, *p.PartNumber)
		}
		if !*out.IsTruncated {
			break
		}
		in.PartNumberMarker = out.NextPartNumberMarker
	}
	if !slices.Equal(got, []int32{3, 4}) {
		t.Errorf("got parts %v, want 3 and 4", got)
	}
}

// What is left of a bucket is not in a later one of the same name.
func TestRecreatedBucket(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	k.put("k", []byte("old"))
	up := k.begin(nil)
	part := k.part(up, 1, random(100))
	object := k.row(store.Objects, "bucket/k")
	_, err := k.DeleteObject(t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	k.check(err)
	_, err = k.DeleteBucket(t.Context(), &client.DeleteBucketInput{Bucket: aws.String(bucket)})
	k.check(err)
	k.createBucket()
	_, err = k.complete(up, part)
	wantCode(t, err, "NoSuchUpload", 404)
	later := k.begin(nil)
	kept := k.part(later, 1, []byte("new"))
	k.waitBlobs(1)
	_, err = k.complete(later, kept)
	k.check(err)
	k.wantGet("k", []byte("new"))
	k.putRow(store.Objects, object)
	if resp := k.raw("HEAD", "/bucket/k", nil, ""); resp.StatusCode != 500 {
		t.Errorf("got status %d for the object of an earlier bucket, want 500", resp.StatusCode)
	}
}

// A bucket that goes while a request is on its way to its transaction takes
// the request with it: what the name may stand for by then is another bucket.
func TestBucketGoesMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(k *kit, up *client.CreateMultipartUploadOutput) error
	}{
		{"PutObject", func(k *kit, _ *client.CreateMultipartUploadOutput) error {
			_, err := k.PutObject(k.t.Context(), &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("new")})
			return err
		}},
		{"DeleteObject", func(k *kit, _ *client.CreateMultipartUploadOutput) error {
			_, err := k.DeleteObject(k.t.Context(), &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			return err
		}},
		{"UploadPart", func(k *kit, up *client.CreateMultipartUploadOutput) error {
			_, err := k.tryPart(up, 1, []byte("new"))
			return err
		}},
		{"AbortMultipartUpload", func(k *kit, up *client.CreateMultipartUploadOutput) error {
			_, err := k.AbortMultipartUpload(k.t.Context(), &client.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.createBucket()
			k.put("k", []byte("old"))
			up := k.begin(nil)
			k.waitBlobs(1)
			row := k.row(store.Buckets, bucket)
			answer := make(chan error)
			k.check(k.store.Update(t.Context(), func(tx *store.Tx) error {
				go func() { answer <- tt.do(k, up) }()
				time.Sleep(200 * time.Millisecond) // by now it waits for this transaction
				return tx.DeleteUnlogged(store.Buckets, bucket)
			}))
			wantCode(t, <-answer, "NoSuchBucket", 404)
			k.putRow(store.Buckets, row)
			k.wantGet("k", []byte("old"))
			k.waitBlobs(1)
		})
	}
}
