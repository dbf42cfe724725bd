package policy_test

import (
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// statementCase is a document of one statement, a request, and whether the
// statement applies.
type statementCase struct {
	name     string
	source   string // page and section
	kind     policy.Kind
	document string
	request  policy.Request
	want     bool
}

func runStatements(t *testing.T, cases []statementCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			sourced(t, tt.source)
			expect(t, parse(t, tt.kind, tt.document), &tt.request, tt.want)
		})
	}
}

func TestStatements(t *testing.T) { runStatements(t, elementCases()) }

// statementCases are all tables of statements.
func statementCases() []statementCase { return append(elementCases(), variableStatements()...) }

func elementCases() []statementCase {
	const (
		notAction   = userGuide + "IAM JSON policy elements: NotAction, NotAction with Allow"
		notResource = userGuide + "IAM JSON policy elements: NotResource, Specifying resources in NotResource"
		keyElements = kmsGuide + "Key policies in AWS KMS, Elements in a key policy"
		action      = actionPage + "IAM JSON policy elements: Action"
		bucketGuide = "Amazon S3 User Guide, Policies and permissions in Amazon S3, Resources"
	)
	identity := func(s string) string { return `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + s + `}}` }
	key := func(s string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*",` + s + `}}`
	}
	ask := func(action, resource string) policy.Request {
		return policy.Request{Action: action, Resource: resource, Principal: alice}
	}
	const object = "arn:aws:s3:::amzn-s3-demo-bucket/photos/a.jpg"
	const otherKey = "arn:aws:kms:us-east-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab"
	return []statementCase{
		{"Action names one action", action, policy.Identity, identity(`"Action":"s3:GetObject","Resource":"*"`), ask("s3:GetObject", object), true},
		{"Action names another action", action, policy.Identity, identity(`"Action":"s3:GetObject","Resource":"*"`), ask("s3:PutObject", object), false},
		{"Action is not case sensitive", action, policy.Identity, identity(`"Action":"S3:getobject","Resource":"*"`), ask("s3:GetObject", object), true},
		{"Action is not case sensitive with a wildcard", action, policy.Identity, identity(`"Action":"S3:GET*","Resource":"*"`), ask("s3:GetObject", object), true},
		{"Action of a list", action, policy.Identity, identity(`"Action":["s3:PutObject","s3:GetObject"],"Resource":"*"`), ask("s3:GetObject", object), true},
		{"Action star is every action", action, policy.Identity, identity(`"Action":"*","Resource":"*"`), ask("kms:Decrypt", keyARN), true},
		{"Action star of a service", action, policy.Identity, identity(`"Action":"kms:*","Resource":"*"`), ask("s3:GetObject", object), false},
		{"Action with stars inside", action, policy.Identity, identity(`"Action":"iam:*AccessKey*","Resource":"*"`), ask("iam:CreateAccessKey", "arn:aws:iam::111122223333:user/bob"), true},
		{"Action with a question mark", action, policy.Identity, identity(`"Action":"s3:?etObject","Resource":"*"`), ask("s3:GetObject", object), true},
		{"Action is the whole name", action, policy.Identity, identity(`"Action":"s3:GetObject","Resource":"*"`), ask("s3:GetObjectAcl", object), false},
		{"NotAction with Allow: another action of the service", notAction, policy.Identity, identity(`"NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"`), ask("s3:GetObject", object), true},
		{"NotAction with Allow: the action itself", notAction, policy.Identity, identity(`"NotAction":"s3:DeleteBucket","Resource":"arn:aws:s3:::*"`), ask("s3:DeleteBucket", "arn:aws:s3:::amzn-s3-demo-bucket"), false},
		{"NotAction with Allow: all services but one", notAction, policy.Identity, identity(`"NotAction":"iam:*","Resource":"*"`), ask("kms:Decrypt", keyARN), true},
		{"NotAction of a list", notAction, policy.Identity, identity(`"NotAction":["iam:*","kms:*"],"Resource":"*"`), ask("kms:Decrypt", keyARN), false},
		{"NotResource: another bucket", notResource, policy.Identity, identity(`"Action":"s3:*","NotResource":["arn:aws:s3:::payroll","arn:aws:s3:::payroll/*"]`), ask("s3:GetObject", object), true},
		{"NotResource: an object of the bucket", notResource, policy.Identity, identity(`"Action":"s3:*","NotResource":["arn:aws:s3:::payroll","arn:aws:s3:::payroll/*"]`), ask("s3:GetObject", "arn:aws:s3:::payroll/may"), false},
		{"Resource of operations without one is a star", grammarPage + "Notes about this policy grammar", policy.Identity, identity(`"Action":"kms:ListKeys","Resource":"*"`), ask("kms:ListKeys", "*"), true},
		{"An ARN is not the star of operations without resource", grammarPage + "Notes about this policy grammar", policy.Identity, identity(`"Action":"kms:ListKeys","Resource":"arn:aws:kms:*:*:key/*"`), ask("kms:ListKeys", "*"), false},
		{"A bucket is not its objects", bucketGuide, policy.Bucket, key(`"Action":"s3:*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket"`), ask("s3:GetObject", object), false},
		{"Objects are not their bucket", bucketGuide, policy.Bucket, key(`"Action":"s3:*","Resource":"arn:aws:s3:::amzn-s3-demo-bucket/*"`), ask("s3:ListBucket", "arn:aws:s3:::amzn-s3-demo-bucket"), false},

		{"Key policy: star is this key", keyElements, policy.Key, key(`"Action":"kms:*","Resource":"*"`), ask("kms:Decrypt", keyARN), true},
		{"Key policy: the key's own ARN", keyElements, policy.Key, key(`"Action":"kms:*","Resource":"` + keyARN + `"`), ask("kms:Decrypt", keyARN), true},
		{"Key policy: another key's ARN has no effect", keyElements, policy.Key, key(`"Action":"kms:*","Resource":"` + otherKey + `"`), ask("kms:Decrypt", keyARN), false},
		{"Key policy: an alias has no effect", keyElements, policy.Key, key(`"Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:alias/app"`), ask("kms:Decrypt", keyARN), false},
		{"Key policy: a pattern has no effect", keyElements, policy.Key, key(`"Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:key/*"`), ask("kms:Decrypt", keyARN), false},
		{"Key policy: one of a list is the star", keyElements, policy.Key, key(`"Action":"kms:*","Resource":["` + otherKey + `","*"]`), ask("kms:Decrypt", keyARN), true},
		{"Key policy: without Resource there is no effect", keyElements, policy.Key, key(`"Action":"kms:*"`), ask("kms:Decrypt", keyARN), false},
		{"Key policy: without Action there is no effect", keyElements, policy.Key, key(`"Resource":"*"`), ask("kms:Decrypt", keyARN), false},
		{"Key policy: NotAction", keyElements, policy.Key, key(`"NotAction":"kms:Decrypt","Resource":"*"`), ask("kms:Encrypt", keyARN), true},
		{"Trust policy: the action", userGuide + "Update a role trust policy, Trust policies", policy.Trust, key(`"Action":"sts:AssumeRole"`), ask("sts:AssumeRole", "arn:aws:iam::111122223333:role/App"), true},
		{"Trust policy: another action", userGuide + "Update a role trust policy, Trust policies", policy.Trust, key(`"Action":"sts:AssumeRole"`), ask("sts:TagSession", "arn:aws:iam::111122223333:role/App"), false},
		{"Service control policy: FullAWSAccess", "AWS Organizations User Guide, Service control policies (SCPs), FullAWSAccess", policy.ServiceControl, identity(`"Action":"*","Resource":"*"`), ask("kms:Decrypt", keyARN), true},
		{"Endpoint policy: the default one", "AWS PrivateLink Guide, Control access to VPC endpoints using endpoint policies, Default endpoint policy", policy.Endpoint, key(`"Action":"*","Resource":"*"`), ask("kms:Decrypt", keyARN), true},
	}
}
