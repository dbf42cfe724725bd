package gate

import (
	"slices"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/uuid"
)

// Share says that the call is about a resource of another account, which gets a
// record of its own when the call succeeds: the same sharedEventID, another
// eventID, and of the caller no more than the owner of the resource may know
// (CloudTrail User Guide, "sharedEventID"; KMS Developer Guide, "Allowing users
// in other accounts to use a KMS key": a call that was denied is recorded in the
// caller's account alone). Of the caller's own account it does nothing.
func (c *Call) Share(account string) {
	if account == c.Caller.AccountID || slices.Contains(c.owners, account) {
		return
	}
	if c.sharedEventID == "" {
		c.sharedEventID = uuid.New()
	}
	c.owners = append(c.owners, account)
}

// ownerRecord is r as the account sees it that owns a resource of the call.
func (c *Call) ownerRecord(r audit.Record, account string) audit.Record {
	r.EventID, r.RecipientAccountID = uuid.New(), account
	if c.Caller.Type != identity.AWSService {
		r.UserIdentity = audit.UserIdentity{
			Type: "AWSAccount", PrincipalID: c.Caller.PrincipalID, AccountID: c.Caller.AccountID,
			InvokedBy: r.UserIdentity.InvokedBy,
		}
	}
	r.Addendum = nil
	r.Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(x audit.Resource) bool {
		return x.AccountID != "" && x.AccountID != account // another owner's, of a call between two
	})
	return r
}
