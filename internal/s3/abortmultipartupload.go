package s3

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

var abortServed = names("Bucket", "Key", "UploadId", "ExpectedBucketOwner")

// AbortMultipartUpload ends an upload and lets go of its parts. A part that is
// being uploaded at the same time finds no upload when it commits, and goes too.
func (s *Service) AbortMultipartUpload(ctx context.Context, c identity.Caller, req *s3api.AbortMultipartUploadRequest) (*s3api.AbortMultipartUploadOutput, error) {
	return do(s, c, "AbortMultipartUpload", req, func(call *call) (*s3api.AbortMultipartUploadOutput, error) {
		if err := refuseOthers(req, abortServed); err != nil {
			return nil, err
		}
		b, err := call.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		err = call.update(ctx, func(tx *store.Tx) error {
			if err := s.stillThere(tx, b); err != nil {
				return err
			}
			_, row, err := s.findUpload(tx.Get, b, *req.Key, deref(req.UploadId))
			if errors.Is(err, store.ErrDamaged) || errors.Is(err, ErrTampered) {
				// What cannot be read must not stay for ever.
				s.log.Error("aborting an upload whose record cannot be read", "bucket", b.Name, "key", *req.Key, "error", err)
				row, err = replaceUpload(tx, uploadRowKey(b.Name, *req.Key, *req.UploadId))
			}
			if err != nil {
				return err
			}
			if err := entombParts(tx, *req.UploadId, nil); err != nil {
				return err
			}
			return tx.Delete(store.Uploads, row.Key, row.Rev)
		})
		if err != nil {
			return nil, err
		}
		s.wakeCollector()
		return &s3api.AbortMultipartUploadOutput{}, nil
	})
}

// replaceUpload puts an empty row in the place of one whose revision cannot be
// relied on, so that its deletion is in the feed and carries the record.
func replaceUpload(tx *store.Tx, key string) (row store.Row, err error) {
	if err := tx.DeleteUnlogged(store.Uploads, key); err != nil {
		return row, err
	}
	row.Key = key
	row.Rev, err = tx.Put(store.Uploads, row)
	return row, err
}
