package server

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestDurableBeforeAnswer looks at the server's system calls: killing a
// process proves nothing about the disk, because the page cache survives. For
// each mutation the write-ahead log, and for a PutObject the sealed bytes, must
// have been brought to the disk between the request and its answer.
func TestDurableBeforeAnswer(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed; `make prepare` does it")
	}
	dir := dataDirIn(t)
	trace := filepath.Join(t.TempDir(), "trace")
	c := startChild(t, dir, "strace", "-f", "-y", "-s", "2000", "-qq", "-o", trace, "-e", "trace=read,write,fsync,fdatasync")
	cl := client(t, c.endpoint, dir, 1)
	ctx := t.Context()
	if _, err := cl.kms.CreateKey(ctx, &awskms.CreateKeyInput{}); err != nil {
		t.Fatal(err)
	}
	bucket := aws.String("durable")
	if _, err := cl.s3.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.s3.PutObject(ctx, &awss3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: bytes.NewReader(make([]byte, 100_000))}); err != nil {
		t.Fatal(err)
	}
	if _, err := cl.s3.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
		t.Fatal(err)
	}
	c.stop(t)
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for _, tt := range []struct {
		name, request string
		synced        []string // parts of the paths that must have been synced
	}{
		{"CreateKey", "TrentService.CreateKey", []string{"strongroom.db-wal"}},
		// Net/http may read the first byte of a request by itself.
		{"CreateBucket", "UT /durable HTTP", []string{"strongroom.db-wal"}},
		{"PutObject", "UT /durable/k", []string{"/objects/", "strongroom.db-wal"}},
		{"DeleteObject", "ELETE /durable/k", []string{"strongroom.db-wal"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			between := betweenRequestAndAnswer(t, lines, tt.request)
			for _, path := range tt.synced {
				synced := regexp.MustCompile(`f(data)?sync\(\d+<[^>]*` + regexp.QuoteMeta(path) + `[^>]*>`)
				if !synced.MatchString(strings.Join(between, "\n")) {
					t.Errorf("nothing under %q was synced before the answer; the calls were:\n%s", path, strings.Join(between, "\n"))
				}
			}
		})
	}
}

// betweenRequestAndAnswer cuts out the calls from the one that read the request
// to the one that wrote a 2xx answer. The order of lines is that of the calls'
// ends, which is what matters: a sync that is not over proves nothing.
func betweenRequestAndAnswer(t *testing.T, lines []string, request string) []string {
	t.Helper()
	for i, l := range lines {
		if !strings.Contains(l, request) {
			continue
		}
		for j := i + 1; j < len(lines); j++ {
			if strings.Contains(lines[j], `"HTTP/1.1 20`) && strings.Contains(lines[j], "write(") {
				return lines[i:j]
			}
		}
		t.Fatalf("no answer to %q in the trace", request)
	}
	t.Fatalf("no request %q in the trace", request)
	return nil
}
