package s3

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/s3/s3api"
	"github.com/strongroom/strongroom/internal/s3/sse"
)

// conditionKeys answers for S3's condition keys in one question to the gate. It
// looks at the request as it came, before any default of the bucket, and only at
// what a policy asks for. It lives as long as the question, and so may hold its
// context.
//
// Source: Service Authorization Reference, "Condition keys for Amazon S3"; Amazon
// S3 API Reference, "Amazon S3 Signature Version 4 Authentication Specific Policy
// Keys".
type conditionKeys struct {
	ctx context.Context
	c   *call
	q   question
}

// Lookup implements policy.Context.
func (k conditionKeys) Lookup(name string) (policy.Value, bool) {
	s, ok := k.value(name)
	if !ok {
		return policy.Value{}, false
	}
	return policy.Value{Strings: []string{s}}, true
}

func (k conditionKeys) value(name string) (string, bool) {
	if name == "aws:referer" { // a global key, of which no other service makes use
		return k.c.caller.Referer, k.c.caller.Referer != ""
	}
	name, ok := strings.CutPrefix(name, "s3:")
	if !ok {
		return "", false
	}
	if s, ok := k.signature(name); ok {
		return s, s != ""
	}
	switch name {
	case "resourceaccount":
		if k.q.bucket == nil {
			return k.c.caller.AccountID, true
		}
		return k.q.bucket.Account, true
	case "prefix", "delimiter", "max-keys":
		return k.listing(name)
	case "versionid":
		return deref(k.q.version), k.q.version != nil
	case "locationconstraint":
		req, ok := k.c.req.(*s3api.CreateBucketRequest)
		if !ok || req.CreateBucketConfiguration == nil || req.CreateBucketConfiguration.LocationConstraint == nil {
			return "", false
		}
		return string(*req.CreateBucketConfiguration.LocationConstraint), true
	case "objectcreationoperation":
		return k.creates()
	}
	return k.header(name)
}

// signature answers for what the signature of a request says. It is "" where
// there is no such thing, and false for all other keys.
func (k conditionKeys) signature(name string) (string, bool) {
	c := k.c.caller
	switch name {
	case "authtype":
		switch c.AuthMethod {
		case "AuthHeader":
			return "REST-HEADER", true
		case "QueryString":
			return "REST-QUERY-STRING", true
		}
		return "", true
	case "signatureversion":
		if c.AuthMethod == "" {
			return "", true
		}
		return "AWS4-HMAC-SHA256", true
	case "signatureage": // milliseconds
		if c.Signed.IsZero() {
			return "", true
		}
		return strconv.FormatInt(k.c.s.clock().Sub(c.Signed).Milliseconds(), 10), true
	case "tlsversion":
		return strings.TrimPrefix(c.TLSVersion, "TLSv"), true
	case "x-amz-content-sha256":
		return c.PayloadHash, true
	}
	return "", false
}

// listing answers for the parameters of a listing. In the question whether a
// caller may be told that a key is not there the key is the prefix: it is that
// much of the bucket that the answer gives away (observed: s3-tests,
// test_head_object_404_with_policy_prefix).
func (k conditionKeys) listing(name string) (string, bool) {
	if k.q.action != "s3:ListBucket" && k.q.action != "s3:ListBucketVersions" {
		return "", false
	}
	if k.q.missing != nil {
		return *k.q.missing, name == "prefix"
	}
	return k.member(name, "querystring")
}

// creates is s3:ObjectCreationOperation: of the operations that need
// s3:PutObject, whether this one makes the object.
func (k conditionKeys) creates() (string, bool) {
	if k.q.action != "s3:PutObject" {
		return "", false
	}
	switch k.c.req.(type) {
	case *s3api.CreateMultipartUploadRequest, *s3api.UploadPartRequest, *s3api.UploadPartCopyRequest:
		return "false", true
	}
	return "true", true
}

