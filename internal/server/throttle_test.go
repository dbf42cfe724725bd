package server

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/kms"
)

// clockedRetryer is the SDK's own retryer with a delay that passes on the server's clock
// alone: a second.
type clockedRetryer struct {
	aws.RetryerV2
	clock *atomic.Int64
	waits *int
}

func (p clockedRetryer) RetryDelay(int, error) (time.Duration, error) {
	*p.waits++
	p.clock.Add(int64(time.Second))
	return 0, nil
}

// The SDK takes ThrottlingException for what it is: it waits and tries again, and
// every call succeeds. S3 asks for patience in its own words.
func TestThrottledClients(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	rates := new(kms.Rates)
	if err := errors.Join(rates.Set("DescribeKey", 2), rates.Set("symmetric", 1)); err != nil {
		t.Fatal(err)
	}
	dir := dataDirIn(t)
	sv, stop := start(t, Config{DataDir: dir, KMSRates: rates, Clock: func() time.Time { return time.Unix(0, clock.Load()) }})
	c := client(t, sv.Endpoint(), dir, 1)
	key, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := key.KeyMetadata.KeyId
	if _, err := c.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("vault")}); err != nil {
		t.Fatal(err)
	}

	waits := 0
	retrying := func(o *awskms.Options) {
		o.Retryer = clockedRetryer{retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = 3 }), &clock, &waits}
	}
	for range 6 {
		if _, err := c.kms.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: id}, retrying); err != nil {
			t.Fatal(err)
		}
	}
	if waits != 2 { // before the third and the fifth
		t.Errorf("got %d retries of six calls at two a second, want 2", waits)
	}

	put := func() error {
		_, err := c.s3.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("vault"), Key: aws.String("note"), Body: strings.NewReader("x"), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: id,
		})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	e, ok := errors.AsType[smithy.APIError](put())
	if !ok || e.ErrorCode() != "SlowDown" || e.ErrorMessage() != "Please reduce your request rate for operations involving AWS KMS." {
		t.Errorf("got %v of S3, want SlowDown", e)
	}
	_, err = c.kms.Encrypt(t.Context(), &awskms.EncryptInput{KeyId: id, Plaintext: []byte("p")})
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ThrottlingException" || e.ErrorMessage() != "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls." {
		t.Errorf("got %v, want ThrottlingException", err)
	}
	stop()
	n := 0
	for _, r := range records(t, dir) {
		if strings.Contains(r, `"errorCode":"ThrottlingException"`) {
			n++
		}
	}
	if n != 4 { // DescribeKey twice, GenerateDataKey for S3, Encrypt
		t.Errorf("got %d records of throttled calls, want 4", n)
	}
}
