package server

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const secondRegion = "eu-west-1"

// twoRegions starts a server of two regions, and returns a client of each.
func twoRegions(t *testing.T, cfg Config) (here, there clients, stop func()) {
	t.Helper()
	cfg.Regions = []string{DefaultRegion, secondRegion}
	s, stop := start(t, cfg)
	k, err := readCredentials(CredentialsFile(cfg.DataDir))
	if err != nil {
		t.Fatal(err)
	}
	id, secretKey := k.ID, string(k.Secret.Expose())
	return clientFor(s.Endpoint(), id, secretKey, DefaultRegion, 1), clientFor(s.Endpoint(), id, secretKey, secondRegion, 1), stop
}

// The life of a multi-region key through the AWS SDK: what is encrypted in one
// region opens in the other, before and after a rotation and a restart, and after
// the primary key has changed its place.
func TestMultiRegionKeysBySDK(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := Config{DataDir: dataDirIn(t)}
	here, there, stop := twoRegions(t, cfg)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created, err := here.kms.CreateKey(ctx, &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	must(err)
	id := created.KeyMetadata.KeyId
	r, err := here.kms.ReplicateKey(ctx, &awskms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(secondRegion), Description: aws.String("there")})
	must(err)
	m := r.ReplicaKeyMetadata
	if m.KeyState != kmstypes.KeyStateCreating || m.Enabled || *m.Description != "there" || m.MultiRegionConfiguration.MultiRegionKeyType != kmstypes.MultiRegionKeyTypeReplica ||
		*m.MultiRegionConfiguration.PrimaryKey.Region != DefaultRegion || len(m.MultiRegionConfiguration.ReplicaKeys) != 1 {
		t.Errorf("got %+v", m)
	}
	var blobs [][]byte
	encrypt := func(c clients) {
		t.Helper()
		e, err := c.kms.Encrypt(ctx, &awskms.EncryptInput{KeyId: id, Plaintext: []byte("p")})
		must(err)
		blobs = append(blobs, e.CiphertextBlob)
	}
	open := func() {
		t.Helper()
		for i, blob := range blobs {
			for _, c := range []clients{here, there} {
				d, err := c.kms.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: blob})
				if err != nil || string(d.Plaintext) != "p" {
					t.Errorf("blob %d: %v, %v", i, d, err)
				}
			}
		}
	}
	encrypt(here)
	encrypt(there)
	_, err = here.kms.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: id})
	must(err)
	encrypt(there)
	open()
	_, err = here.kms.UpdatePrimaryRegion(ctx, &awskms.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String(secondRegion)})
	must(err)
	stop()
	here, there, stop = twoRegions(t, cfg)
	open()
	_, err = here.kms.RotateKeyOnDemand(ctx, &awskms.RotateKeyOnDemandInput{KeyId: id})
	if e, ok := errors.AsType[*kmstypes.UnsupportedOperationException](err); !ok || !strings.HasSuffix(*e.Message, " is not a multi-region primary key.") {
		t.Errorf("got %v", err)
	}
	s, err := there.kms.ScheduleKeyDeletion(ctx, &awskms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)})
	must(err)
	if s.KeyState != kmstypes.KeyStatePendingReplicaDeletion || s.DeletionDate != nil || *s.PendingWindowInDays != 7 {
		t.Errorf("got %s, %v", s.KeyState, s.DeletionDate)
	}
	d, err := there.kms.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: id})
	must(err)
	if *d.KeyMetadata.PendingDeletionWindowInDays != 7 || d.KeyMetadata.DeletionDate != nil {
		t.Errorf("got %+v", d.KeyMetadata)
	}
	stop()
	for _, f := range Doctor(ctx, cfg) {
		if f.Subject == "multi-region keys" && (f.Err != nil || f.Good != "all 2 agree with their primary key and replicas") {
			t.Errorf("doctor says %s, %v", f.Good, f.Err)
		}
	}
}

