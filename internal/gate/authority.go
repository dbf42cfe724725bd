package gate

import (
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
}

// Authorities tells the gate what callers may do. The error says that the
// documents cannot be read or were tampered with: nothing is allowed then.
type Authorities interface {
	Authority(c identity.Caller) (*Authority, error)
}
