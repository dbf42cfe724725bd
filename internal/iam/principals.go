package iam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// User is one user to put in place, whole; see [Service.PutUserIn].
type User struct {
	Account    string
	Name       string
	Path       string            // empty: "/"
	PolicyARNs []string          // managed policies, in any order
	Inline     map[string]string // inline policies: JSON documents by name
	Groups     []string          // names
	Boundary   string            // ARN of a managed policy; empty: none
	Tags       map[string]string
}

// Group is one group to put in place, whole; see [Service.PutGroupIn].
type Group struct {
	Account    string
	Name       string
	Path       string
	PolicyARNs []string
	Inline     map[string]string
}

// NewRole is one role to put in place, whole; see [Service.PutRoleIn].
type NewRole struct {
	Account     string
	Name        string
	Path        string // cannot be changed
	Description string
	MaxSession  time.Duration // 1 to 12 hours; 0: one hour
	PolicyARNs  []string
	Inline      map[string]string
	Boundary    string
	Tags        map[string]string
	// Trust is the trust policy, a JSON document with ARNs. Empty makes a role
	// that nobody can assume, for others to be named in it first; it does not take
	// a trust policy away.
	Trust string
}

// PutUserIn makes sure that the user exists just as it is given. Doing it again
// changes nothing. What it names must be there: account, groups, policies.
func (s *Service) PutUserIn(tx *store.Tx, u User) error {
	f := facets{arns: u.PolicyARNs, inline: u.Inline, boundary: u.Boundary, tags: u.Tags, groups: u.Groups}
	if err := s.checkFacets(tx, aUser, u.Account, u.Path, u.Name, &f); err != nil {
		return err
	}
	return s.put(tx, store.Users, u.Account, rowKey(u.Account, u.Name), u.Account, func(old []byte) (any, event, error) {
		doc := userDoc{
			Account: u.Account, Name: u.Name, ID: aUser.newID(), Created: s.now(), PolicyARNs: f.arns, Path: storedPath(u.Path),
			Inline: f.inline, Groups: f.groups, Boundary: f.boundary, Tags: f.tags,
		}
		if old == nil {
			return doc, s.created(aUser, doc.Name, doc.ID, doc.Path, f, nil), nil
		}
		var was userDoc
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, event{}, err
		}
		doc.ID, doc.Created = was.ID, was.Created
		if len(was.PolicyARNs) == 0 && len(doc.PolicyARNs) == 0 {
			doc.PolicyARNs = was.PolicyARNs // null or []: what stands there stays
		}
		changes := f.changes(aUser, facets{arns: was.PolicyARNs, inline: was.Inline, boundary: was.Boundary, tags: was.Tags, groups: was.Groups})
		if was.Path != doc.Path {
			changes = append(changes, change{"UpdateUser", "newPath", doc.Path})
		}
		return doc, s.updated(aUser, doc.Name, changes), nil
	})
}

// PutGroupIn makes sure that the group exists just as it is given.
func (s *Service) PutGroupIn(tx *store.Tx, g Group) error {
	f := facets{arns: g.PolicyARNs, inline: g.Inline}
	if err := s.checkFacets(tx, aGroup, g.Account, g.Path, g.Name, &f); err != nil {
		return err
	}
	return s.put(tx, store.Groups, g.Account, rowKey(g.Account, g.Name), g.Account, func(old []byte) (any, event, error) {
		doc := groupDoc{Account: g.Account, Name: g.Name, ID: aGroup.newID(), Created: s.now(), Path: storedPath(g.Path), PolicyARNs: f.arns, Inline: f.inline}
		if old == nil {
			return doc, s.created(aGroup, doc.Name, doc.ID, doc.Path, f, nil), nil
		}
		var was groupDoc
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, event{}, err
		}
		doc.ID, doc.Created = was.ID, was.Created
		changes := f.changes(aGroup, facets{arns: was.PolicyARNs, inline: was.Inline})
		if was.Path != doc.Path {
			changes = append(changes, change{"UpdateGroup", "newPath", doc.Path})
		}
		return doc, s.updated(aGroup, doc.Name, changes), nil
	})
}

// The limits of a role's sessions (roleMaxSessionDurationType of the IAM API
// model, and its default).
const (
	leastMaxSession   = time.Hour
	longestMaxSession = 12 * time.Hour
)

