package server

import (
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestStoryConfusedDeputy: S3 uses keys for whoever asks S3. A key's policy can
// say that it is used through S3 alone, for whom, and for which bucket, so that
// S3 cannot be made to use it for somebody else, nor the key be used past S3.
func TestStoryConfusedDeputy(t *testing.T) {
	t.Parallel()
	st := tell(t, `accounts:
  - id: "111111111111"
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
    roles:
      - name: app
        path: /svc/
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}}
        policies: [AdministratorAccess]
  - id: "222222222222"
    users:
      - {name: dora, policies: [AdministratorAccess], accessKeys: <dora>}
      - name: emil
        inlinePolicies: [{name: objects, document: '{"Version":"2012-10-17","Statement":{"Sid":"Objects","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}}'}]
        accessKeys: <emil>
  - id: "333333333333"
    users:
      - {name: gus, policies: [AdministratorAccess], accessKeys: <gus>}
`)
	ada, dora, emil, gus := st.user(bank, "ada"), st.user(shop, "dora"), st.user(shop, "emil"), st.user(alien, "gus")
	const throughS3 = "s3.us-east-1.amazonaws.com"

	// The shop's bucket is sealed with the bank's key. The key may be used by the
	// shop, through S3, for this bucket.
	bucket := "catalogue"
	_, err := dora.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &bucket})
	st.does(err)
	key := made[string](st)(ada.createKey(documentOf(allow(bank, "kms:*", `"Sid":"Own"`), allow("*", "kms:GenerateDataKey kms:Decrypt", `"Sid":"ThroughS3"`,
		`"Condition":{"StringEquals":{"kms:ViaService":"`+throughS3+`","kms:CallerAccount":"222222222222"},"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::catalogue/*"}}`))))
	st.does(dora.put(bucket, "page", key))
	st.does(dora.get(bucket, "page"))
	head, err := dora.s3.HeadObject(st.Context(), &awss3.HeadObjectInput{Bucket: &bucket, Key: new("page")})
	st.does(err)
	if *head.SSEKMSKeyId != key || head.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
		t.Errorf("the object is sealed by %s %s, want %s", head.ServerSideEncryption, *head.SSEKMSKeyId, key)
	}

	// Not past S3, although it is the same caller and the same context.
	_, err = dora.encrypt(key)
	st.refused(err, dora.undisclosed("kms:Encrypt")).about(dora, "kms:Encrypt", key).
		explained("key policy", `"ThroughS3"`)
	_, err = dora.dataKey(key, "aws:s3:arn", "arn:aws:s3:::catalogue/page")
	st.refused(err, dora.undisclosed("kms:GenerateDataKey")).about(dora, "kms:GenerateDataKey", key).
		explained("key policy", `"ThroughS3"`, "kms:ViaService: wanted", "does not have the key")

	// Not for another bucket of the shop.
	elsewhere := "attic"
	_, err = dora.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &elsewhere})
	st.does(err)
	st.refused(dora.put(elsewhere, "page", key), dora.undisclosed("kms:GenerateDataKey")).
		about(dora, "kms:GenerateDataKey", key, "kms:ViaService="+throughS3, "kms:EncryptionContext:aws:s3:arn=arn:aws:s3:::attic/page").
		explained("key policy", `"ThroughS3"`, `kms:EncryptionContext:aws:s3:arn: wanted "arn:aws:s3:::catalogue/*", got "arn:aws:s3:::attic/page" met false`)

	// S3 asks for emil, who may use objects and not keys: the bank's key policy
	// lets him in, his own account does not.
	st.refused(emil.get(bucket, "page"), emil.may("kms:Decrypt", key, noPolicy(byIdentity, "kms:Decrypt"))).
		explained("identity-based policies", `"Objects"`, "Action")
	st.refused(emil.put(bucket, "page", key), emil.may("kms:GenerateDataKey", key, noPolicy(byIdentity, "kms:GenerateDataKey"))).
		explained("identity-based policies", `"Objects"`, "Action")
	st.does(dora.get(bucket, "page")) // emil's attempt did not touch it

	// The stranger is let into the bucket by its policy; S3 does not lend him the
	// key, for it asks as him.
	st.does(dora.putBucketPolicy(bucket, documentOf(statementOf("Allow", gus.arn, "s3:GetObject s3:PutObject", "arn:aws:s3:::catalogue/*"))))
	st.refused(gus.get(bucket, "page"), gus.undisclosed("kms:Decrypt")).about(gus, "kms:Decrypt", key).
		explained("key policy", `"ThroughS3"`, `kms:CallerAccount: wanted "222222222222", got "333333333333" met false`)
	st.refused(gus.put(bucket, "page", key), gus.undisclosed("kms:GenerateDataKey")).about(gus, "kms:GenerateDataKey", key).
		explained("key policy", `"ThroughS3"`, `kms:CallerAccount: wanted "222222222222", got "333333333333" met false`)

	// Nor can anybody say what S3 would say: a header of the request or a word in
	// the encryption context makes nobody a service.
	_, err = dora.dataKey(key, "kms:ViaService", throughS3, "aws:s3:arn", "arn:aws:s3:::catalogue/page")
	st.refused(err, dora.undisclosed("kms:GenerateDataKey")).about(dora, "kms:GenerateDataKey", key).
		explained("key policy", `"ThroughS3"`, "kms:ViaService: wanted", "does not have the key")

	// A bucket policy asks that everything be sealed with this key: the request's
	// own headers count.
	st.does(dora.putBucketPolicy(bucket, documentOf(
		statementOf("Deny", "*", "s3:PutObject", "arn:aws:s3:::catalogue/*", `"Sid":"Sealed"`, when("StringNotEquals", "s3:x-amz-server-side-encryption-aws-kms-key-id", key)))))
	st.does(dora.put(bucket, "next", key))
	st.refused(dora.put(bucket, "next", ""), dora.may("s3:PutObject", "arn:aws:s3:::catalogue/next", explicitDeny("a resource-based policy"))).
		explained("bucket policy", `"Sealed"`, "s3:x-amz-server-side-encryption-aws-kms-key-id")

	// A key for one role, whatever session, by aws:PrincipalArn: that is the
	// role's ARN with its path. Who calls himself like it is not it.
	st.does(ada.putKeyPolicy(key, documentOf(allow(ada.arn, "kms:*"),
		allow("*", "kms:Encrypt", `"Sid":"App"`, when("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::111111111111:role/svc/app")))))
	app := ada.become("arn:aws:iam::111111111111:role/svc/app", "one")
	_ = made[[]byte](st)(app.encrypt(key))
	st.declare(`accounts:
  - id: "111111111111"
    roles:
      - name: other
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}}
        policies: [AdministratorAccess]
`)
	other := ada.become("arn:aws:iam::111111111111:role/other", "app")
	_, err = other.encrypt(key)
	st.refused(err, other.may("kms:Encrypt", key, noPolicy(byResource, "kms:Encrypt"))).
		explained("key policy", `"App"`, "aws:PrincipalArn", "role/other")
	_, err = dora.encrypt(key)
	st.refused(err, dora.undisclosed("kms:Encrypt")).about(dora, "kms:Encrypt", key).
		explained("key policy", `"App"`, "aws:PrincipalArn")
}
