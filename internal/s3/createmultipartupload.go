package s3

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

var createUploadServed = names("ACL", "Bucket", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage",
	"ContentType", "Expires", "Key", "Metadata", "ServerSideEncryption", "StorageClass", "SSECustomerAlgorithm",
	"SSECustomerKey", "SSECustomerKeyMD5", "SSEKMSKeyId", "SSEKMSEncryptionContext", "BucketKeyEnabled",
	"ExpectedBucketOwner", "ChecksumAlgorithm", "ChecksumType")

// CreateMultipartUpload begins an upload: it decides how the object will be
// sealed and makes its key, which the parts share.
func (s *Service) CreateMultipartUpload(ctx context.Context, c identity.Caller, req *s3api.CreateMultipartUploadRequest) (*s3api.CreateMultipartUploadOutput, error) {
	return do(s, c, "CreateMultipartUpload", req, func(call *call) (*s3api.CreateMultipartUploadOutput, error) {
		return call.createUpload(ctx, req)
	})
}

func (c *call) createUpload(ctx context.Context, req *s3api.CreateMultipartUploadRequest) (*s3api.CreateMultipartUploadOutput, error) {
	enc, err := sseRequest{
		mode: req.ServerSideEncryption, keyID: req.SSEKMSKeyId, context: req.SSEKMSEncryptionContext, bucketKey: req.BucketKeyEnabled,
		customerAlgorithm: req.SSECustomerAlgorithm, customerKeyMD5: req.SSECustomerKeyMD5, customerKey: req.SSECustomerKey,
	}.parse(deref(req.Bucket), deref(req.Key))
	if err != nil {
		return nil, err
	}
	for _, err := range []error{refuseOthers(req, createUploadServed), checkACL(req.ACL), checkStorageClass(req.StorageClass), checkMetadata(req.Metadata)} {
		if err != nil {
			return nil, err
		}
	}
	name, kind, err := uploadChecksum(req.ChecksumAlgorithm, req.ChecksumType)
	if err != nil {
		return nil, err
	}
	b, err := c.writeBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner, req.ACL, nil)
	if err != nil {
		return nil, err
	}
	c.sseApplied = enc.applied
	env, _, err := c.newKey(ctx, b, *req.Key, enc)
	if err != nil {
		return nil, err
	}
	attrs := attributes{
		Context: enc.context, SSEApplied: enc.applied, Metadata: req.Metadata,
		headers:           newHeaders(req.CacheControl, req.ContentDisposition, req.ContentEncoding, req.ContentLanguage, req.ContentType, req.Expires),
		ChecksumAlgorithm: string(name), ChecksumType: string(kind),
		Initiated: c.s.now(), InitiatorARN: c.caller.ARN, InitiatorName: c.caller.UserName,
	}
	id := c.s.newUploadID()
	doc := uploadDoc{Version: recordVersion, envelope: env}
	if doc.Attributes, err = c.s.sealJSON(b.Region, attrs, recordAAD("upload", b, *req.Key, id, env, "")); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	c.respond(env.elements())
	err = c.update(ctx, func(tx *store.Tx) error {
		if err := c.s.stillThere(tx, b); err != nil {
			return err
		}
		_, err := tx.Put(store.Uploads, store.Row{Key: uploadRowKey(b.Name, *req.Key, id), Ref: b.ID, Doc: raw})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &s3api.CreateMultipartUploadOutput{
		Bucket: &b.Name, Key: req.Key, UploadId: &id,
		ServerSideEncryption: env.wireMode(), SSEKMSKeyId: env.wireKey(), SSEKMSEncryptionContext: req.SSEKMSEncryptionContext,
	}
	if name != "" {
		out.ChecksumAlgorithm, out.ChecksumType = &name, &kind
	}
	return out, nil
}

// uploadChecksum decides the algorithm and type of an upload. Both are empty
// when the client names neither: its parts then carry no checksum, and the
// object gets the default one.
func uploadChecksum(asked *s3api.ChecksumAlgorithm, kind *s3api.ChecksumType) (s3api.ChecksumAlgorithm, s3api.ChecksumType, error) {
	if asked == nil {
		if kind != nil {
			return "", "", invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return "", "", nil
	}
	a, err := namedAlgorithm(*asked)
	if err != nil {
		return "", "", err
	}
	if kind == nil {
		return a.name, a.defaultType(), nil
	}
	t, err := checksumType(*kind)
	switch {
	case err != nil:
		return "", "", err
	case t == composite && !a.composite, t == fullObject && a.crc == nil:
		return "", "", invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", t, strings.ToLower(string(a.name)))
	}
	return a.name, t, nil
}

// checksumType reads x-amz-checksum-type.
func checksumType(kind s3api.ChecksumType) (s3api.ChecksumType, error) {
	t := s3api.ChecksumType(strings.ToUpper(string(kind)))
	if t != composite && t != fullObject {
		return "", invalidRequest("Value for x-amz-checksum-type header is invalid.")
	}
	return t, nil
}

// uploadIDOf takes the upload id off a row key; it holds no slash.
func uploadIDOf(rowKey string) string { return rowKey[strings.LastIndexByte(rowKey, '/')+1:] }

// upload is a multipart upload in progress, its record opened.
type upload struct {
	id    string
	doc   uploadDoc
	attrs attributes
}

// algorithm is that of the upload's checksums: what the client named, or the default.
func (u *upload) algorithm() *checksumAlgorithm {
	if u.attrs.ChecksumAlgorithm == "" {
		return algorithm(defaultChecksum)
	}
	return algorithm(s3api.ChecksumAlgorithm(u.attrs.ChecksumAlgorithm))
}

// getter is what a store and a transaction of it have in common here.
type getter func(store.Table, string) (store.Row, error)

func (s *Service) get(ctx context.Context) getter {
	return func(t store.Table, key string) (store.Row, error) { return s.store.Get(ctx, t, key) }
}

// findUpload loads an upload, and the row it is in.
func (s *Service) findUpload(get getter, b *bucketRecord, key, id string) (*upload, store.Row, error) {
	if !validUploadID(id) {
		return nil, store.Row{}, noSuchUpload(id)
	}
	row, err := get(store.Uploads, uploadRowKey(b.Name, key, id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, row, noSuchUpload(id)
	}
	if err != nil {
		return nil, row, err
	}
	if row.Ref != b.ID { // of an earlier bucket of this name, on its way out
		return nil, row, noSuchUpload(id)
	}
	u, err := s.decodeUpload(b, key, id, row)
	return u, row, err
}

// decodeUpload opens the record of one upload.
func (s *Service) decodeUpload(b *bucketRecord, key, id string, row store.Row) (*upload, error) {
	u := &upload{id: id}
	what := "upload " + id + " of " + describe(b.Name, key)
	if err := json.Unmarshal(row.Doc, &u.doc); err != nil {
		return nil, tampered(what, err)
	}
	aad := recordAAD("upload", b, key, id, u.doc.envelope, "")
	if err := s.openJSON(b.Region, what, u.doc.Attributes, aad, &u.attrs); err != nil {
		return nil, err
	}
	return u, nil
}
