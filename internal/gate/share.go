package gate

import (
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/uuid"
)

// Share says that the call may use a resource of another account, as the gate has
// decided. The account gets a record of its own when the call succeeds: the same
// sharedEventID, another eventID, and of the caller no more than the owner may know
// (CloudTrail User Guide, "sharedEventID"; KMS Developer Guide, "Allowing users
// in other accounts to use a KMS key": a call that was denied is recorded in the
// caller's account alone). Of the caller's own account it does nothing.
func (c *Call) Share(account string) {
	if account == c.Caller.AccountID || c.shares(account) {
		return
	}
	if c.sharedEventID == "" {
		c.sharedEventID = uuid.New()
	}
	c.owners = append(c.owners, ownerEvent{account, uuid.New()})
}

// shares reports whether Share named an account.
func (c *Call) shares(account string) bool {
	return slices.ContainsFunc(c.owners, func(o ownerEvent) bool { return o.account == account })
}

// ownerEvent is another account that has a record of the call, and that record's id.
type ownerEvent struct{ account, eventID string }

// Event returns when the call was, and the id of its record in an account's
// trail: the caller's, or one that Share named. The id is "" for others, and both
// are zero before there is a record.
func (c *Call) Event(account string) (at time.Time, eventID string) {
	if c.stamp == nil {
		return time.Time{}, ""
	}
	if account == c.Caller.AccountID {
		return c.stamp.time, c.stamp.eventID
	}
	for _, o := range c.owners {
		if o.account == account {
			return c.stamp.time, o.eventID
		}
	}
	return c.stamp.time, ""
}

// Resources are those that AddResource has named. They are not to be changed.
func (c *Call) Resources() []audit.Resource { return c.resources }

// shownResources are the resources as the caller's record has them. Whose one is
// that belongs to another account it tells only if the call may use it and was
// not denied, or if the ARN has told the caller already: that of a bucket says no
// account (CloudTrail User Guide, "CloudTrail record contents", resources).
func (c *Call) shownResources(denied bool) []audit.Resource {
	hidden := func(x audit.Resource) bool {
		return x.AccountID != "" && x.AccountID != c.Caller.AccountID && (denied || !c.shares(x.AccountID)) && !namesAccount(x.ARN, x.AccountID)
	}
	if !slices.ContainsFunc(c.resources, hidden) {
		return c.resources
	}
	shown := slices.Clone(c.resources)
	for i := range shown {
		if hidden(shown[i]) {
			shown[i].AccountID = ""
		}
	}
	return shown
}

// namesAccount reports whether an ARN says whose the resource is.
func namesAccount(resource, account string) bool {
	a, ok := arn.Parse(resource)
	return ok && a.AccountID == account
}

// ownerRecord is r as an account sees it that owns a resource of the call.
func (c *Call) ownerRecord(r audit.Record, o ownerEvent) audit.Record {
	r.EventID, r.RecipientAccountID = o.eventID, o.account
	if c.Caller.Type != identity.AWSService {
		r.UserIdentity = audit.UserIdentity{
			Type: "AWSAccount", PrincipalID: c.Caller.PrincipalID, AccountID: c.Caller.AccountID,
			InvokedBy: r.UserIdentity.InvokedBy,
		}
	}
	r.Addendum = nil
	r.Resources = slices.DeleteFunc(slices.Clone(c.resources), func(x audit.Resource) bool {
		return x.AccountID != "" && x.AccountID != o.account // another owner's, of a call between two
	})
	return r
}