// S3 encrypts in each region under the related key of that region, and takes no
// key of another one.
func TestMultiRegionKeysThroughS3(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	here, there, _ := twoRegions(t, Config{DataDir: dataDirIn(t)})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	created, err := here.kms.CreateKey(ctx, &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	must(err)
	arns := map[string]string{DefaultRegion: *created.KeyMetadata.Arn, secondRegion: strings.Replace(*created.KeyMetadata.Arn, DefaultRegion, secondRegion, 1)}
	_, err = here.kms.ReplicateKey(ctx, &awskms.ReplicateKeyInput{KeyId: created.KeyMetadata.KeyId, ReplicaRegion: aws.String(secondRegion)})
	must(err)
	for region, c := range map[string]clients{DefaultRegion: here, secondRegion: there} {
		bucket := aws.String("vault-" + region)
		in := &awss3.CreateBucketInput{Bucket: bucket}
		if region != DefaultRegion {
			in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(region)}
		}
		_, err := c.s3.CreateBucket(ctx, in)
		must(err)
		put := func(key string) (string, error) {
			p, err := c.s3.PutObject(ctx, &awss3.PutObjectInput{
				Bucket: bucket, Key: aws.String("k"), Body: bytes.NewReader([]byte("content")), ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key,
			})
			if err != nil {
				return "", err
			}
			return *p.SSEKMSKeyId, nil
		}
		for _, key := range []string{*created.KeyMetadata.KeyId, arns[region]} {
			if got, err := put(key); got != arns[region] {
				t.Errorf("in %s: got key %s, %v; want %s", region, got, err, arns[region])
			}
		}
		g, err := c.s3.GetObject(ctx, &awss3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
		must(err)
		content, err := io.ReadAll(g.Body)
		if string(content) != "content" || err != nil {
			t.Errorf("in %s: got %q, %v", region, content, err)
		}
		for other, arn := range arns {
			if other == region {
				continue
			}
			if _, err := put(arn); err == nil {
				t.Errorf("in %s: the key of %s is taken", region, other)
			}
		}
	}
}

// Related keys that do not agree, because a row was lost, are found by doctor and
// by the check that runs beside the requests.
func TestDoctorNamesUnrelatedKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	cfg := Config{DataDir: dataDirIn(t)}
	here, _, stop := twoRegions(t, cfg)
	created, err := here.kms.CreateKey(ctx, &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.kms.ReplicateKey(ctx, &awskms.ReplicateKeyInput{KeyId: created.KeyMetadata.KeyId, ReplicaRegion: aws.String(secondRegion)}); err != nil {
		t.Fatal(err)
	}
	stop()
	st, err := sqlite.Open(ctx, sqlite.Config{Path: databasePath(cfg.DataDir)})
	if err != nil {
		t.Fatal(err)
	}
	row := DefaultAccount + "/" + secondRegion + "/" + *created.KeyMetadata.KeyId
	if err := errors.Join(st.Update(ctx, func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeys, row) }), st.Close()); err != nil {
		t.Fatal(err)
	}
	named := false
	for _, f := range Doctor(ctx, cfg) {
		if f.Subject == "multi-region keys" {
			named = true
			if f.Err == nil || !strings.Contains(f.Text(), row) || !strings.Contains(f.Text(), "restore the database") {
				t.Errorf("doctor says %s, %v; want it to name %s", f.Good, f.Err, row)
			}
		}
	}
	if !named {
		t.Error("doctor says nothing of multi-region keys")
	}
	cfg.Regions = []string{DefaultRegion, secondRegion}
	s, _ := start(t, cfg)
	limit := time.After(20 * time.Second)
	for len(s.workers.failing()) == 0 {
		select {
		case <-limit:
			t.Fatal("no job fails")
		case <-time.After(time.Millisecond):
		}
	}
	if got := s.workers.failing(); len(got) != 1 || got[0] != "integrity" {
		t.Errorf("got %v, want integrity", got)
	}
}

// A refusal on the key of the other region is explained by that key's policy, and
// one of the creation by what there is in the replica's region.
func TestStoryOfRelatedKeys(t *testing.T) {
	t.Parallel()
	st := tell(t, `accounts:
  - id: "111111111111"
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - name: ida
        accessKeys: <ida>
        inlinePolicies:
          - {name: copy, document: {Version: 2012-10-17, Statement: {Effect: Allow, Action: ["kms:ReplicateKey", "kms:UpdatePrimaryRegion", "kms:CreateKey"], Resource: "*", Condition: {StringEquals: {"aws:RequestedRegion": us-east-1}}}}}
`)
	ada, ida := st.user(bank, "ada"), st.user(bank, "ida")
	out, err := ada.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	st.does(err)
	arn := *out.KeyMetadata.Arn
	replicate := func(a *actor) error {
		return discard(a.kms.ReplicateKey(t.Context(), &awskms.ReplicateKeyInput{KeyId: &arn, ReplicaRegion: aws.String(secondRegion)}))
	}
	st.refused(replicate(ida), ida.may("kms:CreateKey", "*", noPolicy(byIdentity, "kms:CreateKey"))).explained("identity", "aws:RequestedRegion")
	st.does(replicate(ada))
	update := discard(ida.kms.UpdatePrimaryRegion(t.Context(), &awskms.UpdatePrimaryRegionInput{KeyId: &arn, PrimaryRegion: aws.String(secondRegion)}))
	st.refused(update, ida.may("kms:UpdatePrimaryRegion", strings.Replace(arn, DefaultRegion, secondRegion, 1), noPolicy(byIdentity, "kms:UpdatePrimaryRegion"))).explained("identity", "aws:RequestedRegion")
}
