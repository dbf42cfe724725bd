package s3

import (
	"context"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

var uploadPartCopyServed = names("Bucket", "CopySource", "CopySourceIfMatch", "CopySourceIfModifiedSince", "CopySourceIfNoneMatch",
	"CopySourceIfUnmodifiedSince", "CopySourceRange", "Key", "PartNumber", "UploadId", "CopySourceSSECustomerAlgorithm",
	"CopySourceSSECustomerKey", "CopySourceSSECustomerKeyMD5", "ExpectedBucketOwner", "ExpectedSourceBucketOwner")

// UploadPartCopy makes a part of an object, or of a range of it. It is sealed as
// an uploaded part is, and takes the place of an earlier part of the number.
func (s *Service) UploadPartCopy(ctx context.Context, c identity.Caller, req *s3api.UploadPartCopyRequest) (*s3api.UploadPartCopyOutput, error) {
	return do(s, c, "UploadPartCopy", req, func(call *call) (*s3api.UploadPartCopyOutput, error) {
		return call.uploadPartCopy(ctx, req)
	})
}

func (c *call) uploadPartCopy(ctx context.Context, req *s3api.UploadPartCopyRequest) (*s3api.UploadPartCopyOutput, error) {
	if err := refuseOthers(req, uploadPartCopyServed); err != nil {
		return nil, err
	}
	number := deref32(req.PartNumber)
	if number < 1 || number > sse.MaxParts {
		return nil, invalidArgument("partNumber", strconv.Itoa(int(number)), "Part number must be an integer between 1 and 10000, inclusive")
	}
	from := sourceRequest{
		source: req.CopySource, owner: req.ExpectedSourceBucketOwner,
		conditions: readConditions{
			ifMatch: req.CopySourceIfMatch, ifNoneMatch: req.CopySourceIfNoneMatch,
			ifModified: req.CopySourceIfModifiedSince, ifUnmodifiedTime: req.CopySourceIfUnmodifiedSince,
		},
		customerAlgorithm: req.CopySourceSSECustomerAlgorithm, customerKeyMD5: req.CopySourceSSECustomerKeyMD5,
		customerKey: req.CopySourceSSECustomerKey,
	}
	named, err := from.parse()
	if err != nil {
		return nil, err
	}
	wanted, err := parseCopyRange(req.CopySourceRange)
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
	src, err := c.openSource(ctx, named, from, wanted)
	if err != nil {
		return nil, err
	}
	defer src.release()
	c.sseApplied = u.attrs.SSEApplied
	key, binding, err := c.openKey(ctx, b, *req.Key, u.doc.envelope, u.attrs.Context)
	if err != nil {
		return nil, err
	}
	got, err := c.reseal(ctx, src, key, uint32(number), expectation{algorithm: u.algorithm()}, binding.Mode == sse.SSES3)
	if err != nil {
		return nil, err
	}
	etag, err := newETag(binding.Mode, got.md5)
	if err != nil {
		c.discard(ctx, err, got.blob)
		return nil, err
	}
	part := partRecord{Number: number, Size: got.size, Salt: got.salt[:], ETag: etag, Checksum: got.checksum, Modified: c.s.now(), Blob: got.blob}
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
	result := &s3api.CopyPartResult{ETag: quote(etag), LastModified: &part.Modified}
	if u.attrs.ChecksumAlgorithm != "" {
		setChecksum(result, u.algorithm().name, got.checksum)
	}
	return &s3api.UploadPartCopyOutput{CopyPartResult: result, ServerSideEncryption: u.doc.wireMode(), SSEKMSKeyId: u.doc.wireKey()}, nil
}

// parseCopyRange reads x-amz-copy-source-range, which is stricter than Range:
// both ends must be there, and within the object. It returns what chooses the
// range, given the object's size.
func parseCopyRange(header *string) (func(size int64) (span, error), error) {
	if header == nil {
		return wholeSource, nil
	}
	from, to, ok := strings.Cut(strings.TrimPrefix(*header, "bytes="), "-")
	first, ok1 := parseOffset(from)
	last, ok2 := parseOffset(to)
	if !ok || !ok1 || !ok2 || first > last || !strings.HasPrefix(*header, "bytes=") {
		return nil, invalidArgument(headerCopyRange, showable(*header),
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	return func(size int64) (span, error) {
		if last >= size {
			return span{}, invalidArgument(headerCopyRange, *header, "Range specified is not valid for source object of size: %d", size)
		}
		return span{offset: first, length: last - first + 1}, nil
	}, nil
}

func deref32(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}
