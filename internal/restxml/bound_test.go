package restxml

import (
	"errors"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/s3/s3api"
)

const complete, completed = "<CompleteMultipartUpload>", "</CompleteMultipartUpload>"

// allocated returns how many bytes binding a body allocates.
func allocated(t *testing.T, body string, v any) (uint64, error) {
	t.Helper()
	r := httptest.NewRequest("POST", "/b/k?uploadId=u", nil)
	b := []byte(body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := BindRequest(r, "b", "k", nil, b, v)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// A body that S3's schema does not allow is refused before it becomes many
// times its size in memory.
func TestPayloadAmplification(t *testing.T) {
	const size = 4 << 20
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for _, tt := range []struct{ name, body string }{
		{"empty parts", complete + fill("<Part/>") + completed},
		{"parts", complete + fill("<Part><PartNumber>1</PartNumber></Part>") + completed},
		{"attributes", "<CompleteMultipartUpload " + fill("xmlns:a='' ") + "/>"},
		{"attributes of a part", complete + "<Part " + fill("a='' ") + "/>" + completed},
		{"text", complete + "<Part><ETag>" + fill("x") + "</ETag></Part>" + completed},
		{"white space", complete + fill(" ") + completed},
		{"comment", complete + "<!--" + fill("x") + "-->" + completed},
		{"name", "<" + fill("x") + "/>"},
		{"instruction", "<?xml " + fill("x") + "?>" + complete + completed},
		{"document type", "<!DOCTYPE " + fill("<!x>") + ">"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := allocated(t, tt.body, new(s3api.CompleteMultipartUploadRequest))
			if !errors.Is(err, s3api.MalformedXML) {
				t.Errorf("got %v, want MalformedXML", err)
			}
			if limit := 4 * uint64(len(tt.body)); got > limit {
				t.Errorf("got %d bytes allocated for a body of %d, want at most %d", got, len(tt.body), limit)
			}
		})
	}
}

// All parts that an upload can have are taken, however they are laid out.
func TestPayloadBounds(t *testing.T) {
	parts := func(n int) string {
		var b strings.Builder
		b.WriteString(complete + "\n<!-- all -->\n")
		for i := range n {
			b.WriteString("  <Part>\n    <PartNumber>" + strconv.Itoa(i+1) + "</PartNumber>\n    <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>\n" +
				"    <ChecksumSHA256>47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=</ChecksumSHA256>\n  </Part>\n")
		}
		return b.String() + completed
	}
	var got s3api.CompleteMultipartUploadRequest
	if _, err := allocated(t, parts(maxElements), &got); err != nil || len(got.MultipartUpload.Parts) != maxElements {
		t.Fatalf("got %v, want %d parts", err, maxElements)
	}
	if _, err := allocated(t, parts(maxElements+1), new(s3api.CompleteMultipartUploadRequest)); !errors.Is(err, s3api.MalformedXML) {
		t.Errorf("got %v for one part more, want MalformedXML", err)
	}
	tags := func(n int) string {
		return "<CreateBucketConfiguration><Tags>" + strings.Repeat("<Tag/>", n) + "</Tags></CreateBucketConfiguration>"
	}
	if _, err := allocated(t, tags(maxElements), new(s3api.CreateBucketRequest)); err != nil {
		t.Errorf("got %v for %d tags, want none", err, maxElements)
	}
	if _, err := allocated(t, tags(maxElements+1), new(s3api.CreateBucketRequest)); !errors.Is(err, s3api.MalformedXML) {
		t.Errorf("got %v for one tag more, want MalformedXML", err)
	}
	// A token may be as long as the bound, and no longer.
	for _, n := range []int{maxToken - 100, maxToken + 1} {
		body := complete + "<Part><ETag>" + strings.Repeat("x", n) + "</ETag></Part>" + completed
		if _, err := allocated(t, body, new(s3api.CompleteMultipartUploadRequest)); (err == nil) != (n < maxToken) {
			t.Errorf("got %v for a token of %d bytes", err, n)
		}
	}
}
