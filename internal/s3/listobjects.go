package s3

import (
	"context"
	"strconv"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// OptionalObjectAttributes asks for RestoreStatus, which no object here has.
var (
	listV2Served = names("Bucket", "Delimiter", "EncodingType", "MaxKeys", "Prefix", "ContinuationToken", "FetchOwner",
		"StartAfter", "ExpectedBucketOwner", "OptionalObjectAttributes")
	listV1Served = names("Bucket", "Delimiter", "EncodingType", "Marker", "MaxKeys", "Prefix", "ExpectedBucketOwner",
		"OptionalObjectAttributes")
)

// ListObjectsV2 lists a page of a bucket.
func (s *Service) ListObjectsV2(ctx context.Context, c identity.Caller, req *s3api.ListObjectsV2Request) (*s3api.ListObjectsV2Output, error) {
	return do(s, c, "ListObjectsV2", req, func(call *call) (*s3api.ListObjectsV2Output, error) {
		return call.listObjectsV2(ctx, req)
	})
}

func (c *call) listObjectsV2(ctx context.Context, req *s3api.ListObjectsV2Request) (*s3api.ListObjectsV2Output, error) {
	if err := refuseOthers(req, listV2Served); err != nil {
		return nil, err
	}
	if err := checkAttributes(req.OptionalObjectAttributes); err != nil {
		return nil, err
	}
	q := listQuery{prefix: deref(req.Prefix), delimiter: deref(req.Delimiter), after: deref(req.StartAfter)}
	escape, err := q.read("maxKeys", req.MaxKeys, req.EncodingType, "start-after")
	if err != nil {
		return nil, err
	}
	b, err := c.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := c.inRegion(b); err != nil {
		return nil, err
	}
	if req.ContinuationToken != nil { // start-after counts for the first page only
		if q.after, err = c.s.openToken(b.Region, b.Name, req.ContinuationToken); err != nil {
			return nil, err
		}
	}
	page, err := c.s.list(ctx, b, q)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsV2Output{
		Name: &b.Name, IsTruncated: &page.truncated, MaxKeys: ptr(int32(q.limit)), KeyCount: ptr(int32(page.count())),
		Prefix: ptr(escape(q.prefix)), EncodingType: req.EncodingType, ContinuationToken: req.ContinuationToken,
		Contents: page.objects, CommonPrefixes: page.prefixes,
	}
	page.encode(escape)
	if q.delimiter != "" {
		out.Delimiter = ptr(escape(q.delimiter))
	}
	if req.StartAfter != nil {
		out.StartAfter = ptr(escape(*req.StartAfter))
	}
	if page.truncated {
		if out.NextContinuationToken, err = c.s.sealToken(b.Region, b.Name, page.last); err != nil {
			return nil, err
		}
	}
	if req.FetchOwner != nil && *req.FetchOwner {
		for i := range out.Contents {
			out.Contents[i].Owner = owner(b.Account)
		}
	}
	return out, nil
}

// checkAttributes takes RestoreStatus, of which there is none to show: nothing
// here is archived.
func checkAttributes(names []s3api.OptionalObjectAttributes) error {
	for _, name := range names {
		if name != s3api.OptionalObjectAttributesRestoreStatus {
			return invalidArgument("x-amz-optional-object-attributes", showable(string(name)), "Invalid attribute name specified")
		}
	}
	return nil
}

// ListObjects is the first version of the listing: a marker instead of a
// token, and always the owner.
func (s *Service) ListObjects(ctx context.Context, c identity.Caller, req *s3api.ListObjectsRequest) (*s3api.ListObjectsOutput, error) {
	return do(s, c, "ListObjects", req, func(call *call) (*s3api.ListObjectsOutput, error) {
		return call.listObjects(ctx, req)
	})
}

func (c *call) listObjects(ctx context.Context, req *s3api.ListObjectsRequest) (*s3api.ListObjectsOutput, error) {
	if err := refuseOthers(req, listV1Served); err != nil {
		return nil, err
	}
	if err := checkAttributes(req.OptionalObjectAttributes); err != nil {
		return nil, err
	}
	q := listQuery{prefix: deref(req.Prefix), delimiter: deref(req.Delimiter), after: deref(req.Marker)}
	escape, err := q.read("maxKeys", req.MaxKeys, req.EncodingType, "marker")
	if err != nil {
		return nil, err
	}
	b, err := c.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
	if err != nil {
		return nil, err
	}
	if err := c.inRegion(b); err != nil {
		return nil, err
	}
	page, err := c.s.list(ctx, b, q)
	if err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsOutput{
		Name: &b.Name, IsTruncated: &page.truncated, MaxKeys: ptr(int32(q.limit)), Prefix: ptr(escape(q.prefix)),
		Marker: ptr(escape(q.after)), EncodingType: req.EncodingType,
		Contents: page.objects, CommonPrefixes: page.prefixes,
	}
	page.encode(escape)
	if q.delimiter != "" {
		out.Delimiter = ptr(escape(q.delimiter))
		// Without a delimiter the last key is the next marker, and AWS does
		// not repeat it.
		if page.truncated {
			out.NextMarker = ptr(escape(page.last))
		}
	}
	for i := range out.Contents {
		out.Contents[i].Owner = owner(b.Account)
	}
	return out, nil
}

// read checks what the listings take. LimitName is the parameter that the limit
// came in, afterName that of after.
func (q *listQuery) read(limitName string, limit *int32, kind *s3api.EncodingType, afterName string) (escape func(string) string, err error) {
	if q.limit, err = pageSize(limitName, limit); err != nil {
		return nil, err
	}
	if err := checkNames("prefix", q.prefix, "delimiter", q.delimiter, afterName, q.after); err != nil {
		return nil, err
	}
	return encoder(kind)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
