package gate

import (
	"time"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// evaluation is one decision in the making, with all it depends on. It is the
// policy.Context of the documents it asks. A call keeps one for all its
// decisions, so that they cost no allocation.
type evaluation struct {
	caller    *identity.Caller
	authority *Authority
	endpoint  *endpointPolicy
	request   Request
	account   string // of the resource
	admitted  bool   // the resource's policy allows, and does not deny
	discreet  bool   // traces leave the resource's policy out
	inPolicy  bool   // the resource's policy is what asks
	asked     policy.Request
	clock     func() time.Time

	globals globals
	noted   *notes // who wants to know which condition keys are asked for
}

// said is what the documents of one layer say together.
type said struct {
	policy.Outcome
	denyIn, allowIn string // names of the documents
}

// begin prepares e for the decisions about c. The time of a request that has
// none is read from clock.
func (e *evaluation) begin(c *identity.Caller, clock func() time.Time) {
	e.caller, e.clock = c, clock
	p := policy.Principal{AccountID: c.AccountID, Root: c.Type == identity.Root, ARN: c.ARN, ID: c.PrincipalID}
	switch {
	case c.Type == identity.AWSService:
		p = policy.Principal{Service: c.ServicePrincipal()}
	case c.Type == identity.Anonymous:
		p = policy.Principal{}
	case c.Session != nil:
		p.RoleARN, p.RoleID = c.Session.RoleARN, c.Session.RoleID
	}
	e.asked = policy.Request{Principal: p, Context: e}
}

// ask sets the request to decide about. A nil authority has no documents.
func (e *evaluation) ask(a *Authority, endpoint *endpointPolicy, r Request) {
	if a == nil {
		a = nobody
	}
	e.authority, e.endpoint, e.request = a, endpoint, r
	if e.caller.ViaService != "" {
		// The service does not call through the caller's endpoint. Source: IAM
		// User Guide, "Forward access sessions".
		e.endpoint = nil
	}
	if e.request.Resource == "" {
		e.request.Resource = "*"
	}
	if e.account = r.ResourceAccount; e.account == "" {
		e.account = e.caller.AccountID
	}
	e.admitted = false
	e.asked.Action, e.asked.Resource = e.request.Action, e.request.Resource
	e.globals.known, e.globals.tagged, e.globals.instant = 0, 0, time.Time{}
}

// decide decides. The order is that of IAM User Guide, "Policy evaluation
// logic", and of the AWS KMS Developer Guide, "Troubleshooting key access":
//
//  1. An operation that is not for other accounts is refused to them, and all
//     but what S3 does for anybody to who has not signed.
//  2. A Deny in any layer refuses.
//  3. The service control policies of each level must allow.
//  4. The policy of the endpoint must allow.
//  5. The resource's policy, the caller's, or both must allow, as Request.Kind
//     says; where the caller's count, so do its boundary and session policies.
//  6. Else a grant may allow.
func (e *evaluation) decide() Decision {
	c, r, a := e.caller, &e.request, e.authority
	ofAccount := c.Type == identity.Root || c.Type == identity.IAMUser || c.Type == identity.AssumedRole
	foreign := c.Type != identity.AWSService && e.account != c.AccountID
	if foreign && (!r.CrossAccount || r.Kind == 0) {
		return e.refuse(ResourceBased, false)
	}
	if c.Type == identity.Anonymous && r.Kind != policy.Bucket {
		// S3 alone takes requests that nobody signed. KMS takes none, and none that
		// S3 makes for one: everyone in a key policy is everyone who has signed.
		return e.refuse(ResourceBased, false)
	}

	controlled, control := e.serviceControl()
	endpoint := e.endpointSays()
	resource := e.resourceSays(foreign)
	e.admitted = resource.Allow != nil && resource.Deny == nil
	identities, boundary, session := e.say(a.Identity), e.say(a.Boundary), e.say(a.Session)
	for _, layer := range [...]struct {
		Layer
		denied bool
	}{
		{ServiceControl, control.Deny != nil},
		{EndpointPolicy, endpoint.Deny != nil},
		{ResourceBased, resource.Deny != nil},
		{IdentityBased, identities.Deny != nil},
		{Boundary, boundary.Deny != nil},
		{SessionPolicies, session.Deny != nil},
	} {
		if layer.denied {
			return e.refuse(layer.Layer, true)
		}
	}
	if !controlled {
		return e.refuse(ServiceControl, false)
	}
	if e.endpoint != nil && endpoint.Allow == nil {
		return e.refuse(EndpointPolicy, false)
	}

	// What is left wants an Allow of the resource's policy, of the caller's, or
	// of both. missing is the layer that has none.
	isRoot := c.Type == identity.Root
	bounded := Layer(0) // what does not allow of the layers that limit the caller's own policies
	if !isRoot && a.Boundary != nil && boundary.Allow == nil {
		bounded = Boundary
	} else if a.Session != nil && session.Allow == nil {
		bounded = SessionPolicies
	}
	missing, by := Layer(0), IdentityBased
	switch n := e.needs(ofAccount, foreign, isRoot, resource); {
	case n.resource:
		missing = ResourceBased
	case n.identity && !ofAccount, n.identity && !isRoot && identities.Allow == nil:
		missing = IdentityBased
	case n.bounds:
		missing = bounded
	}
	if missing == 0 {
		if resource.Allow != nil && resource.Match > policy.ByAccount {
			by = ResourceBased
		}
		return Decision{Allowed: true, Layer: by}
	}
	if r.Grant != nil {
		if _, ok := r.Grant(); ok {
			return Decision{Allowed: true, Layer: Grants}
		}
	}
	if r.AccountGrant != nil && ofAccount && bounded == 0 && (isRoot || identities.Allow != nil) {
		if _, ok := r.AccountGrant(); ok {
			return Decision{Allowed: true, Layer: Grants}
		}
	}
	return e.refuse(missing, false)
}

// needs says what a decision still wants, after what the resource's policy said.
type needs struct {
	resource bool // an Allow of the resource's policy, which it has not
	identity bool // an Allow of the caller's policies
	bounds   bool // that of its boundary and session policies
}

// needs returns what the request wants, given what the resource's policy says.
//
// A KMS key and a role allow nobody whom their policy does not, not even root:
// naming the account leaves it to the account's identity policies. A bucket is
// its account's, whose identity policies are enough. Whoever a policy of the
// same account names itself, or by "*", needs nothing else; but what is
// given to a role is limited by boundary and session policies. Across accounts
// both sides must allow. Source: IAM User Guide, "Policy evaluation for
// requests within a single account", "Cross-account policy evaluation logic".
func (e *evaluation) needs(ofAccount, foreign, isRoot bool, resource said) needs {
	r := &e.request
	all := needs{identity: true, bounds: true}
	switch {
	case r.Kind == 0:
		return all
	case !ofAccount, foreign, r.Kind != policy.Bucket:
		if resource.Allow == nil {
			return needs{resource: true}
		}
		if !ofAccount {
			return needs{}
		}
		if foreign {
			return all
		}
	case isRoot:
		return needs{}
	}
	switch resource.Match {
	case policy.ByPrincipal, policy.ByEveryone:
		return needs{}
	case policy.ByRole:
		return needs{bounds: true}
	}
	return all
}

// serviceControl asks the service control policies, and returns whether each
// level allows.
func (e *evaluation) serviceControl() (allowed bool, s said) {
	allowed = true
	for _, level := range e.authority.ServiceControl {
		l := e.say(level)
		allowed = allowed && l.Allow != nil
		if l.Deny != nil && s.Deny == nil {
			s = l
		}
	}
	return allowed, s
}

// endpointSays asks the policy of the endpoint.
func (e *evaluation) endpointSays() (s said) {
	if e.endpoint != nil && !e.endpoint.closed {
		s.Outcome = e.endpoint.document.Evaluate(&e.asked)
	}
	return s
}

// resourceSays asks the resource's policy.
func (e *evaluation) resourceSays(foreign bool) (s said) {
	r := &e.request
	if r.Kind == 0 || r.Policy == nil {
		return s
	}
	e.inPolicy = true
	s.Outcome = r.Policy.Evaluate(&e.asked)
	e.inPolicy = false
	if r.Kind == policy.Bucket && e.caller.Type == identity.Root && !foreign {
		// A bucket policy cannot lock its account out. Source: Amazon S3 API
		// Reference, PutBucketPolicy.
		switch r.Action {
		case "s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy":
			s.Deny = nil
		}
	}
	return s
}

// say asks the documents of a layer that all speak with one voice.
func (e *evaluation) say(documents []Named) (s said) {
	for i := range documents {
		o := documents[i].Evaluate(&e.asked)
		if o.Deny != nil && s.Deny == nil {
			s.Deny, s.denyIn = o.Deny, documents[i].Name
		}
		if o.Allow != nil && s.Allow == nil {
			s.Allow, s.allowIn = o.Allow, documents[i].Name
		}
	}
	return s
}
