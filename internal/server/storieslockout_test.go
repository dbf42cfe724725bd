package server

import (
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestStoryLockout: who writes a policy that would shut himself out is stopped,
// unless he insists; and who insists is shut out, root and all.
func TestStoryLockout(t *testing.T) {
	t.Parallel()
	st := tell(t, `accounts:
  - id: "111111111111"
    accessKeys: <bankroot>
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ben, accessKeys: <ben>}
  - id: "222222222222"
    users:
      - {name: dora, policies: [AdministratorAccess], accessKeys: <dora>}
`)
	root, ada, ben := st.root(bank, "bankroot"), st.user(bank, "ada"), st.user(bank, "ben")
	dora := st.user(shop, "dora")
	const locked = "The new key policy will not allow you to update the key policy in the future."
	const malformed = "MalformedPolicyDocumentException"
	key := made[string](st)(ada.createKey(""))

	// Ada forgets herself: the check is about her and nobody else, and asks
	// whether the account's identity policies count under the new policy.
	onlyBen := documentOf(allow(ben.arn, "kms:*", `"Sid":"Ben"`))
	st.fails(ada.putKeyPolicy(key, onlyBen), locked, malformed)
	_, err := ada.createKey(onlyBen)
	st.fails(err, locked, malformed)
	st.fails(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"), deny("*", "kms:PutKeyPolicy"))), locked, malformed)
	st.fails(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*", when("StringEquals", "kms:CallerAccount", shop)))), locked, malformed)

	// Nor may the policy name somebody who is not there.
	st.fails(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"), allow("arn:aws:iam::111111111111:user/nobody", "kms:Encrypt"))),
		"Policy contains a statement with one or more invalid principals.", malformed)
	st.does(ada.describe(key)) // all that changed nothing
	st.does(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"))))

	// She insists.
	insist := func(a *actor, policy string) error {
		_, err := a.kms.PutKeyPolicy(st.Context(), &awskms.PutKeyPolicyInput{KeyId: &key, Policy: &policy, BypassPolicyLockoutSafetyCheck: true})
		return err
	}
	st.does(insist(ada, onlyBen))
	st.refused(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"))), ada.may("kms:PutKeyPolicy", key, noPolicy(byResource, "kms:PutKeyPolicy"))).
		explained("key policy", `"Ben"`, "Principal")
	st.refused(insist(root, documentOf(allow(bank, "kms:*"))), root.may("kms:PutKeyPolicy", key, noPolicy(byResource, "kms:PutKeyPolicy"))).
		explained("key policy", `"Ben"`, "Principal")
	st.does(ben.describe(key))

	// Ben, who has no identity policy at all, has the key, and gives it back; the
	// check is about him now.
	back := documentOf(allow(bank, "kms:*"))
	st.fails(ben.putKeyPolicy(key, back), locked, malformed)
	st.does(ben.putKeyPolicy(key, documentOf(allow(bank, "kms:*"), allow(ben.arn, "kms:PutKeyPolicy"))))
	st.does(ada.putKeyPolicy(key, back))
	st.refused(ben.putKeyPolicy(key, back), ben.may("kms:PutKeyPolicy", key, noPolicy(byIdentity, "kms:PutKeyPolicy"))).
		explained("identity-based policies")

	// To bypass the check is itself something that a policy can forbid.
	st.does(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"),
		deny("*", "kms:PutKeyPolicy", `"Sid":"NoBypass"`, when("Bool", "kms:BypassPolicyLockoutSafetyCheck", "true")))))
	st.refused(insist(ada, onlyBen), ada.may("kms:PutKeyPolicy", key, explicitDeny("a resource-based policy"))).
		explained("key policy", `"NoBypass"`, "kms:BypassPolicyLockoutSafetyCheck")
	st.fails(ada.putKeyPolicy(key, onlyBen), locked, malformed)

	// Nobody of another account writes the policy of a key, whatever the policy
	// says, so it cannot be handed over.
	st.does(ada.putKeyPolicy(key, documentOf(allow(bank, "kms:*"), allow(dora.arn, "kms:*", `"Sid":"Dora"`))))
	st.refused(dora.putKeyPolicy(key, back), dora.may("kms:PutKeyPolicy", key, noPolicy(byResource, "kms:PutKeyPolicy"))).
		explained("key policy", "another account")

	// A bucket cannot be locked against its account's root, which is how one gets
	// back in that shut everybody out.
	bucket := "safe"
	_, err = ada.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &bucket})
	st.does(err)
	st.does(ada.put(bucket, "gold", ""))
	all := `{"Version":"2012-10-17","Statement":[{"Sid":"Shut","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::safe","arn:aws:s3:::safe/*"]}]}`
	st.does(ada.putBucketPolicy(bucket, all))
	st.refused(ada.putBucketPolicy(bucket, all), ada.may("s3:PutBucketPolicy", "arn:aws:s3:::safe", explicitDeny("a resource-based policy"))).
		explained("bucket policy", `"Shut"`)
	st.refused(root.get(bucket, "gold"), root.may("s3:GetObject", "arn:aws:s3:::safe/gold", explicitDeny("a resource-based policy"))).
		explained("bucket policy", `"Shut"`)
	_, err = root.s3.DeleteBucketPolicy(st.Context(), &awss3.DeleteBucketPolicyInput{Bucket: &bucket})
	st.does(err)
	st.does(ada.get(bucket, "gold"))
}
