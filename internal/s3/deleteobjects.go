package s3

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

const (
	// maxDeletes is how many keys one DeleteObjects may name.
	maxDeletes = 1000
	// deleteBatch is how many of them share a transaction: few enough that
	// the one writer is never held for long, many enough that its fsync costs
	// each next to nothing.
	deleteBatch = 100
)

var deleteObjectsServed = names("Bucket", "Delete", "ExpectedBucketOwner", "ChecksumAlgorithm")

// DeleteObjects removes up to 1,000 objects, each authorised by itself; what
// becomes of one does not matter to the others. Removing one that is not there is
// no error. The call has one audit record, which names the keys; it is stored
// with the first of the changes, so that none is ever without it.
func (s *Service) DeleteObjects(ctx context.Context, c identity.Caller, req *s3api.DeleteObjectsRequest) (*s3api.DeleteObjectsOutput, error) {
	return do(s, c, "DeleteObjects", req, func(call *call) (*s3api.DeleteObjectsOutput, error) {
		return call.deleteObjects(ctx, req)
	})
}

// deletion is one key of a DeleteObjects, and what became of it.
type deletion struct {
	s3api.ObjectIdentifier
	err error
}

func (c *call) deleteObjects(ctx context.Context, req *s3api.DeleteObjectsRequest) (*s3api.DeleteObjectsOutput, error) {
	if err := refuseOthers(req, deleteObjectsServed); err != nil {
		return nil, err
	}
	if req.Delete == nil || len(req.Delete.Objects) == 0 || len(req.Delete.Objects) > maxDeletes {
		return nil, malformedXML()
	}
	for _, o := range req.Delete.Objects {
		if deref(o.Key) == "" {
			return nil, malformedXML()
		}
	}
	b, err := c.s.bucket(ctx, deref(req.Bucket))
	if err != nil {
		return nil, err
	}
	c.addBucket(b)
	all := make([]deletion, len(req.Delete.Objects))
	var allowed []*deletion
	for i := range all {
		d := &all[i]
		d.ObjectIdentifier = req.Delete.Objects[i]
		if d.err = c.mayDelete(ctx, b, d); d.err == nil {
			allowed = append(allowed, d)
		}
	}
	if len(allowed) > 0 { // as everywhere, who may do nothing is not told whose the bucket is, and where
		if err := checkOwner(b, req.ExpectedBucketOwner); err != nil {
			return nil, err
		}
		if err := c.inRegion(b); err != nil {
			return nil, err
		}
	}
	c.respondRefused(all)
	recorded := false
	for batch := range slices.Chunk(allowed, deleteBatch) {
		switch err := c.deleteSome(ctx, b, batch, !recorded); {
		case err == nil:
			recorded = true
		case !errors.Is(err, errNothingToDo):
			for _, d := range batch {
				d.err = err
			}
		}
	}
	c.s.wakeCollector()
	return c.deleted(all, req.Delete.Quiet != nil && *req.Delete.Quiet), nil
}

// mayDelete checks one key, and asks the gate.
func (c *call) mayDelete(ctx context.Context, b *bucketRecord, d *deletion) error {
	if err := checkObjectKey(*d.Key); err != nil {
		return err
	}
	action := operations["DeleteObject"].Action
	version := deref(d.VersionId)
	if version != "" {
		action = "s3:DeleteObjectVersion"
	}
	r, err := c.request(ctx, question{action: action, bucket: b, key: d.Key, version: nonEmpty(version)})
	if err == nil {
		err = c.Permits(r)
	}
	if err != nil {
		return err
	}
	c.Share(b.Account)
	switch {
	case version != "" && version != nullVersion:
		return awserr.New(s3api.NoSuchVersion, "The specified version does not exist.")
	case d.LastModifiedTime != nil:
		return notImplemented("LastModifiedTime") // of directory buckets only
	case d.Size != nil:
		return notImplemented("Size")
	}
	return nil
}

// deleteSome deletes a batch in one transaction, with the record of the call when
// it has none yet. An error is that of the whole batch, of which nothing was
// deleted; errNothingToDo says that none of them was there.
func (c *call) deleteSome(ctx context.Context, b *bucketRecord, batch []*deletion, record bool) error {
	run := func(tx *store.Tx) error {
		if err := c.s.stillThere(tx, b); err != nil {
			return err
		}
		changed := false
		for _, d := range batch {
			row := store.Row{Key: objectRowKey(b.Name, *d.Key)}
			// What the object's record says against it is this key's own
			// affair; what the database does loses the transaction anyway.
			if d.err = c.s.retire(tx, b, *d.Key, writeConditions{ifMatch: d.ETag}, &row); d.err != nil || row.Rev == 0 {
				continue
			}
			if err := tx.Delete(store.Objects, row.Key, row.Rev); err != nil {
				return err
			}
			changed = true
		}
		if !changed {
			return errNothingToDo
		}
		return nil
	}
	if record {
		return c.update(ctx, run)
	}
	return c.s.store.Update(ctx, run)
}

// deleted makes the answer. Quiet leaves out what went well.
func (c *call) deleted(all []deletion, quiet bool) *s3api.DeleteObjectsOutput {
	out := &s3api.DeleteObjectsOutput{}
	for _, d := range all {
		switch {
		case d.err != nil:
			code, message := c.told(d.err)
			out.Errors = append(out.Errors, s3api.Error{Key: d.Key, VersionId: nonEmpty(deref(d.VersionId)), Code: &code, Message: &message})
		case !quiet:
			out.Deleted = append(out.Deleted, s3api.DeletedObject{Key: d.Key})
		}
	}
	return out
}

// told is what the client hears of an error of one key. The cause of one without
// a code goes to the log.
func (c *call) told(err error) (code, message string) {
	if e, ok := errors.AsType[*awserr.Error](outcome(err)); ok {
		return string(e.Code), e.Message
	}
	c.s.log.Error("deleting one of many objects", "requestID", c.caller.RequestID, "error", err)
	return string(s3api.InternalError), "We encountered an internal error. Please try again."
}

// respondRefused puts into the record which keys were refused before anything was
// deleted: how many there are, and as many of them as fit.
func (c *call) respondRefused(all []deletion) {
	type refusal struct {
		Key  string `json:"key"`
		Code string `json:"code"`
	}
	var refused []refusal
	count, size := 0, 0
	for _, d := range all {
		if d.err == nil {
			continue
		}
		count++
		r := refusal{*d.Key, string(awserr.CodeOf(d.err))}
		text, _ := json.Marshal(r) // strings always encode
		if size += len(text) + 1; size <= maxRecordedKeys {
			refused = append(refused, r)
		}
	}
	if count > 0 {
		c.ResponseElements, _ = json.Marshal(map[string]any{"errorCount": count, "errors": refused}) // strings always encode
	}
}

// maxRecordedKeys is how many bytes of JSON the keys in a record take, of those to
// delete and of those refused: CloudTrail drops parameters, and response elements,
// of more than 100 KiB, all of them.
const maxRecordedKeys = 96 << 10

// recordedKeys is what a record says of the keys to delete: how many there are,
// and as many of them as fit.
func recordedKeys(d *s3api.Delete) map[string]any {
	keys, size := []string{}, 0
	for _, o := range d.Objects[:min(len(d.Objects), maxDeletes)] {
		text, _ := json.Marshal(deref(o.Key)) // a string always encodes
		if size += len(text) + 1; size > maxRecordedKeys {
			break
		}
		keys = append(keys, deref(o.Key))
	}
	return map[string]any{"count": len(d.Objects), "keys": keys}
}
