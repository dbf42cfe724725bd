package server

import (
	"fmt"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// anySession stands for the name of a session in questions about a role. No
// session can have it, so no document that names one session names this.
const anySession = "*"

// callerOf returns the caller that a principal's ARN stands for: an account's
// root, a user, a session of a role, or, for the role itself, any session of it.
// A request made at the given time in a region is all that is known of it.
func callerOf(principal, region string, now time.Time, dir policy.Directory) (identity.Caller, error) {
	c := identity.Caller{ARN: principal, Region: region, AuthMethod: "AuthHeader"}
	a, ok := arn.Parse(principal)
	if isAccountID(principal) {
		a, ok = arn.New("iam", "", principal, "root"), true
		c.ARN = principal
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case !ok, a.Region != "", a.Service != "iam" && a.Service != "sts":
		return c, fmt.Errorf("principal %q: want the ARN of an account's root, a user, a role or a role session, such as arn:aws:iam::111122223333:user/alice", principal)
	case !dir.HasAccount(a.AccountID):
		return c, fmt.Errorf("principal %s: account %s is not on this server", principal, a.AccountID)
	}
	c.AccountID = a.AccountID
	switch a.Service + ":" + kind {
	case "iam:root":
		c.Type, c.ARN, c.PrincipalID = identity.Root, identity.RootARN(a.AccountID), a.AccountID
		return c, nil
	case "iam:user":
		id, ok := dir.UniqueID(principal)
		if !ok {
			return c, &absentError{"principal " + principal, "user", principal}
		}
		c.Type, c.PrincipalID, c.UserName = identity.IAMUser, id, lastName(rest)
		return c, nil
	case "iam:role":
		return sessionOf(c, principal, anySession, now, dir)
	case "sts:assumed-role":
		role, name, ok := strings.Cut(rest, "/")
		if !ok || name == "" || strings.Contains(name, "/") {
			return c, fmt.Errorf("principal %s: want arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION", principal)
		}
		return sessionOf(c, arn.New("sts", "", a.AccountID, "assumed-role/"+role).String(), name, now, dir)
	}
	return c, fmt.Errorf("principal %s: a %s makes no requests; give the ARN of an account's root, a user, a role or a role session", principal, kind)
}

// sessionOf makes c a session of a role.
func sessionOf(c identity.Caller, role, name string, now time.Time, dir policy.Directory) (identity.Caller, error) {
	id, ok := dir.UniqueID(role)
	if !ok {
		return c, &absentError{"principal " + role, "role", role}
	}
	roleARN, ok := dir.ARN(id)
	if !ok {
		return c, &absentError{"principal " + role, "role", role}
	}
	a, _ := arn.Parse(roleARN)
	c.Type = identity.AssumedRole
	c.ARN = arn.New("sts", "", c.AccountID, "assumed-role/"+lastName(a.Resource)+"/"+name).String()
	c.PrincipalID = id + ":" + name
	c.Session = &identity.Session{RoleARN: roleARN, RoleID: id, Name: name, Issued: now, Expires: now.Add(time.Hour)}
	return c, nil
}

// lastName is what follows the last slash.
func lastName(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// isAccountID reports whether s has the form of an account id.
func isAccountID(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}
