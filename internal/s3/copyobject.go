package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

var copyObjectServed = names("ACL", "Bucket", "CacheControl", "ChecksumAlgorithm", "ContentDisposition", "ContentEncoding",
	"ContentLanguage", "ContentType", "CopySource", "CopySourceIfMatch", "CopySourceIfModifiedSince", "CopySourceIfNoneMatch",
	"CopySourceIfUnmodifiedSince", "Expires", "IfMatch", "IfNoneMatch", "Key", "Metadata", "MetadataDirective", "TaggingDirective",
	"ServerSideEncryption", "StorageClass", "SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "SSEKMSKeyId",
	"SSEKMSEncryptionContext", "BucketKeyEnabled", "CopySourceSSECustomerAlgorithm", "CopySourceSSECustomerKey",
	"CopySourceSSECustomerKeyMD5", "ExpectedBucketOwner", "ExpectedSourceBucketOwner")

// CopyObject makes an object of another, or of itself. The plaintext is opened
// and sealed anew, under a key of its own: nothing of the source's keys is in the
// copy. The copy is one part, however many the source has. Its answer comes when
// the copy is durable, so that an error has its own status; AWS may have said 200
// by then, and put the error into the body.
func (s *Service) CopyObject(ctx context.Context, c identity.Caller, req *s3api.CopyObjectRequest) (*s3api.CopyObjectOutput, error) {
	return do(s, c, "CopyObject", req, func(call *call) (*s3api.CopyObjectOutput, error) {
		return call.copyObject(ctx, req)
	})
}

// copyPlan is what can be told of a CopyObject from the request alone.
type copyPlan struct {
	src     copySource
	source  sourceRequest
	enc     encryption
	replace bool               // the metadata
	sum     *checksumAlgorithm // nil: that of the source
}

func (c *call) copyObject(ctx context.Context, req *s3api.CopyObjectRequest) (*s3api.CopyObjectOutput, error) {
	plan, err := planCopy(req)
	if err != nil {
		return nil, err
	}
	b, err := c.writeBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner, req.ACL, req.IfMatch)
	if err != nil {
		return nil, err
	}
	src, err := c.openSource(ctx, plan.src, plan.source, wholeSource)
	if err != nil {
		return nil, err
	}
	defer src.release()
	if err := plan.checkSelf(req, src); err != nil {
		return nil, err
	}
	c.sseApplied = plan.enc.applied
	n := newObject{bucket: b, key: *req.Key, conditions: writeConditions{req.IfMatch, req.IfNoneMatch}, attrs: plan.attributes(req, src)}
	if err := c.checkEarly(ctx, n); err != nil {
		return nil, err
	}
	env, key, err := c.newKey(ctx, b, n.key, plan.enc)
	if err != nil {
		return nil, err
	}
	want := expectation{algorithm: plan.sum}
	if want.algorithm == nil {
		want.algorithm = algorithm(s3api.ChecksumAlgorithm(src.manifest.Checksum.Algorithm))
	}
	if want.algorithm == nil {
		want.algorithm = algorithm(defaultChecksum)
	}
	got, err := c.reseal(ctx, src, key, 1, want, plan.enc.mode == sse.SSES3)
	if err != nil {
		return nil, err
	}
	etag, err := newETag(plan.enc.mode, got.md5)
	if err != nil {
		c.discard(ctx, err, got.blob)
		return nil, err
	}
	sum := sse.Checksum{Algorithm: string(want.algorithm.name), Value: got.checksum, Type: string(fullObject)}
	n.envelope, n.fresh = env, []string{got.blob}
	n.attrs.Size, n.attrs.ETag, n.attrs.Modified, n.attrs.Blob = got.size, etag, c.s.now(), got.blob
	n.attrs.ChecksumAlgorithm, n.attrs.ChecksumType = sum.Algorithm, sum.Type
	n.manifest = &sse.Manifest{Size: got.size, ETag: etag, Parts: onePart(got), Checksum: sum}
	c.respond(env.elements())
	if err := c.commit(ctx, n, key, nil); err != nil {
		return nil, err
	}
	result := &s3api.CopyObjectResult{ETag: quote(etag), LastModified: &n.attrs.Modified, ChecksumType: ptr(fullObject)}
	setChecksum(result, want.algorithm.name, got.checksum)
	return &s3api.CopyObjectOutput{
		CopyObjectResult:     result,
		ServerSideEncryption: env.wireMode(), SSEKMSKeyId: env.wireKey(), SSEKMSEncryptionContext: req.SSEKMSEncryptionContext,
	}, nil
}

