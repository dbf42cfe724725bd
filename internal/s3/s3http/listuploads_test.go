package s3http_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/store"
)

// namedUpload is what a listing says of an upload, or a common prefix without id.
type namedUpload struct{ key, id string }

// modelUploads is a listing of uploads done the slow way; all is in the order of
// keys, and of one key in the order of their beginning.
func modelUploads(all []namedUpload, prefix, delimiter string, after namedUpload) []namedUpload {
	var out []namedUpload
	passed := false // the upload after which the page begins
	for _, u := range all {
		if u == after {
			passed = true
			continue
		}
		if !strings.HasPrefix(u.key, prefix) || u.key < after.key || u.key == after.key && !passed {
			continue
		}
		if i := strings.Index(u.key[len(prefix):], delimiter); delimiter != "" && i >= 0 {
			u = namedUpload{key: u.key[:len(prefix)+i+len(delimiter)]}
			if strings.HasPrefix(after.key, u.key) || slices.Contains(out, u) {
				continue
			}
		}
		out = append(out, u)
	}
	return out
}

// Random uploads, several of a key, against the model, in pages of every size.
func TestUploadListingsAgainstModel(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	alphabet := []string{"a", "b", "/", "é", "\U0010FFFF"}
	var all []namedUpload
	for i := range 60 {
		key := alphabet[i%5] + alphabet[i/5%5] + strings.Repeat("x", i%3)
		up, err := k.CreateMultipartUpload(t.Context(), &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key})
		k.check(err)
		all = append(all, namedUpload{key, *up.UploadId})
		k.now.Store(new(k.now.Load().Add(time.Second)))
	}
	slices.SortStableFunc(all, func(a, b namedUpload) int { return cmp.Compare(a.key, b.key) })
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 2).Draw(t, "letters"), "")
		})
		prefix := word.Draw(t, "prefix")
		delimiter := rapid.SampledFrom([]string{"", "/", "a/", "\U0010FFFF"}).Draw(t, "delimiter")
		limit := rapid.Int32Range(8, 40).Draw(t, "limit")
		after := namedUpload{key: word.Draw(t, "key-marker")}
		if rapid.Bool().Draw(t, "with id") {
			after = rapid.SampledFrom(all).Draw(t, "after")
		}
		in := &client.ListMultipartUploadsInput{Bucket: aws.String(bucket), Prefix: &prefix, Delimiter: &delimiter, MaxUploads: &limit, EncodingType: types.EncodingTypeUrl}
		if after.key != "" {
			in.KeyMarker, in.UploadIdMarker = &after.key, &after.id
		}
		var got []namedUpload
		pages := 0
		for {
			out, err := k.ListMultipartUploads(k.t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			if n := len(out.Uploads) + len(out.CommonPrefixes); n > int(limit) {
				t.Fatalf("got a page of %d, want at most %d", n, limit)
			}
			for _, u := range out.Uploads {
				got = append(got, namedUpload{unescape(t, *u.Key), *u.UploadId})
			}
			for _, p := range out.CommonPrefixes {
				got = append(got, namedUpload{key: unescape(t, *p.Prefix)})
			}
			if !*out.IsTruncated {
				break
			}
			in.KeyMarker, in.UploadIdMarker = aws.String(unescape(t, *out.NextKeyMarker)), out.NextUploadIdMarker
		}
		slices.SortStableFunc(got, func(a, b namedUpload) int { return cmp.Compare(a.key, b.key) })
		want := modelUploads(all, prefix, delimiter, after)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if wantPages := max(1, (len(want)+int(limit)-1)/int(limit)); pages != wantPages {
			t.Fatalf("got %d pages, want %d", pages, wantPages)
		}
	})
}

