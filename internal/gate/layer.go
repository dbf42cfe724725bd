package gate

import "github.com/strongroom/strongroom/internal/policy"

// Layer is one of the kinds of policy that a decision is made of.
type Layer uint8

// The layers, in the order in which a refusal names them. The zero value is
// invalid. Source: IAM User Guide, "How AWS enforcement code logic evaluates
// requests to allow or deny access".
const (
	ServiceControl  Layer = iota + 1 // of the caller's account, at each level
	EndpointPolicy                   // of the VPC endpoint that the request came through
	ResourceBased                    // of the resource
	IdentityBased                    // of the user or role
	Boundary                         // the permissions boundary of the user or role
	SessionPolicies                  // given with the session
	Grants                           // on the KMS key
)

func (l Layer) String() string { return layerNames[l].name }

// layerNames holds AWS's name of each layer and the form it has in an explicit
// denial. Source: IAM User Guide, "Troubleshoot access denied error messages".
var layerNames = [...]struct{ name, denied string }{
	ServiceControl:  {"service control policy", "a service control policy"},
	EndpointPolicy:  {"VPC endpoint policy", "a VPC endpoint policy"},
	ResourceBased:   {"resource-based policy", "a resource-based policy"},
	IdentityBased:   {"identity-based policy", "an identity-based policy"},
	Boundary:        {"permissions boundary", "a permissions boundary"},
	SessionPolicies: {"session policy", "a session policy"},
	Grants:          {"grant", "a grant"},
}

// refuse makes the decision that l refused the request: by a Deny, or because
// nothing in it allows what it must.
func (e *evaluation) refuse(l Layer, explicit bool) Decision {
	name, denied := layerNames[l].name, layerNames[l].denied
	if l == ResourceBased && e.request.Kind == policy.Trust {
		name, denied = "role trust policy", "the role trust policy"
	}
	d := Decision{Layer: l, Explicit: explicit}
	if explicit && l == ResourceBased && e.request.Kind == policy.Trust && e.account != e.caller.AccountID {
		// A Deny says that there is such a role, which is the affair of its account:
		// a role that is not there trusts nobody, in the same words.
		explicit = false
	}
	if explicit {
		d.Reason = "with an explicit deny in " + denied
	} else {
		d.Reason = "because no " + name + " allows the " + e.request.Action + " action"
	}
	return d
}
