package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// principalCase is a Principal or NotPrincipal element, a caller, and how the
// element names it: 0 not at all.
type principalCase struct {
	name    string
	source  string // page and section
	element string // JSON member
	caller  policy.Principal
	want    policy.Match
}

func TestPrincipals(t *testing.T) {
	for _, tt := range principalCases() {
		t.Run(tt.name, func(t *testing.T) {
			sourced(t, tt.source)
			effect := "Allow"
			if strings.HasPrefix(tt.element, `"NotPrincipal"`) {
				effect = "Deny" // the only effect it may have
			}
			d := parse(t, policy.Bucket, fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,%s,"Action":"s3:*","Resource":"*"}}`, effect, tt.element))
			r := &policy.Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Principal: tt.caller}
			expect(t, d, r, tt.want != 0)
			if got := d.Explain(r)[0].Match; got != tt.want {
				t.Errorf("match: got %d, want %d", got, tt.want)
			}
			if out := d.Evaluate(r); effect == "Allow" && out.Match != tt.want {
				t.Errorf("outcome's match: got %d, want %d", out.Match, tt.want)
			}
		})
	}
}

func principalCases() []principalCase {
	const (
		all      = principalPage + "All principals"
		accounts = principalPage + "AWS account principals"
		users    = principalPage + "IAM user principals"
		roles    = principalPage + "IAM role principals"
		sessions = principalPage + "Role session principals"
		services = principalPage + "AWS service principals"
		fed      = principalPage + "AWS STS federated user principals"
		oidc     = principalPage + "OIDC federated principals"
		not      = notPrincipal + "Key points"
		canon    = principalPage + "Specifying a principal"
	)
	rootARN, userARN := "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/alice"
	roleARN, sessionARN := "arn:aws:iam::111122223333:role/teams/App", "arn:aws:sts::111122223333:assumed-role/App/s1"
	aws := func(p ...string) string { return `"Principal":{"AWS":["` + strings.Join(p, `","`) + `"]}` }
	notAWS := func(p ...string) string { return `"NotPrincipal":{"AWS":["` + strings.Join(p, `","`) + `"]}` }
	federated := policy.Principal{AccountID: accountA, ARN: "arn:aws:sts::111122223333:federated-user/Ann", ID: "111122223333:Ann"}
	web := policy.Principal{Federated: "arn:aws:iam::111122223333:oidc-provider/issuer.example"}
	pathed := policy.Principal{AccountID: accountA, ARN: "arn:aws:iam::111122223333:user/teams/a/alice", ID: "AIDAOTHERALICE000000"}
	other := session
	other.ARN, other.ID = "arn:aws:sts::111122223333:assumed-role/App/s2", "AROAAPPAPPAPPAPPAPP00:s2"
	return []principalCase{
		{"* names a user of the account", all, `"Principal":"*"`, alice, policy.ByEveryone},
		{"* names a user of another account", all, `"Principal":"*"`, bob, policy.ByEveryone},
		{"* names a service", all, `"Principal":"*"`, s3service, policy.ByEveryone},
		{"* names the root user", all, `"Principal":"*"`, rootA, policy.ByEveryone},
		{`{"AWS":"*"} is the same as *`, all, `"Principal":{"AWS":"*"}`, bob, policy.ByEveryone},
		{"* names a caller without a name", all, `"Principal":"*"`, policy.Principal{}, policy.ByEveryone},

		{"An account by its ARN: user", accounts, aws(rootARN), alice, policy.ByAccount},
		{"An account by its ARN: session", accounts, aws(rootARN), session, policy.ByAccount},
		{"An account by its ARN: root user", accounts, aws(rootARN), rootA, policy.ByAccount},
		{"An account by its ARN: federated user", accounts, aws(rootARN), federated, policy.ByAccount},
		{"An account by its number", accounts, aws(accountA), alice, policy.ByAccount},
		{"An account: a user of another", accounts, aws(accountA), bob, 0},
		{"An account: a service", accounts, aws(accountA), s3service, 0},
		{"Two accounts", accounts, aws(accountA, accountB), bob, policy.ByAccount},

		{"A user", users, aws(userARN), alice, policy.ByPrincipal},
		{"A user: another user", users, aws(userARN), bob, 0},
		{"A user: the root user", users, aws(userARN), rootA, 0},
		{"A user: one of the name with a path", users, aws(userARN), pathed, 0},
		{"A user with a path", users, aws("arn:aws:iam::111122223333:user/teams/a/alice"), pathed, policy.ByPrincipal},
		{"A user's name is case sensitive", users, aws("arn:aws:iam::111122223333:user/Alice"), alice, 0},
		{"A user by its unique id", users, aws("AIDAALICEALICEALICE00"), alice, policy.ByPrincipal},
		{"A user and its account: the more direct counts", users, aws(accountA, userARN), alice, policy.ByPrincipal},
		{"A user and everyone: the more direct counts", users, aws("*", userARN), alice, policy.ByPrincipal},

		{"A role names its sessions", roles, aws(roleARN), session, policy.ByRole},
		{"A role names every session of it", roles, aws(roleARN), other, policy.ByRole},
		{"A role: a user", roles, aws(roleARN), alice, 0},
		{"A role without its path is another role", roles, aws("arn:aws:iam::111122223333:role/App"), session, 0},
		{"A role by its unique id", roles, aws("AROAAPPAPPAPPAPPAPP00"), session, policy.ByRole},
		{"A role that was made anew has another id", roles, aws("AROAFIRSTFIRSTFIRST0"), session, 0},
		{"A role and everyone: everyone asks for less", roles, aws("*", roleARN), session, policy.ByEveryone},

		{"A session", sessions, aws(sessionARN), session, policy.ByPrincipal},
		{"A session: another of the role", sessions, aws(sessionARN), other, 0},
		{"A session by its unique id", sessions, aws("AROAAPPAPPAPPAPPAPP00:s1"), session, policy.ByPrincipal},
		{"A session by its unique id: another of the role", sessions, aws("AROAAPPAPPAPPAPPAPP00:s1"), other, 0},
		{"A federated user", fed, aws("arn:aws:sts::111122223333:federated-user/Ann"), federated, policy.ByPrincipal},
		{"A federated user: another", fed, aws("arn:aws:sts::111122223333:federated-user/Bob"), federated, 0},
		{"A service", services, `"Principal":{"Service":"s3.amazonaws.com"}`, s3service, policy.ByPrincipal},
		{"One of two services", services, `"Principal":{"Service":["cloudtrail.amazonaws.com","s3.amazonaws.com"]}`, s3service, policy.ByPrincipal},
		{"A service: another", services, `"Principal":{"Service":"cloudtrail.amazonaws.com"}`, s3service, 0},
		{"A service: the root user", services, `"Principal":{"Service":"s3.amazonaws.com"}`, rootA, 0},
		{"A service beside an account", canon, `"Principal":{"AWS":"` + accountA + `","Service":"s3.amazonaws.com"}`, alice, policy.ByAccount},
		{"An identity provider", oidc, `"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/issuer.example"}`, web, policy.ByPrincipal},
		{"An identity provider: another", oidc, `"Principal":{"Federated":"accounts.google.com"}`, web, 0},
		{"An account does not name whom its provider vouches for", oidc, aws(accountA), web, 0},
		{"A canonical user is an account", canon, `"Principal":{"CanonicalUser":"` + accountA + strings.Repeat("0", 52) + `"}`, alice, policy.ByAccount},

		{"NotPrincipal: the user and its account", not, notAWS(userARN, rootARN), alice, 0},
		{"NotPrincipal: the user alone denies it through its account", not, notAWS(userARN), alice, policy.ByEveryone},
		{"NotPrincipal: the account alone denies its users", not, notAWS(rootARN), alice, policy.ByEveryone},
		{"NotPrincipal: the account spares its root user", not, notAWS(rootARN), rootA, 0},
		{"NotPrincipal: the user and its account deny others of it", not, notAWS(userARN, rootARN), session, policy.ByEveryone},
		{"NotPrincipal: another account", not, notAWS(userARN, rootARN), bob, policy.ByEveryone},
		{"NotPrincipal: session, role and account", not, notAWS(sessionARN, roleARN, rootARN), session, 0},
		{"NotPrincipal: role and account deny the session", not, notAWS(roleARN, rootARN), session, policy.ByEveryone},
		{"NotPrincipal: session and account without the role", not, notAWS(sessionARN, rootARN), session, policy.ByEveryone},
		{"NotPrincipal: another session of the role", not, notAWS(sessionARN, roleARN, rootARN), other, policy.ByEveryone},
		{"NotPrincipal: a service that is listed", not, `"NotPrincipal":{"Service":"s3.amazonaws.com"}`, s3service, 0},
		{"NotPrincipal: a service that is not listed", not, notAWS(userARN, rootARN), s3service, policy.ByEveryone},
		{"NotPrincipal: everyone is nobody", not, `"NotPrincipal":"*"`, alice, 0},
	}
}
