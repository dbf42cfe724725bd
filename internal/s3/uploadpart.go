package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

var uploadPartServed = names("Bucket", "ContentLength", "ContentMD5", "ChecksumAlgorithm", "Key", "PartNumber", "UploadId", "ExpectedBucketOwner").and(checksumMembers())

// UploadPart seals one part, under a key of its own for each attempt, and
// takes the place of an earlier part of the same number.
func (s *Service) UploadPart(ctx context.Context, c identity.Caller, req *s3api.UploadPartRequest, body Body) (*s3api.UploadPartOutput, error) {
	return do(s, c, "UploadPart", req, func(call *call) (*s3api.UploadPartOutput, error) {
		return call.uploadPart(ctx, req, body)
	})
}

func (c *call) uploadPart(ctx context.Context, req *s3api.UploadPartRequest, body Body) (*s3api.UploadPartOutput, error) {
	if err := refuseOthers(req, uploadPartServed); err != nil {
		return nil, err
	}
	if err := checkLength(body); err != nil {
		return nil, err
	}
	number := int32(0)
	if req.PartNumber != nil {
		number = *req.PartNumber
	}
	if number < 1 || number > sse.MaxParts {
		return nil, invalidArgument("partNumber", strconv.Itoa(int(number)), "Part number must be an integer between 1 and 10000, inclusive")
	}
	want, err := expect(req, req.ChecksumAlgorithm, req.ContentMD5, body)
	if err != nil {
		return nil, err
	}
	b, err := c.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	u, _, err := c.s.findUpload(c.s.get(ctx), b, *req.Key, deref(req.UploadId))
	if err != nil {
		return nil, err
	}
	if err := u.fits(&want); err != nil {
		return nil, err
	}
	c.sseApplied = u.attrs.SSEApplied
	key, binding, err := c.openKey(ctx, b, *req.Key, u.doc.envelope, u.attrs.Context)
	if err != nil {
		return nil, err
	}
	got, err := c.receive(ctx, body, key, uint32(number), want, binding.Mode == sse.SSES3)
	if err != nil {
		return nil, err
	}
	etag, err := newETag(binding.Mode, got.md5)
	if err != nil {
		return nil, err
	}
	part := partRecord{Number: number, Size: got.size, Salt: got.salt[:], ETag: etag, Checksum: got.checksum, Modified: c.s.now(), Blob: got.blob}
	if want.stored != nil {
		part.GivenAlgorithm, part.Given = string(want.algorithm.name), got.given
	}
	if binding.Mode == sse.SSES3 {
		part.MD5 = got.md5
	}
	c.respond(u.doc.elements())
	if err := c.commitPart(ctx, b, *req.Key, u, part); err != nil {
		c.discard(ctx, err, got.blob)
		return nil, err
	}
	c.s.publish(got.blob)
	c.s.wakeCollector()
	out := &s3api.UploadPartOutput{ETag: quote(etag), ServerSideEncryption: u.doc.wireMode(), SSEKMSKeyId: u.doc.wireKey()}
	if want.given || u.attrs.ChecksumAlgorithm != "" {
		setChecksum(out, want.algorithm.name, got.given)
	}
	return out, nil
}

// fits checks the part's checksum against the upload's algorithm, and lets the
// upload decide what is kept. An upload that was begun without an algorithm
// takes any of the older ones: today's AWS CLI sends a CRC32 with every part and
// names none when it begins one by hand.
func (u *upload) fits(want *expectation) error {
	if want.given && u.attrs.ChecksumAlgorithm == "" && !want.algorithm.mustBeNamed {
		if want.algorithm != u.algorithm() {
			want.stored = u.algorithm()
		}
		return nil
	}
	if want.given {
		if string(want.algorithm.name) != u.attrs.ChecksumAlgorithm {
			return checksumMismatch(u.attrs.ChecksumAlgorithm, string(want.algorithm.name))
		}
		return nil
	}
	if s3api.ChecksumType(u.attrs.ChecksumType) == composite {
		return checksumMismatch(u.attrs.ChecksumAlgorithm, "")
	}
	want.algorithm = u.algorithm()
	return nil
}

func checksumMismatch(expected, actual string) error {
	word := func(name string) string {
		if name == "" {
			return "null"
		}
		return strings.ToLower(name)
	}
	return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", word(expected), word(actual))
}

// commitPart puts the part's row, and dooms the blob of the part it replaces.
func (c *call) commitPart(ctx context.Context, b *bucketRecord, key string, u *upload, part partRecord) error {
	sealed, err := c.s.sealJSON(b.Region, part, partAAD(b, key, u, part.Number, part.Blob))
	if err != nil {
		return err
	}
	doc, err := json.Marshal(partDoc{Version: recordVersion, Blob: part.Blob, Record: sealed})
	if err != nil {
		return err
	}
	return c.update(ctx, func(tx *store.Tx) error {
		if err := c.s.stillThere(tx, b); err != nil {
			return err
		}
		// Completed or aborted meanwhile?
		_, upload, err := c.s.findUpload(tx.Get, b, key, u.id)
		if err != nil {
			return err
		}
		// The upload's revision counts its parts, so that Complete sees with
		// one look whether any came in since it read them.
		upload.Rev++
		if err := tx.PutUnlogged(store.Uploads, upload); err != nil {
			return err
		}
		if err := putBlob(tx, part.Blob); err != nil {
			return err
		}
		row := store.Row{Key: partRowKey(u.id, part.Number), Doc: doc}
		if row.Rev, err = c.s.retirePart(tx, row.Key); err != nil {
			return err
		}
		_, err = tx.Put(store.Parts, row)
		return err
	})
}

// retirePart dooms the blob of the part at key, if there is one, and returns
// the revision of its row, which the caller replaces.
func (s *Service) retirePart(tx *store.Tx, key string) (rev int64, err error) {
	old, err := tx.Get(store.Parts, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case errors.Is(err, store.ErrDamaged):
		return 0, s.dropPart(tx, store.Row{Key: key, Damaged: err})
	case err != nil:
		return 0, err
	}
	var doc partDoc
	if json.Unmarshal(old.Doc, &doc) != nil {
		return 0, s.dropPart(tx, old)
	}
	return old.Rev, doomBlob(tx, doc.Blob)
}

func partAAD(b *bucketRecord, key string, u *upload, number int32, blob string) []byte {
	return recordAAD("part", b, key, partRowKey(u.id, number), u.doc.envelope, blob)
}

// decodePart opens the record of one part.
func (s *Service) decodePart(b *bucketRecord, key string, u *upload, row store.Row) (partRecord, error) {
	var doc partDoc
	var part partRecord
	what := "part " + row.Key + " of " + describe(b.Name, key)
	if err := json.Unmarshal(row.Doc, &doc); err != nil {
		return part, tampered(what, err)
	}
	number, err := partNumberOf(row.Key)
	if err != nil {
		return part, tampered(what, err)
	}
	err = s.openJSON(b.Region, what, doc.Record, partAAD(b, key, u, number, doc.Blob), &part)
	if err == nil && len(part.Salt) != len(hsm.PartSalt{}) {
		err = tampered(what, fmt.Errorf("salt of %d bytes", len(part.Salt)))
	}
	part.Blob = doc.Blob
	return part, err
}
