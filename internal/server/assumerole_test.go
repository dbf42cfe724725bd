package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/store"
)

// The users of these tests, beside those of principals.
const (
	daveKey   = "AKIADAVEEXAMPLE00001" // user without a policy whom a role names
	roleUsers = `accounts:
  - id: "000000000000"
    users:
      - name: alice
        policies: [AdministratorAccess]
        accessKeys: [{id: AKIAALICEEXAMPLE0001, secret: secret-of-all-users-in-this-test}]
      - name: bob
        accessKeys: [{id: AKIABOBEXAMPLE000001, secret: secret-of-all-users-in-this-test}]
      - name: dave
        accessKeys: [{id: AKIADAVEEXAMPLE00001, secret: secret-of-all-users-in-this-test}]
  - id: "111122223333"
    accessKeys: [{id: AKIAOTHERROOT0000001, secret: secret-of-all-users-in-this-test}]
`
	iamARN = "arn:aws:iam::" + DefaultAccount
)

// trustPolicyFor is a trust policy that allows actions to principal, with a condition
// unless it is empty.
func trustPolicyFor(principal, actions, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + condition + `}}`
}

const (
	allOfSTS   = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	onlyAssume = `"sts:AssumeRole"`
	everything = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

// testRoles are the roles of these tests, in the order in which they are made.
var testRoles = []iam.NewRole{
	{Account: DefaultAccount, Name: "App", Path: "/team/", MaxSession: 2 * time.Hour, Trust: trustPolicyFor(iamARN+":root", allOfSTS, ""), Inline: map[string]string{"all": everything}, Tags: map[string]string{"stage": "test"}},
	{Account: DefaultAccount, Name: "Next", MaxSession: 2 * time.Hour, Trust: trustPolicyFor(iamARN+":role/team/App", allOfSTS, "")},
	{Account: DefaultAccount, Name: "Named", Trust: trustPolicyFor(iamARN+":user/dave", onlyAssume, "")},
	{Account: DefaultAccount, Name: "Bare", Trust: trustPolicyFor(iamARN+":root", onlyAssume, "")},
	{Account: DefaultAccount, Name: "Conditions", Trust: trustPolicyFor(iamARN+":root", allOfSTS, `{
		"StringEquals":{"sts:RoleSessionName":"${aws:username}","aws:RequestTag/team":"red","sts:SourceIdentity":"alice","aws:ResourceTag/stage":"live"},
		"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost"],"sts:TransitiveTagKeys":["team"]},
		"NumericLessThanEquals":{"sts:DurationSeconds":"1800"}}`), Tags: map[string]string{"stage": "live"}},
	{Account: otherAccount, Name: "Partner", Trust: trustPolicyFor(iamARN+":root", allOfSTS, `{"StringEquals":{"sts:ExternalId":"partner-7"}}`), Inline: map[string]string{"all": everything}},
}

// startRoles starts a server with users and roles.
func startRoles(t *testing.T) (s *Server, dir string) {
	t.Helper()
	dir = dataDirIn(t)
	cfg := principalConfig(t, dir, roleUsers)
	cfg.Clock = time.Now // the SDK signs by it
	s, _ = start(t, cfg)
	putRoles(t, s, testRoles...)
	return s, dir
}

func putRoles(t *testing.T, s *Server, roles ...iam.NewRole) {
	t.Helper()
	for _, r := range roles {
		if err := s.store.Update(t.Context(), func(tx *store.Tx) error { return s.iam.PutRoleIn(tx, r) }); err != nil {
			t.Fatal(err)
		}
	}
}

func userOf(s *Server, keyID string) clients {
	return clientFor(s.Endpoint(), keyID, sharedSecret, DefaultRegion, 1)
}

// roleRequest is an AssumeRole of a role of the first account.
func roleRequest(role string, more ...func(*awssts.AssumeRoleInput)) *awssts.AssumeRoleInput {
	in := &awssts.AssumeRoleInput{RoleArn: aws.String(iamARN + ":role/" + role), RoleSessionName: aws.String("s1")}
	for _, m := range more {
		m(in)
	}
	return in
}

func withTags(pairs ...string) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) {
		for i := 0; i < len(pairs); i += 2 {
			in.Tags = append(in.Tags, ststypes.Tag{Key: aws.String(pairs[i]), Value: aws.String(pairs[i+1])})
		}
	}
}

