package s3http_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// TestMalformedPolicy has the texts with which AWS refuses policies. Sources:
// "observed" are public reports of AWS's answer.
func TestMalformedPolicy(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	st := func(members string) string {
		return `{"Version":"2012-10-17","Statement":[{` + members + `}]}`
	}
	const object = `"Resource":"arn:aws:s3:::bucket/*"`
	const notJSON = "Policies must be valid JSON and the first byte must be '{'"
	for _, tt := range []struct{ name, source, policy, want string }{
		{"empty", "observed", "", notJSON},
		{"no JSON", "observed", "invalid json", notJSON},
		{"a list", "observed", "[]", notJSON},
		{"space before", "the first byte", ` {}`, notJSON},
		{"byte order mark", "the first byte", "\ufeff" + st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject",`+object), notJSON},
		{"half of it", "observed", `{"Version":"2012-10-17",`, "This policy contains invalid Json"},
		{"something after", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject",`+object) + "x", "This policy contains invalid Json"},
		{"nothing in it", "observed", `{}`, "Missing required field Statement"},
		{"no statement", "observed", `{"Version":"2012-10-17","Statement":[]}`, "Could not parse the policy: Statement is empty!"},
		{"a version there is not", "observed", `{"Version":"2012-10-18","Statement":[]}`, "The policy must contain a valid version string"},
		{"unknown element", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Foo":"x",` + object), "Unknown field Foo"},
		{"element in small letters", "observed", st(`"effect":"Allow","Principal":"*","Action":"s3:GetObject",` + object), "Unknown field effect"},
		{"no effect", "as of other elements", st(`"Principal":"*","Action":"s3:GetObject",` + object), "Missing required field Effect"},
		{"wrong effect", "observed", st(`"Effect":"allow","Principal":"*","Action":"s3:GetObject",` + object), "Invalid effect: allow"},
		{"no principal", "observed", st(`"Effect":"Allow","Action":"s3:GetObject",` + object), "Missing required field Principal"},
		{"empty principal", "observed", st(`"Effect":"Allow","Principal":{},"Action":"s3:GetObject",` + object), "Missing required field Principal cannot be empty!"},
		{"no such user", "User Guide, Invalid principal in policy", st(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/nobody"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"no such account", "same", st(`"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"a user by name", "same", st(`"Effect":"Allow","Principal":{"AWS":"noone"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"wildcard in an ARN", "same", st(`"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/*"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"every service", "same", st(`"Effect":"Allow","Principal":{"Service":"*"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"allow all others", "IAM User Guide, NotPrincipal", st(`"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"s3:GetObject",` + object), "Invalid principal in policy"},
		{"no action", "as of other elements", st(`"Effect":"Allow","Principal":"*",` + object), "Missing required field Action"},
		{"empty action", "as of Principal", st(`"Effect":"Allow","Principal":"*","Action":[],` + object), "Missing required field Action cannot be empty!"},
		{"null action", "observed", st(`"Effect":"Allow","Principal":"*","Action":null,` + object), "Invalid policy syntax."},
		{"action there is not", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObjects",` + object), "Policy has invalid action"},
		{"action without its service", "observed", st(`"Effect":"Allow","Principal":"*","Action":"GetObject",` + object), "Policy has invalid action"},
		{"action of another service", "observed", st(`"Effect":"Allow","Principal":"*","Action":"kms:Decrypt",` + object), "Policy has invalid action"},
		{"wildcard that means nothing", "as of others", st(`"Effect":"Allow","Principal":"*","Action":"s3:Fetch*",` + object), "Policy has invalid action"},
		{"NotAction there is not", "as of Action", st(`"Effect":"Deny","Principal":"*","NotAction":"s3:GetObjects",` + object), "Policy has invalid action"},
		{"no resource", "as of other elements", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject"`), "Missing required field Resource"},
		{"every resource", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"`), "Policy has invalid resource"},
		{"resource that is no ARN", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"bucket/*"`), "Policy has invalid resource"},
		{"another bucket", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket2/*"`), "Policy has invalid resource"},
		{"a bucket of which it is the start", "as of another bucket", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucke/*"`), "Policy has invalid resource"},
		{"this and another bucket", "as of another bucket", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":["arn:aws:s3:::bucket/*","arn:aws:s3:::other/*"]`), "Policy has invalid resource"},
		{"ARN of a key", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:kms:us-east-1:111122223333:key/x"`), "Policy has invalid resource"},
		{"object action on the bucket", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket"`), "Action does not apply to any resource(s) in statement"},
		{"bucket action on objects", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:ListBucket",` + object), "Action does not apply to any resource(s) in statement"},
		{"one of two actions", "observed", st(`"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],` + object), "Action does not apply to any resource(s) in statement"},
		{"action on no bucket", "as of others", st(`"Effect":"Allow","Principal":"*","Action":"s3:ListAllMyBuckets","Resource":"arn:aws:s3:::bucket"`), "Action does not apply to any resource(s) in statement"},
		{"condition key there is not", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Condition":{"StringEquals":{"s3:VersionStatus":"x"}},` + object), "Policy has an invalid condition key"},
		{"condition key of another action", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Condition":{"StringEquals":{"s3:prefix":"x"}},` + object), "Conditions do not apply to combination of actions and resources in statement"},
		{"condition operator there is not", "observed", st(`"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Condition":{"StringIs":{"aws:username":"x"}},` + object), "Invalid Condition type : StringIs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.PutBucketPolicy(t.Context(), &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &tt.policy})
			wantCode(t, err, "MalformedPolicy", 400)
			if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorMessage() != tt.want {
				t.Errorf("got %q, want %q (%s)", api.ErrorMessage(), tt.want, tt.source)
			}
			if _, err := k.GetBucketPolicy(t.Context(), &client.GetBucketPolicyInput{Bucket: aws.String(bucket)}); err == nil {
				t.Error("the bucket has a policy all the same")
			}
		})
	}
}

// TestPolicySize: the limit is 20,480 bytes, without the spaces between the tokens.
func TestPolicySize(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	of := func(size int, spaces string) string {
		head := `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/`
		tail := `"}]}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + `"` + spaces + tail[1:]
	}
	for _, tt := range []struct {
		name, policy string
		fits         bool
	}{
		{"at the limit", of(20480, ""), true},
		{"over it", of(20481, ""), false},
		{"at the limit, with spaces", of(20480, strings.Repeat(" \n", 5000)), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := k.PutBucketPolicy(t.Context(), &client.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: &tt.policy})
			if tt.fits {
				k.check(err)
				return
			}
			wantCode(t, err, "MalformedPolicy", 400)
			if want := "Normalized policy document exceeds the maximum allowed size of 20480 bytes"; !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

// TestPublicPolicy: what the User Guide calls public, "Blocking public access to
// your Amazon S3 storage", "The meaning of public", and s3-tests' cases of it.
func TestPublicPolicy(t *testing.T) {
	k := newKit(t)
	k.createBucket()
	for _, tt := range []struct {
		name, members string
		want          bool
	}{
		{"everyone", `"Effect":"Allow","Principal":"*"`, true},
		{"everyone, as a map", `"Effect":"Allow","Principal":{"AWS":"*"}`, true},
		{"everyone beside the account", `"Effect":"Allow","Principal":{"AWS":["111122223333","*"]}`, true},
		{"an account", `"Effect":"Allow","Principal":{"AWS":"444455556666"}`, false},
		{"denied to everyone", `"Effect":"Deny","Principal":"*"`, false},
		{"from one address", `"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}`, false},
		{"from everywhere", `"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}`, true},
		{"from everywhere in IPv6", `"Effect":"Allow","Principal":"*","Condition":{"IpAddress":{"aws:SourceIp":"::/0"}}`, true},
		{"not from one address", `"Effect":"Allow","Principal":"*","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/32"}}`, true},
		{"through one endpoint", `"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}`, false},
		{"through any endpoint", `"Effect":"Allow","Principal":"*","Condition":{"StringLike":{"aws:SourceVpce":"vpce-*"}}`, true},
		{"through the endpoint of a variable", `"Effect":"Allow","Principal":"*","Condition":{"StringEquals":{"aws:SourceVpce":"${aws:PrincipalTag/x}"}}`, true},
		{"through one endpoint, if any", `"Effect":"Allow","Principal":"*","Condition":{"StringEqualsIfExists":{"aws:SourceVpce":"vpce-1"}}`, true},
		{"over TLS", `"Effect":"Allow","Principal":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k.setPolicy(`{"Version":"2012-10-17","Statement":{` + tt.members + `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/*"}}`)
			out, err := k.GetBucketPolicyStatus(t.Context(), &client.GetBucketPolicyStatusInput{Bucket: aws.String(bucket)})
			k.check(err)
			if out.PolicyStatus == nil || out.PolicyStatus.IsPublic == nil || *out.PolicyStatus.IsPublic != tt.want {
				t.Errorf("got %+v, want %v", out.PolicyStatus, tt.want)
			}
		})
	}
}
