package s3

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// minPartSize is the least size of every part but the last: 5 MiB.
const minPartSize = 5 << 20

var completeServed = names("Bucket", "Key", "MultipartUpload", "UploadId", "ChecksumType", "MpuObjectSize",
	"ExpectedBucketOwner", "IfMatch", "IfNoneMatch").and(checksumMembers())

// CompleteMultipartUpload makes the object of the parts that the client lists.
// The bytes stay where they are: what is written is the manifest. Location in
// the answer is left to the HTTP layer, which knows the object's address.
func (s *Service) CompleteMultipartUpload(ctx context.Context, c identity.Caller, req *s3api.CompleteMultipartUploadRequest) (*s3api.CompleteMultipartUploadOutput, error) {
	return do(s, c, "CompleteMultipartUpload", req, func(call *call) (*s3api.CompleteMultipartUploadOutput, error) {
		if err := checkComplete(req); err != nil {
			return nil, err
		}
		b, err := call.writeBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner, nil, req.IfMatch)
		if err != nil {
			return nil, err
		}
		out, err := call.completeUpload(ctx, b, req)
		for range 2 { // a part came in at the same time
			if !errors.Is(err, s3api.OperationAborted) {
				break
			}
			out, err = call.completeUpload(ctx, b, req)
		}
		if errors.Is(err, s3api.NoSuchUpload) || errors.Is(err, s3api.PreconditionFailed) {
			return call.completedBefore(ctx, b, req, err)
		}
		return out, err
	})
}

func (c *call) completeUpload(ctx context.Context, b *bucketRecord, req *s3api.CompleteMultipartUploadRequest) (*s3api.CompleteMultipartUploadOutput, error) {
	u, row, err := c.s.findUpload(c.s.get(ctx), b, *req.Key, deref(req.UploadId))
	if err != nil {
		return nil, err
	}
	parts, others, err := c.s.chooseParts(ctx, b, u, req)
	if err != nil {
		return nil, err
	}
	c.sseApplied = u.attrs.SSEApplied
	key, binding, err := c.openKey(ctx, b, *req.Key, u.doc.envelope, u.attrs.Context)
	if err != nil {
		return nil, err
	}
	m, err := newManifest(u, binding.Mode, parts)
	if err != nil {
		return nil, err
	}
	if err := checkAnnounced(req, m); err != nil {
		return nil, err
	}
	n := newObject{
		bucket: b, key: *req.Key, envelope: u.doc.envelope, attrs: u.attrs, manifest: m,
		conditions: writeConditions{req.IfMatch, req.IfNoneMatch},
	}
	n.attrs.Size, n.attrs.ETag, n.attrs.Modified = m.Size, m.ETag, c.s.now()
	n.attrs.Parts, n.attrs.UploadID = len(parts), u.id
	n.attrs.ChecksumAlgorithm, n.attrs.ChecksumType = m.Checksum.Algorithm, m.Checksum.Type
	c.respond(u.doc.elements())
	err = c.commit(ctx, n, key, func(tx *store.Tx) error { return c.s.consume(tx, b, n.key, u, row.Rev, others) })
	if err != nil {
		return nil, err
	}
	return c.completed(b.Name, n.key, m, u.doc.envelope), nil
}

// completedBefore answers a Complete that is sent again because its answer was
// lost, or twice at the same time, as AWS does: with what the first was
// answered. Failed is what any other gets.
func (c *call) completedBefore(ctx context.Context, b *bucketRecord, req *s3api.CompleteMultipartUploadRequest, failed error) (*s3api.CompleteMultipartUploadOutput, error) {
	c.s.readers.enter() // as for a HEAD
	defer c.s.readers.leave()
	o, err := c.s.findObject(ctx, b, *req.Key)
	if err != nil {
		return nil, err
	}
	if o == nil || o.attrs.UploadID == "" || o.attrs.UploadID != deref(req.UploadId) {
		return nil, failed
	}
	c.sseApplied = o.attrs.SSEApplied
	_, m, err := c.openManifest(ctx, b, *req.Key, o)
	if err != nil {
		return nil, err
	}
	c.respond(o.doc.elements())
	return c.completed(b.Name, *req.Key, m, o.doc.envelope), nil
}

func (c *call) completed(bucket, key string, m *sse.Manifest, env envelope) *s3api.CompleteMultipartUploadOutput {
	out := &s3api.CompleteMultipartUploadOutput{
		Bucket: &bucket, Key: &key, ETag: quote(m.ETag),
		ServerSideEncryption: env.wireMode(), SSEKMSKeyId: env.wireKey(),
		ChecksumType: ptr(s3api.ChecksumType(m.Checksum.Type)),
	}
	setChecksum(out, s3api.ChecksumAlgorithm(m.Checksum.Algorithm), m.Checksum.Value)
	return out
}

// checkComplete is what can be told from the request alone.
func checkComplete(req *s3api.CompleteMultipartUploadRequest) error {
	if err := refuseOthers(req, completeServed); err != nil {
		return err
	}
	if err := (writeConditions{req.IfMatch, req.IfNoneMatch}).checkForm(); err != nil {
		return err
	}
	if err := checkCompleteChecksum(req); err != nil {
		return err
	}
	if req.MultipartUpload == nil || len(req.MultipartUpload.Parts) == 0 || len(req.MultipartUpload.Parts) > sse.MaxParts {
		return malformedXML()
	}
	before := int32(0)
	for _, p := range req.MultipartUpload.Parts {
		switch {
		case p.PartNumber == nil || p.ETag == nil:
			return malformedXML()
		case *p.PartNumber < 1 || *p.PartNumber > sse.MaxParts:
			return invalidArgument("partNumber", strconv.Itoa(int(*p.PartNumber)), "Part number must be an integer between 1 and 10000, inclusive")
		case *p.PartNumber <= before:
			return awserr.New(s3api.InvalidPartOrder, "The list of parts was not in ascending order. Parts must be ordered by part number.").
				With("UploadId", deref(req.UploadId))
		}
		before = *p.PartNumber
	}
	return nil
}

