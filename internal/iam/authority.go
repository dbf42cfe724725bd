package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// ErrNoPrincipal is returned for a caller that is no longer there: it was
// deleted since its request, or its session, began.
var ErrNoPrincipal = errors.New("iam: the principal was deleted")

// Authority implements [gate.Authorities]. It takes no lock, and makes what it
// returns once for each change of principals or policies.
func (s *Service) Authority(c identity.Caller) (*gate.Authority, error) {
	ix := s.index.Load()
	switch c.Type {
	case identity.Root:
		return ix.accountAuthority(c.AccountID)
	case identity.IAMUser:
		u, ok := ix.userIDs.get(c.PrincipalID)
		if !ok {
			return nil, gone(c)
		}
		if c.Session == nil {
			return ix.userAuthority(u)
		}
		return s.sessionAuthority(ix, c, func() (*gate.Authority, error) { return ix.userAuthority(u) })
	case identity.AssumedRole:
		if c.Session == nil {
			return nil, fmt.Errorf("iam: caller %s has no session", c.ARN)
		}
		r, ok := ix.roleIDs.get(c.Session.RoleID)
		if !ok {
			return nil, gone(c)
		}
		return s.sessionAuthority(ix, c, func() (*gate.Authority, error) { return ix.roleAuthority(r) })
	case identity.AWSService:
		return &gate.Authority{}, nil // no identity policies, and SCPs do not bind it
	}
	return nil, fmt.Errorf("iam: caller of type %q", c.Type)
}

func gone(c identity.Caller) error {
	return fmt.Errorf("%w: %s (%s)", ErrNoPrincipal, c.ARN, c.PrincipalID)
}

// accountAuthority is what the account's root user may do, and what every
// authority of the account begins with.
func (ix *index) accountAuthority(id string) (*gate.Authority, error) {
	a, ok := ix.accounts.get(id)
	if !ok {
		return nil, fmt.Errorf("iam: row %s/%s is missing from the database; restore it from a backup", store.Accounts, id)
	}
	return a.derived.of(ix.generation, func() (*gate.Authority, error) {
		if a.err != nil {
			return nil, a.err
		}
		org, path, _ := strings.Cut(a.doc.Organization, "/")
		if path != "" {
			path = a.doc.Organization
		}
		return &gate.Authority{ServiceControl: a.levels, OrgID: org, OrgPath: path}, nil
	})
}

func (ix *index) userAuthority(u *user) (*gate.Authority, error) {
	return u.derived.of(ix.generation, func() (*gate.Authority, error) {
		if u.err != nil {
			return nil, u.err
		}
		a, err := ix.principalAuthority(u.doc.Account, u.arn, u.doc.PolicyARNs, u.inline, u.doc.Boundary)
		if err != nil {
			return nil, err
		}
		a.Tags = u.doc.Tags
		for _, name := range u.doc.Groups {
			g, ok := ix.groups.get(rowKey(u.doc.Account, name))
			if !ok {
				return nil, fmt.Errorf("iam: %s is in group %s, and row %s/%s is missing from the database; restore it from a backup",
					u.arn, name, store.Groups, rowKey(u.doc.Account, name))
			}
			if g.err != nil {
				return nil, g.err
			}
			m, err := ix.policiesOf(g.doc.Account, g.arn, g.doc.PolicyARNs)
			if err != nil {
				return nil, err
			}
			for i := range m {
				m[i].Name += " of group " + name
			}
			a.Identity = append(append(a.Identity, m...), g.inline...)
		}
		return a, nil
	})
}

func (ix *index) roleAuthority(r *role) (*gate.Authority, error) {
	return r.derived.of(ix.generation, func() (*gate.Authority, error) {
		if r.err != nil {
			return nil, r.err
		}
		a, err := ix.principalAuthority(r.doc.Account, r.arn, r.doc.PolicyARNs, r.inline, r.doc.Boundary)
		if err != nil {
			return nil, err
		}
		a.Tags = r.doc.Tags
		return a, nil
	})
}

