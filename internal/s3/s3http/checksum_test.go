package s3http_test

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// trailerWatch notes the trailers that requests announce.
type trailerWatch struct {
	http.RoundTripper
	mu   sync.Mutex
	seen []string
}

func (w *trailerWatch) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.seen = append(w.seen, r.Header.Get("X-Amz-Trailer"))
	w.mu.Unlock()
	return w.RoundTripper.RoundTrip(r)
}

// Over TLS the SDK sends a stream with its checksum behind it, with every
// algorithm that it can make and unasked with its default one.
func TestSDKTrailers(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	watch := &trailerWatch{RoundTripper: k.Options().HTTPClient.(*http.Client).Transport}
	o := k.Options()
	o.HTTPClient = &http.Client{Transport: watch}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported // what config.LoadDefaultConfig sets
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
	c := client.New(o)
	content := random(300_000)
	for algorithm, want := range map[types.ChecksumAlgorithm]string{
		"": "x-amz-checksum-crc32", "CRC32": "x-amz-checksum-crc32", "CRC32C": "x-amz-checksum-crc32c", "CRC64NVME": "x-amz-checksum-crc64nvme",
		"SHA1": "x-amz-checksum-sha1", "SHA256": "x-amz-checksum-sha256", "SHA512": "x-amz-checksum-sha512",
	} {
		t.Run("algorithm "+string(algorithm), func(t *testing.T) {
			watch.seen = nil
			_, err := c.PutObject(t.Context(), &client.PutObjectInput{
				Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumAlgorithm: algorithm, ContentLength: aws.Int64(int64(len(content))),
				Body: io.MultiReader(bytes.NewReader(content)), // it cannot be read twice, so no header can tell its checksum
			})
			k.check(err)
			if len(watch.seen) != 1 || watch.seen[0] != want {
				t.Errorf("got trailers %q, want %q", watch.seen, want)
			}
			out, err := c.GetObject(t.Context(), &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
			k.check(err)
			got, err := io.ReadAll(out.Body) // the SDK compares at its end
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes and %v, want %d", len(got), err, len(content))
			}
		})
	}
}
