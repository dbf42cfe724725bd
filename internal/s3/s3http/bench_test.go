package s3http_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
)

const benchSize = 64 << 20

// nullWriter is an answer that nobody reads: what is measured is the server.
type nullWriter struct{ header http.Header }

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *nullWriter) WriteHeader(int)             {}

func benchRequest(method, target string, body io.Reader) *http.Request {
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	return r
}

func (k *kit) benchServe(r *http.Request, body io.Reader, length int64) {
	c := callers["AKIAROOT"]
	c.Region, c.RequestID = region, "0000000000000000"
	k.handler.Serve(&nullWriter{http.Header{}}, r, c, body, nil, length)
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, benchSize} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			k := newKit(b)
			k.createBucket()
			k.put("k", random(size))
			b.SetBytes(int64(size))
			for b.Loop() {
				k.benchServe(benchRequest("GET", "/bucket/k", nil), bytes.NewReader(nil), 0)
			}
		})
	}
}

// BenchmarkGetPlain is what BenchmarkGet is compared with: the same bytes, not
// sealed, copied from a file through user space.
func BenchmarkGetPlain(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plain")
	if err := os.WriteFile(path, random(benchSize), 0o600); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 512<<10)
	b.SetBytes(benchSize)
	for b.Loop() {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		w := &nullWriter{http.Header{}}
		if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, buf); err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, benchSize} {
		for _, mode := range []string{"AES256", "aws:kms"} {
			b.Run(mode+"/"+strconv.Itoa(size), func(b *testing.B) {
				k := newKit(b)
				_, err := k.CreateBucket(b.Context(), &client.CreateBucketInput{Bucket: aws.String(bucket)})
				k.check(err)
				data := random(size)
				b.SetBytes(int64(size))
				for b.Loop() {
					r := benchRequest("PUT", "/bucket/k", nil)
					r.Header.Set("X-Amz-Server-Side-Encryption", mode)
					k.benchServe(r, bytes.NewReader(data), int64(size))
				}
			})
		}
	}
}
