package gate

import (
	"fmt"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// Named is a document and what it is called in explanations and records: the
// ARN of a managed policy, "user alice, inline policy read", "session policy".
type Named struct {
	Name string
	*policy.Document
}

// Authority is what a principal may do by the documents of its own account. It
// is immutable.
type Authority struct {
	Identity []Named // managed and inline policies, of its groups too
	Boundary []Named // permissions boundary; nil: none
	Session  []Named // session policies, of which one must allow; nil: none were given
	// ServiceControl has the service control policies of each level above the
	// principal's account, of which at every level one must allow; nil: none apply.
	ServiceControl [][]Named
	Tags           map[string]string // aws:PrincipalTag, session tags included
	OrgID          string            // aws:PrincipalOrgID; empty: the account is in none
	OrgPath        string            // aws:PrincipalOrgPaths, which has one value; empty: it is not known
}

// Authorities tells the gate what callers may do. The error says that the
// documents cannot be read or were tampered with: nothing is allowed then.
type Authorities interface {
	Authority(c identity.Caller) (*Authority, error)
}

// nobody has no documents: service principals, and who has not signed. They are
// of no account.
var nobody = new(Authority)

// authority returns what c may do by its own account's documents. The error has
// no code: the caller is not at fault.
func (g *Gate) authority(c *identity.Caller) (*Authority, error) {
	if c.Type == identity.AWSService || c.Type == identity.Anonymous {
		return nobody, nil
	}
	a, err := g.authorities.Authority(*c)
	if err != nil {
		return nil, fmt.Errorf("the policies of %s: %w", c.ARN, err)
	}
	return a, nil
}
