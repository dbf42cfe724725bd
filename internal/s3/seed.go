package s3

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/audit"
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

// putBucket stores a new bucket.
func (s *Service) putBucket(tx *store.Tx, b bucketRecord) error {
	doc, err := json.Marshal(b)
	if err != nil {
		return err
	}
	row := store.Row{Key: b.Name, Ref: b.Account, Doc: doc}
	store.Seal(s.rowMAC, store.Buckets, &row)
	_, err = tx.Put(store.Buckets, row)
	return err
}