func withTransitive(keys ...string) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) { in.TransitiveTagKeys = keys }
}

func withSource(identity string) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) { in.SourceIdentity = &identity }
}

func lastingFor(seconds int32) func(*awssts.AssumeRoleInput) {
	return func(in *awssts.AssumeRoleInput) { in.DurationSeconds = &seconds }
}

func mustAssume(t *testing.T, c clients, in *awssts.AssumeRoleInput) *awssts.AssumeRoleOutput {
	t.Helper()
	out, err := c.sts.AssumeRole(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAssumeRole is the story of one role: who it is, what it may do, and what
// the trail has of it.
func TestAssumeRole(t *testing.T) {
	t.Parallel()
	s, dir := startRoles(t)
	alice := userOf(s, aliceKey)
	out := mustAssume(t, alice, roleRequest("team/App", withTags("team", "red"), withSource("alice"), lastingFor(1800)))
	//lint:ignore SA1019 its successor is not in the model that is served
	packed := out.PackedPolicySize
	role, ok := s.iam.Role(iamARN + ":role/team/App")
	if !ok {
		t.Fatal("no role")
	}
	const sessionARN = "arn:aws:sts::" + DefaultAccount + ":assumed-role/App/s1"
	if *out.AssumedRoleUser.Arn != sessionARN || *out.AssumedRoleUser.AssumedRoleId != role.ID+":s1" || *out.SourceIdentity != "alice" || packed == nil {
		t.Errorf("got %+v %+v", out, out.AssumedRoleUser)
	}
	if left := time.Until(*out.Credentials.Expiration); left > 30*time.Minute || left < 29*time.Minute {
		t.Errorf("the session lasts %v, want 30 minutes", left)
	}
	session := clientOf(s.Endpoint(), out.Credentials)
	who, err := session.sts.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != sessionARN || *who.UserId != role.ID+":s1" || *who.Account != DefaultAccount {
		t.Errorf("got %+v, %v", who, err)
	}
	if _, err := session.kms.ListKeys(t.Context(), &awskms.ListKeysInput{}); err != nil {
		t.Errorf("the session's own policy allows ListKeys: %v", err)
	}
	if _, err := session.sts.GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{}); codeOf(err) != "AccessDenied" {
		t.Errorf("GetSessionToken by a session: got %v, want AccessDenied", err)
	}

	var assumed, listed map[string]any
	for _, text := range records(t, dir) {
		for _, secret := range []string{*out.Credentials.SecretAccessKey, *out.Credentials.SessionToken} {
			if strings.Contains(text, secret) {
				t.Error("the trail holds the secret or the token")
			}
		}
		var r map[string]any
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		switch r["eventName"] {
		case "AssumeRole":
			assumed = r
		case "ListKeys":
			listed = r
		}
	}
	expectJSON(t, "requestParameters", assumed["requestParameters"],
		`{"durationSeconds":1800,"roleArn":"`+role.ARN+`","roleSessionName":"s1","sourceIdentity":"alice","tags":[{"key":"team","value":"red"}]}`)
	expectJSON(t, "responseElements", assumed["responseElements"], fmt.Sprintf(
		`{"assumedRoleUser":{"arn":"%s","assumedRoleId":"%s:s1"},"credentials":{"accessKeyId":"%s","expiration":"%s"},"packedPolicySize":%d,"sourceIdentity":"alice"}`,
		sessionARN, role.ID, *out.Credentials.AccessKeyId, out.Credentials.Expiration.Format("Jan 2, 2006, 3:04:05 PM"), *packed))
	expectJSON(t, "resources", assumed["resources"], `[{"ARN":"`+role.ARN+`","accountId":"000000000000","type":"AWS::IAM::Role"}]`)
	issued := out.Credentials.Expiration.Add(-30 * time.Minute).UTC().Format("2006-01-02T15:04:05Z")
	expectJSON(t, "userIdentity", listed["userIdentity"], fmt.Sprintf(`{"accessKeyId":"%s","accountId":"000000000000","arn":"%s","principalId":"%s:s1","sessionContext":{`+
		`"attributes":{"creationDate":"%s","mfaAuthenticated":"false"},"sessionIssuer":{"accountId":"000000000000","arn":"%s","principalId":"%s","type":"Role","userName":"App"},"sourceIdentity":"alice"},"type":"AssumedRole"}`,
		*out.Credentials.AccessKeyId, sessionARN, role.ID, issued, role.ARN, role.ID))
}

func expectJSON(t *testing.T, what string, got any, want string) {
	t.Helper()
	text, err := json.Marshal(got) // with sorted keys
	if err != nil || string(text) != want {
		t.Errorf("%s: got  %s, %v\nwant %s", what, text, err, want)
	}
}

// TestAssumeRoleRefuses has every refusal, in AWS's words.
func TestAssumeRoleRefuses(t *testing.T) {
	t.Parallel()
	s, _ := startRoles(t)
	alice, bob, dave := userOf(s, aliceKey), userOf(s, bobKey), userOf(s, daveKey)
	root := clientFor(s.Endpoint(), s.cfg.RootAccessKeyID, string(s.cfg.RootSecretAccessKey.Expose()), DefaultRegion, 1)
	first := clientOf(s.Endpoint(), mustAssume(t, alice, roleRequest("team/App", withTags("Team", "red", "x", "1"), withTransitive("team"), withSource("alice"))).Credentials)
	userSession, err := alice.sts.GetSessionToken(t.Context(), &awssts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	ofAlice := clientOf(s.Endpoint(), userSession.Credentials)

	partner := func(externalID string) *awssts.AssumeRoleInput {
		in := roleRequest("x")
		in.RoleArn = aws.String("arn:aws:iam::" + otherAccount + ":role/Partner")
		if externalID != "" {
			in.ExternalId = &externalID
		}
		return in
	}
	arnIs := func(arn string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.RoleArn = &arn }
	}
	policyIs := func(text string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) { in.Policy = &text }
	}
	policyARNs := func(arns ...string) func(*awssts.AssumeRoleInput) {
		return func(in *awssts.AssumeRoleInput) {
			for _, arn := range arns {
				in.PolicyArns = append(in.PolicyArns, ststypes.PolicyDescriptorType{Arn: &arn})
			}
		}
	}
	denied := func(who, action, role, why string) string {
		return "User: " + who + " is not authorized to perform: " + action + " on resource: " + role + " " + why
	}
	const (
		aliceARN = iamARN + ":user/alice"
		bobARN   = iamARN + ":user/bob"
		daveARN  = iamARN + ":user/dave"
		appARN   = "arn:aws:sts::" + DefaultAccount + ":assumed-role/App/s1"
	)
	noTrust := func(action string) string { return "because no role trust policy allows the " + action + " action" }
	noIdentity := "because no identity-based policy allows the sts:AssumeRole action"
	for _, tt := range []struct {
		name    string
		by      clients
		in      *awssts.AssumeRoleInput
		code    string // empty: it is allowed
		message string
	}{
		{"root", root, roleRequest("team/App"), "AccessDenied", "Roles may not be assumed by root accounts."},
		{"trusted by account, without policy", bob, roleRequest("team/App"), "AccessDenied", denied(bobARN, "sts:AssumeRole", iamARN+":role/team/App", noIdentity)},
		{"trusted by name, without policy", dave, roleRequest("Named"), "", ""},
		{"not trusted, with policy", alice, roleRequest("Named"), "AccessDenied", denied(aliceARN, "sts:AssumeRole", iamARN+":role/Named", noTrust("sts:AssumeRole"))},
		{"no such role", alice, roleRequest("Nobody"), "AccessDenied", denied(aliceARN, "sts:AssumeRole", iamARN+":role/Nobody", noTrust("sts:AssumeRole"))},
		{"without its path", alice, roleRequest("App"), "AccessDenied", denied(aliceARN, "sts:AssumeRole", iamARN+":role/App", noTrust("sts:AssumeRole"))},
		{"tags that the trust policy does not allow", alice, roleRequest("Bare", withTags("a", "b")), "AccessDenied", denied(aliceARN, "sts:TagSession", iamARN+":role/Bare", noTrust("sts:TagSession"))},
		{"source identity that it does not allow", alice, roleRequest("Bare", withSource("alice")), "AccessDenied", denied(aliceARN, "sts:SetSourceIdentity", iamARN+":role/Bare", noTrust("sts:SetSourceIdentity"))},
		{"neither", alice, roleRequest("Bare"), "", ""},

		{"all conditions", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "red", "cost", "1"), withTransitive("team"), withSource("alice"), lastingFor(1800)), "", ""},
		{"another session name", alice, roleRequest("Conditions", withTags("team", "red"), withSource("alice"), lastingFor(900)), "AccessDenied", ""},
		{"another tag", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "red", "more", "1"), withSource("alice"), lastingFor(900)), "AccessDenied", ""},
		{"another value", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "blue"), withSource("alice"), lastingFor(900)), "AccessDenied", ""},
		{"another transitive tag", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "red", "cost", "1"), withTransitive("cost"), withSource("alice"), lastingFor(900)), "AccessDenied", ""},
		{"longer than the condition", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "red"), withSource("alice"), lastingFor(1801)), "AccessDenied", ""},
		{"duration not given", alice, roleRequest("Conditions", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("alice") }, withTags("team", "red"), withSource("alice")), "AccessDenied", ""},

		{"external id", alice, partner("partner-7"), "", ""},
		{"no external id", alice, partner(""), "AccessDenied", denied(aliceARN, "sts:AssumeRole", "arn:aws:iam::"+otherAccount+":role/Partner", noTrust("sts:AssumeRole"))},
		{"another external id", alice, partner("partner-8"), "AccessDenied", denied(aliceARN, "sts:AssumeRole", "arn:aws:iam::"+otherAccount+":role/Partner", noTrust("sts:AssumeRole"))},
		{"cross-account without policy", bob, partner("partner-7"), "AccessDenied", denied(bobARN, "sts:AssumeRole", "arn:aws:iam::"+otherAccount+":role/Partner", noIdentity)},

		{"duration of the role", alice, roleRequest("team/App", lastingFor(7200)), "", ""},
		{"longer than the role allows", alice, roleRequest("team/App", lastingFor(7201)), "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"too short", alice, roleRequest("team/App", lastingFor(899)), "ValidationError", "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"chained for an hour", first, roleRequest("Next", lastingFor(3600)), "", ""},
		{"chained for longer", first, roleRequest("Next", lastingFor(3601)), "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"by credentials of GetSessionToken", ofAlice, roleRequest("team/App", lastingFor(3600)), "", ""},
		{"by those, for longer", ofAlice, roleRequest("team/App", lastingFor(3601)), "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"of a role, the path being its own", first, roleRequest("Named"), "AccessDenied", denied(appARN, "sts:AssumeRole", iamARN+":role/Named", noTrust("sts:AssumeRole"))},

		{"source identity changed", first, roleRequest("Next", withSource("mallory")), "ValidationError", "The source identity is already set for this assume role session"},
		{"source identity again", first, roleRequest("Next", withSource("alice")), "", ""},
		{"transitive tag overridden", first, roleRequest("Next", withTags("TEAM", "blue")), "InvalidParameterValue", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		{"other tag anew", first, roleRequest("Next", withTags("x", "2")), "", ""},
		{"duplicate tags", alice, roleRequest("team/App", withTags("a", "1", "A", "2")), "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"transitive key without tag", alice, roleRequest("team/App", withTags("a", "1"), withTransitive("b")), "InvalidParameterValue", "The specified transitive tag key must be included in the requested tags."},

		{"not an ARN", alice, roleRequest("team/App", arnIs("not an arn, though long enough")), "ValidationError", "Request ARN is invalid"},
		{"ARN of a user", alice, roleRequest("team/App", arnIs(aliceARN)), "ValidationError", "Request ARN is invalid"},
		{"short ARN", alice, roleRequest("team/App", arnIs("arn")), "ValidationError", "1 validation error detected: Value 'arn' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"session name", alice, roleRequest("team/App", func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }), "ValidationError", `1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"MFA", alice, roleRequest("team/App", func(in *awssts.AssumeRoleInput) {
			in.SerialNumber, in.TokenCode = aws.String(iamARN+":mfa/alice"), aws.String("123456")
		}), "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code."},
		{"provided contexts", alice, roleRequest("team/App", func(in *awssts.AssumeRoleInput) {
			in.ProvidedContexts = []ststypes.ProvidedContext{{ProviderArn: aws.String("arn:aws:iam::aws:contextProvider/IdentityCenter")}}
		}), "NotImplemented", "ProvidedContexts is not supported by this server."},

		{"policy that is no JSON", alice, roleRequest("team/App", policyIs("{")), "MalformedPolicyDocument", ""},
		{"policy with a principal", alice, roleRequest("team/App", policyIs(trustPolicyFor("*", onlyAssume, ""))), "MalformedPolicyDocument", ""},
		{"longest policy", alice, roleRequest("team/App", policyIs(everything+strings.Repeat(" ", 2048-len(everything)))), "", ""},
		{"longer policy", alice, roleRequest("team/App", policyIs(everything+strings.Repeat(" ", 2049-len(everything)))), "ValidationError", ""},
		{"policies together too large", alice, roleRequest("team/App", policyIs(everything+strings.Repeat(" ", 2040-len(everything))), policyARNs("arn:aws:iam::aws:policy/AdministratorAccess")), "PackedPolicyTooLarge", "Packed policy consumes 102% of allotted space, please use smaller policy."},
		{"tags too large", alice, roleRequest("team/App", withTags("a", strings.Repeat("x", 250), "b", strings.Repeat("x", 250))), "PackedPolicyTooLarge", "Packed size of session tags consumes 110% of allotted space."},
		{"managed policy", alice, roleRequest("team/App", policyARNs("arn:aws:iam::aws:policy/AdministratorAccess")), "", ""},
		{"managed policy that does not exist", alice, roleRequest("team/App", policyARNs(iamARN+":policy/none")), "ValidationError", "Policy " + iamARN + ":policy/none does not exist or is not attachable."},
		{"eleven managed policies", alice, roleRequest("team/App", policyARNs(strings.Split(strings.Repeat("arn:aws:iam::aws:policy/AdministratorAccess,", 10)+"arn:aws:iam::aws:policy/AdministratorAccess", ",")...)), "ValidationError", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.by.sts.AssumeRole(t.Context(), tt.in)
			if tt.code == "" {
				if err != nil {
					t.Errorf("got %v, want it to be allowed", err)
				}
				return
			}
			if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != tt.code || tt.message != "" && e.ErrorMessage() != tt.message {
				t.Errorf("got  %v\nwant %s %s", err, tt.code, tt.message)
			}
		})
	}
}

