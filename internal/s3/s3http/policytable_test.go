package s3http_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/strongroom/strongroom/internal/model"
)

const (
	bucketResource = "arn:aws:s3:::" + bucket
	objectResource = bucketResource + "/k"
)

// right is an action on a resource.
type right struct{ action, resource string }

// operationRights are the rights that each operation takes of somebody without
// any policy, and a request that takes just those. Upload is that of an upload in
// progress of the object k. Source: User Guide, "Required permissions for Amazon
// S3 API operations".
var operationRights = []struct {
	name   string
	rights []right
	do     func(ctx context.Context, c *client.Client, upload string) error
}{
	{"HeadBucket", []right{{"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.HeadBucket(ctx, &client.HeadBucketInput{Bucket: aws.String(bucket)})
		return err
	}},
	{"GetBucketLocation", []right{{"s3:GetBucketLocation", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.GetBucketLocation(ctx, &client.GetBucketLocationInput{Bucket: aws.String(bucket)})
		return err
	}},
	{"PutBucketPolicy", []right{{"s3:PutBucketPolicy", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.PutBucketPolicy(ctx, &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: aws.String(
			`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"` + bucketResource + `"}}`)})
		return err
	}},
	{"GetBucketPolicy", []right{{"s3:GetBucketPolicy", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.GetBucketPolicy(ctx, &client.GetBucketPolicyInput{Bucket: aws.String(bucket)})
		return ignore(err, "NoSuchBucketPolicy")
	}},
	{"GetBucketPolicyStatus", []right{{"s3:GetBucketPolicyStatus", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.GetBucketPolicyStatus(ctx, &client.GetBucketPolicyStatusInput{Bucket: aws.String(bucket)})
		return ignore(err, "NoSuchBucketPolicy")
	}},
	{"DeleteBucketPolicy", []right{{"s3:DeleteBucketPolicy", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.DeleteBucketPolicy(ctx, &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
		return err
	}},
	{"ListObjects", []right{{"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.ListObjects(ctx, &client.ListObjectsInput{Bucket: aws.String(bucket)})
		return err
	}},
	{"ListObjectsV2", []right{{"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.ListObjectsV2(ctx, &client.ListObjectsV2Input{Bucket: aws.String(bucket)})
		return err
	}},
	{"ListMultipartUploads", []right{{"s3:ListBucketMultipartUploads", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.ListMultipartUploads(ctx, &client.ListMultipartUploadsInput{Bucket: aws.String(bucket)})
		return err
	}},
	{"GetObject", []right{{"s3:GetObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		out, err := c.GetObject(ctx, &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		if err == nil {
			err = out.Body.Close()
		}
		return err
	}},
	{"GetObject of none", []right{{"s3:GetObject", bucketResource + "/none"}, {"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.GetObject(ctx, &client.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")})
		return ignore(err, "NoSuchKey")
	}},
	{"HeadObject", []right{{"s3:GetObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.HeadObject(ctx, &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		return err
	}},
	{"HeadObject of none", []right{{"s3:GetObject", bucketResource + "/none"}, {"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.HeadObject(ctx, &client.HeadObjectInput{Bucket: aws.String(bucket), Key: aws.String("none")})
		return ignore(err, "NotFound")
	}},
	{"PutObject", []right{{"s3:PutObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.PutObject(ctx, &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x")})
		return err
	}},
	{"PutObject with an ACL", []right{{"s3:PutObject", objectResource}, {"s3:PutObjectAcl", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.PutObject(ctx, &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x"), ACL: types.ObjectCannedACLBucketOwnerFullControl})
		return err
	}},
	{"PutObject over what is there", []right{{"s3:PutObject", objectResource}, {"s3:GetObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.PutObject(ctx, &client.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), Body: strings.NewReader("x"), IfMatch: aws.String("0")})
		return ignore(err, "PreconditionFailed")
	}},
	{"CopyObject", []right{{"s3:PutObject", objectResource}, {"s3:GetObject", bucketResource + "/source"}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.CopyObject(ctx, &client.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), CopySource: aws.String(bucket + "/source")})
		return err
	}},
	{"CopyObject of a version", []right{{"s3:PutObject", objectResource}, {"s3:GetObjectVersion", bucketResource + "/source"}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.CopyObject(ctx, &client.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), CopySource: aws.String(bucket + "/source?versionId=null")})
		return err
	}},
	{"CopyObject of none", []right{{"s3:PutObject", objectResource}, {"s3:GetObject", bucketResource + "/none"}, {"s3:ListBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.CopyObject(ctx, &client.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), CopySource: aws.String(bucket + "/none")})
		return ignore(err, "NoSuchKey")
	}},
	{"DeleteObject", []right{{"s3:DeleteObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.DeleteObject(ctx, &client.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		return err
	}},
	{"DeleteObjects", []right{{"s3:DeleteObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		return deleteOne(ctx, c, types.ObjectIdentifier{Key: aws.String("k")})
	}},
	{"DeleteObjects of a version", []right{{"s3:DeleteObjectVersion", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		return deleteOne(ctx, c, types.ObjectIdentifier{Key: aws.String("k"), VersionId: aws.String("null")})
	}},
	{"CreateMultipartUpload", []right{{"s3:PutObject", objectResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.CreateMultipartUpload(ctx, &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k")})
		return err
	}},
	{"UploadPart", []right{{"s3:PutObject", objectResource}}, func(ctx context.Context, c *client.Client, upload string) error {
		_, err := c.UploadPart(ctx, &client.UploadPartInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: &upload, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		return err
	}},
	{"UploadPartCopy", []right{{"s3:PutObject", objectResource}, {"s3:GetObject", bucketResource + "/source"}}, func(ctx context.Context, c *client.Client, upload string) error {
		_, err := c.UploadPartCopy(ctx, &client.UploadPartCopyInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: &upload, PartNumber: aws.Int32(1), CopySource: aws.String(bucket + "/source")})
		return err
	}},
	{"CompleteMultipartUpload", []right{{"s3:PutObject", objectResource}}, func(ctx context.Context, c *client.Client, upload string) error {
		_, err := c.CompleteMultipartUpload(ctx, &client.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: &upload,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(strings.Repeat("0", 32))}}}})
		return ignore(err, "InvalidPart")
	}},
	{"AbortMultipartUpload", []right{{"s3:AbortMultipartUpload", objectResource}}, func(ctx context.Context, c *client.Client, upload string) error {
		_, err := c.AbortMultipartUpload(ctx, &client.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: &upload})
		return err
	}},
	{"ListParts", []right{{"s3:ListMultipartUploadParts", objectResource}}, func(ctx context.Context, c *client.Client, upload string) error {
		_, err := c.ListParts(ctx, &client.ListPartsInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: &upload})
		return err
	}},
	{"DeleteBucket", []right{{"s3:DeleteBucket", bucketResource}}, func(ctx context.Context, c *client.Client, _ string) error {
		_, err := c.DeleteBucket(ctx, &client.DeleteBucketInput{Bucket: aws.String(bucket)})
		return ignore(err, "BucketNotEmpty")
	}},
}

// accountRights are the operations that are about no bucket there is: no bucket
// policy can speak of them.
var accountRights = map[string]func(ctx context.Context, c *client.Client) error{
	"ListBuckets": func(ctx context.Context, c *client.Client) error {
		_, err := c.ListBuckets(ctx, &client.ListBucketsInput{})
		return err
	},
	"CreateBucket": func(ctx context.Context, c *client.Client) error {
		_, err := c.CreateBucket(ctx, &client.CreateBucketInput{Bucket: aws.String("another-bucket")})
		return err
	},
}

// deleteOne deletes one object by DeleteObjects, and returns the error of it.
func deleteOne(ctx context.Context, c *client.Client, o types.ObjectIdentifier) error {
	out, err := c.DeleteObjects(ctx, &client.DeleteObjectsInput{Bucket: aws.String(bucket), Delete: &types.Delete{Objects: []types.ObjectIdentifier{o}}})
	if err == nil && len(out.Errors) > 0 {
		err = fmt.Errorf("%s: %s", *out.Errors[0].Code, *out.Errors[0].Message)
	}
	return err
}

// ignore returns nil for an error that comes after the decision.
func ignore(err error, code string) error {
	if err != nil && strings.Contains(err.Error(), code) {
		return nil
	}
	return err
}

// refused reports whether an error is a refusal.
func refused(err error) bool {
	if err == nil {
		return false
	}
	status, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	return ok && status.HTTPStatusCode() == http.StatusForbidden || strings.Contains(err.Error(), "AccessDenied")
}

// allowing is a policy that allows somebody rights, and nothing else.
func allowing(arn string, rights ...right) string {
	var b bytes.Buffer
	b.WriteString(`{"Version":"2012-10-17","Statement":[`)
	for i, r := range rights {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Effect":"Allow","Principal":{"AWS":%q},"Action":%q,"Resource":%q}`, arn, r.action, r.resource)
	}
	b.WriteString(`]}`)
	return b.String()
}

// TestOperationRights walks the operations. Somebody without any policy passes
// with a bucket policy that allows just what the operation takes, and is refused
// when any of it is missing, or denied.
func TestOperationRights(t *testing.T) {
	rows := map[string]bool{}
	k := newKit(t)
	k.createBucket()
	for _, op := range operationRights {
		name, _, _ := strings.Cut(op.name, " ")
		rows[name] = true
		t.Run(op.name, func(t *testing.T) {
			_, err := k.DeleteBucketPolicy(t.Context(), &client.DeleteBucketPolicyInput{Bucket: aws.String(bucket)})
			k.check(err)
			k.put("k", []byte("x"))
			k.put("source", []byte("y"))
			upload, err := k.CreateMultipartUpload(t.Context(), &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k")})
			k.check(err)
			noone, arn := k.client("AKIANOONE", region), callers["AKIANOONE"].ARN
			do := func() error { return op.do(t.Context(), noone, *upload.UploadId) }
			if err := do(); !refused(err) {
				t.Errorf("without a policy: got %v, want a refusal", err)
			}
			for i, r := range op.rights {
				k.setPolicy(allowing(arn, slices.Concat(op.rights[:i], op.rights[i+1:], []right{{"s3:GetBucketTagging", bucketResource}})...))
				if err := do(); !refused(err) {
					t.Errorf("without %v: got %v, want a refusal", r, err)
				}
				// The same resource with a letter more, or one letter less of the key.
				near := right{r.action, strings.TrimSuffix(r.resource, "k") + "x"}
				if strings.Contains(r.resource, "/") {
					k.setPolicy(allowing(arn, slices.Concat(op.rights[:i], op.rights[i+1:], []right{near})...))
					if err := do(); !refused(err) {
						t.Errorf("with %v: got %v, want a refusal", near, err)
					}
				}
				deny := fmt.Sprintf(`{"Effect":"Deny","Principal":"*","Action":%q,"Resource":%q},{`, r.action, r.resource)
				k.setPolicy(strings.Replace(allowing(arn, op.rights...), "{\"Effect", deny+"\"Effect", 1))
				if err := do(); !refused(err) {
					t.Errorf("with a Deny of %v: got %v, want a refusal", r, err)
				}
			}
			k.setPolicy(allowing(arn, op.rights...))
			if err := do(); err != nil {
				t.Errorf("with %v: got %v", op.rights, err)
			}
		})
	}
	for name, do := range accountRights {
		rows[name] = true
		t.Run(name, func(t *testing.T) {
			if err := do(t.Context(), k.client("AKIANOONE", region)); !refused(err) {
				t.Errorf("without a policy: got %v, want a refusal", err)
			}
			if err := do(t.Context(), k.client("AKIAADMIN", region)); err != nil {
				t.Errorf("as an administrator: got %v", err)
			}
		})
	}
	for _, name := range model.S3().Operations() {
		if !rows[name] {
			t.Errorf("%s has no row", name)
		}
	}
}
