package gate

import (
	"time"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// Request is what a caller wants to do, with everything about the resource that
// may allow it.
type Request struct {
	Action          string // kms:Decrypt
	Resource        string // ARN, or "*" (the same as empty) where the action has no resource
	ResourceAccount string // owner of the resource; empty means the caller's account

	// Region is where what is asked for is to be done; empty means the region of
	// the call.
	Region string

	// Kind says what the resource is and so how its policy and those of the
	// caller go together: policy.Key, policy.Bucket, policy.Trust; 0: it cannot
	// have a policy, and identity policies decide.
	Kind policy.Kind
	// Policy is the policy of the resource; nil: it has none.
	Policy *policy.Document
	// CrossAccount says that the operation may be done on a resource of another
	// account at all.
	CrossAccount bool
	// Undisclosed says that a refusal must not tell whether there is such a
	// resource: it has AWS's text for that, unless the policy of the resource lets
	// the caller in and what refuses is on the caller's side.
	Undisclosed bool

	// Grant returns the id of a grant on the KMS key that allows the request, if
	// there is one. It is called when no policy does. Nil: there are no grants.
	Grant func() (id string, ok bool)
	// AccountGrant does so for grants whose grantee is the caller's account:
	// such a grant allows what an identity policy of the caller allows too.
	AccountGrant func() (id string, ok bool)

	// Context answers for the condition keys of the service, such as
	// kms:EncryptionContextKeys; the gate adds the global ones. Nil: none.
	Context policy.Context
	// PolicyContext answers to Policy in place of Context, for a service that has
	// condition keys for identity policies alone. Nil: Context answers to all.
	PolicyContext policy.Context
	// Assume answers for any condition key before the caller, the request and
	// Context do. It is for explanations, which suppose or repeat a request;
	// nil in a request that is to be done.
	Assume policy.Context
	// Time is that of the request; zero: the gate's clock says, when a document asks.
	Time time.Time
}

// Decision is the answer to a Request.
type Decision struct {
	Allowed bool
	// Reason says why not, in AWS's words, to follow "…on resource: ARN":
	// "because no identity-based policy allows the kms:Encrypt action". It is
	// empty when Allowed.
	Reason string
	// Layer is the kind of policy that decided: the one whose Allow was enough,
	// or the one that Reason names.
	Layer Layer
	// Explicit says that a Deny statement refused.
	Explicit bool
}

// Decide decides what c may do by a. It is a pure function but for the time,
// which is r.Time, or else now. A nil Authority is one without documents: root
// users are allowed what their account may do, nobody else anything of their
// own account's.
func Decide(a *Authority, c identity.Caller, r Request) Decision {
	var e evaluation
	e.begin(&c, time.Now)
	e.ask(a, endpointDocument(c.Endpoint), r)
	return e.decide()
}
