package s3http_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"
)

// modelList is a listing done the slow way.
func modelList(keys []string, prefix, delimiter, after string) []string {
	var out []string
	for _, key := range keys {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		name := key
		if delimiter != "" {
			if i := strings.Index(key[len(prefix):], delimiter); i >= 0 {
				name = key[:len(prefix)+i+len(delimiter)]
				if strings.HasPrefix(after, name) {
					continue
				}
				name += "*"
			}
		}
		if key <= after || slices.Contains(out, name) {
			continue
		}
		out = append(out, name)
	}
	return out
}

// Random keys, every way of listing, against the model, in pages of every size.
func TestListingsAgainstModel(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	alphabet := []string{"a", "b", "/", "-", "é", "\U0010FFFF"}
	var keys []string
	for i := range 120 {
		var b strings.Builder
		for n := i; ; n /= len(alphabet) {
			b.WriteString(alphabet[n%len(alphabet)])
			if n < len(alphabet) {
				break
			}
		}
		keys = append(keys, b.String())
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for _, key := range keys {
		k.put(key, nil)
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(alphabet), 0, 3).Draw(t, "letters"), "")
		})
		prefix, after := word.Draw(t, "prefix"), word.Draw(t, "after")
		delimiter := rapid.SampledFrom([]string{"", "/", "-", "a/", "\U0010FFFF"}).Draw(t, "delimiter")
		limit := rapid.Int32Range(5, 50).Draw(t, "limit")
		v1 := rapid.Bool().Draw(t, "v1")
		want := modelList(keys, prefix, delimiter, after)
		got, pages := k.listAll(t, prefix, delimiter, after, limit, v1)
		if !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		if wantPages := max(1, (len(want)+int(limit)-1)/int(limit)); pages != wantPages {
			t.Fatalf("got %d pages, want %d", pages, wantPages)
		}
	})
}

func (k *kit) listAll(t *rapid.T, prefix, delimiter, after string, limit int32, v1 bool) (names []string, pages int) {
	add := func(objects []types.Object, prefixes []types.CommonPrefix) {
		if n := len(objects) + len(prefixes); n > int(limit) {
			t.Fatalf("got a page of %d, want at most %d", n, limit)
		}
		pages++
		for _, o := range objects {
			names = append(names, unescape(t, *o.Key))
		}
		for _, p := range prefixes {
			names = append(names, unescape(t, *p.Prefix)+"*")
		}
	}
	defer func() {
		slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.TrimSuffix(a, "*"), strings.TrimSuffix(b, "*")) })
	}()
	if v1 {
		in := &client.ListObjectsInput{Bucket: aws.String(bucket), Prefix: &prefix, Delimiter: &delimiter, Marker: &after, MaxKeys: &limit, EncodingType: types.EncodingTypeUrl}
		for {
			out, err := k.ListObjects(k.t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			add(out.Contents, out.CommonPrefixes)
			if !*out.IsTruncated {
				return names, pages
			}
			marker := out.NextMarker
			if marker == nil {
				marker = out.Contents[len(out.Contents)-1].Key
			}
			in.Marker = aws.String(unescape(t, *marker))
		}
	}
	in := &client.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: &prefix, Delimiter: &delimiter, StartAfter: &after, MaxKeys: &limit, EncodingType: types.EncodingTypeUrl}
	for {
		out, err := k.ListObjectsV2(k.t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		add(out.Contents, out.CommonPrefixes)
		if int(*out.KeyCount) != len(out.Contents)+len(out.CommonPrefixes) {
			t.Fatalf("got KeyCount %d, want %d", *out.KeyCount, len(out.Contents)+len(out.CommonPrefixes))
		}
		if !*out.IsTruncated {
			return names, pages
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// unescape undoes encoding-type=url, which this SDK leaves to its user.
func unescape(t *rapid.T, s string) string {
	name, err := url.QueryUnescape(s)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// A common prefix of many keys is stepped over, not read through.
func TestListingSkipsPrefix(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for i := range 250 {
		k.put(fmt.Sprintf("dir/%03d", i), nil)
	}
	k.put("file", []byte("xyz"))
	out, err := k.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String(bucket), Delimiter: aws.String("/"), FetchOwner: aws.Bool(true)})
	k.check(err)
	if len(out.CommonPrefixes) != 1 || len(out.Contents) != 1 || *out.Contents[0].Size != 3 || out.Contents[0].Owner == nil {
		t.Errorf("got %v and %v, want dir/ and file", out.CommonPrefixes, out.Contents)
	}
}

func TestListingRefusals(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	list := func(in client.ListObjectsV2Input) (*client.ListObjectsV2Output, error) {
		in.Bucket = aws.String(bucket)
		return k.ListObjectsV2(t.Context(), &in)
	}
	_, err := list(client.ListObjectsV2Input{ContinuationToken: aws.String("made-up")})
	wantCode(t, err, "InvalidArgument", 400)
	_, err = list(client.ListObjectsV2Input{MaxKeys: aws.Int32(-1)})
	wantCode(t, err, "InvalidArgument", 400)
	_, err = list(client.ListObjectsV2Input{EncodingType: "rot13"})
	wantCode(t, err, "InvalidArgument", 400)
	_, err = list(client.ListObjectsV2Input{Prefix: aws.String("a\x00b")})
	wantCode(t, err, "InvalidArgument", 400)
	k.put("k", nil)
	out, err := list(client.ListObjectsV2Input{MaxKeys: aws.Int32(0)})
	k.check(err)
	if len(out.Contents) != 0 || *out.IsTruncated {
		t.Errorf("got %d objects and truncated %v for max-keys=0, want none", len(out.Contents), *out.IsTruncated)
	}
	// A token never begins with a hyphen, which a command line would take for an
	// option, and is good for its own bucket only.
	k.put("k2", nil)
	page, err := list(client.ListObjectsV2Input{MaxKeys: aws.Int32(1)})
	k.check(err)
	if token := *page.NextContinuationToken; token[0] != '1' {
		t.Errorf("token %q does not begin with a 1", token)
	} else if _, err = list(client.ListObjectsV2Input{ContinuationToken: aws.String(token[1:])}); err == nil {
		t.Error("a token without its first letter was taken")
	}
	_, err = k.CreateBucket(t.Context(), &client.CreateBucketInput{Bucket: aws.String("second")})
	k.check(err)
	_, err = k.ListObjectsV2(t.Context(), &client.ListObjectsV2Input{Bucket: aws.String("second"), ContinuationToken: page.NextContinuationToken})
	wantCode(t, err, "InvalidArgument", 400)
}
