package s3http_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// attempt is a request of somebody.
type attempt func(ctx context.Context, k *kit, c *client.Client) error

func put(key string, change func(*client.PutObjectInput)) attempt {
	return func(ctx context.Context, _ *kit, c *client.Client) error {
		in := &client.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: strings.NewReader("x")}
		if change != nil {
			change(in)
		}
		_, err := c.PutObject(ctx, in)
		return err
	}
}

func sse(mode types.ServerSideEncryption) func(*client.PutObjectInput) {
	return func(in *client.PutObjectInput) { in.ServerSideEncryption = mode }
}

func list(change func(*client.ListObjectsV2Input)) attempt {
	return func(ctx context.Context, _ *kit, c *client.Client) error {
		in := &client.ListObjectsV2Input{Bucket: aws.String(bucket)}
		if change != nil {
			change(in)
		}
		_, err := c.ListObjectsV2(ctx, in)
		return err
	}
}

func prefixed(prefix string) attempt {
	return list(func(in *client.ListObjectsV2Input) { in.Prefix = &prefix })
}

func get(key string) attempt {
	return func(ctx context.Context, _ *kit, c *client.Client) error {
		out, err := c.GetObject(ctx, &client.GetObjectInput{Bucket: aws.String(bucket), Key: &key})
		if err == nil {
			err = out.Body.Close()
		}
		return err
	}
}

func copied(change func(*client.CopyObjectInput)) attempt {
	return func(ctx context.Context, _ *kit, c *client.Client) error {
		in := &client.CopyObjectInput{Bucket: aws.String(bucket), Key: aws.String("copy"), CopySource: aws.String(bucket + "/public/a")}
		change(in)
		_, err := c.CopyObject(ctx, in)
		return err
	}
}

// multipart is a whole upload, begun with a mode of encryption, or none.
func multipart(mode types.ServerSideEncryption) attempt {
	return func(ctx context.Context, _ *kit, c *client.Client) error {
		created, err := c.CreateMultipartUpload(ctx, &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("m"), ServerSideEncryption: mode})
		if err != nil {
			return err
		}
		part, err := c.UploadPart(ctx, &client.UploadPartInput{Bucket: aws.String(bucket), Key: aws.String("m"), UploadId: created.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
		if err != nil {
			return err
		}
		_, err = c.CompleteMultipartUpload(ctx, &client.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("m"), UploadId: created.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}})
		return err
	}
}

// raw is a request that is signed in the header or the query, so long ago.
func raw(age time.Duration, query bool, headers map[string]string) attempt {
	return func(ctx context.Context, k *kit, _ *client.Client) error {
		signed := k.now.Load().Add(-age).UTC().Format("20060102T150405Z")
		scope := "AKIANOONE/" + signed[:8] + "/us-east-1/s3/aws4_request"
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.server.URL, nil)
		if err != nil {
			return err
		}
		r.URL.Opaque = "/bucket/public/a"
		if query {
			r.URL.Opaque += "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + strings.ReplaceAll(scope, "/", "%2F") + "&X-Amz-Date=" + signed +
				"&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64)
		} else {
			r.Header.Set("X-Amz-Date", signed)
			r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+scope+", SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
		}
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		resp, err := k.server.Client().Do(r)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return statusError(resp.StatusCode)
		}
		return nil
	}
}

// statusError is an error with a status, as those of the SDK are.
type statusError int

func (e statusError) Error() string       { return fmt.Sprintf("status %d", int(e)) }
func (e statusError) HTTPStatusCode() int { return int(e) }

