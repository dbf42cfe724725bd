package policy

import (
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
)

// principals is a Principal or NotPrincipal element, compiled.
//
// Source: IAM User Guide, "AWS JSON policy elements: Principal" and
// "… NotPrincipal".
type principals struct {
	everyone  bool
	accounts  []string // 12 digits
	names     []string // ARNs and unique ids of users, roles, sessions, federated users
	services  []string
	federated []string
}

// match says how the element names p.
func (e *principals) match(p *Principal) Match {
	switch {
	case e.names != nil && p.ARN != "" && slices.Contains(e.names, p.ARN),
		e.names != nil && p.ID != "" && slices.Contains(e.names, p.ID),
		p.Service != "" && slices.Contains(e.services, p.Service),
		p.Federated != "" && slices.Contains(e.federated, p.Federated):
		return ByPrincipal
	case e.everyone:
		return ByEveryone
	case e.names != nil && e.namesRole(p):
		return ByRole
	case e.namesAccount(p):
		return ByAccount
	}
	return 0
}

func (e *principals) namesRole(p *Principal) bool {
	return p.RoleARN != "" && slices.Contains(e.names, p.RoleARN) ||
		p.RoleID != "" && slices.Contains(e.names, p.RoleID)
}

func (e *principals) namesAccount(p *Principal) bool {
	return p.AccountID != "" && p.Service == "" && slices.Contains(e.accounts, p.AccountID)
}

// spares reports whether a NotPrincipal element excepts p. AWS looks at the
// account, then the role, then the user or session, and each of them has to be
// listed; so a list of an account alone spares nobody in it but its root user.
func (e *principals) spares(p *Principal) bool {
	switch {
	case e.everyone:
		return true
	case p.Service != "":
		return slices.Contains(e.services, p.Service)
	case p.Federated != "" && p.AccountID == "":
		return slices.Contains(e.federated, p.Federated)
	case !e.namesAccount(p):
		return false
	case p.Root:
		return true
	case (p.RoleARN != "" || p.RoleID != "") && !e.namesRole(p):
		return false
	}
	return p.ARN != "" && slices.Contains(e.names, p.ARN) || p.ID != "" && slices.Contains(e.names, p.ID)
}

// principal returns how s names p: 0 when it does not. It must not be called of
// a statement without principals.
func (s *Statement) principal(p *Principal) Match {
	if !s.notPrincipal {
		return s.principals.match(p)
	}
	if s.principals.spares(p) {
		return 0
	}
	return ByEveryone
}

// principalKind is what a principal of type AWS is.
type principalKind uint8

const (
	anyone       principalKind = iota + 1
	account                    // 12 digits, or the ARN of the root user
	entity                     // ARN of a user or a role
	session                    // ARN of a role session
	federateUser               // ARN of a federated user
	uniqueID                   // AIDA…, AROA…, or AROA…:session
)

// classify says what a principal of type AWS is, and of which account; 0 when it
// can be none. There are no wildcards inside an ARN, and groups are no principals.
func classify(s string) (kind principalKind, accountID string) {
	switch {
	case s == "*":
		return anyone, ""
	case isAccountID(s):
		return account, s
	case isUniqueID(s):
		return uniqueID, ""
	}
	a, ok := arn.Parse(s)
	if !ok || a.Partition != arn.Partition || a.Region != "" || !isAccountID(a.AccountID) || !isName(a.Resource) {
		return 0, ""
	}
	kindOf, rest, _ := strings.Cut(a.Resource, "/")
	switch last := rest[strings.LastIndexByte(rest, '/')+1:]; {
	case a.Service == "iam" && a.Resource == "root":
		return account, a.AccountID
	case a.Service == "iam" && (kindOf == "user" || kindOf == "role") && last != "":
		return entity, a.AccountID
	case a.Service == "sts" && kindOf == "federated-user" && rest == last && last != "":
		return federateUser, a.AccountID
	case a.Service == "sts" && kindOf == "assumed-role" && last != "" && strings.Count(rest, "/") == 1 && rest[0] != '/':
		return session, a.AccountID
	}
	return 0, ""
}

func isAccountID(s string) bool {
	return len(s) == 12 && all(s, func(c byte) bool { return '0' <= c && c <= '9' })
}

// isUniqueID reports whether s has the form of a user's or role's unique id, or
// of a role session's.
func isUniqueID(s string) bool {
	id, sessionName, isSession := strings.Cut(s, ":")
	return len(id) >= 16 && len(id) <= 128 && (strings.HasPrefix(id, "AROA") || strings.HasPrefix(id, "AIDA") && !isSession) &&
		all(id, func(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }) &&
		(!isSession || sessionName != "" && isName(sessionName) && !strings.Contains(sessionName, "/"))
}

// isName reports whether s can be the resource of a principal's ARN: paths have
// any printable character, but what looks like a wildcard or variable is none.
func isName(s string) bool {
	return all(s, func(c byte) bool { return '!' <= c && c <= '~' && c != '*' && c != '?' && c != '$' && c != ':' })
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

// isService reports whether s can be a service principal.
func isService(s string) bool {
	host, ok := strings.CutSuffix(s, ".amazonaws.com")
	return ok && host != "" && all(host, func(c byte) bool {
		return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.'
	})
}

// isProvider reports whether s can be an identity provider: the ARN of one, or
// the host of a public one.
func isProvider(s string) bool {
	switch s {
	case "cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com":
		return true
	}
	a, ok := arn.Parse(s)
	kindOf, name, _ := strings.Cut(a.Resource, "/")
	return ok && a.Partition == arn.Partition && a.Service == "iam" && a.Region == "" && isAccountID(a.AccountID) &&
		(kindOf == "oidc-provider" || kindOf == "saml-provider") && name != "" && !strings.ContainsAny(name, "*?$ ")
}

// canonicalAccount returns the account whose canonical user id s is. Here it is
// the account id, filled up with zeros to 64 digits.
func canonicalAccount(s string) (string, bool) {
	id, ok := strings.CutSuffix(s, strings.Repeat("0", 64-12))
	return id, ok && isAccountID(id)
}