func planCopy(req *s3api.CopyObjectRequest) (plan copyPlan, err error) {
	plan.enc, err = sseRequest{
		mode: req.ServerSideEncryption, keyID: req.SSEKMSKeyId, context: req.SSEKMSEncryptionContext, bucketKey: req.BucketKeyEnabled,
		customerAlgorithm: req.SSECustomerAlgorithm, customerKeyMD5: req.SSECustomerKeyMD5, customerKey: req.SSECustomerKey,
	}.parse(deref(req.Bucket), deref(req.Key))
	if err != nil {
		return plan, err
	}
	plan.source = sourceRequest{
		source: req.CopySource, owner: req.ExpectedSourceBucketOwner,
		conditions: readConditions{
			ifMatch: req.CopySourceIfMatch, ifNoneMatch: req.CopySourceIfNoneMatch,
			ifModified: req.CopySourceIfModifiedSince, ifUnmodifiedTime: req.CopySourceIfUnmodifiedSince,
		},
		customerAlgorithm: req.CopySourceSSECustomerAlgorithm, customerKeyMD5: req.CopySourceSSECustomerKeyMD5,
		customerKey: req.CopySourceSSECustomerKey,
	}
	if plan.src, err = plan.source.parse(); err != nil {
		return plan, err
	}
	if plan.replace, err = replaces("x-amz-metadata-directive", "Unknown metadata directive.", (*string)(req.MetadataDirective)); err != nil {
		return plan, err
	}
	tags, err := replaces("x-amz-tagging-directive", "Unknown tagging directive.", (*string)(req.TaggingDirective))
	switch {
	case err != nil:
		return plan, err
	case tags:
		return plan, notImplemented("x-amz-tagging-directive")
	}
	if req.ChecksumAlgorithm != nil {
		if plan.sum, err = namedAlgorithm(*req.ChecksumAlgorithm); err != nil {
			return plan, err
		}
	}
	for _, err := range []error{
		refuseOthers(req, copyObjectServed), checkACL(req.ACL), checkStorageClass(req.StorageClass),
		checkMetadata(req.Metadata), writeConditions{req.IfMatch, req.IfNoneMatch}.checkForm(),
	} {
		if err != nil {
			return plan, err
		}
	}
	return plan, nil
}

// replaces reads a directive: COPY, which is what happens without one, or REPLACE.
func replaces(header, unknown string, directive *string) (bool, error) {
	switch deref(directive) {
	case string(s3api.MetadataDirectiveReplace):
		return true, nil
	case string(s3api.MetadataDirectiveCopy):
		return false, nil
	}
	if directive == nil {
		return false, nil
	}
	return false, invalidArgument(header, showable(*directive), "%s", unknown)
}

// checkSelf refuses to copy an object to itself when nothing would change. That
// the bucket's default encryption is not what the source has is a change.
func (p copyPlan) checkSelf(req *s3api.CopyObjectRequest, src *source) error {
	switch {
	case p.src.bucket != deref(req.Bucket), p.src.key != deref(req.Key),
		p.replace, req.ServerSideEncryption != nil, req.StorageClass != nil, src.doc.Mode != p.enc.mode.String():
		return nil
	}
	return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the " +
		"object's metadata, storage class, website redirect location or encryption attributes.")
}

// attributes are the copy's as far as they do not depend on its bytes. Without
// the directive REPLACE the request's own metadata do not count: so AWS does.
func (p copyPlan) attributes(req *s3api.CopyObjectRequest, src *source) attributes {
	a := attributes{Context: p.enc.context, SSEApplied: p.enc.applied, Metadata: src.attrs.Metadata, headers: src.attrs.headers}
	if p.replace {
		a.Metadata = req.Metadata
		a.headers = newHeaders(req.CacheControl, req.ContentDisposition, req.ContentEncoding, req.ContentLanguage, req.ContentType, req.Expires)
	}
	return a
}