func malformedXML() error {
	return awserr.New(s3api.MalformedXML, "The XML you provided was not well-formed or did not validate against our published schema")
}

// chooseParts loads the listed parts and compares what the client says of each.
// Others are the numbers of those that are not listed.
func (s *Service) chooseParts(ctx context.Context, b *bucketRecord, u *upload, req *s3api.CompleteMultipartUploadRequest) (parts []partRecord, others []int32, err error) {
	rows, err := s.store.List(ctx, store.Parts, store.Query{Prefix: u.id + "/", Limit: sse.MaxParts, KeepDamaged: true})
	if err != nil {
		return nil, nil, err
	}
	byKey := make(map[string]store.Row, len(rows))
	for _, row := range rows {
		byKey[row.Key] = row
	}
	listed := req.MultipartUpload.Parts
	parts = make([]partRecord, 0, len(listed))
	for i, p := range listed {
		row, ok := byKey[partRowKey(u.id, *p.PartNumber)]
		if !ok {
			return nil, nil, invalidPart(u.id, p)
		}
		delete(byKey, row.Key)
		if row.Damaged != nil {
			return nil, nil, row.Damaged
		}
		part, err := s.decodePart(b, *req.Key, u, row)
		if err != nil {
			return nil, nil, err
		}
		if err := u.checkPart(p, part); err != nil {
			return nil, nil, err
		}
		if i < len(listed)-1 && part.Size < minPartSize {
			return nil, nil, awserr.New(s3api.EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size").
				With("ProposedSize", itoa(part.Size)).With("MinSizeAllowed", itoa(minPartSize)).
				With("PartNumber", itoa(int64(part.Number))).With("ETag", part.ETag)
		}
		parts = append(parts, part)
	}
	for rowKey := range byKey {
		number, err := partNumberOf(rowKey)
		if err != nil { // it has rotted; no object will refer to it
			s.log.Error("leaving a part that nothing refers to", "part", rowKey, "error", err)
			continue
		}
		others = append(others, number)
	}
	return parts, others, nil
}

// checkPart compares a part as listed with the part as uploaded.
func (u *upload) checkPart(p s3api.CompletedPart, part partRecord) error {
	if trimETag(*p.ETag) != part.ETag {
		return invalidPart(u.id, p)
	}
	return u.checkPartChecksum(p, part)
}

func invalidPart(uploadID string, p s3api.CompletedPart) error {
	return awserr.New(s3api.InvalidPart, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.").
		With("UploadId", uploadID).With("PartNumber", strconv.Itoa(int(*p.PartNumber))).With("ETag", trimETag(*p.ETag))
}

// newManifest puts the parts together: sizes, ETag and checksum of the whole.
func newManifest(u *upload, mode sse.Mode, parts []partRecord) (*sse.Manifest, error) {
	m := &sse.Manifest{}
	sums := md5.New()
	for _, p := range parts {
		m.Size += p.Size
		_, _ = sums.Write(p.MD5)
		m.Parts = append(m.Parts, sse.ManifestPart{
			Number: uint32(p.Number), PlainSize: p.Size, Salt: hsm.PartSalt(p.Salt), Blob: p.Blob, ETagMD5: p.MD5, Checksum: p.Checksum,
		})
	}
	etag, err := newETag(mode, sums.Sum(nil))
	if err != nil {
		return nil, err
	}
	m.ETag = fmt.Sprintf("%s-%d", etag, len(parts))
	a := u.algorithm()
	m.Checksum = sse.Checksum{Algorithm: string(a.name), Type: string(fullObject)}
	if s3api.ChecksumType(u.attrs.ChecksumType) == composite {
		m.Checksum.Type = string(composite)
		m.Checksum.Value = fmt.Sprintf("%s-%d", a.compositeOf(parts), len(parts))
	} else {
		m.Checksum.Value = a.combineParts(parts)
	}
	return m, nil
}

// checkAnnounced compares what the request says of the whole object.
func checkAnnounced(req *s3api.CompleteMultipartUploadRequest, m *sse.Manifest) error {
	if req.MpuObjectSize != nil && *req.MpuObjectSize != m.Size {
		return invalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *req.MpuObjectSize, m.Size)
	}
	return checkWholeChecksum(req, m)
}

// consume ends the upload inside the transaction that makes the object: no
// part may have come in since they were compared at revision rev of the
// upload, and those that the object is not made of go. The rows of the parts
// that it is made of stay as long as the object does: they are its list of
// blobs.
func (s *Service) consume(tx *store.Tx, b *bucketRecord, key string, u *upload, rev int64, others []int32) error {
	_, row, err := s.findUpload(tx.Get, b, key, u.id)
	if err != nil {
		return err
	}
	if row.Rev != rev {
		return awserr.New(s3api.OperationAborted, "A conflicting conditional operation is currently in progress against this resource. Please try again.")
	}
	if len(others) > 0 {
		if err := entombParts(tx, u.id, others); err != nil {
			return err
		}
	}
	return tx.Delete(store.Uploads, row.Key, row.Rev)
}
