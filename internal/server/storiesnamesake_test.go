package server

import (
	"strings"
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// namesakes declares the role and the user of the story, absent or there. Both
// have no policy of their own: what they may do, others gave them by name.
func namesakes(there bool) string {
	const head = "accounts:\n  - id: \"111111111111\"\n"
	if !there {
		return head + "    users: [{name: ben, absent: true}]\n    roles: [{name: app, absent: true}]\n"
	}
	return head + `    users:
      - {name: ben, accessKeys: <ben>}
      - {name: ada, policies: [AdministratorAccess], accessKeys: <ada>}
    roles:
      - name: app
        path: /svc/
        trustPolicy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: "arn:aws:iam::111111111111:user/ada"}, Action: "sts:AssumeRole"}}
      - name: gate
        trustPolicy: {Version: 2012-10-17, Statement: {Sid: Door, Effect: Allow, Principal: {AWS: ["arn:aws:iam::111111111111:role/svc/app", "arn:aws:iam::111111111111:user/ben"]}, Action: "sts:AssumeRole"}}
`
}

// TestStoryNamesake: a role and a user are deleted and made again under the same
// names, path and account. They are somebody else: whatever named the first ones
// does not name them, and no session of before is one of theirs.
func TestStoryNamesake(t *testing.T) {
	t.Parallel()
	st := tell(t, namesakes(true)+`  - id: "222222222222"
    users: [{name: dora, policies: [AdministratorAccess], accessKeys: <dora>}]
`)
	const role, door = "arn:aws:iam::111111111111:role/svc/app", "arn:aws:iam::111111111111:role/gate"
	ada, ben, dora := st.user(bank, "ada"), st.user(bank, "ben"), st.user(shop, "dora")
	app := ada.become(role, "one")

	// They are named in a key policy, by grants, in a bucket policy of another
	// account, and in the trust policy of a role.
	named := made[string](st)(ada.createKey(documentOf(allow(bank, "kms:*"), allow(role, "kms:Encrypt", `"Sid":"App"`), allow(ben.arn, "kms:Encrypt", `"Sid":"Ben"`))))
	granted := made[string](st)(ada.createKey(""))
	ofOne := made[string](st)(ada.createKey(documentOf(allow(bank, "kms:*"), allow(app.arn, "kms:Encrypt", `"Sid":"Session"`))))
	for _, who := range []string{role, ben.arn} {
		_ = made[string](st)(ada.grant(granted, who, nil, kmstypes.GrantOperationEncrypt))
	}
	bucket := "ledger"
	_, err := ada.s3.CreateBucket(st.Context(), &awss3.CreateBucketInput{Bucket: &bucket})
	st.does(err)
	st.does(ada.put(bucket, "page", ""))
	st.does(ada.putBucketPolicy(bucket, documentOf(statementOf("Allow", role, "s3:GetObject", "arn:aws:s3:::ledger/*", `"Sid":"App"`), statementOf("Allow", ben.arn, "s3:GetObject", "arn:aws:s3:::ledger/*", `"Sid":"Ben"`))))
	use := map[string]func(a *actor) error{
		"key policy": func(a *actor) error { _, err := a.encrypt(named); return err },
		"grant":      func(a *actor) error { _, err := a.encrypt(granted); return err },
		"bucket":     func(a *actor) error { return a.get(bucket, "page") },
		"trust":      func(a *actor) error { _, err := a.assume(door, "in"); return err },
	}
	for what, try := range use {
		for _, a := range []*actor{app, ben} {
			if err := try(a); err != nil {
				t.Errorf("%s, by the %s: %v", a.arn, what, err)
			}
		}
	}
	_ = made[[]byte](st)(app.encrypt(ofOne))

	// Both go. Their credentials end with them, and what named them names ids
	// that nobody has.
	st.declare(namesakes(false))
	_, err = app.encrypt(named)
	st.fails(err, "The security token included in the request is invalid.", "UnrecognizedClientException")
	_, err = ben.encrypt(named)
	st.fails(err, "The security token included in the request is invalid.", "UnrecognizedClientException")
	policy := made[*awskms.GetKeyPolicyOutput](st)(ada.kms.GetKeyPolicy(st.Context(), &awskms.GetKeyPolicyInput{KeyId: &named}))
	if text := *policy.Policy; strings.Contains(text, "role/svc/app") || !strings.Contains(text, `"AROA`) || !strings.Contains(text, `"AIDA`) {
		t.Errorf("the key policy is shown as %s, want ids for those who are gone", text)
	}
	onBucket := made[*awss3.GetBucketPolicyOutput](st)(ada.s3.GetBucketPolicy(st.Context(), &awss3.GetBucketPolicyInput{Bucket: &bucket}))
	if text := *onBucket.Policy; strings.Contains(text, "role/svc/app") || !strings.Contains(text, `"AROA`) || !strings.Contains(text, `"AIDA`) {
		t.Errorf("the bucket policy is shown as %s, want ids for those who are gone", text)
	}
	st.fails(ada.putKeyPolicy(named, *policy.Policy), "Policy contains a statement with one or more invalid principals.", "MalformedPolicyDocumentException")

	// They come back, and inherit nothing. (What the file declares it declares
	// anew: the door is let out, or its trust policy would name the new ones.)
	st.declare(strings.Split(namesakes(true), "      - name: gate")[0])
	again := ada.become(role, "one") // the same session name, so the same ARN
	if again.arn != app.arn {
		t.Fatalf("the new session is %s, want %s", again.arn, app.arn)
	}
	_, err = app.encrypt(named)
	st.fails(err, "The security token included in the request is invalid.", "UnrecognizedClientException")
	for _, a := range []*actor{again, ben} {
		for _, key := range []string{named, granted} {
			_, err = a.encrypt(key)
			r := st.refused(err, a.may("kms:Encrypt", key, noPolicy(byIdentity, "kms:Encrypt")))
			if key == named {
				r.explained("key policy", "was deleted", "namesake")
			} else {
				r.explained("identity-based policies")
			}
		}
		st.refused(a.get(bucket, "page"), a.may("s3:GetObject", "arn:aws:s3:::ledger/page", noPolicy(byIdentity, "s3:GetObject"))).
			explained("bucket policy", "was deleted", "namesake")
		_, err = a.assume(door, "in")
		st.refused(err, a.may("sts:AssumeRole", door, noPolicy(byTrust, "sts:AssumeRole"))).
			explained("role trust policy", `"Door"`, "was deleted", "namesake")
	}
	_, err = again.encrypt(ofOne)
	st.refused(err, again.may("kms:Encrypt", ofOne, noPolicy(byIdentity, "kms:Encrypt"))).
		explained("key policy", "was deleted", "namesake")

	// Named again, they may: by whoever has the key, for those of now.
	st.does(ada.putKeyPolicy(named, documentOf(allow(bank, "kms:*"), allow(role, "kms:Encrypt"), allow(ben.arn, "kms:Encrypt"))))
	_ = made[[]byte](st)(again.encrypt(named))
	_ = made[[]byte](st)(ben.encrypt(named))
	_, err = app.encrypt(named)
	st.fails(err, "The security token included in the request is invalid.", "UnrecognizedClientException")
	_, err = dora.encrypt(named)
	st.refused(err, dora.undisclosed("kms:Encrypt")).about(dora, "kms:Encrypt", named).
		explained("key policy", "Principal")
}
