package gate

import (
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
)

// otherAccount is how policies name the other account.
var otherAccount = identity.RootARN(foreign)

func TestAcrossAccounts(t *testing.T) {
	play(t, []scene{
		{name: "both sides allow", source: kmsCrossPage,
			who: mallory, key: is(allow("kms:Decrypt").to(otherAccount)), iam: is(allow("kms:Decrypt").on(keyARN)), want: allowed},
		{name: "the key policy alone is not enough", source: kmsCrossPage,
			who: mallory, key: is(allow("kms:Decrypt").to(otherAccount)), want: noIdentity},
		{name: "not even when it names the user", source: crossPage,
			who: mallory, key: is(allow("kms:Decrypt").to(mallory.ARN)), want: noIdentity},
		{name: "nor the role", source: crossPage,
			who: strangeJob, key: is(allow("kms:Decrypt").to(appRole(foreign))), want: noIdentity},
		{name: "nor the session", source: crossPage,
			who: strangeJob, key: is(allow("kms:Decrypt").to(strangeJob.ARN)), want: noIdentity},
		{name: "the identity policy alone is not enough", source: kmsCrossPage, who: mallory, key: delegates, iam: everything, want: noResource},
		{name: "neither allows", source: crossPage, who: mallory, key: delegates, want: noResource},
		{name: "everyone does not include others without identity policies", source: keyPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*")), want: noIdentity},
		{name: "everyone includes others with identity policies", source: keyPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*")), iam: everything, want: allowed},
		{name: "a role of the other account, named, with an identity policy", source: crossPage,
			who: strangeJob, key: is(allow("kms:Decrypt").to(appRole(foreign))), iam: everything, want: allowed},
		{name: "root of the other account needs the key policy only", source: crossPage,
			who: stranger, key: is(allow("kms:Decrypt").to(otherAccount)), want: allowed},
		{name: "root of the other account is not the owner's", source: crossPage, who: stranger, key: delegates, want: noResource},
		{name: "the boundary of the other account's user counts, named or not", source: crossPage,
			who: mallory, key: is(allow("kms:Decrypt").to(mallory.ARN)), iam: everything, boundary: nothing, want: noBoundary},
		{name: "the session policy of the other account's session counts, named or not", source: crossPage,
			who: strangeJob, key: is(allow("kms:Decrypt").to(strangeJob.ARN)), iam: everything, session: nothing, want: noSession},
		{name: "the service control policies of the caller's account count", source: scpPage,
			who: mallory, key: is(allow("kms:Decrypt").to(otherAccount)), iam: everything, scp: [][]statement{nothing}, want: noControl},
		{name: "a Deny in the owner's key policy", source: crossPage,
			who: mallory, key: is(allow("kms:*").to(otherAccount), deny("kms:Decrypt").to(mallory.ARN)), iam: everything, want: byResource},
		{name: "a Deny in the caller's identity policy", source: crossPage,
			who: mallory, key: is(allow("kms:*").to(otherAccount)), iam: is(allow("*"), deny("kms:Decrypt")), want: byIdentity},
		{name: "an operation that is not for other accounts", source: kmsCrossPage,
			who: mallory, action: "kms:DisableKey", own: true, key: is(allow("kms:*").to(otherAccount)), iam: everything, want: noResource},
		{name: "not even for its root", source: kmsCrossPage,
			who: stranger, action: "kms:DisableKey", own: true, key: is(allow("kms:*").to(otherAccount)), want: noResource},
		{name: "is for the account's own", source: kmsCrossPage,
			who: alice, action: "kms:DisableKey", own: true, key: delegates, iam: everything, want: allowed},
		{name: "aws:PrincipalOrgID instead of a list of accounts", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5")), iam: everything, want: allowed},
		{name: "aws:PrincipalOrgPaths of an organizational unit", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/*")), iam: everything, want: allowed},
		{name: "aws:PrincipalOrgPaths of another organizational unit", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/r-ab12/ou-ab12-33333333/*")), iam: everything, want: noResource},
		{name: "aws:PrincipalOrgPaths without a set operator", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("StringLike", "aws:PrincipalOrgPaths", "o-a1b2c3d4e5/*")), iam: everything, want: noResource},
		{name: "aws:PrincipalOrgID of another organization", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to("*").when("StringEquals", "aws:PrincipalOrgID", "o-another")), iam: everything, want: noResource},
		{name: "aws:ResourceAccount keeps the caller to its own account", source: globalPage,
			who: mallory, key: is(allow("kms:Decrypt").to(otherAccount)),
			iam: is(allow("*"), deny("kms:*").when("StringNotEquals", "aws:ResourceAccount", foreign)), want: byIdentity},
	})
}

func TestBuckets(t *testing.T) {
	read := allow("s3:GetObject").on("arn:aws:s3:::reports/*")
	locked := is(deny("s3:*").to("*").on("arn:aws:s3:::reports", "arn:aws:s3:::reports/*"))
	play(t, []scene{
		{name: "the identity policy is enough", source: singlePage, who: alice, bucket: noBucketPolicy, iam: is(read), want: allowed},
		{name: "the bucket policy is enough", source: singlePage, who: alice, bucket: is(read.to(alice.ARN)), want: allowed},
		{name: "neither allows", source: messagePage, who: alice, bucket: noBucketPolicy, want: noIdentity},
		{name: "a bucket policy that names the account leaves it to identity policies", source: principalPage,
			who: alice, bucket: is(read.to(accountRoot)), want: noIdentity},
		{name: "a bucket policy that names the account, and an identity policy", source: principalPage,
			who: alice, bucket: is(read.to(accountRoot)), iam: is(read), want: allowed},
		{name: "a bucket policy for everyone", source: bucketPage, who: alice, bucket: is(read.to("*")), want: allowed},
		{name: "a Deny in the bucket policy", source: denyPage, who: alice, bucket: locked, iam: everything, want: byResource},
		{name: "root needs no policy", source: singlePage, who: owner, bucket: noBucketPolicy, want: allowed},
		{name: "a Deny in the bucket policy binds root", source: bucketPage, who: owner, bucket: locked, want: byResource},
		{name: "but root may always put a bucket policy", source: bucketPage, who: owner, action: "s3:PutBucketPolicy", bucket: locked, want: allowed},
		{name: "and read it", source: bucketPage, who: owner, action: "s3:GetBucketPolicy", bucket: locked, want: allowed},
		{name: "and delete it", source: bucketPage, who: owner, action: "s3:DeleteBucketPolicy", bucket: locked, want: allowed},
		{name: "which its users may not", source: bucketPage, who: alice, action: "s3:DeleteBucketPolicy", bucket: locked, iam: everything, want: byResource},
		{name: "nor another account's root", source: bucketPage, who: stranger, action: "s3:DeleteBucketPolicy", bucket: locked, want: byResource},
		{name: "nor root against its organization", source: bucketPage,
			who: owner, action: "s3:PutBucketPolicy", bucket: locked, scp: [][]statement{is(allow("*"), deny("s3:PutBucketPolicy"))}, want: byControl},
		{name: "another account with both sides", source: s3CrossPage, who: mallory, bucket: is(read.to(otherAccount)), iam: is(read), want: allowed},
		{name: "another account without its own side", source: s3CrossPage, who: mallory, bucket: is(read.to(otherAccount)), want: noIdentity},
		{name: "another account without the bucket's side", source: s3CrossPage, who: mallory, bucket: noBucketPolicy, iam: everything, want: noResource},
		{name: "another account's root with the bucket's side", source: s3CrossPage, who: stranger, bucket: is(read.to(otherAccount)), want: allowed},
		{name: "anonymous, and the policy is for everyone", source: bucketPage, who: nobodyElse, bucket: is(read.to("*")), want: allowed},
		{name: "anonymous, and the policy is for the account", source: bucketPage, who: nobodyElse, bucket: is(read.to(accountRoot)), want: noResource},
		{name: "anonymous, and there is no policy", source: bucketPage, who: nobodyElse, bucket: noBucketPolicy, want: noResource},
		{name: "anonymous, from an address that the policy is for", source: bucketPage,
			who: nobodyElse, bucket: is(read.to("*").when("IpAddress", "aws:SourceIp", "203.0.113.0/24")), want: allowed},
	})
}

func TestTrustPolicies(t *testing.T) {
	play(t, []scene{
		{name: "a trust policy that names the user needs no identity policy", source: trustPage,
			who: alice, trust: is(allow("sts:AssumeRole").to(alice.ARN)), want: allowed},
		{name: "a trust policy that names the account needs one", source: trustPage,
			who: alice, trust: is(allow("sts:AssumeRole").to(accountRoot)), want: noIdentity},
		{name: "and with it allows", source: trustPage,
			who: alice, trust: is(allow("sts:AssumeRole").to(accountRoot)), iam: is(allow("sts:AssumeRole").on(roleARN)), want: allowed},
		{name: "an identity policy alone is not enough", source: singlePage,
			who: alice, trust: is(allow("sts:AssumeRole").to(otherAccount)), iam: everything, want: noTrust},
		{name: "a Deny in the trust policy", source: messagePage,
			who: alice, trust: is(allow("sts:AssumeRole").to("*"), deny("sts:AssumeRole").to(alice.ARN)), iam: everything, want: byTrust},
		{name: "a role may assume another", source: trustPage,
			who: job, trust: is(allow("sts:AssumeRole").to(appRole(account))), want: allowed},
		{name: "limited by its session policy", source: sessionPage,
			who: job, trust: is(allow("sts:AssumeRole").to(appRole(account))), session: nothing, want: noSession},
		{name: "across accounts both sides must allow", source: crossPage,
			who: mallory, trust: is(allow("sts:AssumeRole").to(mallory.ARN)), want: noIdentity},
		{name: "and do", source: crossPage,
			who: mallory, trust: is(allow("sts:AssumeRole").to(mallory.ARN)), iam: everything, want: allowed},
		{name: "the external id that the confused deputy does not know", source: "IAM User Guide, The confused deputy problem",
			who: mallory, trust: is(allow("sts:AssumeRole").to(otherAccount).when("StringEquals", "sts:ExternalId", "12345")), iam: everything,
			context: keys{"sts:externalid": "54321"}, want: noTrust},
	})
}

func TestGrants(t *testing.T) {
	mute := is(allow("kms:*").to("arn:aws:iam::111122223333:user/keyadmin"))
	play(t, []scene{
		{name: "a grant needs no policy", source: grantPage, who: alice, key: mute, grant: true, want: allowed},
		{name: "a grant needs no policy across accounts", source: grantPage, who: mallory, key: mute, grant: true, want: allowed},
		{name: "a grant is no way round a Deny in the key policy", source: kmsOrderPage,
			who: alice, key: is(mute[0], deny("kms:Decrypt").to(alice.ARN)), grant: true, want: byResource},
		{name: "nor in the identity policy", source: kmsOrderPage, who: alice, key: mute, iam: is(deny("kms:*")), grant: true, want: byIdentity},
		{name: "nor in the boundary", source: kmsOrderPage, who: alice, key: mute, boundary: is(deny("kms:*")), grant: true, want: byBoundary},
		{name: "nor in the session policy", source: kmsOrderPage, who: job, key: mute, session: is(deny("kms:*")), grant: true, want: bySession},
		{name: "nor in the endpoint policy", source: kmsOrderPage, who: alice, key: mute, endpoint: is(allow("*").to("*"), deny("kms:*").to("*")), grant: true, want: byEndpoint},
		{name: "what boundary and session policy leave out does not limit it", source: grantPage,
			who: job, key: mute, boundary: nothing, session: nothing, grant: true, want: allowed},
		{name: "a grant does not open an operation to other accounts", source: kmsCrossPage,
			who: mallory, action: "kms:DisableKey", own: true, key: mute, grant: true, want: noResource},
		{name: "a grant to the account is for whom an identity policy allows it", source: grantPage,
			who: mallory, key: mute, iam: everything, accountGrant: true, want: allowed},
		{name: "and for nobody else", source: grantPage, who: mallory, key: mute, accountGrant: true, want: noResource},
		{name: "nor for whom the boundary does not", source: grantPage,
			who: mallory, key: mute, iam: everything, boundary: nothing, accountGrant: true, want: noResource},
		{name: "a grant to the account is for its root", source: grantPage, who: stranger, key: mute, accountGrant: true, want: allowed},
	})
}
