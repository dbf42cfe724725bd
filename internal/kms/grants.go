package kms

import (
	"context"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// This file says whether a grant allows what a caller asks for. The grants of
// one principal on one key are found by the index of their rows and kept in
// memory until one of them is made or goes: a key with a hundred thousand grants
// costs no more than one with a single grant.

// granteeKey names what one principal is granted on one key. It is comparable.
type granteeKey struct {
	key     kmsdb.KeyRef
	grantee string // unique id
}

// grantPage is how many grants are read at a time.
const grantPage = 1000

// grantSet returns what a principal is granted on a key.
func (s *Service) grantSet(ctx context.Context, name granteeKey) (*grantSet, error) {
	if set, ok := s.grants.get(name); ok {
		return set, nil
	}
	gen := s.grants.generation(name)
	set := newGrantSet()
	for after := ""; ; {
		grants, last, bad, err := s.db.Granted(ctx, name.key, name.grantee, after, grantPage)
		if err != nil {
			return nil, err
		}
		for i := range grants {
			set.add(&grants[i])
		}
		if set.bad == nil && len(bad) > 0 {
			set.bad = bad[0]
		}
		if last == "" {
			break
		}
		after = last
	}
	set.seen = nil
	s.grants.put(name, set, gen)
	return set, nil
}

// grantees returns the unique ids under which a caller itself may have been
// granted something.
func grantees(c identity.Caller) []string {
	switch {
	case c.Type == identity.Root:
		return []string{c.AccountID}
	case c.Type == identity.IAMUser && c.PrincipalID != "":
		return []string{c.PrincipalID}
	case c.Type == identity.AssumedRole && c.Session != nil && c.Session.RoleID != "":
		return []string{c.Session.RoleID, c.Session.RoleID + ":" + c.Session.Name}
	}
	return nil
}

// granteeAccount returns the account whose grants a caller has by an identity
// policy: who was granted something as an account gives it on by its own.
func granteeAccount(c identity.Caller) []string {
	if c.Type == identity.IAMUser || c.Type == identity.AssumedRole {
		return []string{c.AccountID}
	}
	return nil
}

// ownGrant answers [gate.Request.Grant]: whether the caller has a grant on the
// key that allows the action in the encryption context of the request.
func (c *conditions) ownGrant() (id string, ok bool) { return c.granted(grantees(c.call.Caller)) }

// accountGrant answers [gate.Request.AccountGrant].
func (c *conditions) accountGrant() (id string, ok bool) {
	return c.granted(granteeAccount(c.call.Caller))
}

// granted looks for a grant among those of some principals. A row that cannot be
// trusted gives nothing: [conditions.answer] tells of it if no other does.
func (c *conditions) granted(grantees []string) (id string, ok bool) {
	ops := opOf(c.action)
	if ops == 0 || c.key.key.Manager == kmsdb.Service {
		return "", false
	}
	for _, grantee := range grantees {
		set, err := c.service.grantSet(c.ctx, granteeKey{c.key.key.Ref(), grantee})
		if err != nil {
			c.unread = err
			continue
		}
		if c.through != nil {
			id, ok = c.through(set)
		} else {
			id, ok = set.allows(ops, c.encryptionContext)
		}
		if ok {
			return id, true
		}
		if set.bad != nil {
			c.unread = set.bad
		}
	}
	return "", false
}

// party returns the principal that an ARN of a request names. The error is
// InvalidArnException: a service, a group or an organization can be none, nor can
// anybody who is not there.
func (s *Service) party(name string) (kmsdb.Party, error) {
	id, ok := s.partyID(name)
	if !ok {
		return kmsdb.Party{}, awserr.New(kmsapi.InvalidArnException, "ARN does not refer to a valid principal: %s", name)
	}
	return kmsdb.Party{ID: id, ARN: name}, nil
}

func (s *Service) partyID(name string) (id string, ok bool) {
	a, ok := arn.Parse(name)
	if !ok || a.Partition != arn.Partition || a.Region != "" || !isAccount(a.AccountID) || !s.principals.HasAccount(a.AccountID) {
		return "", false
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch a.Service + ":" + kind {
	case "iam:root":
		return a.AccountID, a.Resource == "root"
	case "iam:user", "iam:role":
		return s.principals.UniqueID(name)
	case "sts:assumed-role":
		_, session, ok := strings.Cut(rest, "/")
		if !ok || !isSessionName(session) {
			return "", false
		}
		id, ok := s.principals.UniqueID(strings.TrimSuffix(name, "/"+session)) // a role is known by this name too
		return id + ":" + session, ok
	case "sts:federated-user":
		return a.AccountID + ":" + rest, isSessionName(rest)
	}
	return "", false
}

// shown returns a principal as a list of grants shows it: its ARN while there is
// such a principal, then its unique id.
func (s *Service) shown(p kmsdb.Party) string {
	id, _, _ := strings.Cut(p.ID, ":")
	if isAccount(id) {
		return p.ARN
	}
	now, ok := s.principals.ARN(id)
	switch {
	case !ok:
		return p.ID
	case id == p.ID:
		return now
	}
	return p.ARN // of a session
}

// isSessionName reports whether name can be that of a role session or federated
// user (STS API Reference, AssumeRole): 2 to 64 characters.
func isSessionName(name string) bool {
	if len(name) < 2 || len(name) > 64 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_=,.@-", c) {
			return false
		}
	}
	return true
}
