package sigv4_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/strongroom/strongroom/internal/sigv4"
)

// received is what the endpoint made of one request.
type received struct {
	method, target string
	sig            sigv4.Signature
	body           []byte
	trailer        http.Header
	err            error
}

// endpoint verifies every request a real client sends over a real connection.
type endpoint struct {
	mu  sync.Mutex // guards got
	got []received
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := received{method: r.Method, target: r.RequestURI}
	got.err = got.take(r)
	e.mu.Lock()
	e.got = append(e.got, got)
	e.mu.Unlock()
	if got.err != nil {
		http.Error(w, got.err.Error(), http.StatusBadRequest)
		return
	}
	switch got.sig.Service {
	case "kms":
		fmt.Fprint(w, "{}")
	case "sts":
		fmt.Fprint(w, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult/></GetCallerIdentityResponse>`)
	}
}

func (got *received) take(r *http.Request) error {
	s, err := sigv4.Parse(r)
	if err != nil {
		return err
	}
	got.sig = *s
	rules := rulesFor(s.Service, time.Now())
	if s.Service != "s3" {
		if got.body, err = io.ReadAll(r.Body); err != nil {
			return err
		}
		return s.Verify(r, rules, hexHash(got.body), signFor(s))
	}
	if err := s.Verify(r, rules, s.PayloadHash, signFor(s)); err != nil {
		return err
	}
	b, err := sigv4.NewBody(r.Body, s, r.Header, r.ContentLength, signFor(s))
	if err != nil {
		return err
	}
	got.body, err = io.ReadAll(b)
	got.trailer = b.Trailer()
	return err
}

// take returns the one request received since the last call.
func (e *endpoint) take(t *testing.T) received {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.got) != 1 {
		t.Fatalf("got %d requests, want 1", len(e.got))
	}
	got := e.got[0]
	e.got = nil
	if got.err != nil {
		t.Fatalf("%s %s: %v", got.method, got.target, got.err)
	}
	return got
}

func start(t *testing.T, tls bool, token string) (*endpoint, aws.Config) {
	e := &endpoint{}
	srv := httptest.NewUnstartedServer(e)
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return e, aws.Config{
		Region: "eu-west-1", BaseEndpoint: &srv.URL, HTTPClient: srv.Client(), RetryMaxAttempts: 1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, // as config.LoadDefaultConfig has it
		Credentials:                credentials.NewStaticCredentialsProvider(testKeyID, testSecret, token),
	}
}

// stream hides everything about a reader but Read, so that the SDK cannot hash
// the body beforehand.
type stream struct{ io.Reader }

func TestSDKUploads(t *testing.T) {
	payload := bytes.Repeat([]byte("strongroom "), 20_000)
	for _, tc := range []struct {
		name     string
		tls      bool
		seekable bool
		checksum types.ChecksumAlgorithm
		mode     string // of x-amz-content-sha256; "" is a hash
	}{
		{"http", false, true, "", ""},
		{"http, CRC32C", false, true, types.ChecksumAlgorithmCrc32c, ""},
		{"https", true, true, "", sigv4.StreamingUnsignedTrailer},
		{"https, stream", true, false, "", sigv4.StreamingUnsignedTrailer},
		{"https, stream, SHA-256", true, false, types.ChecksumAlgorithmSha256, sigv4.StreamingUnsignedTrailer},
		{"https, stream, CRC64NVME", true, false, types.ChecksumAlgorithmCrc64nvme, sigv4.StreamingUnsignedTrailer},
	} {
		for _, body := range [][]byte{payload, {}} {
			t.Run(fmt.Sprintf("%s, %d bytes", tc.name, len(body)), func(t *testing.T) {
				e, cfg := start(t, tc.tls, "")
				client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
				in := &s3.PutObjectInput{
					Bucket: aws.String("bucket"), Key: aws.String("a b+c%20d/é~*!()'//x/../y"), Body: bytes.NewReader(body),
					ChecksumAlgorithm: tc.checksum, Metadata: map[string]string{"color": "green  and   blue"},
				}
				if !tc.seekable {
					in.Body = stream{bytes.NewReader(body)}
					in.ContentLength = aws.Int64(int64(len(body)))
				}
				if _, err := client.PutObject(context.Background(), in); err != nil && tc.seekable {
					t.Fatal(err) // the SDK cannot see that an unseekable body was received whole
				}
				got := e.take(t)
				if !bytes.Equal(got.body, body) {
					t.Errorf("got %d bytes, want %d", len(got.body), len(body))
				}
				want := tc.mode
				if want != "" && len(body) == 0 {
					want = sigv4.UnsignedPayload // the SDK sends the checksum of nothing in a header
				}
				if want != "" && got.sig.PayloadHash != want || want == "" && got.sig.PayloadHash != hexHash(body) {
					t.Errorf("got payload hash %s, want %s", got.sig.PayloadHash, want)
				}
				if want != sigv4.StreamingUnsignedTrailer {
					return
				}
				want = "X-Amz-Checksum-" + strings.ToLower(string(tc.checksum))
				if tc.checksum == "" {
					want = "X-Amz-Checksum-crc32"
				}
				if len(got.trailer) != 1 || got.trailer.Get(want) == "" {
					t.Errorf("got trailer %v, want %s", got.trailer, want)
				}
			})
		}
	}
}

func TestSDKRequests(t *testing.T) {
	for _, token := range []string{"", testToken} {
		e, cfg := start(t, false, token)
		ctx := context.Background()
		s3c := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		bucket, key := aws.String("bucket"), aws.String("a//b/../c %2F%252F=&?#;")
		for name, call := range map[string]func() error{
			"kms Encrypt": func() error {
				_, err := kms.NewFromConfig(cfg).Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/a"), Plaintext: []byte("x")})
				return err
			},
			"sts GetCallerIdentity": func() error {
				_, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
				return err
			},
			"s3 GetObject": func() error {
				_, err := s3c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=0-1"),
					ResponseContentType: aws.String("text/plain; charset=utf-8")})
				return err
			},
			"s3 ListObjectsV2": func() error {
				_, err := s3c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("a b+c/é"), Delimiter: aws.String("/")})
				return err
			},
			"s3 DeleteObject": func() error {
				_, err := s3c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
				return err
			},
			"s3 UploadPart": func() error {
				_, err := s3c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: aws.String("u/+="), PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				// Most answers are empty and some clients say so; what counts is what came in.
				err := call()
				got := e.take(t)
				if got.sig.SessionToken != token || !strings.HasPrefix(name, got.sig.Service) {
					t.Errorf("got %+v (%v)", got.sig, err)
				}
			})
		}
		t.Run("s3 presigned", func(t *testing.T) {
			for _, method := range []string{"GET", "PUT"} {
				p := s3.NewPresignClient(s3c)
				in := func(o *s3.PresignOptions) { o.Expires = time.Hour }
				req, err := p.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: aws.String("v/1")}, in)
				if method == "PUT" {
					req, err = p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, ServerSideEncryption: "aws:kms", Metadata: map[string]string{"a": "b"}}, in)
				}
				if err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequest(method, req.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header = req.SignedHeader
				res, err := cfg.HTTPClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = res.Body.Close()
				if got := e.take(t); !got.sig.Presigned || got.sig.Expires != time.Hour || got.sig.SessionToken != token {
					t.Errorf("%s: got %+v", method, got.sig)
				}
			}
		})
		t.Run("sts presigned", func(t *testing.T) {
			req, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := http.NewRequest(req.Method, req.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = req.SignedHeader
			res, err := cfg.HTTPClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if got := e.take(t); !got.sig.Presigned || got.sig.Expires != 0 {
				t.Errorf("got %+v", got.sig)
			}
		})
	}
}
