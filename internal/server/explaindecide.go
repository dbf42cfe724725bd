package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/policy"
)

// explain decides a question, and puts what the decision is made of into words.
func (l *looked) explain(q question) Explanation {
	e := Explanation{Principal: q.caller.ARN, Action: q.Action, Resource: q.Resource}
	noteGrant(&q.Request.Grant, &e.grant)
	noteGrant(&q.Request.AccountGrant, &e.grant)
	x := gate.Explain(q.authority, q.caller, q.Request)
	e.Allowed, e.reason, e.Layer = x.Allowed, x.Reason, layerNames[x.Layer]
	if x.Layer == gate.ResourceBased {
		e.Layer = resourcePolicyName(q.Kind)
	}
	if !x.Allowed || x.Layer != gate.Grants {
		e.grant = ""
	}
	foreign := q.ResourceAccount != "" && q.ResourceAccount != q.caller.AccountID
	if foreign && q.Kind != 0 && !q.CrossAccount {
		e.Notes = append(e.Notes, "the operation cannot be done on a resource of another account, whatever policies say")
	}
	e.Layers = l.layers(q, x, foreign)
	e.Context, e.Missing = askedKeys(e.Layers)
	if e.Allowed {
		e.Message = "by " + strings.Join(allowing(e), "; ")
	} else {
		e.Message = l.message(q)
	}
	return e
}

// message is what clients are told of a refusal: what the server's own gate
// says. (A session's policies are taken from the authority that was made for the
// question, so it is asked with that.)
func (l *looked) message(q question) string {
	g := gate.New(nil, only{q.authority}, l.clock)
	err := g.Begin(q.caller, gate.Operation{}).Permits(q.Request)
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return e.Message
	}
	return fmt.Sprint(err)
}

// only is the authority of one caller. It implements gate.Authorities.
type only struct{ a *gate.Authority }

// Authority implements gate.Authorities.
func (o only) Authority(identity.Caller) (*gate.Authority, error) { return o.a, nil }

// noteGrant lets a question of the gate for a grant say which one it was told.
func noteGrant(ask *func() (string, bool), found *string) {
	if asked := *ask; asked != nil {
		*ask = func() (string, bool) {
			id, ok := asked()
			if ok {
				*found = id
			}
			return id, ok
		}
	}
}

// layers puts the layers into words, those too that have nothing to say.
func (l *looked) layers(q question, x gate.Explanation, foreign bool) []ExplainedLayer {
	found := map[gate.Layer][]ExplainedLayer{}
	for _, t := range x.Layers {
		e := ExplainedLayer{Name: l.layerName(q, t)}
		var allow, deny bool
		var match policy.Match
		for _, d := range t.Documents {
			name := d.Name
			if t.Layer == gate.ResourceBased {
				name = resourcePolicyName(q.Kind)
			}
			e.Documents = append(e.Documents, ExplainedDocument{Name: name, Statements: explainDocument(d.Document, d.Traces, l.iam)})
			o := policy.Conclude(d.Traces)
			allow, deny, match = allow || o.Allow != nil, deny || o.Deny != nil, max(match, o.Match)
		}
		switch {
		case deny:
			e.Says = "denies"
		case allow:
			e.Says = "allows" + whatMore(t.Layer, match, foreign)
		case len(t.Documents) == 0:
			e.Says = "none"
		default:
			e.Says = "does not allow"
		}
		e.allow = allow
		e.allows = allow && x.Allowed && (t.Layer == gate.ResourceBased && x.Layer != gate.Grants || t.Layer == gate.IdentityBased && (x.Layer == gate.IdentityBased || foreign))
		found[t.Layer] = append(found[t.Layer], e)
	}
	var out []ExplainedLayer
	for _, layer := range []gate.Layer{gate.ServiceControl, gate.EndpointPolicy, gate.ResourceBased, gate.IdentityBased, gate.Boundary, gate.SessionPolicies} {
		if found[layer] == nil {
			out = append(out, ExplainedLayer{Name: layerNames[layer], Says: "none"})
		}
		out = append(out, found[layer]...)
	}
	for i := range out {
		if out[i].Name == layerNames[gate.IdentityBased] && q.caller.Type == identity.Root {
			out[i].Says = "the root user needs none"
		}
	}
	for i := range out {
		if q.noRole != nil && out[i].Name == resourcePolicyName(policy.Trust) {
			out[i].Says = "none: " + q.noRole.String()
		}
	}
	if q.isKey {
		out = append(out, grantsLayer(q, x))
	}
	return out
}

// layerNames is what layers are called in explanations.
var layerNames = map[gate.Layer]string{
	gate.ServiceControl: "service control policies", gate.EndpointPolicy: "VPC endpoint policy", gate.ResourceBased: "resource-based policy",
	gate.IdentityBased: "identity-based policies", gate.Boundary: "permissions boundary", gate.SessionPolicies: "session policies",
	gate.Grants: "grants",
}

func (l *looked) layerName(q question, t gate.LayerTrace) string {
	switch t.Layer {
	case gate.ResourceBased:
		return resourcePolicyName(q.Kind)
	case gate.ServiceControl:
		return fmt.Sprintf("%s, level %d", layerNames[t.Layer], t.Level)
	}
	return layerNames[t.Layer]
}

// whatMore says what else an Allow of a resource's policy needs.
func whatMore(layer gate.Layer, m policy.Match, foreign bool) string {
	switch {
	case layer != gate.ResourceBased:
		return ""
	case foreign:
		return "; of another account, so that an identity-based policy must allow too"
	case m == policy.ByAccount:
		return " the account, whose identity-based policies decide"
	case m == policy.ByRole:
		return " the role, as far as its boundary and session policies do"
	}
	return ""
}

// grantsLayer lists the grants that name the caller.
func grantsLayer(q question, x gate.Explanation) ExplainedLayer {
	e := ExplainedLayer{Name: layerNames[gate.Grants], Says: "none names the caller"}
	if len(q.grants) == 0 {
		return e
	}
	e.Says = "none allows"
	if x.Allowed && x.Layer == gate.Grants {
		e.Says, e.allows = "one allows", true
	}
	for _, g := range q.grants {
		e.Documents = append(e.Documents, ExplainedDocument{Name: "grant " + g.ID, Says: grantSays(g)})
	}
	if q.moreGrants {
		e.Documents = append(e.Documents, ExplainedDocument{Name: "and others"})
	}
	return e
}

func grantSays(g kms.ConsideredGrant) string {
	var names []string
	for _, o := range g.Operations {
		names = append(names, string(o))
	}
	says := "for " + strings.Join(names, ", ")
	if g.OfAccount {
		says += ", given to the account"
	}
	switch {
	case !g.Operation:
		says += ": not for this action"
	case !g.Met:
		says += ": its constraint " + g.ConstraintText() + " is not met"
	case g.Constraint != "":
		says += ": its constraint " + g.ConstraintText() + " is met"
	case g.OfAccount:
		says += ": an identity-based policy must allow too"
	}
	return says
}