// TestConditions asks what requests pass with a bucket policy of one or two
// statements. A row whose statements only deny is asked as the root user of the
// bucket's account, whom a Deny binds too; the others as a user without policies
// of its own, whose account is account, or other where the row is foreign.
func TestConditions(t *testing.T) {
	const (
		objects   = `"Resource":"arn:aws:s3:::bucket/*"`
		itself    = `"Resource":"arn:aws:s3:::bucket"`
		denyPut   = `{"Effect":"Deny","Principal":"*","Action":"s3:PutObject",` + objects + `,"Condition":`
		allowPut  = `{"Effect":"Allow","Principal":"*","Action":"s3:PutObject",` + objects + `,"Condition":`
		allowGet  = `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + objects + `,"Condition":`
		denyGet   = `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",` + objects + `},{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",` + objects + `,"Condition":`
		allowList = `{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket",` + itself + `,"Condition":`
		denyList  = `{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket",` + itself + `,"Condition":`
		kmsGuide  = "User Guide, Using server-side encryption with AWS KMS keys"
		s3Guide   = "User Guide, Protecting data with server-side encryption: bucket policy"
		keysGuide = "User Guide, Bucket policy examples using condition keys"
		sigGuide  = "API Reference, Signature Version 4 Authentication Specific Policy Keys"
		ifGuide   = "User Guide, Enforce conditional writes on Amazon S3 buckets"
		s3tests   = "s3-tests"
	)
	k := newKit(t)
	k.createBucket()
	k.put("public/a", []byte("x"))
	k.put("secret/a", []byte("x"))
	k.keys = []string{k.createKey(), k.createKey()}
	k.createAlias("alias/right", k.keys[0])
	k.createAlias("alias/wrong", k.keys[1])
	const noSSE = denyPut + `{"Null":{"s3:x-amz-server-side-encryption":"true"}}}`
	const onlyKMS = denyPut + `{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}}`
	const onlyKey = denyPut + `{"StringNotEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"KEY"},"Null":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"false"}}}`
	const needKey = denyPut + `{"ArnNotEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"KEY"}}}`
	withKey := func(id string) attempt {
		return func(ctx context.Context, k *kit, c *client.Client) error {
			name := strings.NewReplacer("KEYID", k.keys[0][strings.LastIndexByte(k.keys[0], '/')+1:], "OTHER", k.keys[1], "KEY", k.keys[0]).Replace(id)
			return put("k", func(in *client.PutObjectInput) {
				in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &name
			})(ctx, k, c)
		}
	}
	for _, tt := range []struct {
		name, source, policy string
		do                   attempt
		want                 bool
	}{
		{"no encryption header, though the default encrypts", s3Guide, noSSE, put("k", nil), false},
		{"encryption header there", s3Guide, noSSE, put("k", sse("AES256")), true},
		{"SSE-KMS header there", s3Guide, noSSE, put("k", sse("aws:kms")), true},
		{"SSE-S3 where SSE-KMS is asked for", kmsGuide, onlyKMS, put("k", sse("AES256")), false},
		{"no header where SSE-KMS is asked for: a negated operator holds", kmsGuide, onlyKMS, put("k", nil), false},
		{"SSE-KMS where it is asked for", kmsGuide, onlyKMS, put("k", sse("aws:kms")), true},
		{"multipart upload without encryption", s3tests, noSSE, multipart(""), false},
		{"multipart upload with encryption: its parts have no header", s3tests, noSSE, multipart("AES256"), true},
		{"multipart upload with SSE-S3 where SSE-KMS is asked for", s3tests, onlyKMS, multipart("AES256"), false},
		{"multipart upload with SSE-KMS", s3tests, onlyKMS, multipart("aws:kms"), true},
		{"copy without encryption", s3Guide, noSSE, copied(func(*client.CopyObjectInput) {}), false},
		{"copy with encryption", s3Guide, noSSE, copied(func(in *client.CopyObjectInput) { in.ServerSideEncryption = "AES256" }), true},
		{"the key asked for, by its ARN", kmsGuide, needKey, withKey("KEY"), true},
		{"the key asked for, by its id", kmsGuide, needKey, withKey("KEYID"), true},
		{"the key asked for, by its alias", kmsGuide, needKey, withKey("alias/right"), true},
		{"the key asked for, by its alias ARN", kmsGuide, needKey, withKey("arn:aws:kms:us-east-1:" + account + ":alias/right"), true},
		{"another key", kmsGuide, needKey, withKey("OTHER"), false},
		{"another key, by its alias", kmsGuide, needKey, withKey("alias/wrong"), false},
		{"an alias that is not there", kmsGuide, needKey, withKey("alias/none"), false},
		{"no key, where one is asked for", kmsGuide, needKey, put("k", sse("aws:kms")), false},
		{"no key, where one is asked for if any", kmsGuide, onlyKey, put("k", sse("aws:kms")), true},
		{"another key, where one is asked for if any", kmsGuide, onlyKey, withKey("OTHER"), false},
		{"no key, with IfExists: a key that is missing satisfies every operator", "IAM User Guide, ...IfExists condition operators",
			denyPut + `{"StringNotEqualsIfExists":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"KEY"}}}`, put("k", sse("aws:kms")), false},
		{"customer key forbidden, none given", "s3-tests, test_encryption_sse_c_enforced_with_bucket_policy",
			denyPut + `{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}}`, put("k", nil), true},
		{"customer key asked for, none given", "s3-tests, test_encryption_sse_c_enforced_with_bucket_policy",
			denyPut + `{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"true"}}}`, put("k", nil), false},

		{"prefix of the listing", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"public/"}}}`, prefixed("public/"), true},
		{"another prefix", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"public/"}}}`, prefixed("secret/"), false},
		{"no prefix", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"public/"}}}`, list(nil), false},
		{"deeper prefix", keysGuide, allowList + `{"StringLike":{"s3:prefix":"public/*"}}}`, prefixed("public/deep/"), true},
		{"prefix that begins the same", keysGuide, allowList + `{"StringLike":{"s3:prefix":"public/*"}}}`, prefixed("publicity/"), false},
		{"prefix in other case", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"public/"}}}`, prefixed("Public/"), false},
		{"prefix denied", keysGuide, denyList + `{"StringEquals":{"s3:prefix":"secret/"}}}`, prefixed("secret/"), false},
		{"another than the prefix denied", keysGuide, denyList + `{"StringEquals":{"s3:prefix":"secret/"}}}`, prefixed("public/"), true},
		{"all but a prefix denied, none given", keysGuide, denyList + `{"StringNotEquals":{"s3:prefix":"public/"}}}`, list(nil), false},
		{"prefix of the first version of the listing", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"public/"}}}`,
			func(ctx context.Context, _ *kit, c *client.Client) error {
				_, err := c.ListObjects(ctx, &client.ListObjectsInput{Bucket: aws.String(bucket), Prefix: aws.String("public/")})
				return err
			}, true},
		{"delimiter asked for", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"","s3:delimiter":"/"}}}`,
			list(func(in *client.ListObjectsV2Input) { in.Prefix, in.Delimiter = aws.String(""), aws.String("/") }), true},
		{"delimiter missing", keysGuide, allowList + `{"StringEquals":{"s3:prefix":"","s3:delimiter":"/"}}}`, prefixed(""), false},
		{"as many keys as allowed", keysGuide, allowList + `{"NumericLessThanEquals":{"s3:max-keys":"10"}}}`,
			list(func(in *client.ListObjectsV2Input) { in.MaxKeys = aws.Int32(10) }), true},
		{"more keys than allowed", keysGuide, allowList + `{"NumericLessThanEquals":{"s3:max-keys":"10"}}}`,
			list(func(in *client.ListObjectsV2Input) { in.MaxKeys = aws.Int32(11) }), false},
		{"a bucket has no prefix", "Service Authorization Reference, ListBucket", allowList + `{"StringLike":{"s3:prefix":"*"}}}`,
			func(ctx context.Context, _ *kit, c *client.Client) error {
				_, err := c.HeadBucket(ctx, &client.HeadBucketInput{Bucket: aws.String(bucket)})
				return err
			}, false},

		{"copy from where it is allowed", keysGuide, denyPut + `{"StringNotLike":{"s3:x-amz-copy-source":"bucket/public/*"}}}`,
			copied(func(*client.CopyObjectInput) {}), true},
		{"copy from elsewhere", keysGuide, denyPut + `{"StringNotLike":{"s3:x-amz-copy-source":"bucket/public/*"}}}`,
			copied(func(in *client.CopyObjectInput) { in.CopySource = aws.String("bucket/secret/a") }), false},
		{"copy with a slash before the source", "s3-tests, test_bucket_policy_put_obj_copy_source", denyPut + `{"StringNotLike":{"s3:x-amz-copy-source":"bucket/public/*"}}}`,
			copied(func(in *client.CopyObjectInput) { in.CopySource = aws.String("/bucket/public/a") }), true},
		{"copy of a source that is escaped", "attack", denyPut + `{"StringLike":{"s3:x-amz-copy-source":"bucket/secret/*"}}}`,
			copied(func(in *client.CopyObjectInput) { in.CopySource = aws.String("bucket/%73ecret%2Fa") }), false},
		{"no copy at all", keysGuide, denyPut + `{"StringNotLike":{"s3:x-amz-copy-source":"bucket/public/*"}}}`, put("k", nil), false},
		{"metadata copied as asked", "s3-tests, test_bucket_policy_put_obj_copy_source_meta", denyPut + `{"StringNotEquals":{"s3:x-amz-metadata-directive":"COPY"}}}`,
			copied(func(in *client.CopyObjectInput) { in.MetadataDirective = types.MetadataDirectiveCopy }), true},
		{"metadata copied by default", "s3-tests, test_bucket_policy_put_obj_copy_source_meta", denyPut + `{"StringNotEquals":{"s3:x-amz-metadata-directive":"COPY"}}}`,
			copied(func(*client.CopyObjectInput) {}), false},
		{"metadata replaced", "s3-tests, test_bucket_policy_put_obj_copy_source_meta", denyPut + `{"StringNotEquals":{"s3:x-amz-metadata-directive":"COPY"}}}`,
			copied(func(in *client.CopyObjectInput) { in.MetadataDirective = types.MetadataDirectiveReplace }), false},

		{"ACL as asked for", keysGuide, denyPut + `{"StringNotEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}}`,
			put("k", func(in *client.PutObjectInput) { in.ACL = types.ObjectCannedACLBucketOwnerFullControl }), true},
		{"no ACL where one is asked for", keysGuide, denyPut + `{"StringNotEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}}`, put("k", nil), false},
		{"another ACL", keysGuide, denyPut + `{"StringNotEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}}`,
			put("k", func(in *client.PutObjectInput) { in.ACL = types.ObjectCannedACLPrivate }), false},
		{"storage class", keysGuide, denyPut + `{"StringNotEquals":{"s3:x-amz-storage-class":"STANDARD"}}}`,
			put("k", func(in *client.PutObjectInput) { in.StorageClass = types.StorageClassStandard }), true},
		{"no storage class", keysGuide, denyPut + `{"StringNotEquals":{"s3:x-amz-storage-class":"STANDARD"}}}`, put("k", nil), false},

		{"write over something unforeseen", ifGuide, denyPut + `{"Null":{"s3:if-none-match":"true"}}}`, put("k", nil), false},
		{"write where nothing is", ifGuide, denyPut + `{"Null":{"s3:if-none-match":"true"}}}`, put("new", func(in *client.PutObjectInput) { in.IfNoneMatch = aws.String("*") }), true},
		{"multipart upload without the condition", ifGuide, denyPut + `{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}`, multipart(""), false},
		{"beginning one is no creation", ifGuide, denyPut + `{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}`,
			func(ctx context.Context, _ *kit, c *client.Client) error {
				_, err := c.CreateMultipartUpload(ctx, &client.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("m")})
				return err
			}, true},

		{"over TLS", "User Guide, Examples of Amazon S3 bucket policies", `{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, put("k", nil), true},
		{"TLS forbidden", "the same, the other way round", denyPut + `{"Bool":{"aws:SecureTransport":"true"}}}`, put("k", nil), false},
		{"TLS new enough", "User Guide, Examples of Amazon S3 bucket policies", denyPut + `{"NumericLessThan":{"s3:TlsVersion":"1.2"}}}`, put("k", nil), true},
		{"TLS too old", "User Guide, Examples of Amazon S3 bucket policies", denyPut + `{"NumericLessThan":{"s3:TlsVersion":"1.4"}}}`, put("k", nil), false},
		{"from an address", "User Guide, Examples of Amazon S3 bucket policies", allowGet + `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`, get("public/a"), true},
		{"from another address", "User Guide, Examples of Amazon S3 bucket policies", allowGet + `{"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}}}`, get("public/a"), false},
		{"not from an address", "User Guide, Examples of Amazon S3 bucket policies", allowGet + `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"NotIpAddress":{"aws:SourceIp":"192.0.2.1/32"}}}`, get("public/a"), false},
		{"owner of the bucket", "Service Authorization Reference, s3:ResourceAccount", allowGet + `{"StringEquals":{"s3:ResourceAccount":"` + account + `"}}}`, get("public/a"), true},
		{"another owner", "Service Authorization Reference, s3:ResourceAccount", allowGet + `{"StringEquals":{"s3:ResourceAccount":"` + other + `"}}}`, get("public/a"), false},
		{"for one user name", "IAM User Guide, aws:username", allowGet + `{"StringEquals":{"aws:username":"noone"}}}`, get("public/a"), true},
		{"for another user name", "IAM User Guide, aws:username", allowGet + `{"StringEquals":{"aws:username":"someone"}}}`, get("public/a"), false},
		{"below one's own name", "IAM User Guide, policy variables", `{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/home/${aws:username}/*"}`, put("home/noone/x", nil), true},
		{"below the name of another", "IAM User Guide, policy variables", `{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::bucket/home/${aws:username}/*"}`, put("home/someone/x", nil), false},
		{"a condition of PutObject is none of GetObject", "Service Authorization Reference", `{"Effect":"Allow","Principal":"*","Action":"s3:*",` + objects + `,"Condition":{"Null":{"s3:x-amz-acl":"true"}}}`, get("public/a"), true},
		{"allowed with an encryption it has", s3Guide, allowPut + `{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}`, put("k", sse("AES256")), true},
		{"allowed with an encryption that is only the default", s3Guide, allowPut + `{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}`, put("k", nil), false},

		{"from a page of ours", "User Guide, Examples of Amazon S3 bucket policies", allowGet + `{"StringLike":{"aws:Referer":"https://www.example.com/*"}}}`,
			raw(0, false, map[string]string{"Referer": "https://www.example.com/page"}), true},
		{"from no page", "User Guide, Examples of Amazon S3 bucket policies", allowGet + `{"StringLike":{"aws:Referer":"https://www.example.com/*"}}}`, raw(0, false, nil), false},

		{"signature young enough", sigGuide, denyGet + `{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}`, raw(9*time.Minute, true, nil), true},
		{"signature too old", sigGuide, denyGet + `{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}`, raw(11*time.Minute, true, nil), false},
		{"old signature in a header", sigGuide, denyGet + `{"NumericGreaterThan":{"s3:signatureAge":"600000"}}}`, raw(11*time.Minute, false, nil), false},
		{"signed in the header", sigGuide, denyGet + `{"StringNotEquals":{"s3:authType":"REST-HEADER"}}}`, raw(0, false, nil), true},
		{"signed in the query", sigGuide, denyGet + `{"StringNotEquals":{"s3:authType":"REST-HEADER"}}}`, raw(0, true, nil), false},
		{"the query is asked for", sigGuide, denyGet + `{"StringNotEquals":{"s3:authType":"REST-QUERY-STRING"}}}`, raw(0, true, nil), true},
		{"version of the signature", sigGuide, denyGet + `{"StringNotEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}}}`, raw(0, true, nil), true},
		{"older version forbidden", sigGuide, denyGet + `{"StringEquals":{"s3:signatureversion":"AWS"}}}`, raw(0, true, nil), true},
		{"payload unsigned", sigGuide, denyGet + `{"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}}`, raw(0, false, nil), false},
		{"payload unsigned as in every URL", sigGuide, denyGet + `{"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}}`, raw(0, true, nil), false},
		{"payload signed", sigGuide, denyGet + `{"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}}`,
			raw(0, false, map[string]string{"X-Amz-Content-Sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.policy = strings.ReplaceAll(tt.policy, "KEY", k.keys[0])
			who := "AKIAROOT"
			if strings.Contains(tt.policy, `"Allow"`) {
				who = "AKIANOONE"
			}
			k.setPolicy(`{"Version":"2012-10-17","Statement":[` + tt.policy + `]}`)
			err := tt.do(t.Context(), k, k.client(who, region))
			switch {
			case tt.want && err != nil:
				t.Errorf("got %v, want it to pass (%s)", err, tt.source)
			case !tt.want && !refused(err):
				t.Errorf("got %v, want a refusal (%s)", err, tt.source)
			}
		})
	}
}
