package server

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"pgregory.net/rapid"
)

var modelKeyName = rapid.SampledFrom([]string{"a", "a/b", "a/c", "b/é", "z z"})

// modelContent returns up to three chunks, with sizes about their ends.
func modelContent(rt *rapid.T) string {
	const chunk = 64 << 10
	size := rapid.OneOf(rapid.IntRange(0, 3000), rapid.SampledFrom([]int{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk})).Draw(rt, "size")
	return strings.Repeat(rapid.StringMatching(`[a-z]{7}`).Draw(rt, "content"), size/7+1)[:size]
}

func bytesReader(s string) io.Reader { return strings.NewReader(s) }

func (m *model) put(rt *rapid.T) {
	key, content := modelKeyName.Draw(rt, "key"), modelContent(rt)
	in := &awss3.PutObjectInput{Bucket: &m.bucket, Key: &key, Body: bytesReader(content)}
	if rapid.Bool().Draw(rt, "SSE-KMS") {
		in.ServerSideEncryption = s3types.ServerSideEncryptionAwsKms
	}
	_, err := m.cl.s3.PutObject(rt.Context(), in)
	if m.want(rt, "PutObject", err, "") {
		m.objects[key] = content
	}
}

// get reads an object, or a range of it.
func (m *model) get(rt *rapid.T) {
	key := modelKeyName.Draw(rt, "key")
	content, there := m.objects[key]
	in := &awss3.GetObjectInput{Bucket: &m.bucket, Key: &key}
	if there && content != "" && rapid.Bool().Draw(rt, "range") {
		from := rapid.IntRange(0, len(content)-1).Draw(rt, "from")
		to := rapid.IntRange(from, len(content)+5).Draw(rt, "to")
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", from, to))
		content = content[from:min(to+1, len(content))]
	}
	m.getOne(rt, in, content, there)
}

func (m *model) getOne(rt *rapid.T, in *awss3.GetObjectInput, content string, there bool) {
	want := ""
	if !there {
		want = "NoSuchKey"
	}
	out, err := m.cl.s3.GetObject(rt.Context(), in)
	if !m.want(rt, "GetObject", err, want) {
		return
	}
	got, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil || string(got) != content {
		rt.Fatalf("GetObject %s %s: got %d bytes, %v, want %d", *in.Key, aws.ToString(in.Range), len(got), err, len(content))
	}
}

func (m *model) delete(rt *rapid.T) {
	key := modelKeyName.Draw(rt, "key")
	_, err := m.cl.s3.DeleteObject(rt.Context(), &awss3.DeleteObjectInput{Bucket: &m.bucket, Key: &key})
	if m.want(rt, "DeleteObject", err, "") {
		delete(m.objects, key)
	}
}

// list reads the whole listing, page by page.
func (m *model) list(rt *rapid.T) {
	m.listOne(rt, rapid.SampledFrom([]string{"", "a", "a/", "q"}).Draw(rt, "prefix"), rapid.Bool().Draw(rt, "delimiter"), rapid.Int32Range(1, 4).Draw(rt, "page"))
}

func (m *model) listOne(rt *rapid.T, prefix string, delimited bool, page int32) {
	var want, got []string
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 && delimited {
			if common := prefix + rest[:i+1]; len(want) == 0 || want[len(want)-1] != common {
				want = append(want, common)
			}
			continue
		}
		want = append(want, fmt.Sprintf("%s %d", key, len(m.objects[key])))
	}
	in := &awss3.ListObjectsV2Input{Bucket: &m.bucket, Prefix: &prefix, MaxKeys: &page}
	if delimited {
		in.Delimiter = aws.String("/")
	}
	for pages := awss3.NewListObjectsV2Paginator(m.cl.s3, in); pages.HasMorePages(); {
		out, err := pages.NextPage(rt.Context())
		m.want(rt, "ListObjectsV2", err, "")
		for _, o := range out.Contents {
			got = append(got, fmt.Sprintf("%s %d", *o.Key, *o.Size))
		}
		for _, p := range out.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
	}
	slices.Sort(want) // a page has its objects first and then its prefixes
	slices.Sort(got)
	if !slices.Equal(got, want) {
		rt.Fatalf("ListObjectsV2 prefix %q delimited %v: got %q, want %q", prefix, delimited, got, want)
	}
}

