package s3

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

var deleteObjectServed = names("Bucket", "Key", "ExpectedBucketOwner", "IfMatch")

// DeleteObject removes an object. That there is none is no error.
func (s *Service) DeleteObject(ctx context.Context, c identity.Caller, req *s3api.DeleteObjectRequest) (*s3api.DeleteObjectOutput, error) {
	return do(s, c, "DeleteObject", req, func(call *call) (*s3api.DeleteObjectOutput, error) {
		return call.deleteObject(ctx, req)
	})
}

// errNothingToDo ends a transaction that would change nothing, and so has no
// change that could carry the audit record.
var errNothingToDo = errors.New("s3: nothing to do")

func (c *call) deleteObject(ctx context.Context, req *s3api.DeleteObjectRequest) (*s3api.DeleteObjectOutput, error) {
	if err := refuseOthers(req, deleteObjectServed); err != nil {
		return nil, err
	}
	b, err := c.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	err = c.update(ctx, func(tx *store.Tx) error {
		if err := c.s.stillThere(tx, b); err != nil {
			return err
		}
		row := store.Row{Key: objectRowKey(b.Name, *req.Key)}
		if err := c.s.retire(tx, b, *req.Key, writeConditions{ifMatch: req.IfMatch}, &row); err != nil {
			return err
		}
		if row.Rev == 0 {
			return errNothingToDo
		}
		return tx.Delete(store.Objects, row.Key, row.Rev)
	})
	if err != nil && !errors.Is(err, errNothingToDo) {
		return nil, err
	}
	c.s.wakeCollector()
	return &s3api.DeleteObjectOutput{}, nil
}