// PutRoleIn makes sure that the role exists just as it is given. The principals
// of its trust policy must be there, and are stored by their unique ids.
func (s *Service) PutRoleIn(tx *store.Tx, r NewRole) error {
	f := facets{arns: r.PolicyARNs, inline: r.Inline, boundary: r.Boundary, tags: r.Tags}
	if err := s.checkFacets(tx, aRole, r.Account, r.Path, r.Name, &f); err != nil {
		return err
	}
	if err := checkDescription("role "+r.Name, r.Description); err != nil {
		return err
	}
	if r.MaxSession == 0 {
		r.MaxSession = leastMaxSession
	}
	if r.MaxSession < leastMaxSession || r.MaxSession > longestMaxSession || r.MaxSession%time.Second != 0 {
		return fmt.Errorf("role %s: sessions of up to %v; the maximum may be 1 to 12 hours", r.Name, r.MaxSession)
	}
	if n := size(r.Trust); n > maxTrust {
		return awserr.New(LimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return s.put(tx, store.Roles, r.Account, rowKey(r.Account, r.Name), r.Account, func(old []byte) (any, event, error) {
		doc := roleDoc{
			Account: r.Account, Name: r.Name, ID: aRole.newID(), Created: s.now(), Path: storedPath(r.Path),
			Description: r.Description, MaxSession: int(r.MaxSession / time.Second),
			PolicyARNs: f.arns, Inline: f.inline, Boundary: f.boundary, Tags: f.tags,
		}
		trust, err := s.trust(tx, r)
		if err != nil {
			return nil, event{}, err
		}
		doc.Trust = trust
		if old == nil {
			return doc, s.created(aRole, doc.Name, doc.ID, doc.Path, f, map[string]any{
				"assumeRolePolicyDocument": doc.Trust, "maxSessionDuration": doc.MaxSession, "description": doc.Description,
			}), nil
		}
		var was roleDoc
		if err := json.Unmarshal(old, &was); err != nil {
			return nil, event{}, err
		}
		if was.Path != doc.Path {
			return nil, event{}, fmt.Errorf("role %s has the path %q, and the path of a role cannot be changed; remove the role first", r.Name, "/"+strings.TrimPrefix(was.Path, "/"))
		}
		doc.ID, doc.Created = was.ID, was.Created
		if doc.Trust == "" {
			doc.Trust = was.Trust
		}
		changes := f.changes(aRole, facets{arns: was.PolicyARNs, inline: was.Inline, boundary: was.Boundary, tags: was.Tags})
		if was.Trust != doc.Trust {
			changes = append(changes, change{"UpdateAssumeRolePolicy", "policyDocument", doc.Trust})
		}
		if was.Description != doc.Description {
			changes = append(changes, change{"UpdateRole", "description", doc.Description})
		}
		if was.MaxSession != doc.MaxSession {
			changes = append(changes, change{"UpdateRole", "maxSessionDuration", doc.MaxSession})
		}
		return doc, s.updated(aRole, doc.Name, changes), nil
	})
}

// ReserveRoleIn makes sure that there is a role of this name: a new one that
// nobody can assume and that may do nothing, for trust policies to name it.
func (s *Service) ReserveRoleIn(tx *store.Tx, account, path, name string) error {
	if err := aRole.check(account, path, name); err != nil {
		return err
	}
	there, err := s.exists(tx, store.Roles, rowKey(account, name))
	if there || err != nil {
		return err
	}
	return s.PutRoleIn(tx, NewRole{Account: account, Path: path, Name: name})
}

// trust is the trust policy of r with unique ids. A role that is being made is
// not among them: like AWS, its policy can name it only once it is there.
func (s *Service) trust(tx *store.Tx, r NewRole) (string, error) {
	if r.Trust == "" {
		return "", nil
	}
	what := "trust policy of role " + r.Name
	d, err := parse(policy.Trust, what, r.Trust)
	if err != nil {
		return "", err
	}
	if d, err = d.Stored(s.In(tx)); err != nil {
		return "", fmt.Errorf("%s: %w", what, malformed(err))
	}
	return string(d.Text()), nil
}

// facets are what the kinds of principal have alike.
type facets struct {
	arns     []string
	inline   map[string]string
	boundary string
	tags     map[string]string
	groups   []string
}

// checkFacets refuses what cannot be, or is not there, and brings lists into
// the form in which they are stored.
func (s *Service) checkFacets(tx *store.Tx, k kind, account, path, name string, f *facets) error {
	if err := k.check(account, path, name); err != nil {
		return err
	}
	what := k.noun + " " + name
	f.arns, f.groups = sorted(f.arns), sorted(f.groups)
	if len(f.inline) == 0 {
		f.inline = nil
	}
	if len(f.tags) == 0 {
		f.tags = nil
	}
	if len(f.arns) > maxAttached {
		return awserr.New(LimitExceeded, "Cannot exceed quota for PoliciesPer%s: %d", k.title, maxAttached)
	}
	if len(f.groups) > maxGroups {
		return awserr.New(LimitExceeded, "Cannot exceed quota for GroupsPerUser: %d", maxGroups)
	}
	attached := f.arns
	if f.boundary != "" {
		attached = append(slices.Clone(attached), f.boundary)
	}
	for _, arn := range attached {
		if err := s.checkAttachable(tx, account, arn); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	for _, g := range f.groups {
		if there, err := s.exists(tx, store.Groups, rowKey(account, g)); err != nil {
			return err
		} else if !there {
			return fmt.Errorf("%s: %w", what, awserr.New(NoSuchEntity, "The group with name %s cannot be found.", g))
		}
	}
	if err := checkTags(what, f.tags); err != nil {
		return err
	}
	return k.parseInline(name, f.inline)
}

// sorted returns the list in order, without repetitions; nil for an empty one.
func sorted(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return slices.Compact(slices.Sorted(slices.Values(list)))
}