func (m *model) beginUpload(rt *rapid.T) {
	key := modelKeyName.Draw(rt, "key")
	out, err := m.cl.s3.CreateMultipartUpload(rt.Context(), &awss3.CreateMultipartUploadInput{Bucket: &m.bucket, Key: &key})
	if m.want(rt, "CreateMultipartUpload", err, "") {
		m.uploads = append(m.uploads, &modelUpload{id: *out.UploadId, key: key, parts: map[int32]modelPart{}})
	}
}

func (m *model) pickUpload(rt *rapid.T) *modelUpload {
	if len(m.uploads) == 0 {
		rt.Skip("no upload yet")
	}
	return rapid.SampledFrom(m.uploads).Draw(rt, "upload")
}

func (m *model) uploadPart(rt *rapid.T) {
	u := m.pickUpload(rt)
	number := rapid.Int32Range(1, 3).Draw(rt, "number")
	content := modelContent(rt)
	out, err := m.cl.s3.UploadPart(rt.Context(), &awss3.UploadPartInput{Bucket: &m.bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: bytesReader(content)})
	if m.want(rt, "UploadPart", err, "") {
		u.parts[number] = modelPart{content, *out.ETag}
	}
}

// completeUpload completes an upload of one of its parts: all but the last
// would have to have 5 MiB.
func (m *model) completeUpload(rt *rapid.T) {
	u := m.pickUpload(rt)
	numbers := slices.Sorted(maps.Keys(u.parts))
	if len(numbers) == 0 {
		rt.Skip("no part yet")
	}
	number := rapid.SampledFrom(numbers).Draw(rt, "part")
	_, err := m.cl.s3.CompleteMultipartUpload(rt.Context(), &awss3.CompleteMultipartUploadInput{Bucket: &m.bucket, Key: &u.key, UploadId: &u.id,
		MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{PartNumber: &number, ETag: aws.String(u.parts[number].etag)}}}})
	if m.want(rt, "CompleteMultipartUpload", err, "") {
		m.objects[u.key] = u.parts[number].content
		m.forget(u)
	}
}

func (m *model) abortUpload(rt *rapid.T) {
	u := m.pickUpload(rt)
	_, err := m.cl.s3.AbortMultipartUpload(rt.Context(), &awss3.AbortMultipartUploadInput{Bucket: &m.bucket, Key: &u.key, UploadId: &u.id})
	if m.want(rt, "AbortMultipartUpload", err, "") {
		m.forget(u)
	}
}

func (m *model) forget(u *modelUpload) {
	m.uploads = slices.DeleteFunc(m.uploads, func(other *modelUpload) bool { return other == u })
}

// compare compares everything.
func (m *model) compare(rt *rapid.T) {
	m.compareKMS(rt)
	m.listOne(rt, "", false, 1000)
	for key, content := range m.objects {
		m.getOne(rt, &awss3.GetObjectInput{Bucket: &m.bucket, Key: &key}, content, true)
	}
	for _, u := range m.uploads {
		out, err := m.cl.s3.ListParts(rt.Context(), &awss3.ListPartsInput{Bucket: &m.bucket, Key: &u.key, UploadId: &u.id})
		m.want(rt, "ListParts", err, "")
		got := map[int32]int{}
		for _, p := range out.Parts {
			got[*p.PartNumber] = int(*p.Size)
		}
		want := map[int32]int{}
		for n, p := range u.parts {
			want[n] = len(p.content)
		}
		if !maps.Equal(got, want) {
			rt.Fatalf("upload of %s: got parts %v, want %v", u.key, got, want)
		}
	}
}
