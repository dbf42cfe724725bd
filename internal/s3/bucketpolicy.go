package s3

import (
	"context"
	"errors"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/store"
)

// PutBucketPolicyOutput and DeleteBucketPolicyOutput are empty: the API has no
// output for the operations.
type (
	PutBucketPolicyOutput    struct{}
	DeleteBucketPolicyOutput struct{}
)

// PutBucketPolicy sets the policy of a bucket. It counts for every request that
// begins after the answer. ConfirmRemoveSelfBucketAccess asks for nothing: AWS
// takes a policy that shuts its own author out with or without it.
func (s *Service) PutBucketPolicy(ctx context.Context, c identity.Caller, req *s3api.PutBucketPolicyRequest) (*PutBucketPolicyOutput, error) {
	return do(s, c, "PutBucketPolicy", req, func(call *call) (*PutBucketPolicyOutput, error) {
		b, err := call.ownPolicy(ctx, "PUT", req.Bucket, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		d, err := parsePolicy(b.Name, []byte(deref(req.Policy)), s.principals)
		if err != nil {
			return nil, err
		}
		call.addParameter("bucketPolicy", []byte(*req.Policy))
		err = call.update(ctx, func(tx *store.Tx) error {
			_, err := s.setPolicy(tx, b, d)
			return err
		})
		if err != nil {
			return nil, err
		}
		return &PutBucketPolicyOutput{}, nil
	})
}

// GetBucketPolicy returns the policy as it came, with the ARNs that its
// principals have now. One that is no more is shown by its unique id.
func (s *Service) GetBucketPolicy(ctx context.Context, c identity.Caller, req *s3api.GetBucketPolicyRequest) (*s3api.GetBucketPolicyOutput, error) {
	return do(s, c, "GetBucketPolicy", req, func(call *call) (*s3api.GetBucketPolicyOutput, error) {
		d, err := call.readPolicy(ctx, req.Bucket, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		return &s3api.GetBucketPolicyOutput{Policy: ptr(string(d.Shown(s.principals)))}, nil
	})
}

// GetBucketPolicyStatus says whether the policy makes the bucket public.
func (s *Service) GetBucketPolicyStatus(ctx context.Context, c identity.Caller, req *s3api.GetBucketPolicyStatusRequest) (*s3api.GetBucketPolicyStatusOutput, error) {
	return do(s, c, "GetBucketPolicyStatus", req, func(call *call) (*s3api.GetBucketPolicyStatusOutput, error) {
		d, err := call.readPolicy(ctx, req.Bucket, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		public, err := isPublic(d.Text())
		if err != nil {
			return nil, err
		}
		return &s3api.GetBucketPolicyStatusOutput{PolicyStatus: &s3api.PolicyStatus{IsPublic: &public}}, nil
	})
}

// DeleteBucketPolicy takes the policy of a bucket away. That there is none is
// no error.
func (s *Service) DeleteBucketPolicy(ctx context.Context, c identity.Caller, req *s3api.DeleteBucketPolicyRequest) (*DeleteBucketPolicyOutput, error) {
	return do(s, c, "DeleteBucketPolicy", req, func(call *call) (*DeleteBucketPolicyOutput, error) {
		b, err := call.ownPolicy(ctx, "DELETE", req.Bucket, req.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		err = call.update(ctx, func(tx *store.Tx) error {
			changed, err := s.setPolicy(tx, b, nil)
			if err == nil && !changed {
				err = errNothingToDo
			}
			return err
		})
		if errors.Is(err, errNothingToDo) {
			err = nil
		}
		if err != nil {
			return nil, err
		}
		return &DeleteBucketPolicyOutput{}, nil
	})
}

// ownPolicy is bucketFor an operation on the bucket's policy, which is for the
// owner's account alone: others that the policy lets do it are told that they
// cannot (API Reference, "PutBucketPolicy").
func (c *call) ownPolicy(ctx context.Context, method string, name, owner *string) (*bucketRecord, error) {
	b, err := c.bucketFor(ctx, name, nil, owner)
	switch {
	case err != nil:
		return nil, err
	case b.Account != c.caller.AccountID:
		return nil, awserr.New(s3api.MethodNotAllowed, "The specified method is not allowed against this resource.").
			With("Method", method).With("ResourceType", "BUCKETPOLICY")
	}
	return b, c.inRegion(b)
}

func (c *call) readPolicy(ctx context.Context, name, owner *string) (*policy.Document, error) {
	b, err := c.ownPolicy(ctx, "GET", name, owner)
	if err != nil {
		return nil, err
	}
	d, err := c.s.policyOf(ctx, b)
	if err == nil && d == nil {
		err = awserr.New(s3api.NoSuchBucketPolicy, "The bucket policy does not exist").With("BucketName", b.Name)
	}
	return d, err
}
