package gate

import (
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

const (
	account = "111122223333"
	foreign = "444455556666"
	keyARN  = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	object  = "arn:aws:s3:::reports/2026/q1.csv"
	roleARN = "arn:aws:iam::111122223333:role/deploy"
)

func user(account, name string) identity.Caller {
	return identity.Caller{
		Type: identity.IAMUser, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/" + name,
		PrincipalID: "AIDA" + name, UserName: name, AccessKeyID: "AKIA" + name,
	}
}

func root(account string) identity.Caller {
	return identity.Caller{
		Type: identity.Root, AccountID: account, ARN: identity.RootARN(account),
		PrincipalID: account, AccessKeyID: "AKIAROOT",
	}
}

// session returns a session of the role app, which has the path /team/.
func session(account, name string) identity.Caller {
	return identity.Caller{
		Type: identity.AssumedRole, AccountID: account, ARN: "arn:aws:sts::" + account + ":assumed-role/app/" + name,
		PrincipalID: "AROAEXAMPLEROLE:" + name, AccessKeyID: "ASIAEXAMPLE", Region: "us-east-1",
		Session: &identity.Session{RoleARN: appRole(account), RoleID: "AROAEXAMPLEROLE", Name: name, Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
	}
}

func appRole(account string) string { return "arn:aws:iam::" + account + ":role/team/app" }

// now is the time of the requests.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The cast. The accounts are 111122223333, which owns what is asked for, and
// 444455556666.
var (
	alice      = user(account, "alice")
	owner      = root(account)
	job        = session(account, "job")
	mallory    = user(foreign, "mallory")
	stranger   = root(foreign)
	strangeJob = session(foreign, "job")
	s3itself   = identity.Caller{Type: identity.AWSService, AccountID: account, Region: "us-east-1"}.Via("s3")
	nobodyElse = identity.Caller{Type: identity.Anonymous, SourceIP: "203.0.113.7"}
)

// statement is one statement of a policy in the making, as JSON.
type statement struct{ effect, principal, action, resource, condition string }

func allow(actions ...string) statement {
	return statement{effect: "Allow", action: quoted(actions), resource: `"*"`}
}

func deny(actions ...string) statement {
	s := allow(actions...)
	s.effect = "Deny"
	return s
}

func (s statement) to(principals ...string) statement {
	s.principal = `"Principal":{"AWS":` + quoted(principals) + `},`
	return s
}

func (s statement) toAllBut(principals ...string) statement {
	s.principal = `"NotPrincipal":{"AWS":` + quoted(principals) + `},`
	return s
}

func (s statement) toService(name string) statement {
	s.principal = `"Principal":{"Service":"` + name + `"},`
	return s
}

func (s statement) on(resources ...string) statement { s.resource = quoted(resources); return s }

// when adds a condition: operator, key, values.
func (s statement) when(operator, key string, values ...string) statement {
	if s.condition != "" {
		s.condition += ","
	}
	s.condition += `"` + operator + `":{"` + key + `":` + quoted(values) + `}`
	return s
}

func quoted(values []string) string { return `["` + strings.Join(values, `","`) + `"]` }

// document parses the statements as a document of a kind.
func document(t testing.TB, kind policy.Kind, statements []statement) *policy.Document {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"Version":"2012-10-17","Statement":[`)
	for i, s := range statements {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString(`{"Effect":"` + s.effect + `",` + s.principal + `"Action":` + s.action)
		if kind != policy.Trust {
			b.WriteString(`,"Resource":` + s.resource)
		}
		b.WriteString(`,"Condition":{` + s.condition + `}}`)
	}
	b.WriteString(`]}`)
	d, err := policy.Parse(kind, []byte(b.String()))
	if err != nil {
		t.Fatalf("%s: %v", b.String(), err)
	}
	return d
}

func named(t testing.TB, kind policy.Kind, name string, statements []statement) []Named {
	t.Helper()
	if statements == nil {
		return nil
	}
	return []Named{{name, document(t, kind, statements)}}
}

// is lists the statements of one document.
func is(statements ...statement) []statement { return statements }

// nothing is a document that allows nothing of what is asked here.
var nothing = is(allow("ec2:*"))

// everything is AdministratorAccess.
var everything = is(allow("*"))

// Reasons, in AWS's words; %s is the action.
const (
	allowed    = ""
	noIdentity = "because no identity-based policy allows the %s action"
	noResource = "because no resource-based policy allows the %s action"
	noTrust    = "because no role trust policy allows the %s action"
	noBoundary = "because no permissions boundary allows the %s action"
	noSession  = "because no session policy allows the %s action"
	noControl  = "because no service control policy allows the %s action"
	noEndpoint = "because no VPC endpoint policy allows the %s action"

	byIdentity = "with an explicit deny in an identity-based policy"
	byResource = "with an explicit deny in a resource-based policy"
	byTrust    = "with an explicit deny in the role trust policy"
	byBoundary = "with an explicit deny in a permissions boundary"
	bySession  = "with an explicit deny in a session policy"
	byControl  = "with an explicit deny in a service control policy"
	byEndpoint = "with an explicit deny in a VPC endpoint policy"
)

// scene is a caller who asks, and all the policies there are. Exactly one of
// key, bucket, trust and plain says what is asked for.
type scene struct {
	name   string
	source string // the page of AWS's documentation that says so

	who    identity.Caller
	action string // empty: kms:Decrypt, s3:GetObject, sts:AssumeRole

	key    []statement // policy of the KMS key
	bucket []statement // bucket policy
	trust  []statement // trust policy of a role
	plain  bool        // what is asked for can have no policy

	iam      []statement // the caller's identity policy; nil: none
	boundary []statement
	session  []statement
	scp      [][]statement // one document for each level
	endpoint []statement   // policy of the VPC endpoint the request came through

	own          bool // the operation is not for other accounts
	grant        bool
	accountGrant bool
	context      keys
	tags         map[string]string

	want string
}

// keys is a policy.Context for tests: values with commas are several.
type keys map[string]string

func (k keys) Lookup(name string) (policy.Value, bool) {
	v, ok := k[name]
	if !ok {
		return policy.Value{}, false
	}
	return policy.Value{Strings: strings.Split(v, ","), Multi: strings.Contains(v, ",")}, true
}

// noBucketPolicy is that of a bucket without one.
var noBucketPolicy = []statement{}

func (s scene) request(t testing.TB) (*Authority, identity.Caller, Request) {
	t.Helper()
	a := &Authority{
		Identity: named(t, policy.Identity, "identity policy", s.iam),
		Boundary: named(t, policy.Identity, "boundary", s.boundary),
		Session:  named(t, policy.Identity, "session policy", s.session),
		Tags:     s.tags,
		OrgID:    "o-a1b2c3d4e5",
		OrgPath:  "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/",
	}
	for _, level := range s.scp {
		a.ServiceControl = append(a.ServiceControl, named(t, policy.ServiceControl, "scp", level))
	}
	r := Request{Action: s.action, CrossAccount: !s.own, ResourceAccount: account, Context: s.context, Time: now}
	action := ""
	switch {
	case s.key != nil:
		action, r.Resource, r.Kind, r.Policy = "kms:Decrypt", keyARN, policy.Key, document(t, policy.Key, s.key)
	case s.bucket != nil:
		action, r.Resource, r.Kind = "s3:GetObject", object, policy.Bucket
		if len(s.bucket) > 0 {
			r.Policy = document(t, policy.Bucket, s.bucket)
		}
	case s.trust != nil:
		action, r.Resource, r.Kind, r.Policy = "sts:AssumeRole", roleARN, policy.Trust, document(t, policy.Trust, s.trust)
	case s.plain:
		action, r.Resource, r.ResourceAccount = "kms:ListKeys", "*", ""
	default:
		t.Fatal("nothing is asked for")
	}
	if r.Action == "" {
		r.Action = action
	}
	if s.grant {
		r.Grant = func() (string, bool) { return "1ea8e6c7", true }
	}
	if s.accountGrant {
		r.AccountGrant = func() (string, bool) { return "1ea8e6c7", true }
	}
	c := s.who
	if s.endpoint != nil {
		c.Endpoint = &identity.Endpoint{ID: "vpce-1a2b3c4d", VPC: "vpc-111bbb22", Policy: document(t, policy.Endpoint, s.endpoint).Text()}
	}
	return a, c, r
}

// play runs scenes.
func play(t *testing.T, scenes []scene) {
	t.Helper()
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			if s.source == "" {
				t.Error("the case has no source")
			}
			a, c, r := s.request(t)
			want := strings.ReplaceAll(s.want, "%s", r.Action)
			got := Decide(a, c, r)
			if got.Reason != want || got.Allowed != (want == allowed) {
				t.Errorf("got %v %q, want %q", got.Allowed, got.Reason, want)
			}
			if got.Layer == 0 || got.Explicit != strings.HasPrefix(want, "with an explicit deny") {
				t.Errorf("decided by layer %d, explicit %v", got.Layer, got.Explicit)
			}
		})
	}
}

// Pages of AWS's documentation.
const (
	singlePage    = "IAM User Guide, Policy evaluation for requests within a single account"
	crossPage     = "IAM User Guide, Cross-account policy evaluation logic"
	denyPage      = "IAM User Guide, The difference between explicit and implicit denies"
	boundaryPage  = "IAM User Guide, Permissions boundaries for IAM entities"
	sessionPage   = "IAM User Guide, Policies and permissions in AWS IAM, Session policies"
	principalPage = "IAM User Guide, AWS JSON policy elements: Principal"
	exceptPage    = "IAM User Guide, AWS JSON policy elements: NotPrincipal"
	globalPage    = "IAM User Guide, AWS global condition context keys"
	forwardPage   = "IAM User Guide, Forward access sessions"
	messagePage   = "IAM User Guide, Troubleshoot access denied error messages"
	trustPage     = "IAM User Guide, Update a role trust policy; IAM roles, Terms and concepts"
	scpPage       = "AWS Organizations User Guide, SCP evaluation"
	scpRootPage   = "AWS Organizations User Guide, Service control policies (SCPs), Tasks and entities not restricted by SCPs"
	keyPage       = "AWS KMS Developer Guide, Key policies in AWS KMS"
	defaultPage   = "AWS KMS Developer Guide, Default key policy"
	kmsIAMPage    = "AWS KMS Developer Guide, Using IAM policies with AWS KMS"
	kmsCrossPage  = "AWS KMS Developer Guide, Allowing users in other accounts to use a KMS key"
	kmsOrderPage  = "AWS KMS Developer Guide, Determining access to AWS KMS keys; Troubleshooting AWS KMS permissions"
	kmsKeysPage   = "AWS KMS Developer Guide, Condition keys for AWS KMS"
	grantPage     = "AWS KMS Developer Guide, Grants in AWS KMS"
	endpointPage  = "AWS PrivateLink Guide, Control access to VPC endpoints using endpoint policies"
	kmsVPCPage    = "AWS KMS Developer Guide, Connect to AWS KMS through a VPC endpoint"
	bucketPage    = "Amazon S3 User Guide, Bucket policies for Amazon S3; API Reference, PutBucketPolicy"
	s3CrossPage   = "Amazon S3 User Guide, Bucket owner granting cross-account bucket permissions"
)