// headerKeys are the keys that are headers of the request, and the actions whose
// requests have them.
var headerKeys = map[string][]string{
	"if-match":                                        {"s3:PutObject", "s3:DeleteObject"},
	"if-none-match":                                   {"s3:PutObject"},
	"x-amz-acl":                                       aclActions,
	"x-amz-grant-full-control":                        aclActions,
	"x-amz-grant-read":                                aclActions,
	"x-amz-grant-read-acp":                            aclActions,
	"x-amz-grant-write":                               aclActions,
	"x-amz-grant-write-acp":                           aclActions,
	"x-amz-object-ownership":                          {"s3:CreateBucket"},
	"x-amz-copy-source":                               {"s3:PutObject"},
	"x-amz-metadata-directive":                        {"s3:PutObject"},
	"x-amz-storage-class":                             {"s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectVersionAcl"},
	"x-amz-website-redirect-location":                 {"s3:PutObject"},
	"x-amz-server-side-encryption":                    {"s3:PutObject"},
	"x-amz-server-side-encryption-aws-kms-key-id":     {"s3:PutObject"},
	"x-amz-server-side-encryption-customer-algorithm": {"s3:PutObject"},
}

var aclActions = []string{"s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:CreateBucket", "s3:PutBucketAcl"}

// header answers for a key that is a header.
func (k conditionKeys) header(name string) (string, bool) {
	applies := false
	for _, action := range headerKeys[name] {
		applies = applies || action == k.q.action
	}
	if !applies {
		return "", false
	}
	switch name {
	case headerCopySource:
		given, ok := k.member(name, "header")
		if src, err := parseCopySource(given); ok && err == nil {
			return src.bucket + "/" + src.key, true // as policies write it, however it was escaped
		}
		return given, ok
	case headerSSE:
		if u := k.upload(); u != nil {
			return u.doc.Mode, u.asked()
		}
	case headerSSE + "-aws-kms-key-id":
		if u := k.upload(); u != nil {
			return u.doc.KeyARN, u.asked() && u.doc.KeyARN != ""
		}
		given, ok := k.member(name, "header")
		if !ok {
			return "", false
		}
		id, err := k.c.s.keys.KeyARN(k.ctx, k.c.caller, given)
		if err != nil {
			k.c.s.log.Error("naming the KMS key for a policy", "requestID", k.c.caller.RequestID, "error", err)
			return given, true
		}
		if id != given && isAlias(given) {
			k.c.keyNamed = id
		}
		return id, true
	}
	return k.member(name, "header")
}

// isAlias reports whether what names a KMS key is an alias, which may name
// another one soon.
func isAlias(keyID string) bool {
	return strings.HasPrefix(keyID, "alias/") || strings.Contains(keyID, ":alias/")
}

// upload is the upload in progress that a request adds to or completes, nil when
// it is of none. Its parts have no encryption headers of their own: what counts
// is what the upload was begun with, or a policy that asks for encryption could
// not be obeyed by any multipart upload.
func (k conditionKeys) upload() *upload {
	var key, id *string
	switch in := k.c.req.(type) {
	case *s3api.UploadPartRequest:
		key, id = in.Key, in.UploadId
	case *s3api.UploadPartCopyRequest:
		key, id = in.Key, in.UploadId
	case *s3api.CompleteMultipartUploadRequest:
		key, id = in.Key, in.UploadId
	default:
		return nil
	}
	u, _, err := k.c.s.findUpload(k.c.s.get(k.ctx), k.q.bucket, deref(key), deref(id))
	if err != nil { // the operation finds out, and says it to who may know
		return nil
	}
	return u
}

// asked reports whether the upload was begun with the encryption header.
func (u *upload) asked() bool {
	return u.attrs.SSEApplied == appliedSSES3 || u.doc.Mode == sse.SSEKMS.String()
}

// member is a member of the request by its wire name and location.
func (k conditionKeys) member(wire, location string) (string, bool) {
	v := reflect.ValueOf(k.c.req).Elem()
	for _, m := range membersOf(v.Type()) {
		if m.location != location || !strings.EqualFold(m.wire, wire) {
			continue
		}
		f := v.Field(m.index)
		if f.Kind() != reflect.Pointer || f.IsNil() {
			return "", false
		}
		return fmt.Sprint(f.Elem().Interface()), true
	}
	return "", false
}
