package server

import (
	"testing"
	"time"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestStorySessions: what a session may do is what its role may do, less what
// its session policy, the role's boundary and the account's controls leave; who
// gets one says the trust policy; and it ends.
func TestStorySessions(t *testing.T) {
	t.Parallel()
	st := tell(t, `accounts:
  - id: "111111111111"
    policies:
      - {name: only-seal, document: '{"Version":"2012-10-17","Statement":{"Sid":"Bound","Effect":"Allow","Action":["kms:Encrypt","kms:DescribeKey"],"Resource":"*"}}'}
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ben, accessKeys: <ben>}
    roles:
      - name: vault
        path: /keys/
        maxSessionDuration: 7200
        tags: {desk: front}
        trustPolicy:
          Version: 2012-10-17
          Statement:
            - {Sid: Own, Effect: Allow, Principal: {AWS: "111111111111"}, Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}
            - Sid: Partner
              Effect: Allow
              Principal: {AWS: "222222222222"}
              Action: ["sts:AssumeRole", "sts:TagSession"]
              Condition: {StringEquals: {"sts:ExternalId": "contract-7"}, StringLike: {"aws:RequestTag/team": "*"}}
        inlinePolicies:
          - name: all
            document: '{"Version":"2012-10-17","Statement":{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}}'
      - name: bounded
        boundary: only-seal
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}}
        policies: [AdministratorAccess]
      - name: inner
        trustPolicy:
          Version: 2012-10-17
          Statement: {Sid: Chain, Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:role/keys/vault"}, Action: ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], Condition: {StringEquals: {"aws:SourceIdentity": ada}}}
        inlinePolicies:
          - name: mine
            document: '{"Version":"2012-10-17","Statement":{"Sid":"Mine","Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:team":"${aws:PrincipalTag/team}"}}}}'
  - id: "222222222222"
    users:
      - {name: dora, policies: [AdministratorAccess], accessKeys: <dora>}
      - {name: emil, accessKeys: <emil>}
  - id: "333333333333"
    users:
      - {name: gus, policies: [AdministratorAccess], accessKeys: <gus>}
`)
	const vault, bounded, inner = "arn:aws:iam::111111111111:role/keys/vault", "arn:aws:iam::111111111111:role/bounded", "arn:aws:iam::111111111111:role/inner"
	ada, ben, dora, emil, gus := st.user(bank, "ada"), st.user(bank, "ben"), st.user(shop, "dora"), st.user(shop, "emil"), st.user(alien, "gus")
	sessionPolicy := func(text string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.Policy = &text }
	}
	externalID := func(id string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.ExternalId = &id }
	}
	key := made[string](st)(ada.createKey(""))

	// A session policy leaves of the role what it names.
	sealer := ada.become(vault, "sealer", sessionPolicy(`{"Version":"2012-10-17","Statement":{"Sid":"SealOnly","Effect":"Allow","Action":"kms:Encrypt","Resource":"`+key+`"}}`))
	blob := made[[]byte](st)(sealer.encrypt(key))
	st.refused(sealer.decrypt(key, blob), sealer.may("kms:Decrypt", key, noPolicy(bySession, "kms:Decrypt"))).
		explained("session policies", `"SealOnly"`, "Action")
	other := made[string](st)(ada.createKey(""))
	_, err := sealer.encrypt(other)
	st.refused(err, sealer.may("kms:Encrypt", other, noPolicy(bySession, "kms:Encrypt"))).
		explained("session policies", `"SealOnly"`, "Resource")
	st.does(ada.become(vault, "opener").decrypt(key, blob))

	// It limits what a key policy gives the role, and not what it gives the
	// session itself.
	st.does(ada.putKeyPolicy(key, documentOf(allow(ada.arn, "kms:*"), allow(vault, "kms:Decrypt", `"Sid":"Role"`))))
	st.refused(sealer.decrypt(key, blob), sealer.may("kms:Decrypt", key, noPolicy(bySession, "kms:Decrypt"))).
		explained("session policies", `"SealOnly"`)
	st.does(ada.putKeyPolicy(key, documentOf(allow(ada.arn, "kms:*"), allow(sealer.arn, "kms:Decrypt"))))
	st.does(sealer.decrypt(key, blob))
	opener := ada.become(vault, "opener")
	st.refused(opener.decrypt(key, blob), opener.may("kms:Decrypt", key, noPolicy(byResource, "kms:Decrypt"))).
		explained("key policy", "Principal")
	st.does(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"))))

	// So does a boundary; and a Deny in a session policy is one.
	clerk := ada.become(bounded, "clerk")
	blob = made[[]byte](st)(clerk.encrypt(key))
	st.refused(clerk.decrypt(key, blob), clerk.may("kms:Decrypt", key, noPolicy(byBoundary, "kms:Decrypt"))).
		explained("permissions boundary", "only-seal", `"Bound"`, "Action")
	careful := ada.become(vault, "careful", sessionPolicy(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"Careful","Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}]}`))
	st.refused(careful.decrypt(key, blob), careful.may("kms:Decrypt", key, explicitDeny("a session policy"))).
		explained("session policies", `"Careful"`)

	// A partner must say the external id, and bring a tag.
	tagged := withTags("team", "red")
	partner := dora.become(vault, "partner", externalID("contract-7"), tagged)
	st.does(partner.decrypt(key, blob))
	for _, wrong := range []struct {
		more []func(*awssts.AssumeRoleInput)
		key  string
	}{
		{[]func(*awssts.AssumeRoleInput){tagged}, "sts:ExternalId"},
		{[]func(*awssts.AssumeRoleInput){tagged, externalID("contract-8")}, "sts:ExternalId"},
		{[]func(*awssts.AssumeRoleInput){externalID("contract-7")}, "aws:RequestTag/team"},
	} {
		_, err := dora.assume(vault, "partner", wrong.more...)
		st.refused(err, dora.may("sts:AssumeRole", vault, noPolicy(byTrust, "sts:AssumeRole"))).
			explained("role trust policy", `"Partner"`, wrong.key)
	}
	_, err = dora.assume(vault, "partner", externalID("contract-7"), tagged, withSource("dora"))
	st.refused(err, dora.may("sts:SetSourceIdentity", vault, noPolicy(byTrust, "sts:SetSourceIdentity"))).
		explained("role trust policy", `"Partner"`, "Action")
	_, err = emil.assume(vault, "partner", externalID("contract-7"), tagged)
	st.refused(err, emil.may("sts:AssumeRole", vault, noPolicy(byIdentity, "sts:AssumeRole"))).
		explained("identity-based policies")
	_, err = ben.assume(vault, "own")
	st.refused(err, ben.may("sts:AssumeRole", vault, noPolicy(byIdentity, "sts:AssumeRole"))).
		explained("identity-based policies")
	_, err = gus.assume(vault, "guess", externalID("contract-7"), tagged)
	st.refused(err, gus.may("sts:AssumeRole", vault, noPolicy(byTrust, "sts:AssumeRole"))).
		explained("role trust policy", `"Own"`, "Principal")

	// A chain of two roles: the source identity stays what it was, the transitive
	// tag comes along and is what the inner role's policy asks about.
	_, err = opener.assume(inner, "second")
	st.refused(err, opener.may("sts:AssumeRole", inner, noPolicy(byTrust, "sts:AssumeRole"))).
		explained("role trust policy", `"Chain"`, "aws:SourceIdentity")
	_, err = ada.assume(inner, "second")
	st.refused(err, ada.may("sts:AssumeRole", inner, noPolicy(byTrust, "sts:AssumeRole"))).
		explained("role trust policy", `"Chain"`, "Principal")
	first := ada.become(vault, "first", withSource("ada"), tagged, withTransitive("team"))
	second := first.become(inner, "second")
	blob = made[[]byte](st)(second.encrypt(key, "team", "red"))
	st.does(second.decrypt(key, blob, "team", "red"))
	_, err = second.encrypt(key, "team", "blue")
	st.refused(err, second.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies", `"Mine"`, "kms:EncryptionContext:team", `"blue"`)
	_, err = second.encrypt(key)
	st.refused(err, second.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies", `"Mine"`, "kms:EncryptionContext:team", "does not have the key")

	// Without the tag, the variable in the policy has no value.
	bare := ada.become(vault, "bare", withSource("ada")).become(inner, "third")
	_, err = bare.encrypt(key, "team", "red")
	st.refused(err, bare.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies", `"Mine"`, "aws:PrincipalTag/team")

	// A session ends by the server's clock, one for an hour before one for two.
	long := ada.become(vault, "long", lastingFor(7200))
	short := ada.become(vault, "short")
	st.does(short.describe(key))
	st.clock.forward(time.Hour + time.Second)
	st.does(long.describe(key))
	const expired = "The security token included in the request is expired"
	st.fails(short.describe(key), expired, "ExpiredTokenException")
	_, err = short.sts.GetCallerIdentity(st.Context(), &awssts.GetCallerIdentityInput{})
	st.fails(err, expired, "ExpiredToken")
	_, err = short.s3.ListBuckets(st.Context(), &awss3.ListBucketsInput{})
	st.fails(err, "The provided token has expired.", "ExpiredToken")
	_, err = short.assume(inner, "after")
	st.fails(err, expired, "ExpiredToken")
	st.clock.forward(time.Hour)
	st.fails(long.describe(key), expired, "ExpiredTokenException")
	_, err = ada.kms.ListKeys(st.Context(), &awskms.ListKeysInput{})
	st.does(err)
}