// TestChain follows tags and source identity through three roles.
func TestChain(t *testing.T) {
	t.Parallel()
	s, _ := startRoles(t)
	putRoles(t, s, iam.NewRole{
		Account: DefaultAccount, Name: "Last",
		Trust: trustPolicyFor(iamARN+":role/Next", allOfSTS, `{"StringEquals":{"aws:PrincipalTag/team":"red","aws:SourceIdentity":"alice"},"Null":{"aws:PrincipalTag/x":"true","aws:PrincipalTag/y":"false"}}`),
	}, iam.NewRole{
		Account: DefaultAccount, Name: "Untagged", Trust: trustPolicyFor(iamARN+":role/team/App", `["sts:AssumeRole","sts:SetSourceIdentity"]`, ""),
	}, iam.NewRole{
		Account: DefaultAccount, Name: "Unsourced", Trust: trustPolicyFor(iamARN+":role/team/App", `["sts:AssumeRole","sts:TagSession"]`, ""),
	})
	first := clientOf(s.Endpoint(), mustAssume(t, userOf(s, aliceKey), roleRequest("team/App", withTags("team", "red", "x", "1"), withTransitive("team"), withSource("alice"))).Credentials)
	// What is inherited must be allowed to be there, though nothing was asked for.
	for role, action := range map[string]string{"Untagged": "sts:TagSession", "Unsourced": "sts:SetSourceIdentity"} {
		if _, err := first.sts.AssumeRole(t.Context(), roleRequest(role)); err == nil || !strings.Contains(err.Error(), action) {
			t.Errorf("%s: got %v, want a denial of %s", role, err, action)
		}
	}
	out := mustAssume(t, first, roleRequest("Next", withTags("y", "2")))
	if out.SourceIdentity == nil || *out.SourceIdentity != "alice" {
		t.Errorf("got source identity %v, want alice", out.SourceIdentity)
	}
	mustAssume(t, clientOf(s.Endpoint(), out.Credentials), roleRequest("Last"))
}

