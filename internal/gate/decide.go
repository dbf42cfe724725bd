package gate

import (
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// Policy is an identity policy of the caller. Only the managed policy
// identity.AdministratorAccess has an effect; a Document is not evaluated.
type Policy struct {
	ARN      string
	Document []byte // JSON; nil for a managed policy known by its ARN
}

// Grant is what a decision needs to know of a KMS grant.
type Grant struct {
	ID         string
	GranteeARN string
	Operations []string // grant operations as the API spells them: Decrypt, GenerateDataKey
}

// Request is what a caller wants to do, with everything that may allow it.
type Request struct {
	Action          string // kms:Decrypt
	Resource        string // ARN, or "*" (the same as empty) where the action has no resource
	ResourceAccount string // owner of the resource; empty means the caller's account

	// ResourcePolicy is the policy of the resource, nil when it has none. A
	// resource that has one and not AWS's default (DefaultPolicy) allows
	// nothing: a policy that cannot be evaluated must not be passed over.
	ResourcePolicy []byte
	DefaultPolicy  bool

	Identity []Policy // of the caller
	Grants   []Grant  // on the resource

	// Context answers for the condition keys of the service, such as
	// kms:EncryptionContextKeys; the gate adds the global ones. Nil: none.
	Context policy.Context

	// Kind says what the resource is and so how its policy and those of the
	// caller go together: policy.Key, policy.Bucket, policy.Trust; 0: it cannot
	// have a policy, and identity policies decide.
	Kind policy.Kind
	// Policy is the policy of the resource; nil: it has none.
	Policy *policy.Document
	// CrossAccount says that the operation may be done on a resource of another
	// account at all.
	CrossAccount bool
	// Grant returns the id of a grant on the KMS key that allows the request, if
	// there is one. It is called when no policy does. Nil: there are no grants.
	Grant func() (id string, ok bool)
	// AccountGrant is Grant for what was granted to the caller's account: it
	// allows the request where the caller's identity policies do too.
	AccountGrant func() (id string, ok bool)
}

// Decision is the answer to a Request.
type Decision struct {
	Allowed bool
	// Reason says why not, in AWS's words, to follow "…on resource: ARN":
	// "because no identity-based policy allows the kms:Encrypt action". It is
	// empty when Allowed.
	Reason string
}

// Decide decides. It is a pure function, and refuses whatever it does not know:
//
//   - What Request.Grant or Request.AccountGrant allows is allowed.
//   - A resource of another account is else refused.
//   - A grant allows its grantee, matched exactly, its operations.
//   - A resource policy other than the default one is refused.
//   - The root user of the account passes. A user of the account passes with
//     AdministratorAccess.
//
// Source of the order and the reasons: AWS KMS Developer Guide, "Determining
// access to AWS KMS keys", and IAM User Guide, "Troubleshoot access denied
// error messages".
func Decide(c identity.Caller, r Request) Decision {
	if r.Grant != nil {
		if _, ok := r.Grant(); ok {
			return Decision{Allowed: true}
		}
	}
	if r.AccountGrant != nil && Decide(c, Request{Action: r.Action, Resource: r.Resource, Identity: r.Identity}).Allowed {
		if _, ok := r.AccountGrant(); ok {
			return Decision{Allowed: true}
		}
	}
	if r.ResourceAccount != "" && r.ResourceAccount != c.AccountID {
		return refused("no resource-based policy", r.Action)
	}
	operation, isKMS := strings.CutPrefix(r.Action, "kms:")
	for _, g := range r.Grants {
		if isKMS && c.ARN != "" && g.GranteeARN == c.ARN && slices.Contains(g.Operations, operation) {
			return Decision{Allowed: true}
		}
	}
	if r.ResourcePolicy != nil && !r.DefaultPolicy {
		return refused("no resource-based policy", r.Action)
	}
	switch c.Type {
	case identity.Root:
		return Decision{Allowed: true}
	case identity.IAMUser:
		if slices.ContainsFunc(r.Identity, func(p Policy) bool { return p.ARN == identity.AdministratorAccess }) {
			return Decision{Allowed: true}
		}
	}
	return refused("no identity-based policy", r.Action)
}

// refused makes the reason that AWS gives for an implicit denial.
func refused(what, action string) Decision {
	return Decision{Reason: "because " + what + " allows the " + action + " action"}
}
