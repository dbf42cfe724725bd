package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// maxPartsPage is the greatest page of ListParts, and the default one.
const maxPartsPage = 1000

var listPartsServed = names("Bucket", "Key", "MaxParts", "PartNumberMarker", "UploadId", "ExpectedBucketOwner")

// ListParts lists the parts of an upload in progress, by number.
func (s *Service) ListParts(ctx context.Context, c identity.Caller, req *s3api.ListPartsRequest) (*s3api.ListPartsOutput, error) {
	return do(s, c, "ListParts", req, func(call *call) (*s3api.ListPartsOutput, error) {
		return call.listParts(ctx, req)
	})
}

func (c *call) listParts(ctx context.Context, req *s3api.ListPartsRequest) (*s3api.ListPartsOutput, error) {
	if err := refuseOthers(req, listPartsServed); err != nil {
		return nil, err
	}
	limit, marker := maxPartsPage, int32(0)
	if req.MaxParts != nil {
		if *req.MaxParts < 0 {
			return nil, invalidArgument("max-parts", itoa(int64(*req.MaxParts)), "Argument max-parts must be an integer between 0 and 2147483647")
		}
		limit = min(int(*req.MaxParts), maxPartsPage)
	}
	if req.PartNumberMarker != nil {
		if marker = *req.PartNumberMarker; marker < 0 {
			return nil, invalidArgument("part-number-marker", itoa(int64(marker)), "Argument part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	b, err := c.objectBucket(ctx, req.Bucket, req.Key, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	u, _, err := c.s.findUpload(c.s.get(ctx), b, *req.Key, deref(req.UploadId))
	if err != nil {
		return nil, err
	}
	out := &s3api.ListPartsOutput{
		Bucket: &b.Name, Key: req.Key, UploadId: &u.id, PartNumberMarker: &marker, MaxParts: ptr(int32(limit)),
		NextPartNumberMarker: ptr(int32(0)), IsTruncated: ptr(false),
		Owner: owner(b.Account), Initiator: u.initiator(b), StorageClass: ptr(s3api.StorageClass("STANDARD")),
	}
	if limit == 0 {
		return out, nil
	}
	if u.attrs.ChecksumAlgorithm != "" {
		out.ChecksumAlgorithm = ptr(s3api.ChecksumAlgorithm(u.attrs.ChecksumAlgorithm))
		out.ChecksumType = ptr(s3api.ChecksumType(u.attrs.ChecksumType))
	}
	// One more than the page tells whether there is a next one. A marker beyond
	// five digits is beyond every part.
	after := partRowKey(u.id, min(marker, 99999))
	rows, full, err := c.s.readable(ctx, store.Parts, store.Query{Prefix: u.id + "/", After: after, Limit: limit + 1})
	if err != nil {
		return nil, err
	}
	out.IsTruncated = &full
	rows = rows[:min(len(rows), limit)]
	for _, row := range rows {
		// The next page begins after a part that is left out, too: one page of
		// such parts would have a client ask for it again and again.
		if number, err := partNumberOf(row.Key); err == nil {
			out.NextPartNumberMarker = &number
		}
		part, err := c.s.decodePart(b, *req.Key, u, row)
		if err != nil {
			c.s.log.Error("leaving out a part of a listing", "bucket", b.Name, "key", *req.Key, "error", err)
			continue
		}
		entry := s3api.Part{PartNumber: &part.Number, LastModified: &part.Modified, ETag: quote(part.ETag), Size: &part.Size}
		if u.attrs.ChecksumAlgorithm != "" {
			setChecksum(&entry, s3api.ChecksumAlgorithm(u.attrs.ChecksumAlgorithm), part.Checksum)
		}
		out.Parts = append(out.Parts, entry)
	}
	return out, nil
}
