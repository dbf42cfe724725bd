package s3

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// maxBuckets is the greatest page, and the page of a request that names none.
const maxBuckets = 10000

var listBucketsServed = names("MaxBuckets", "ContinuationToken", "Prefix", "BucketRegion")

// ListBuckets lists the buckets of the caller's account in all regions.
func (s *Service) ListBuckets(ctx context.Context, c identity.Caller, req *s3api.ListBucketsRequest) (*s3api.ListBucketsOutput, error) {
	return do(s, c, "ListBuckets", req, func(call *call) (*s3api.ListBucketsOutput, error) {
		return call.listBuckets(ctx, req)
	})
}

func (c *call) listBuckets(ctx context.Context, req *s3api.ListBucketsRequest) (*s3api.ListBucketsOutput, error) {
	if err := refuseOthers(req, listBucketsServed); err != nil {
		return nil, err
	}
	prefix := deref(req.Prefix)
	if !storable(prefix) {
		return nil, invalidArgument("prefix", showable(prefix), "Invalid prefix")
	}
	limit := maxBuckets
	if req.MaxBuckets != nil {
		if limit = int(*req.MaxBuckets); limit < 1 || limit > maxBuckets {
			return nil, invalidArgument("max-buckets", strconv.Itoa(limit), "Argument max-buckets must be an integer between 1 and %d", maxBuckets)
		}
	}
	if r := req.BucketRegion; r != nil && !slices.Contains(c.s.regions, *r) {
		return nil, awserr.New(s3api.InvalidArgument, "Argument value %s is not a valid AWS Region", showable(*r)).With("ArgumentName", "bucket-region")
	}
	if err := c.Authorize(gate.Request{Resource: "*", ResourceAccount: c.caller.AccountID, Context: conditionKeys{ctx, c, question{action: c.Op.Action}}}); err != nil {
		return nil, err
	}
	after := ""
	if deref(req.ContinuationToken) != "" { // an empty one is none, here alone
		var err error
		if after, err = c.s.openToken(c.caller.Region, "", req.ContinuationToken); err != nil {
			return nil, err
		}
	}
	out := &s3api.ListBucketsOutput{Owner: owner(c.caller.AccountID), Prefix: req.Prefix}
	if len(prefix) > maxBucketName {
		return out, nil // the name of no bucket; the store takes no key of any length
	}
	query := store.Query{Prefix: prefix, After: after, Ref: c.caller.AccountID, Limit: limit + 1}
	for {
		rows, full, err := c.s.readable(ctx, store.Buckets, query)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			query.After = row.Key
			b, err := c.s.decodeBucket(row)
			if err != nil {
				// One row that was changed does not hide the others.
				c.s.log.Error("leaving out a bucket of a listing", "bucket", row.Key, "error", err)
				continue
			}
			if req.BucketRegion != nil && b.Region != *req.BucketRegion {
				continue
			}
			if len(out.Buckets) == limit {
				out.ContinuationToken, err = c.s.sealToken(c.caller.Region, "", *out.Buckets[limit-1].Name)
				return out, err
			}
			entry := s3api.Bucket{Name: &b.Name, CreationDate: &b.Created, BucketArn: ptr(bucketARN(b.Name))}
			if *req != (s3api.ListBucketsRequest{}) { // AWS tells the region to who gave a parameter
				entry.BucketRegion = &b.Region
			}
			out.Buckets = append(out.Buckets, entry)
		}
		if !full {
			return out, nil
		}
	}
}

// owner is the canonical user of an account. AWS's is an unrelated 64-digit
// number; ours is made of the account id, and stays the same for ever.
func owner(account string) *s3api.Owner {
	id := account + strings.Repeat("0", 64-min(len(account), 64))
	return &s3api.Owner{ID: &id}
}
