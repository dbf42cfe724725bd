package gate

import (
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// endpointPolicy is the compiled policy of a VPC endpoint.
type endpointPolicy struct {
	document *policy.Document
	closed   bool // the text cannot be read: nothing is allowed
}

// endpointDocument compiles the policy of an endpoint; nil when there is none.
func endpointDocument(p *identity.Endpoint) *endpointPolicy {
	if p == nil || p.Policy == nil {
		return nil
	}
	d, err := policy.Parse(policy.Endpoint, p.Policy)
	return &endpointPolicy{document: d, closed: err != nil}
}

// endpoint is endpointDocument, done once for each endpoint: there are as many
// as the server has listeners.
func (g *Gate) endpoint(p *identity.Endpoint) *endpointPolicy {
	if p == nil {
		return nil
	}
	if known, ok := g.endpoints.Load(p); ok {
		return known.(*endpointPolicy)
	}
	known, _ := g.endpoints.LoadOrStore(p, endpointDocument(p))
	return known.(*endpointPolicy)
}
