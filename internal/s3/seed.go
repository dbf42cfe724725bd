package s3

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/uuid"
)

// Bucket is a bucket that the operator declares.
type Bucket struct {
	Name    string
	Account string // of its owner
	Region  string
}

// PutBucketIn makes sure, in a transaction of the caller's, that the bucket is
// there. Doing it again changes nothing. One of that name that belongs to
// another account, or is in another region, is refused.
func (s *Service) PutBucketIn(tx *store.Tx, b Bucket) error {
	if !validBucketName(b.Name) {
		return fmt.Errorf("bucket %q: a name has 3 to 63 lower-case letters, digits, dots and hyphens, and obeys S3's naming rules", b.Name)
	}
	if !slices.Contains(s.regions, b.Region) {
		return fmt.Errorf("bucket %s: region %q is not enabled; enable it with --region", b.Name, b.Region)
	}
	row, err := tx.Get(store.Buckets, b.Name)
	if err == nil {
		is, err := s.decodeBucket(row)
		switch {
		case err != nil:
			return err
		case is.Account != b.Account:
			return fmt.Errorf("bucket %s belongs to account %s already", b.Name, is.Account)
		case is.Region != b.Region:
			return fmt.Errorf("bucket %s is in region %s already", b.Name, is.Region)
		}
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	id, err := sse.NewInstance()
	if err != nil {
		return err
	}
	record, err := audit.Own{
		Source: EventSource, Name: "CreateBucket", Account: b.Account, Region: b.Region, Time: s.clock(), EventID: uuid.New(),
	}.With(map[string]any{"bucketName": b.Name})
	if err != nil {
		return err
	}
	tx.SetRecord(record.AppendJSON(nil))
	return s.putBucket(tx, bucketRecord{
		Version: recordVersion, ID: hex.EncodeToString(id[:]), Name: b.Name,
		Account: b.Account, Region: b.Region, Created: s.now(),
	})
}

// PutBucketPolicyIn makes sure, in a transaction of the caller's, that the bucket
// has the policy. Doing it again changes nothing. Dir knows the principals as the
// transaction sees them. The error is a *policy.Error where it is about the
// language or a principal.
func (s *Service) PutBucketPolicyIn(tx *store.Tx, dir policy.Directory, bucket string, text []byte) error {
	row, err := tx.Get(store.Buckets, bucket)
	if err != nil {
		return err
	}
	b, err := s.decodeBucket(row)
	if err != nil {
		return err
	}
	d, err := parsePolicy(bucket, text, dir)
	if err != nil {
		return fmt.Errorf("policy of bucket %s: %w", bucket, err)
	}
	if b.Policy != "" {
		row, err := tx.Get(store.BucketPolicies, bucket)
		if err != nil {
			return tampered("policy of bucket "+bucket, err)
		}
		is, err := s.decodePolicy(row)
		if err != nil {
			return err
		}
		if is.ID == b.Policy && bytes.Equal(is.Policy, d.Text()) {
			return nil
		}
	}
	record, err := audit.Own{
		Source: EventSource, Name: "PutBucketPolicy", Account: b.Account, Region: b.Region, Time: s.clock(), EventID: uuid.New(),
	}.With(map[string]any{"bucketName": bucket, "bucketPolicy": json.RawMessage(text)})
	if err != nil {
		return err
	}
	tx.SetRecord(record.AppendJSON(nil))
	_, err = s.setPolicy(tx, b, d)
	return err
}

// putBucket stores a new bucket.
func (s *Service) putBucket(tx *store.Tx, b bucketRecord) error {
	return s.putAuthority(tx, store.Buckets, store.Row{Key: b.Name, Ref: b.Account}, b)
}
