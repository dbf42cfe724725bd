package gate

import (
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/identity"
)

// TestGlobalKeys asks for each global key of each kind of caller.
// Source: globalPage, under "Availability" of each key, and forwardPage.
func TestGlobalKeys(t *testing.T) {
	direct := func(c identity.Caller) identity.Caller {
		c.Region, c.SourceIP, c.UserAgent, c.TLSVersion = "us-east-1", "198.51.100.7", "cli/2", "TLSv1.3"
		return c
	}
	inVPC := direct(alice)
	inVPC.Endpoint = &identity.Endpoint{ID: "vpce-1", VPC: "vpc-1"}
	withMFA := direct(job)
	s := *withMFA.Session
	s.MFA, s.SourceIdentity = true, "jane"
	withMFA.Session = &s

	const (
		ip, role = "198.51.100.7", "arn:aws:iam::111122223333:role/team/app"
		at, unix = "2026-03-01T12:00:00Z", "1772366400"
		no       = "-" // the request does not have the key
		s3       = "s3.amazonaws.com"
		me       = "arn:aws:iam::111122223333:user/alice"
		sess     = "AROAEXAMPLEROLE:job"
		acct     = account
	)
	callers := [...]identity.Caller{direct(alice), direct(owner), direct(job), withMFA, inVPC, direct(alice).Via("s3"), inVPC.Via("s3"), s3itself, nobodyElse}
	names := [...]string{"user", "root", "session", "session with MFA", "in a VPC", "through S3", "in a VPC through S3", "service", "anonymous"}
	for _, tt := range []struct {
		key  string
		want [len(callers)]string
	}{
		//                                      user     root       session  MFA      VPC       S3       VPC, S3  service  anonymous
		{"aws:PrincipalArn", [...]string{me, owner.ARN, role, role, me, me, me, no, no}},
		{"aws:PrincipalAccount", [...]string{acct, acct, acct, acct, acct, acct, acct, no, no}},
		{"aws:PrincipalType", [...]string{"User", "Account", "AssumedRole", "AssumedRole", "User", "User", "User", no, "Anonymous"}},
		{"aws:userid", [...]string{"AIDAalice", acct, sess, sess, "AIDAalice", "AIDAalice", "AIDAalice", no, "anonymous"}},
		{"aws:username", [...]string{"alice", no, no, no, "alice", "alice", "alice", no, no}},
		{"aws:PrincipalOrgID", [...]string{"o-1", "o-1", "o-1", "o-1", "o-1", "o-1", "o-1", no, no}},
		{"aws:PrincipalOrgPaths", [...]string{"o-1/r-1/", "o-1/r-1/", "o-1/r-1/", "o-1/r-1/", "o-1/r-1/", "o-1/r-1/", "o-1/r-1/", no, no}},
		{"aws:PrincipalTag/Team", [...]string{"red", "red", "red", "red", "red", "red", "red", no, no}},
		{"aws:PrincipalIsAWSService", [...]string{"false", "false", "false", "false", "false", "false", "false", "true", "false"}},
		{"aws:PrincipalServiceName", [...]string{no, no, no, no, no, no, no, s3, no}},
		{"aws:PrincipalServiceNamesList", [...]string{no, no, no, no, no, no, no, s3, no}},
		{"aws:ViaAWSService", [...]string{"false", "false", "false", "false", "false", "true", "true", "false", "false"}},
		{"aws:CalledVia", [...]string{no, no, no, no, no, s3, s3, no, no}},
		{"aws:CalledViaFirst", [...]string{no, no, no, no, no, s3, s3, no, no}},
		{"aws:CalledViaLast", [...]string{no, no, no, no, no, s3, s3, no, no}},
		{"aws:SourceIp", [...]string{ip, ip, ip, ip, no, ip, no, no, "203.0.113.7"}},
		{"aws:VpcSourceIp", [...]string{no, no, no, no, ip, no, no, no, no}},
		{"aws:SourceVpce", [...]string{no, no, no, no, "vpce-1", no, no, no, no}},
		{"aws:SourceVpc", [...]string{no, no, no, no, "vpc-1", no, no, no, no}},
		{"aws:SecureTransport", [...]string{"true", "true", "true", "true", "true", "true", "true", "false", "false"}},
		{"aws:CurrentTime", [...]string{at, at, at, at, at, at, at, at, at}},
		{"aws:EpochTime", [...]string{unix, unix, unix, unix, unix, unix, unix, unix, unix}},
		{"aws:RequestedRegion", [...]string{"us-east-1", "us-east-1", "us-east-1", "us-east-1", "us-east-1", "us-east-1", "us-east-1", "us-east-1", no}},
		{"aws:UserAgent", [...]string{"cli/2", "cli/2", "cli/2", "cli/2", "cli/2", "cli/2", "cli/2", no, no}},
		{"aws:ResourceAccount", [...]string{acct, acct, acct, acct, acct, acct, acct, acct, acct}},
		{"aws:ResourceOrgID", [...]string{"o-1", "o-1", "o-1", "o-1", "o-1", "o-1", "o-1", no, no}},
		{"aws:TokenIssueTime", [...]string{no, no, "2026-03-01T11:00:00Z", "2026-03-01T11:00:00Z", no, no, no, no, no}},
		{"aws:MultiFactorAuthPresent", [...]string{no, no, "false", "true", no, no, no, no, no}},
		{"aws:MultiFactorAuthAge", [...]string{no, no, no, "3600", no, no, no, no, no}},
		{"aws:SourceIdentity", [...]string{no, no, no, "jane", no, no, no, no, no}},
		{"aws:FederatedProvider", [...]string{no, no, no, no, no, no, no, no, no}},
		{"kms:EncryptionContext:App", [...]string{"x", "x", "x", "x", "x", "x", "x", "x", "x"}},
	} {
		for i, c := range callers {
			a := &Authority{Tags: map[string]string{"Team": "red"}, OrgID: "o-1", OrgPath: "o-1/r-1/"}
			if c.Type == identity.AWSService || c.Type == identity.Anonymous {
				a = nil
			}
			var e evaluation
			e.begin(&c, nil)
			e.ask(a, nil, Request{ResourceAccount: account, Time: now, Context: keys{"kms:encryptioncontext:app": "x"}})
			v, ok := e.Lookup(strings.ToLower(tt.key))
			got := strings.Join(v.Strings, ",")
			if !ok {
				got += no
			}
			if got != tt.want[i] {
				t.Errorf("%s of %s: got %q, want %q", tt.key, names[i], got, tt.want[i])
			}
			if multi := tt.key == "aws:CalledVia" || tt.key == "aws:PrincipalServiceNamesList" || tt.key == "aws:PrincipalOrgPaths"; ok && v.Multi != multi {
				t.Errorf("%s has several values: %v", tt.key, v.Multi)
			}
		}
	}
}

func TestLowers(t *testing.T) {
	for _, s := range []string{"", "Team", "team", "TEAM ", "acceſſ", "access", "\u212Aey", "Ä", "ä", "a\xff", "İ"} {
		for _, other := range []string{"", "team", "tea", "team ", "access", "key", "ä", "i̇", strings.ToLower(s)} {
			if got, want := lowers(s, other), strings.ToLower(s) == other; got != want {
				t.Errorf("%q, %q: got %v, want %v", s, other, got, want)
			}
		}
	}
}
