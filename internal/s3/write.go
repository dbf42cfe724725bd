package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// What PutObject and CompleteMultipartUpload share: how an object comes to be.

const (
	// maxMetadata is the limit of all user metadata, names and values, in bytes.
	maxMetadata = 2048
	// maxInlineManifest is how long a sealed manifest may be to be kept in the
	// object's row, which every listing reads. A longer one, of a multipart
	// upload of many parts, is a blob of its own.
	maxInlineManifest = 4 << 10
)

// newETag makes the ETag of an object or part: the MD5 of the plaintext under
// SSE-S3, else random, as AWS does.
func newETag(mode sse.Mode, md5 []byte) (string, error) {
	if mode == sse.SSES3 {
		return hex.EncodeToString(md5), nil
	}
	random, err := sse.NewInstance() // 16 random bytes are what is wanted
	return hex.EncodeToString(random[:]), err
}

// checkMetadata applies the limit on user metadata.
func checkMetadata(metadata map[string]string) error {
	n := 0
	for name, value := range metadata {
		n += len(name) + len(value)
	}
	if n <= maxMetadata {
		return nil
	}
	return awserr.New(s3api.MetadataTooLarge, "Your metadata headers exceed the maximum allowed metadata size").
		With("Size", strconv.Itoa(n)).With("MaxSizeAllowed", strconv.Itoa(maxMetadata))
}

// checkACL and checkStorageClass let pass what changes nothing: every object
// belongs to the bucket's owner, and STANDARD is the only class.

func checkACL(acl *s3api.ObjectCannedACL) error {
	switch deref(acl) {
	case "", "private", "bucket-owner-full-control":
		return nil
	}
	return notImplemented("x-amz-acl")
}

func checkStorageClass(class *s3api.StorageClass) error {
	switch deref(class) {
	case "", "STANDARD":
		return nil
	}
	return notImplemented("x-amz-storage-class")
}

// newHeaders keeps the standard headers as they were sent. (The edge has taken
// the transfer coding aws-chunked out of Content-Encoding.)
func newHeaders(cacheControl, disposition, encoding, language, contentType, expires *string) headers {
	h := headers{
		CacheControl: deref(cacheControl), ContentDisposition: deref(disposition), ContentEncoding: deref(encoding),
		ContentLanguage: deref(language), ContentType: deref(contentType), Expires: deref(expires),
	}
	if h.ContentType == "" {
		h.ContentType = "binary/octet-stream"
	}
	return h
}

// newObject is an object whose blobs are durable, about to be committed.
type newObject struct {
	bucket   *bucketRecord
	key      string
	envelope envelope
	attrs    attributes
	manifest *sse.Manifest
	// fresh are blobs that nothing refers to yet.
	fresh []string
	// conditions of the request, checked again inside the transaction.
	conditions writeConditions
}

// commit writes the object's row, in a transaction with whatever more the
// operation does, dooms what the row referred to before, and hands the new
// blobs to the collector. On an error it removes the blobs that nothing refers to.
func (c *call) commit(ctx context.Context, n newObject, k *hsm.ObjectKey, more func(*store.Tx) error) (err error) {
	fresh := n.fresh
	defer func() {
		if err != nil {
			c.discard(ctx, err, fresh...)
			return
		}
		for _, id := range fresh {
			c.s.publish(id)
		}
		c.s.wakeCollector() // for what was replaced
	}()
	binding, err := n.envelope.binding(n.bucket.Name, n.key)
	if err != nil {
		return err
	}
	sealed, err := n.manifest.Seal(k, binding)
	if err != nil {
		return err
	}
	manifestBlob := ""
	if len(sealed) > maxInlineManifest {
		if manifestBlob, err = c.writeBlob(ctx, sealed); err != nil {
			return err
		}
		fresh, sealed = append(fresh, manifestBlob), nil
	}
	doc, err := c.s.encodeObject(n.bucket, n.key, n.envelope, n.attrs, sealed, manifestBlob)
	if err != nil {
		return err
	}
	rowKey := objectRowKey(n.bucket.Name, n.key)
	return c.update(ctx, func(tx *store.Tx) error {
		if err := c.s.stillThere(tx, n.bucket); err != nil {
			return err
		}
		row := store.Row{Key: rowKey}
		if err := c.s.retire(tx, n.bucket, n.key, n.conditions, &row); err != nil {
			return err
		}
		for _, id := range fresh {
			if err := putBlob(tx, id); err != nil {
				return err
			}
		}
		if more != nil {
			if err := more(tx); err != nil {
				return err
			}
		}
		row.Doc = doc
		_, err := tx.Put(store.Objects, row)
		return err
	})
}

// retire takes the revision of the object that is at row's key now, nothing if
// there is none, after it checked the conditions, and dooms its blobs: the
// caller replaces or deletes the row.
func (s *Service) retire(tx *store.Tx, b *bucketRecord, key string, conditions writeConditions, row *store.Row) error {
	old, err := tx.Get(store.Objects, row.Key)
	if errors.Is(err, store.ErrNotFound) {
		return conditions.check(key, nil)
	}
	if errors.Is(err, store.ErrDamaged) && !conditions.any() {
		// As below; not even the revision can be relied on. An empty row
		// in its place has one.
		s.log.Error("retiring an object whose row is damaged", "bucket", b.Name, "key", key, "error", err)
		if err := tx.DeleteUnlogged(store.Objects, row.Key); err != nil {
			return err
		}
		row.Rev, err = tx.Put(store.Objects, store.Row{Key: row.Key})
		return err
	}
	if err != nil {
		return err
	}
	row.Rev = old.Rev
	now, err := s.decodeObject(b, key, old)
	if errors.Is(err, ErrTampered) && !conditions.any() {
		// A record that does not open must not stay for ever. Which blobs it
		// had cannot be told from it: they stay.
		s.log.Error("retiring an object whose record does not open", "bucket", b.Name, "key", key, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := conditions.check(key, now); err != nil {
		return err
	}
	return s.doomObject(tx, now)
}

// writeBlob stores sealed bytes as a blob of their own.
func (c *call) writeBlob(ctx context.Context, sealed []byte) (string, error) {
	w, err := c.s.objects.Create(ctx)
	if err != nil {
		return "", err
	}
	defer w.Abort() // does nothing after Commit
	if _, err := w.Write(sealed); err != nil {
		return "", err
	}
	return w.Commit()
}

// onePart is the list of parts of an object that was put whole.
func onePart(r *received) []sse.ManifestPart {
	return []sse.ManifestPart{{Number: 1, PlainSize: r.size, Salt: r.salt, Blob: r.blob, ETagMD5: r.md5, Checksum: r.checksum}}
}

// doomObject dooms every blob of an object whose row goes away. None of this
// needs the object's key: what a revoked KMS key sealed can still be deleted.
func (s *Service) doomObject(tx *store.Tx, o *object) error {
	for _, id := range []string{o.attrs.Blob, o.doc.ManifestBlob} {
		if id == "" {
			continue
		}
		if err := doomBlob(tx, id); err != nil {
			return err
		}
	}
	if o.attrs.UploadID == "" {
		return nil
	}
	return entombParts(tx, o.attrs.UploadID, nil)
}
