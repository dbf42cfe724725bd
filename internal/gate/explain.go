package gate

import (
	"slices"
	"time"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// Explanation is a decision with everything that it was made of.
type Explanation struct {
	Decision
	Layers []LayerTrace // those that the decision depends on, in their order; grants are not told
	// Missing are the condition keys, in lower case and sorted, that a document
	// asked for and the request does not have.
	Missing []string
}

// LayerTrace says what the documents of one layer say of a request. A layer
// whose documents are empty applies and has none; one that does not apply to the
// request is not there.
type LayerTrace struct {
	Layer
	Level     int // of service control policies: which level, from 0
	Documents []DocumentTrace
}

// DocumentTrace says what one document says of a request, statement by
// statement.
type DocumentTrace struct {
	Named
	Traces []policy.Trace
}

// Deciding reports whether a statement of layer l made the decision: a Deny, or
// the Allow that was enough.
func (x Explanation) Deciding(l Layer, t policy.Trace) bool {
	return t.Applies && l == x.Layer && (x.Allowed && t.Statement.Effect == policy.Allow || x.Explicit && t.Statement.Effect == policy.Deny)
}

// Explain decides as Decide does, and says why. It is as pure.
func Explain(a *Authority, c identity.Caller, r Request) Explanation {
	var e evaluation
	e.begin(&c, time.Now)
	e.ask(a, endpointDocument(c.Endpoint), r)
	return e.explain()
}

func (e *evaluation) explain() Explanation {
	x := Explanation{Decision: e.decide()}
	x.Layers, x.Missing = e.traces()
	return x
}

// traces asks every document for what it says, and e.noted for what they asked.
func (e *evaluation) traces() (layers []LayerTrace, missing []string) {
	e.noted = &notes{values: map[string]policy.Value{}, missing: map[string]bool{}, hidden: map[string]bool{}}
	layer := func(l Layer, level int, documents ...Named) {
		t := LayerTrace{Layer: l, Level: level}
		for _, d := range documents {
			t.Documents = append(t.Documents, DocumentTrace{d, d.Explain(&e.asked)})
		}
		layers = append(layers, t)
	}
	for i, level := range e.authority.ServiceControl {
		layer(ServiceControl, i, level...)
	}
	if e.endpoint != nil {
		if e.endpoint.closed {
			layer(EndpointPolicy, 0)
		} else {
			layer(EndpointPolicy, 0, Named{"endpoint policy", e.endpoint.document})
		}
	}
	if e.request.Kind != 0 {
		if e.request.Policy == nil || e.discreet {
			layer(ResourceBased, 0)
		} else {
			e.inPolicy = true
			layer(ResourceBased, 0, Named{"resource policy", e.request.Policy})
			e.inPolicy = false
		}
	}
	layer(IdentityBased, 0, e.authority.Identity...)
	if e.authority.Boundary != nil {
		layer(Boundary, 0, e.authority.Boundary...)
	}
	if e.authority.Session != nil {
		layer(SessionPolicies, 0, e.authority.Session...)
	}
	for name := range e.noted.missing {
		missing = append(missing, name)
	}
	slices.Sort(missing)
	return layers, missing
}
