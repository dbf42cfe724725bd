package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/s3api"
)

// question is one thing that a call asks the gate about a bucket or an object.
type question struct {
	action  string // empty: that of the operation
	bucket  *bucketRecord
	key     *string // of an object; nil: the bucket itself
	version *string // id of a version, where the request names one

	// missing is the key that was not found, where the answer decides whether the
	// caller may be told so; nil elsewhere.
	missing *string
}

// request is what the gate is asked. The bucket's policy is part of it.
func (c *call) request(ctx context.Context, q question) (gate.Request, error) {
	p, err := c.s.policyOf(ctx, q.bucket)
	if err != nil {
		return gate.Request{}, err
	}
	if q.action == "" {
		q.action = c.Op.Action
	}
	resource := bucketARN(q.bucket.Name)
	if q.key != nil {
		resource = objectARN(q.bucket.Name, *q.key)
	}
	return gate.Request{
		Action: q.action, Resource: resource, ResourceAccount: q.bucket.Account,
		Kind: policy.Bucket, Policy: p, CrossAccount: true, Context: conditionKeys{ctx, c, q},
	}, nil
}

// ask puts the question to the gate. A refusal is that of the call. The bucket's
// owner, where that is another account, gets a record of its own of what succeeds.
func (c *call) ask(ctx context.Context, q question) error {
	r, err := c.request(ctx, q)
	if err == nil {
		err = c.Authorize(r)
	}
	if err == nil {
		c.Share(q.bucket.Account)
	}
	return err
}

// bucketFor resolves a bucket and asks the gate, for an operation on the
// bucket (key is nil) or on an object in it. Owner is x-amz-expected-bucket-owner.
func (c *call) bucketFor(ctx context.Context, name, key *string, owner *string) (*bucketRecord, error) {
	b, err := c.s.bucket(ctx, deref(name))
	if err != nil {
		return nil, err
	}
	if key != nil {
		c.AddResource(objectARN(b.Name, *key), "", "AWS::S3::Object")
	}
	c.addBucket(b)
	if err := c.ask(ctx, question{bucket: b, key: key}); err != nil {
		return nil, err
	}
	return b, checkOwner(b, owner)
}

// addBucket names the bucket in the record.
func (c *call) addBucket(b *bucketRecord) {
	c.AddResource(bucketARN(b.Name), b.Account, "AWS::S3::Bucket")
}

// checkOwner refuses a bucket that is not of the account that the client
// expects.
func checkOwner(b *bucketRecord, owner *string) error {
	if owner != nil && *owner != b.Account {
		return awserr.New(s3api.AccessDenied, "Access Denied")
	}
	return nil
}

// objectBucket is bucketFor an operation on an object, which must come to the
// bucket's own region.
func (c *call) objectBucket(ctx context.Context, name, key, owner *string) (*bucketRecord, error) {
	if err := checkObjectKey(deref(key)); err != nil {
		return nil, err
	}
	b, err := c.bucketFor(ctx, name, key, owner)
	if err != nil {
		return nil, err
	}
	return b, c.inRegion(b)
}

// writeBucket is objectBucket for a write with the headers of PutObject, some of
// which take rights of their own: an ACL (API Reference, "PutObject",
// Permissions), and If-Match, which tells something of the object that is there
// (User Guide, "How to prevent object overwrites with conditional writes").
func (c *call) writeBucket(ctx context.Context, name, key, owner *string, acl *s3api.ObjectCannedACL, ifMatch *string) (*bucketRecord, error) {
	b, err := c.objectBucket(ctx, name, key, owner)
	if err != nil {
		return nil, err
	}
	if acl != nil {
		if err := c.ask(ctx, question{action: "s3:PutObjectAcl", bucket: b, key: key}); err != nil {
			return nil, err
		}
	}
	if ifMatch != nil {
		if err := c.ask(ctx, question{action: "s3:GetObject", bucket: b, key: key}); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// noSuchKey is the answer about an object that is not there. Only who may list
// the bucket is told: to all others it is as if they were denied the object (API
// Reference, "GetObject", Permissions).
func (c *call) noSuchKey(ctx context.Context, b *bucketRecord, key string) error {
	if err := c.ask(ctx, question{action: "s3:ListBucket", bucket: b, missing: &key}); err != nil {
		return err
	}
	return noSuchKey(key)
}
