package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

// HeadObject answers the headers of GetObject. Unless the request asks for a
// checksum or a part, whose facts are sealed under the object's key, it makes
// no call to KMS.
func (s *Service) HeadObject(ctx context.Context, c identity.Caller, req *s3api.HeadObjectRequest) (*s3api.HeadObjectOutput, error) {
	return do(s, c, "HeadObject", req, func(call *call) (*s3api.HeadObjectOutput, error) {
		return call.headObject(ctx, req)
	})
}

func (c *call) headObject(ctx context.Context, req *s3api.HeadObjectRequest) (*s3api.HeadObjectOutput, error) {
	if err := checkRead(req, getObjectServed, req.SSECustomerAlgorithm, req.Range, req.PartNumber); err != nil {
		return nil, err
	}
	if err := checkMode(req.ChecksumMode); err != nil {
		return nil, err
	}
	b, err := c.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	// A manifest may be a blob: until it is read the collector keeps its
	// hands off.
	c.s.readers.enter()
	defer c.s.readers.leave()
	o, err := c.s.findObject(ctx, b, *req.Key)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, c.noSuchKey(ctx, b, *req.Key)
	}
	conditions := readConditions{req.IfMatch, req.IfNoneMatch, req.IfModifiedSince, req.IfUnmodifiedSince}
	if err := conditions.check(o.attrs.ETag, o.attrs.Modified, c.s.clock()); err != nil {
		return nil, err
	}
	// Without its key an object has a size and no more; that is enough for
	// most requests.
	m := &sse.Manifest{Size: o.attrs.Size}
	wantSum := req.ChecksumMode != nil
	if wantSum || req.PartNumber != nil {
		if _, m, err = c.openManifest(ctx, b, *req.Key, o); err != nil {
			return nil, err
		}
	}
	r, err := wantedRange(req.Range, req.PartNumber, m)
	if err != nil {
		return nil, err
	}
	h := o.attrs.headers
	out := &s3api.HeadObjectOutput{
		AcceptRanges: ptr("bytes"), LastModified: &o.attrs.Modified, ContentLength: &r.length, ETag: quote(o.attrs.ETag),
		ContentRange:       r.contentRange(m.Size),
		CacheControl:       override(h.CacheControl, req.ResponseCacheControl),
		ContentDisposition: override(h.ContentDisposition, req.ResponseContentDisposition),
		ContentEncoding:    override(h.ContentEncoding, req.ResponseContentEncoding),
		ContentLanguage:    override(h.ContentLanguage, req.ResponseContentLanguage),
		ContentType:        override(h.ContentType, req.ResponseContentType),
		Expires:            overrideTime(h.Expires, req.ResponseExpires),
		Metadata:           o.attrs.Metadata, ServerSideEncryption: o.doc.wireMode(), SSEKMSKeyId: o.doc.wireKey(),
	}
	if req.PartNumber != nil && o.attrs.Parts > 0 {
		out.PartsCount = ptr(int32(o.attrs.Parts))
	}
	if value := checksumOf(m, r, o.attrs.Parts > 0, req.PartNumber); wantSum && value != "" {
		out.ChecksumType = ptr(s3api.ChecksumType(m.Checksum.Type))
		setChecksum(out, s3api.ChecksumAlgorithm(m.Checksum.Algorithm), value)
	}
	return out, nil
}