// TestSessionPolicy: what a session policy leaves out the session cannot do.
func TestSessionPolicy(t *testing.T) {
	t.Parallel()
	s, _ := startRoles(t)
	in := roleRequest("team/App")
	in.Policy = aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`)
	c := clientOf(s.Endpoint(), mustAssume(t, userOf(s, aliceKey), in).Credentials)
	kms, _, s3 := refusedBy(t.Context(), c)
	if kms != "AccessDeniedException" || s3 != "" {
		t.Errorf("got kms %q, s3 %q, want AccessDeniedException and no error", kms, s3)
	}
}

// TestRoleGone: sessions end with their role, when it is deleted, and the role
// that is made in its place does not get them back.
func TestRoleGone(t *testing.T) {
	t.Parallel()
	s, _ := startRoles(t)
	out := mustAssume(t, userOf(s, aliceKey), roleRequest("team/App"))
	c := clientOf(s.Endpoint(), out.Credentials)
	expectCodes(t, "while it is there", c, "", "", "")
	if err := s.store.Update(t.Context(), func(tx *store.Tx) error { return s.iam.DeleteRoleIn(tx, DefaultAccount, "App") }); err != nil {
		t.Fatal(err)
	}
	expectCodes(t, "deleted", c, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")
	putRoles(t, s, testRoles[0])
	expectCodes(t, "made anew", c, "UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId")
	expectCodes(t, "a session of the new one", clientOf(s.Endpoint(), mustAssume(t, userOf(s, aliceKey), roleRequest("team/App")).Credentials), "", "", "")
}

// TestAssumeRoleProvider is how applications assume a role: the SDK does.
func TestAssumeRoleProvider(t *testing.T) {
	t.Parallel()
	s, _ := startRoles(t)
	provider := stscreds.NewAssumeRoleProvider(userOf(s, aliceKey).sts, "arn:aws:iam::"+otherAccount+":role/Partner", func(o *stscreds.AssumeRoleOptions) {
		o.ExternalID = aws.String("partner-7")
		o.Duration = 15 * time.Minute
	})
	endpoint := s.Endpoint()
	c := awskms.NewFromConfig(aws.Config{Region: DefaultRegion, BaseEndpoint: &endpoint, RetryMaxAttempts: 1, Credentials: aws.NewCredentialsCache(provider)})
	for range 2 {
		created, err := c.CreateKey(t.Context(), &awskms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		if *created.KeyMetadata.AWSAccountId != otherAccount {
			t.Errorf("the key is of account %s, want %s", *created.KeyMetadata.AWSAccountId, otherAccount)
		}
	}
}

// TestCrossAccountRecords: the account of the role hears of a session too.
func TestCrossAccountRecords(t *testing.T) {
	t.Parallel()
	s, dir := startRoles(t)
	in := roleRequest("x")
	in.RoleArn, in.ExternalId = aws.String("arn:aws:iam::"+otherAccount+":role/Partner"), aws.String("partner-7")
	mustAssume(t, userOf(s, aliceKey), in)
	type record struct {
		EventName, RecipientAccountID, SharedEventID, EventID string
		UserIdentity                                          struct{ Type, ARN, AccountID string }
	}
	got := map[string]record{}
	for _, text := range records(t, dir) {
		var r record
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.EventName == "AssumeRole" {
			got[r.RecipientAccountID] = r
		}
	}
	mine, theirs := got[DefaultAccount], got[otherAccount]
	if mine.SharedEventID == "" || mine.SharedEventID != theirs.SharedEventID || mine.EventID == theirs.EventID ||
		mine.UserIdentity.Type != "IAMUser" || theirs.UserIdentity.Type != "AWSAccount" || theirs.UserIdentity.ARN != "" {
		t.Errorf("got %+v and %+v", mine, theirs)
	}
}
