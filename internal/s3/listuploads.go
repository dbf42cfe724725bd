package s3

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

var listUploadsServed = names("Bucket", "Delimiter", "EncodingType", "KeyMarker", "MaxUploads", "Prefix", "UploadIdMarker", "ExpectedBucketOwner")

// ListMultipartUploads lists a page of the uploads in progress, by key, and of one
// key in the order in which they began.
func (s *Service) ListMultipartUploads(ctx context.Context, c identity.Caller, req *s3api.ListMultipartUploadsRequest) (*s3api.ListMultipartUploadsOutput, error) {
	return do(s, c, "ListMultipartUploads", req, func(call *call) (*s3api.ListMultipartUploadsOutput, error) {
		return call.listUploads(ctx, req)
	})
}

func (c *call) listUploads(ctx context.Context, req *s3api.ListMultipartUploadsRequest) (*s3api.ListMultipartUploadsOutput, error) {
	if err := refuseOthers(req, listUploadsServed); err != nil {
		return nil, err
	}
	q := listQuery{prefix: deref(req.Prefix), delimiter: deref(req.Delimiter), after: deref(req.KeyMarker)}
	escape, err := q.read("max-uploads", req.MaxUploads, req.EncodingType, "key-marker")
	if err != nil {
		return nil, err
	}
	afterID := ""
	if q.after != "" { // without a key the id says nothing
		afterID = deref(req.UploadIdMarker)
	}
	if afterID != "" && !validUploadID(afterID) {
		return nil, invalidArgument("upload-id-marker", showable(afterID), "Invalid uploadId marker")
	}
	b, err := c.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := c.inRegion(b); err != nil {
		return nil, err
	}
	out := &s3api.ListMultipartUploadsOutput{
		Bucket: &b.Name, KeyMarker: ptr(escape(q.after)), UploadIdMarker: &afterID, MaxUploads: ptr(int32(q.limit)),
		NextKeyMarker: ptr(""), NextUploadIdMarker: ptr(""), EncodingType: req.EncodingType,
		Prefix: nonEmpty(escape(q.prefix)), Delimiter: nonEmpty(escape(q.delimiter)),
	}
	base := b.Name + "/"
	w := walk{
		query: store.Query{Prefix: base + rowPrefix(q.prefix), Ref: b.ID},
		table: store.Uploads, base: base, name: uploadKeyOf, row: rowPrefix,
		take: func(key string, row store.Row) error {
			u, err := c.s.decodeUpload(b, key, uploadIDOf(row.Key), row)
			if err == nil {
				out.Uploads = append(out.Uploads, u.listing(b, escape(key)))
			}
			return err
		},
	}
	switch {
	case afterID != "":
		w.query.After = uploadRowKey(b.Name, q.after, afterID)
	case q.after != "": // after all uploads of the key
		w.query.From, _ = store.PrefixEnd(base + rowPrefix(q.after) + "/")
	}
	p, err := c.s.pageOf(ctx, q, w)
	if err != nil {
		return nil, err
	}
	p.encode(escape)
	out.IsTruncated, out.CommonPrefixes = &p.truncated, p.prefixes
	if n := len(out.Uploads); n > 0 {
		out.NextKeyMarker, out.NextUploadIdMarker = out.Uploads[n-1].Key, out.Uploads[n-1].UploadId
	}
	if last := escape(p.last); p.truncated && last != *out.NextKeyMarker {
		// The page ends with a common prefix, after which the next one begins.
		out.NextKeyMarker, out.NextUploadIdMarker = &last, ptr("")
	}
	return out, nil
}

// listing is an upload's entry in a page. Key is encoded.
func (u *upload) listing(b *bucketRecord, key string) s3api.MultipartUpload {
	entry := s3api.MultipartUpload{
		UploadId: &u.id, Key: &key, Initiated: &u.attrs.Initiated, StorageClass: ptr(s3api.StorageClass("STANDARD")),
		Owner: owner(b.Account), Initiator: u.initiator(b),
	}
	if u.attrs.ChecksumAlgorithm != "" {
		entry.ChecksumAlgorithm = ptr(s3api.ChecksumAlgorithm(u.attrs.ChecksumAlgorithm))
		entry.ChecksumType = ptr(s3api.ChecksumType(u.attrs.ChecksumType))
	}
	return entry
}

// initiator is who began an upload: the account as it is shown everywhere, or a
// principal of it by ARN and name.
func (u *upload) initiator(b *bucketRecord) *s3api.Initiator {
	if u.attrs.InitiatorARN == identity.RootARN(b.Account) {
		return &s3api.Initiator{ID: owner(b.Account).ID}
	}
	return &s3api.Initiator{ID: &u.attrs.InitiatorARN, DisplayName: nonEmpty(u.attrs.InitiatorName)}
}

// rowPrefix is a name as it is in the row key of an upload.
func rowPrefix(name string) string { return hex.EncodeToString([]byte(name)) }

// uploadKeyOf takes the object key off the row key of an upload.
func uploadKeyOf(rowKey string) (string, bool) {
	parts := strings.Split(rowKey, "/")
	if len(parts) != 3 {
		return "", false
	}
	key, err := hex.DecodeString(parts[1])
	return string(key), err == nil
}
