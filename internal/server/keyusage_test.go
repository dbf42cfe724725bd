package server

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What a key was last used for is known over a restart: the server's last work is
// to write it down. S3's use of it counts.
func TestKeyUsageOverARestart(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1)
	key, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := key.KeyMetadata.KeyId
	last := func() *awskms.GetKeyLastUsageOutput {
		t.Helper()
		r, err := c.kms.GetKeyLastUsage(t.Context(), &awskms.GetKeyLastUsageInput{KeyId: id})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := last(); r.KeyLastUsage == nil || r.KeyLastUsage.Timestamp != nil || !r.TrackingStartDate.Equal(*key.KeyMetadata.CreationDate) {
		t.Errorf("got %+v of a new key, want an empty element", r)
	}
	if _, err := c.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("vault")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.s3.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: aws.String("vault"), Key: aws.String("note"), Body: strings.NewReader("x"),
		ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: id,
	})
	if err != nil {
		t.Fatal(err)
	}
	before := last().KeyLastUsage
	if before.Operation != kmstypes.KeyLastUsageTrackingOperationGenerateDataKey {
		t.Errorf("got %s, want GenerateDataKey", before.Operation)
	}
	stop()
	found := false
	for _, r := range records(t, dir) {
		found = found || strings.Contains(r, `"eventID":"`+*before.CloudTrailEventId+`"`) && strings.Contains(r, `"eventName":"GenerateDataKey"`)
	}
	if !found {
		t.Errorf("the trail has no GenerateDataKey with event id %s", *before.CloudTrailEventId)
	}
	s, _ = start(t, Config{DataDir: dir})
	c = client(t, s.Endpoint(), dir, 1)
	if after := last().KeyLastUsage; after.Operation != before.Operation || *after.CloudTrailEventId != *before.CloudTrailEventId ||
		*after.KmsRequestId != *before.KmsRequestId || !after.Timestamp.Equal(*before.Timestamp) {
		t.Errorf("got %+v after the restart, want %+v", after, before)
	}
}