func TestListMultipartUploads(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	list := func(in client.ListMultipartUploadsInput) *client.ListMultipartUploadsOutput {
		t.Helper()
		in.Bucket = aws.String(bucket)
		out, err := k.ListMultipartUploads(t.Context(), &in)
		k.check(err)
		return out
	}
	empty := list(client.ListMultipartUploadsInput{})
	if *empty.KeyMarker+*empty.UploadIdMarker+*empty.NextKeyMarker+*empty.NextUploadIdMarker != "" || empty.Prefix != nil || *empty.MaxUploads != 1000 || *empty.IsTruncated {
		t.Errorf("got %+v, want empty markers", empty)
	}
	first := k.begin(&client.CreateMultipartUploadInput{ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c})
	second := k.begin(nil) // at the same instant
	page := list(client.ListMultipartUploadsInput{MaxUploads: aws.Int32(1)})
	u := page.Uploads[0]
	for _, tt := range []struct{ name, got, want string }{
		{"id", *u.UploadId, *first.UploadId},
		{"key", *u.Key, "k"},
		{"owner", *u.Owner.ID, account + strings.Repeat("0", 52)},
		{"initiator", *u.Initiator.ID, *u.Owner.ID},
		{"class", string(u.StorageClass), "STANDARD"},
		{"algorithm", string(u.ChecksumAlgorithm), "CRC32C"},
		{"type", string(u.ChecksumType), "COMPOSITE"},
		{"initiated", u.Initiated.Format(time.RFC3339), "2026-11-23T11:02:03Z"},
		{"next key", *page.NextKeyMarker, "k"},
		{"next id", *page.NextUploadIdMarker, *first.UploadId},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	last := list(client.ListMultipartUploadsInput{MaxUploads: aws.Int32(1), KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker})
	if *last.IsTruncated || *last.Uploads[0].UploadId != *second.UploadId {
		t.Errorf("got %+v, want the second upload and no more", last)
	}
	if out := list(client.ListMultipartUploadsInput{UploadIdMarker: aws.String("any")}); len(out.Uploads) != 2 || *out.UploadIdMarker != "" {
		t.Errorf("got %d uploads with an id and no key, want both", len(out.Uploads))
	}
	_, err := k.ListMultipartUploads(t.Context(), &client.ListMultipartUploadsInput{Bucket: aws.String(bucket), KeyMarker: aws.String("k"), UploadIdMarker: aws.String("any")})
	wantCode(t, err, "InvalidArgument", 400)
	_, err = k.ListMultipartUploads(t.Context(), &client.ListMultipartUploadsInput{Bucket: aws.String(bucket), EncodingType: "rot13"})
	wantCode(t, err, "InvalidArgument", 400)
	_, err = k.client("AKIANOONE", region).ListMultipartUploads(t.Context(), &client.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
	if wantCode(t, err, "AccessDenied", 403); err == nil || !strings.Contains(err.Error(), "s3:ListBucketMultipartUploads") {
		t.Errorf("got %v, want it to name the action", err)
	}

	// One that has rotted hides no other, and can be aborted.
	k.rot(store.Uploads, fmt.Sprintf("bucket/6b/%s", *first.UploadId))
	if out := list(client.ListMultipartUploadsInput{}); len(out.Uploads) != 1 {
		t.Errorf("got %d uploads, want 1", len(out.Uploads))
	}
	for _, up := range []*client.CreateMultipartUploadOutput{first, second} {
		_, err = k.AbortMultipartUpload(t.Context(), &client.AbortMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId})
		k.check(err)
	}
	k.check(k.store.Check(t.Context()))
	if got := len(k.records("AbortMultipartUpload")); got != 2 {
		t.Errorf("got %d records of AbortMultipartUpload, want 2", got)
	}
	// A later bucket of the name has none of them.
	k.begin(nil)
	_, err = k.DeleteBucket(t.Context(), &client.DeleteBucketInput{Bucket: aws.String(bucket)})
	k.check(err)
	k.createBucket()
	if out := list(client.ListMultipartUploadsInput{}); len(out.Uploads) != 0 {
		t.Errorf("got %d uploads in a new bucket, want none", len(out.Uploads))
	}
}

// Pages of parts against a sorted list of numbers.
func TestPartListingsAgainstModel(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	up := k.begin(nil)
	in := &client.ListPartsInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId}
	empty, err := k.ListParts(t.Context(), in)
	k.check(err)
	if *empty.NextPartNumberMarker != "0" || *empty.PartNumberMarker != "0" || *empty.IsTruncated {
		t.Errorf("got %+v, want markers of 0", empty)
	}
	var numbers []int32
	for i := range int32(40) {
		n := 1 + i*i*6%9999
		numbers = append(numbers, n)
		k.part(up, n, []byte{byte(i)})
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	rapid.Check(t, func(t *rapid.T) {
		limit, marker := rapid.Int32Range(5, 50).Draw(t, "limit"), rapid.Int32Range(0, 10001).Draw(t, "marker")
		in := *in
		in.MaxParts, in.PartNumberMarker = &limit, aws.String(fmt.Sprint(marker))
		var got []int32
		for {
			out, err := k.ListParts(k.t.Context(), &in)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Parts) > int(limit) || *out.IsTruncated && len(out.Parts) < int(limit) {
				t.Fatalf("got a page of %d, truncated %v, want %d", len(out.Parts), *out.IsTruncated, limit)
			}
			for _, p := range out.Parts {
				got = append(got, *p.PartNumber)
			}
			if !*out.IsTruncated {
				break
			}
			in.PartNumberMarker = out.NextPartNumberMarker
		}
		want := slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return n <= marker })
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// Pages of buckets, by prefix and region.
func TestBucketListingsAgainstModel(t *testing.T) {
	k := newKit(t)
	var all []string
	regions := map[string]string{}
	for i := range 24 {
		name := fmt.Sprintf("%c%c-%02d", 'a'+i%2, 'a'+i%3, i)
		in := &client.CreateBucketInput{Bucket: &name}
		regions[name] = region
		if i%4 == 0 {
			regions[name] = region2
			in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: region2}
		}
		_, err := k.CreateBucket(t.Context(), in)
		k.check(err)
		all = append(all, name)
	}
	_, err := k.client("AKIAOTHER", region).CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("aa-theirs")})
	k.check(err)
	slices.Sort(all)
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int32Range(4, 30).Draw(t, "limit")
		prefix := rapid.SampledFrom([]string{"", "a", "ab", "bc-1", "z"}).Draw(t, "prefix")
		where := rapid.SampledFrom([]string{"", region, region2}).Draw(t, "region")
		in := &client.ListBucketsInput{MaxBuckets: &limit, Prefix: &prefix}
		if where != "" {
			in.BucketRegion = &where
		}
		want := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
			return !strings.HasPrefix(name, prefix) || where != "" && regions[name] != where
		})
		var got []string
		pages := 0
		for {
			out, err := k.ListBuckets(k.t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, b := range out.Buckets {
				got = append(got, *b.Name)
				if *b.BucketRegion != regions[*b.Name] {
					t.Fatalf("got %s in %s", *b.Name, *b.BucketRegion)
				}
			}
			if out.ContinuationToken == nil {
				break
			}
			in.ContinuationToken = out.ContinuationToken
		}
		if wantPages := max(1, (len(want)+int(limit)-1)/int(limit)); !slices.Equal(got, want) || pages != wantPages {
			t.Fatalf("got %v in %d pages, want %v in %d", got, pages, want, wantPages)
		}
	})
	plain, err := k.ListBuckets(t.Context(), &client.ListBucketsInput{})
	k.check(err)
	if len(plain.Buckets) != len(all) || plain.Buckets[0].BucketRegion != nil || *plain.Buckets[0].BucketArn == "" {
		t.Errorf("got %d buckets, the first %+v, want %d without a region", len(plain.Buckets), plain.Buckets[0], len(all))
	}
	_, err = k.ListBuckets(t.Context(), &client.ListBucketsInput{BucketRegion: aws.String("eu-east-1")})
	if wantCode(t, err, "InvalidArgument", 400); err == nil || !strings.Contains(err.Error(), "Argument value eu-east-1 is not a valid AWS Region") {
		t.Errorf("got %v", err)
	}
	// A row that has rotted hides no other.
	k.rot(store.Buckets, all[3])
	plain, err = k.ListBuckets(t.Context(), &client.ListBucketsInput{})
	k.check(err)
	if len(plain.Buckets) != len(all)-1 || !strings.Contains(k.log.String(), "buckets/"+all[3]) {
		t.Errorf("got %d buckets, want %d, and the log to name the other", len(plain.Buckets), len(all)-1)
	}
}
