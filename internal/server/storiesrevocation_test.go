package server

import (
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

const revocationCast = `accounts:
  - id: "111111111111"
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ben, accessKeys: <ben>}
      - name: cleo
        inlinePolicies: [{name: read, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Encrypt","s3:GetObject","sts:AssumeRole"],"Resource":"*"}}'}]
        groups: []
        accessKeys: <cleo>
    roles:
      - name: teller
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}}
        inlinePolicies: [{name: all, document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}'}]
  - id: "222222222222"
    serviceControlPolicies: [{name: FullAWSAccess}]
    users:
      - {name: dora, policies: [AdministratorAccess], accessKeys: <dora>}
      - {name: emil, accessKeys: <emil>}
`

// TestStoryRevocation: rights are taken away while they are in use. Whoever
// calls after the change has answered is refused, whichever document it was.
func TestStoryRevocation(t *testing.T) {
	t.Parallel()
	st := tell(t, revocationCast)
	ada, ben, cleo := st.user(bank, "ada"), st.user(bank, "ben"), st.user(bank, "cleo")
	dora, emil := st.user(shop, "dora"), st.user(shop, "emil")
	key := made[string](st)(ada.createKey(""))
	encryptsAs := func(a *actor) func() error {
		return func() error { _, err := a.encrypt(key); return err }
	}
	const ownAccount = `"Sid":"Own"`

	// A grant is revoked.
	grant := made[string](st)(ada.grant(key, ben.arn, nil, kmstypes.GrantOperationEncrypt))
	st.atOnce(encryptsAs(ben), func() error { return ada.revoke(key, grant) })
	_, err := ben.encrypt(key)
	st.refused(err, ben.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies")

	// A grant is retired by the one it is for.
	grant = made[string](st)(ada.grant(key, ben.arn, nil, kmstypes.GrantOperationEncrypt, kmstypes.GrantOperationRetireGrant))
	st.atOnce(encryptsAs(ben), func() error {
		_, err := ben.kms.RetireGrant(st.Context(), &awskms.RetireGrantInput{KeyId: &key, GrantId: &grant})
		return err
	})

	// The key policy is replaced: it let the other account in.
	st.does(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*", ownAccount), allow(dora.arn, "kms:Encrypt"))))
	st.atOnce(encryptsAs(dora), func() error { return ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*", ownAccount))) })
	_, err = dora.encrypt(key)
	st.refused(err, dora.undisclosed("kms:Encrypt")).about(dora, "kms:Encrypt", key).
		explained("key policy", `"Own"`, "Principal")

	// A grant that was made through a grant outlives the one it was made through,
	// as grants do; it ends when it is revoked itself.
	parent := made[string](st)(ada.grant(key, dora.arn, nil, kmstypes.GrantOperationEncrypt, kmstypes.GrantOperationCreateGrant))
	child := made[string](st)(dora.grant(key, emil.arn, nil, kmstypes.GrantOperationEncrypt))
	st.does(ada.revoke(key, parent))
	st.does(encryptsAs(emil)())
	st.atOnce(encryptsAs(emil), func() error { return ada.revoke(key, child) })
	_, err = dora.encrypt(key)
	st.refused(err, dora.undisclosed("kms:Encrypt")).about(dora, "kms:Encrypt", key).
		explained("key policy", `"Own"`, "Principal")

	// The caller's identity policy goes.
	st.atOnce(encryptsAs(cleo), func() error {
		st.declare("accounts: [{id: \"111111111111\", users: [{name: cleo, inlinePolicies: [{name: read, document: '" +
			`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:GetObject","sts:AssumeRole"],"Resource":"*"}}` + "'}]}]}]\n")
		return nil
	})
	_, err = cleo.encrypt(key)
	st.refused(err, cleo.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies", "user cleo, inline policy read", "Action")

	// A service control policy comes over the other account.
	own := made[string](st)(dora.createKey(""))
	st.atOnce(func() error { _, err := dora.encrypt(own); return err }, func() error {
		st.declare(`accounts: [{id: "222222222222", serviceControlPolicies: [{name: FullAWSAccess}, {name: no-seal, document: '` +
			`{"Version":"2012-10-17","Statement":{"Sid":"NoSeal","Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}}` + "'}]}]\n")
		return nil
	})
	_, err = dora.encrypt(own)
	st.refused(err, dora.may("kms:Encrypt", own, explicitDeny("a service control policy"))).
		explained("service control policies", "no-seal", `"NoSeal"`)

	// A role goes, and with it all its sessions.
	teller := cleo.become("arn:aws:iam::111111111111:role/teller", "monday")
	st.atOnce(encryptsAs(teller), func() error {
		st.declare("accounts: [{id: \"111111111111\", roles: [{name: teller, absent: true}]}]\n")
		return nil
	})
	_, err = teller.encrypt(key)
	st.fails(err, "The security token included in the request is invalid.", "UnrecognizedClientException")
	_, err = cleo.assume("arn:aws:iam::111111111111:role/teller", "tuesday")
	st.refused(err, cleo.may("sts:AssumeRole", "arn:aws:iam::111111111111:role/teller", noPolicy(byTrust, "sts:AssumeRole"))).
		explained("role trust policy", "it was deleted at ", "its unique id was AROA")

	// A bucket policy goes, by which another account read.
	bucket := "ledger"
	_, err = ada.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &bucket})
	st.does(err)
	st.does(ada.put(bucket, "page", ""))
	st.declare("accounts: [{id: \"222222222222\", serviceControlPolicies: []}]\n")
	st.does(ada.putBucketPolicy(bucket, documentOf(statementOf("Allow", dora.arn, "s3:GetObject", "arn:aws:s3:::ledger/*"))))
	st.atOnce(func() error { return dora.get(bucket, "page") }, func() error {
		_, err := ada.s3.DeleteBucketPolicy(st.Context(), &awss3.DeleteBucketPolicyInput{Bucket: &bucket})
		return err
	})
	st.refused(dora.get(bucket, "page"), dora.may("s3:GetObject", "arn:aws:s3:::ledger/page", noPolicy(byResource, "s3:GetObject"))).
		explained("bucket policy")

	// A user goes, and its access key with it.
	st.does(cleo.get(bucket, "page"))
	st.atOnce(func() error { return cleo.get(bucket, "page") }, func() error {
		st.declare("accounts: [{id: \"111111111111\", users: [{name: cleo, absent: true}]}]\n")
		return nil
	})
	st.fails(cleo.get(bucket, "page"), "The AWS Access Key Id you provided does not exist in our records.", "InvalidAccessKeyId")
}
