package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

var putObjectServed = names("ACL", "Bucket", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage",
	"ContentLength", "ContentMD5", "ContentType", "ChecksumAlgorithm", "Expires", "IfMatch", "IfNoneMatch", "Key", "Metadata", "ServerSideEncryption",
	"StorageClass", "SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5", "SSEKMSKeyId", "SSEKMSEncryptionContext",
	"BucketKeyEnabled", "ExpectedBucketOwner").and(checksumMembers())

// PutObject seals the body and stores it under the key. The object is there,
// durable and audited, when PutObject returns nil; with any error what was
// there before still is.
func (s *Service) PutObject(ctx context.Context, c identity.Caller, req *s3api.PutObjectRequest, body Body) (*s3api.PutObjectOutput, error) {
	return do(s, c, "PutObject", req, func(call *call) (*s3api.PutObjectOutput, error) {
		return call.putObject(ctx, req, body)
	})
}

func (c *call) putObject(ctx context.Context, req *s3api.PutObjectRequest, body Body) (*s3api.PutObjectOutput, error) {
	want, enc, err := checkPut(req, body)
	if err != nil {
		return nil, err
	}
	b, err := c.writeBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner, req.ACL, req.IfMatch)
	if err != nil {
		return nil, err
	}
	c.sseApplied = enc.applied
	n := newObject{
		bucket: b, key: *req.Key,
		conditions: writeConditions{req.IfMatch, req.IfNoneMatch},
		attrs: attributes{
			Context: enc.context, SSEApplied: enc.applied, Metadata: req.Metadata,
			headers: newHeaders(req.CacheControl, req.ContentDisposition, req.ContentEncoding, req.ContentLanguage, req.ContentType, req.Expires),
		},
	}
	if err := c.checkEarly(ctx, n); err != nil {
		return nil, err
	}
	env, key, err := c.newKey(ctx, b, n.key, enc)
	if err != nil {
		return nil, err
	}
	got, err := c.receive(ctx, body, key, 1, want, enc.mode == sse.SSES3)
	if err != nil {
		return nil, err
	}
	etag, err := newETag(enc.mode, got.md5)
	if err != nil {
		return nil, err
	}
	n.envelope, n.fresh = env, []string{got.blob}
	n.attrs.Size, n.attrs.ETag, n.attrs.Modified, n.attrs.Blob = got.size, etag, c.s.now(), got.blob
	n.attrs.ChecksumAlgorithm, n.attrs.ChecksumType = string(want.algorithm.name), string(fullObject)
	n.manifest = &sse.Manifest{
		Size: got.size, ETag: etag, Parts: onePart(got),
		Checksum: sse.Checksum{Algorithm: string(want.algorithm.name), Value: got.checksum, Type: string(fullObject)},
	}
	c.respond(env.elements())
	if err := c.commit(ctx, n, key, nil); err != nil {
		return nil, err
	}
	checksumType := fullObject
	out := &s3api.PutObjectOutput{
		ETag: quote(etag), ChecksumType: &checksumType,
		ServerSideEncryption: env.wireMode(), SSEKMSKeyId: env.wireKey(), SSEKMSEncryptionContext: req.SSEKMSEncryptionContext,
	}
	setChecksum(out, want.algorithm.name, got.checksum)
	return out, nil
}

// checkPut is everything that can be told from the request alone.
func checkPut(req *s3api.PutObjectRequest, body Body) (want expectation, enc encryption, err error) {
	enc, err = sseRequest{
		mode: req.ServerSideEncryption, keyID: req.SSEKMSKeyId, context: req.SSEKMSEncryptionContext, bucketKey: req.BucketKeyEnabled,
		customerAlgorithm: req.SSECustomerAlgorithm, customerKeyMD5: req.SSECustomerKeyMD5, customerKey: req.SSECustomerKey,
	}.parse(deref(req.Bucket), deref(req.Key))
	if err != nil {
		return want, enc, err
	}
	for _, err := range []error{
		refuseOthers(req, putObjectServed), checkACL(req.ACL), checkStorageClass(req.StorageClass),
		checkMetadata(req.Metadata), checkLength(body), writeConditions{req.IfMatch, req.IfNoneMatch}.checkForm(),
	} {
		if err != nil {
			return want, enc, err
		}
	}
	want, err = expect(req, req.ChecksumAlgorithm, req.ContentMD5, body)
	return want, enc, err
}

// checkLength refuses what can be refused before the first byte is read.
func checkLength(body Body) error {
	switch {
	case body.Length < 0:
		return awserr.New(s3api.MissingContentLength, "You must provide the Content-Length HTTP header.")
	case body.Length > maxPartSize:
		return entityTooLarge()
	}
	return nil
}

// checkEarly checks the conditions before the body is read, to spare the
// client an upload that cannot succeed; commit checks them again.
func (c *call) checkEarly(ctx context.Context, n newObject) error {
	if !n.conditions.any() {
		return nil
	}
	now, err := c.s.findObject(ctx, n.bucket, n.key)
	if err != nil {
		return err
	}
	return n.conditions.check(n.key, now)
}
