package server

import (
	"testing"

	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestStoryDelegation: a bank has keys. Its key policy first leaves them to the
// policies of the bank's account, then to nobody but those it names, then to
// another account, which gives on what it got.
func TestStoryDelegation(t *testing.T) {
	t.Parallel()
	st := tell(t, `accounts:
  - id: "111111111111"
    accessKeys: <bankroot>
    users:
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
      - {name: ben, accessKeys: <ben>}
      - name: cleo
        inlinePolicies:
          - name: seal
            document: '{"Version":"2012-10-17","Statement":{"Sid":"Seal","Effect":"Allow","Action":"kms:Encrypt","Resource":"arn:aws:kms:us-east-1:111111111111:key/*"}}'
        accessKeys: <cleo>
  - id: "222222222222"
    users:
      - {name: dora, policies: [AdministratorAccess], accessKeys: <dora>}
      - {name: emil, accessKeys: <emil>}
      - {name: finn, accessKeys: <finn>}
  - id: "333333333333"
    users:
      - {name: gus, policies: [AdministratorAccess], accessKeys: <gus>}
`)
	root := st.root(bank, "bankroot")
	ada, ben, cleo := st.user(bank, "ada"), st.user(bank, "ben"), st.user(bank, "cleo")
	dora, emil, finn := st.user(shop, "dora"), st.user(shop, "emil"), st.user(shop, "finn")
	gus := st.user(alien, "gus")

	// The default key policy leaves the key to the account: identity policies
	// decide, and who has none may do nothing.
	key := made[string](st)(ada.createKey(""))
	blob := made[[]byte](st)(cleo.encrypt(key))
	st.does(ada.decrypt(key, blob))
	st.refused(cleo.decrypt(key, blob), cleo.may("kms:Decrypt", key, noPolicy(byIdentity, "kms:Decrypt"))).
		explained("identity-based policies", "user cleo, inline policy seal", "Action", "kms:Encrypt")
	_, err := ben.encrypt(key)
	st.refused(err, ben.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies")

	// A key policy that names ada and ben, and not the account: identity policies
	// count for nothing, not even root's own position.
	st.does(ada.putKeyPolicy(key, documentOf(allow(ada.arn, "kms:*", `"Sid":"Keeper"`), allow(ben.arn, "kms:Encrypt", `"Sid":"Clerk"`))))
	blob = made[[]byte](st)(ben.encrypt(key))
	st.does(ada.decrypt(key, blob))
	_, err = cleo.encrypt(key)
	st.refused(err, cleo.may("kms:Encrypt", key, noPolicy(byResource, "kms:Encrypt"))).
		explained("key policy", `"Keeper"`, `"Clerk"`, "Principal")
	st.refused(ben.decrypt(key, blob), ben.may("kms:Decrypt", key, noPolicy(byResource, "kms:Decrypt"))).
		explained("key policy", `"Clerk"`, "Action")
	st.refused(root.describe(key), root.may("kms:DescribeKey", key, noPolicy(byResource, "kms:DescribeKey"))).
		explained("key policy", "Principal")

	// Another account by name of the account: its administrator gives the right
	// on by an identity policy. Those who have none there may not, and the third
	// account is told nothing.
	st.does(ada.putKeyPolicy(key, documentOf(
		allow(bank, "kms:*"),
		allow(shop, "kms:Encrypt kms:Decrypt kms:DescribeKey kms:CreateGrant kms:RevokeGrant kms:DisableKey", `"Sid":"Shop"`),
	)))
	blob = made[[]byte](st)(dora.encrypt(key))
	st.does(dora.decrypt(key, blob))
	st.does(dora.describe(key))
	_, err = emil.encrypt(key)
	st.refused(err, emil.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("identity-based policies")
	_, err = gus.encrypt(key)
	st.refused(err, gus.undisclosed("kms:Encrypt")).about(gus, "kms:Encrypt", key).
		explained("key policy", `"Shop"`, "Principal")
	st.refused(gus.decrypt("", blob), blobUndisclosed).about(gus, "kms:Decrypt", key).
		explained("key policy", `"Shop"`, "Principal")

	// Whatever the key policy says, another account does not manage the key.
	st.refused(dora.disable(key), dora.may("kms:DisableKey", key, noPolicy(byResource, "kms:DisableKey"))).
		explained("key policy", "another account")

	// Dora gives emil a part by a grant: for one customer, and to give on.
	customer := map[string]string{"customer": "7"}
	_ = made[string](st)(dora.grant(key, emil.arn, customer, kmstypes.GrantOperationEncrypt, kmstypes.GrantOperationDecrypt, kmstypes.GrantOperationCreateGrant))
	blob = made[[]byte](st)(emil.encrypt(key, "customer", "7"))
	_, err = emil.encrypt(key, "customer", "8")
	st.refused(err, emil.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("grants", "customer")
	_, err = emil.encrypt(key)
	st.refused(err, emil.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("grants", "customer")
	st.refused(emil.describe(key), emil.may("kms:DescribeKey", key, noPolicy(byIdentity, "kms:DescribeKey"))).
		explained("grants", "for Encrypt, Decrypt, CreateGrant", "not for this action")

	// Emil gives on no more than he has: fewer operations, under a constraint at
	// least as strict.
	for _, more := range []struct {
		context    map[string]string
		operations []kmstypes.GrantOperation
	}{
		{customer, []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt, kmstypes.GrantOperationGenerateDataKey}},
		{nil, []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}},
		{map[string]string{"branch": "north"}, []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt}},
	} {
		_, err = emil.grant(key, finn.arn, more.context, more.operations...)
		st.refused(err, emil.may("kms:CreateGrant", key, noPolicy(byIdentity, "kms:CreateGrant"))).
			explained("grants", "CreateGrant")
	}
	_ = made[string](st)(emil.grant(key, finn.arn, map[string]string{"customer": "7", "branch": "north"}, kmstypes.GrantOperationDecrypt))
	st.refused(finn.decrypt(key, blob, "customer", "7"), finn.may("kms:Decrypt", key, noPolicy(byIdentity, "kms:Decrypt"))).
		explained("grants", "branch")
	blob = made[[]byte](st)(emil.encrypt(key, "customer", "7", "branch", "north"))
	st.does(finn.decrypt(key, blob, "customer", "7", "branch", "north"))
	_, err = finn.encrypt(key, "customer", "7", "branch", "north")
	st.refused(err, finn.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("grants", "for Decrypt", "not for this action")
	_, err = finn.grant(key, emil.arn, map[string]string{"customer": "7", "branch": "north"}, kmstypes.GrantOperationDecrypt)
	st.refused(err, finn.may("kms:CreateGrant", key, noPolicy(byIdentity, "kms:CreateGrant"))).
		explained("grants", "for Decrypt", "not for this action")

	// A Deny in the key policy beats grants and identity policies alike.
	st.does(ada.putKeyPolicy(key, documentOf(
		allow(bank, "kms:*"), allow(shop, "kms:Encrypt kms:Decrypt kms:CreateGrant", `"Sid":"Shop"`),
		deny("*", "kms:Decrypt", `"Sid":"Closed"`, when("StringEquals", "kms:EncryptionContext:branch", "north")),
	)))
	st.refused(finn.decrypt(key, blob, "customer", "7", "branch", "north"), finn.undisclosed("kms:Decrypt")).about(finn, "kms:Decrypt", key).
		explained("key policy", `"Closed"`, "kms:EncryptionContext:branch")
	st.refused(ada.decrypt(key, blob, "customer", "7", "branch", "north"), ada.may("kms:Decrypt", key, explicitDeny("a resource-based policy"))).
		explained("key policy", `"Closed"`, "kms:EncryptionContext:branch")
}