// principalAuthority has what users and roles have alike.
func (ix *index) principalAuthority(account, arn string, arns []string, inline []gate.Named, boundary string) (*gate.Authority, error) {
	of, err := ix.accountAuthority(account)
	if err != nil {
		return nil, err
	}
	a := *of
	if a.Identity, err = ix.policiesOf(account, arn, arns); err != nil {
		return nil, err
	}
	a.Identity = append(a.Identity, inline...)
	if boundary != "" {
		m, err := ix.managedPolicy(account, boundary)
		if err != nil {
			return nil, fmt.Errorf("%s: its permissions boundary: %w", arn, err)
		}
		a.Boundary = []gate.Named{m.Named}
	}
	return &a, nil
}

// policiesOf finds the managed policies that are attached to who.
func (ix *index) policiesOf(account, who string, arns []string) ([]gate.Named, error) {
	all := make([]gate.Named, 0, len(arns))
	for _, arn := range arns {
		m, err := ix.managedPolicy(account, arn)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who, err)
		}
		all = append(all, m.Named)
	}
	return all, nil
}

// session is what was made of a session.
type session struct {
	who     string           // unique id of the principal
	of      identity.Session // what is compared of it
	derived derived[*gate.Authority]
}

// maxSessions bounds the sessions whose policies are kept compiled. One that is
// given up is compiled again.
const maxSessions = 8192

// sessionAuthority is the authority of a session: that of its principal, and
// what its token says. This is kept under the access key id, which another
// session of the account may have as well: that it is of this one is looked at.
func (s *Service) sessionAuthority(ix *index, c identity.Caller, principal func() (*gate.Authority, error)) (*gate.Authority, error) {
	kept, ok := s.sessions.Load(c.AccessKeyID)
	e, _ := kept.(*session)
	if !ok || e.who != c.PrincipalID || !sameSession(e.of, *c.Session) {
		e = &session{who: c.PrincipalID, of: *c.Session}
		if _, there := s.sessions.Swap(c.AccessKeyID, e); !there && s.sessionCount.Add(1) > maxSessions {
			s.sessions.Range(func(id, _ any) bool {
				if _, was := s.sessions.LoadAndDelete(id); was {
					return s.sessionCount.Add(-1) > maxSessions/2
				}
				return true
			})
		}
	}
	return e.derived.of(ix.generation, func() (*gate.Authority, error) {
		of, err := principal()
		if err != nil {
			return nil, err
		}
		a := *of
		a.Tags = mergeTags(a.Tags, c.Session.Tags)
		a.Session, err = ix.sessionPolicies(c.AccountID, c.Session)
		return &a, err
	})
}

// sameSession compares what sessionAuthority reads.
func sameSession(a, b identity.Session) bool {
	return a.RoleID == b.RoleID && slices.Equal(a.Policies, b.Policies) && slices.Equal(a.PolicyARNs, b.PolicyARNs) && sameTags(a.Tags, b.Tags)
}

func sameTags(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if got, ok := b[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// mergeTags lets the tags of the session win; keys are the same whatever their
// case (IAM User Guide, "Pass session tags in AWS STS").
func mergeTags(own, passed map[string]string) map[string]string {
	if len(passed) == 0 {
		return own
	}
	all := make(map[string]string, len(own)+len(passed))
	for k, v := range own {
		all[k] = v
	}
	for k, v := range passed {
		folded := strings.ToLower(k) // as everywhere; see the gate's aws:PrincipalTag
		for was := range all {
			if strings.ToLower(was) == folded {
				delete(all, was)
			}
		}
		all[k] = v
	}
	return all
}

// sessionPolicies compiles the policies of a session, nil when it was given
// none. A managed policy that is gone allows nothing from then on.
func (ix *index) sessionPolicies(account string, given *identity.Session) ([]gate.Named, error) {
	var all []gate.Named
	for _, text := range given.Policies {
		d, err := stored(policy.Identity, "session policy", text)
		if err != nil {
			return nil, err
		}
		all = append(all, gate.Named{Name: "session policy", Document: d})
	}
	for _, arn := range given.PolicyARNs {
		m, ok := ix.attachable(account, arn)
		if ok && m.err != nil {
			return nil, m.err
		}
		if !ok {
			d, err := stored(policy.Identity, arn, nothing)
			if err != nil {
				return nil, err
			}
			m = &managed{Named: gate.Named{Name: arn + ", which was deleted", Document: d}}
		}
		all = append(all, gate.Named{Name: "session policy " + m.Name, Document: m.Document})
	}
	return all, nil
}

// nothing is a policy that allows nothing and denies nothing.
const nothing = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"*","Resource":"*"}}`
