package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
	"github.com/strongroom/strongroom/internal/store"
)

// usEast1 is the region whose name in a location constraint is empty.
const usEast1 = "us-east-1"

var createBucketServed = names("ACL", "Bucket", "CreateBucketConfiguration", "ObjectOwnership")

// CreateBucket makes a bucket in the region the request was signed for.
func (s *Service) CreateBucket(ctx context.Context, c identity.Caller, req *s3api.CreateBucketRequest) (*s3api.CreateBucketOutput, error) {
	return do(s, c, "CreateBucket", req, func(call *call) (*s3api.CreateBucketOutput, error) {
		return call.createBucket(ctx, req)
	})
}

func (c *call) createBucket(ctx context.Context, req *s3api.CreateBucketRequest) (*s3api.CreateBucketOutput, error) {
	name := deref(req.Bucket)
	if err := checkBucketName(name); err != nil {
		return nil, err
	}
	region, location, err := c.checkCreate(req)
	if err != nil {
		return nil, err
	}
	c.AddResource(bucketARN(name), c.caller.AccountID, "AWS::S3::Bucket")
	if err := c.mayCreate(ctx, req); err != nil {
		return nil, err
	}
	id, err := sse.NewInstance()
	if err != nil {
		return nil, err
	}
	made := bucketRecord{
		Version: recordVersion, ID: hex.EncodeToString(id[:]), Name: name,
		Account: c.caller.AccountID, Region: region, Location: location, Created: c.s.now(),
	}
	err = c.update(ctx, func(tx *store.Tx) error {
		row, err := tx.Get(store.Buckets, name)
		if err == nil {
			return c.alreadyThere(row, region)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return c.s.putBucket(tx, made)
	})
	if err != nil && !errors.Is(err, errNothingToDo) {
		return nil, err
	}
	return &s3api.CreateBucketOutput{Location: ptr("/" + name), BucketArn: ptr(bucketARN(name))}, nil
}

// mayCreate asks the gate about a bucket that is to be the caller's account's.
// To say how its ownership is to be takes a right of its own (API Reference,
// "CreateBucket", Permissions).
func (c *call) mayCreate(ctx context.Context, req *s3api.CreateBucketRequest) error {
	made := &bucketRecord{Name: *req.Bucket, Account: c.caller.AccountID}
	if err := c.ask(ctx, question{bucket: made}); err != nil || req.ObjectOwnership == nil {
		return err
	}
	return c.ask(ctx, question{action: "s3:PutBucketOwnershipControls", bucket: made})
}

// alreadyThere is what a second CreateBucket answers: in us-east-1 the owner
// gets 200 again, for the sake of very old clients ("CreateBucket", Errors).
func (c *call) alreadyThere(row store.Row, region string) error {
	b, err := c.s.decodeBucket(row)
	if err != nil {
		return err
	}
	switch {
	case b.Account != c.caller.AccountID:
		return awserr.New(s3api.BucketAlreadyExists, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.").
			With("BucketName", b.Name)
	case b.Region == usEast1 && region == usEast1:
		return errNothingToDo
	}
	return awserr.New(s3api.BucketAlreadyOwnedByYou, "Your previous request to create the named bucket succeeded and you already own it.").
		With("BucketName", b.Name)
}

// checkCreate returns where the bucket is to be, and the location constraint when
// it is not the region's name.
func (c *call) checkCreate(req *s3api.CreateBucketRequest) (region, location string, err error) {
	if err := refuseOthers(req, createBucketServed); err != nil {
		return "", "", err
	}
	if acl := deref(req.ACL); acl != "" && acl != "private" {
		return "", "", notImplemented("x-amz-acl")
	}
	if o := deref(req.ObjectOwnership); o != "" && o != "BucketOwnerEnforced" {
		return "", "", notImplemented("x-amz-object-ownership")
	}
	constraint := ""
	if config := req.CreateBucketConfiguration; config != nil {
		if config.Location != nil || config.Bucket != nil || len(config.Tags) > 0 {
			return "", "", notImplemented("CreateBucketConfiguration")
		}
		constraint = string(deref(config.LocationConstraint))
	}
	region, err = c.constrain(constraint)
	if constraint == locationEU {
		location = locationEU
	}
	return region, location, err
}

// locationEU is the constraint that meant euWest1 when that was all of Europe.
// Clients still send it, and are answered with it.
const (
	locationEU = "EU"
	euWest1    = "eu-west-1"
)

// constrain returns the region that a location constraint asks for. The endpoint
// of us-east-1 makes buckets everywhere, the others in their own region alone.
// Texts, and that us-east-1 cannot be named: as recorded from AWS.
func (c *call) constrain(constraint string) (region string, err error) {
	here := c.caller.Region
	region = constraint
	if constraint == locationEU {
		region = euWest1
	}
	invalid := func(name string) error {
		return awserr.New(s3api.InvalidLocationConstraint, "The specified location-constraint is not valid").With("LocationConstraint", showable(name))
	}
	switch {
	case !slices.Contains(c.s.regions, here):
		return "", invalid(here)
	case here == usEast1 && constraint == "":
		return here, nil
	case here == usEast1 && (region == usEast1 || !slices.Contains(c.s.regions, region)):
		return "", invalid(constraint)
	case here == usEast1, region == here:
		return region, nil
	case constraint == "":
		return "", awserr.New(s3api.IllegalLocationConstraintException,
			"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return "", awserr.New(s3api.IllegalLocationConstraintException,
		"The %s location constraint is incompatible for the region specific endpoint this request was sent to.", showable(constraint))
}

// HeadBucket says whether the bucket is there and where.
func (s *Service) HeadBucket(ctx context.Context, c identity.Caller, req *s3api.HeadBucketRequest) (*s3api.HeadBucketOutput, error) {
	return do(s, c, "HeadBucket", req, func(call *call) (*s3api.HeadBucketOutput, error) {
		b, err := call.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		return &s3api.HeadBucketOutput{BucketRegion: &b.Region, BucketArn: ptr(bucketARN(b.Name)), AccessPointAlias: ptr(false)}, nil
	})
}

// GetBucketLocation answers from every region: it is how clients find out.
func (s *Service) GetBucketLocation(ctx context.Context, c identity.Caller, req *s3api.GetBucketLocationRequest) (*s3api.GetBucketLocationOutput, error) {
	return do(s, c, "GetBucketLocation", req, func(call *call) (*s3api.GetBucketLocationOutput, error) {
		b, err := call.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		location := s3api.BucketLocationConstraint(b.Region)
		switch {
		case b.Location != "":
			location = s3api.BucketLocationConstraint(b.Location)
		case b.Region == usEast1:
			location = ""
		}
		return &s3api.GetBucketLocationOutput{LocationConstraint: &location}, nil
	})
}

// DeleteBucketOutput is empty: the API has no output for DeleteBucket.
type DeleteBucketOutput struct{}

// DeleteBucket removes a bucket without objects. Multipart uploads in progress
// do not keep it, and go with it.
func (s *Service) DeleteBucket(ctx context.Context, c identity.Caller, req *s3api.DeleteBucketRequest) (*DeleteBucketOutput, error) {
	return do(s, c, "DeleteBucket", req, func(call *call) (*DeleteBucketOutput, error) {
		b, err := call.bucketFor(ctx, req.Bucket, nil, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		if err := call.inRegion(b); err != nil {
			return nil, err
		}
		err = call.update(ctx, func(tx *store.Tx) error { return s.deleteBucket(tx, b) })
		if err != nil {
			return nil, err
		}
		s.wakeCollector()
		return &DeleteBucketOutput{}, nil
	})
}

func (s *Service) deleteBucket(tx *store.Tx, b *bucketRecord) error {
	if err := s.stillThere(tx, b); err != nil {
		return err
	}
	rows, err := tx.List(store.Objects, store.Query{Prefix: b.Name + "/", Limit: 1, KeepDamaged: true})
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return awserr.New(s3api.BucketNotEmpty, "The bucket you tried to delete is not empty").With("BucketName", b.Name)
	}
	uploads, err := tx.List(store.Uploads, store.Query{Ref: b.ID, Limit: 1, KeepDamaged: true})
	if err != nil {
		return err
	}
	if len(uploads) > 0 {
		if err := entombUploads(tx, b.ID); err != nil {
			return err
		}
	}
	if _, err := s.setPolicy(tx, b, nil); err != nil {
		return err
	}
	row, err := tx.Get(store.Buckets, b.Name)
	if err != nil {
		return err
	}
	return tx.Delete(store.Buckets, row.Key, row.Rev)
}
