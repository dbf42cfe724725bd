package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// ExplainRequest says why a request was refused that is in the audit trail of a
// data directory, on which a server may run, and what would become of it today:
// it is decided again by the documents of now. There is one explanation for each
// service that refused it.
func ExplainRequest(ctx context.Context, cfg Config, requestID string) (_ []Explanation, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	calls, err := refusedCalls(ctx, cfg.DataDir, requestID)
	if err != nil {
		return nil, err
	}
	l, err := lookInto(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var found []Explanation
	var undecided error
	for _, call := range calls {
		e, err := l.explainCall(ctx, cfg.DataDir, call)
		if errors.Is(err, gate.ErrNotDenied) {
			// One service answers for another's refusal: S3 for that of the key.
			undecided = fmt.Errorf("request %s: %s was refused without a decision about policies (%s); or its record is of an earlier release, which kept none", requestID, call.EventName, call.ErrorMessage)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", requestID, err)
		}
		found = append(found, e)
	}
	if found == nil {
		return nil, undecided
	}
	return found, nil
}

// explainCall decides a refused call again.
func (l *looked) explainCall(ctx context.Context, dataDir string, call trailRecord) (Explanation, error) {
	c, then, err := gate.Decided(call.record)
	e := Explanation{Principal: c.ARN, Action: then.Action, Resource: then.Resource}
	e.Request = &ExplainedCall{ID: call.RequestID, Event: call.EventSource + " " + call.EventName, Time: call.EventTime, Message: call.ErrorMessage}
	var notes []string
	switch {
	case errors.Is(err, gate.ErrUndisclosed):
		return e, errors.New("the caller must not learn of another account's resource, so its record does not name it; ask with --principal, --action and --resource")
	case errors.Is(err, gate.ErrTruncated) && then.Resource != "":
		notes = append(notes, "the record had no room for all condition keys; those that are missing here may have been there")
	case err != nil:
		return e, err
	}
	if c.Session != nil {
		known, err := sessionFromTrail(ctx, dataDir, &c)
		if err != nil {
			return e, err
		}
		if !known {
			notes = append(notes, "the trail does not have the call that the session began with: its session policies and tags are not known")
		}
	}
	if a, ok := arn.Parse(then.Resource); ok && a.Service == "kms" && slices.Contains(l.regions, a.Region) {
		c.Region = a.Region // a call on a multi-region key may ask about one of another region
	}
	q, err := l.asked(ctx, c, then.Action, then.Resource, nil, nil)
	if errors.Is(err, iam.ErrNoPrincipal) {
		d, err := departedByID(ctx, dataDir, c)
		e.withoutPrincipal(d)
		e.Request.Changed = true
		return e, err
	}
	if err != nil {
		return e, err
	}
	q.Assume, q.Time, q.CrossAccount = then.Assume, then.Time, then.CrossAccount
	q.Context, q.PolicyContext = either{then.Context, q.Context}, either{then.PolicyContext, q.PolicyContext}
	for _, g := range q.grants {
		if g.Constraint != "" && !g.Met {
			notes = append(notes, "the record does not have the encryption context, so constraints of grants are taken as not met")
			break
		}
	}
	request := e.Request
	e = l.explain(q)
	e.Request, e.Notes = request, append(e.Notes, notes...)
	if c.Endpoint != nil && c.ViaService == "" {
		e.throughEndpoint(c.Endpoint.ID)
	}
	e.Request.Changed = e.Allowed || !sameRefusal(e.Message, request.Message)
	return e, nil
}

// sameRefusal reports whether a refusal is the one that was recorded, as far as
// the record tells: what clients are told may leave out the reason, as for a
// ciphertext whose key they must not learn, and records cut long texts.
func sameRefusal(now, recorded string) bool {
	const whole = 1000
	if !strings.Contains(recorded, " is not authorized to perform: ") {
		return true
	}
	return now == recorded || len(recorded) > whole && strings.HasPrefix(now, recorded[:whole])
}

// throughEndpoint says of a request that came by a VPC endpoint what can be said
// without the endpoint's policy, which is in the server's configuration and not
// in the data directory.
func (e *Explanation) throughEndpoint(id string) {
	says := "that of " + id + " is in the server's configuration, which is not read here"
	if strings.Contains(e.Request.Message, gate.EndpointPolicy.String()) {
		says += "; it refused the request"
		e.Allowed, e.Message, e.Layer, e.grant = false, e.Request.Message, layerNames[gate.EndpointPolicy], ""
	} else {
		says += "; it is taken to allow"
	}
	for i := range e.Layers {
		if e.Layers[i].Name == layerNames[gate.EndpointPolicy] {
			e.Layers[i].Says = says
		}
	}
}

// either answers by the first of two contexts that knows a key; nil knows none.
type either [2]policy.Context

// Lookup implements policy.Context.
func (e either) Lookup(name string) (policy.Value, bool) {
	for _, c := range e {
		if c != nil {
			if v, ok := c.Lookup(name); ok {
				return v, true
			}
		}
	}
	return policy.Value{}, false
}

// sessionFromTrail gives the session of c the policies and tags that it was
// made with, from the record of the call that made it, and reports whether it is
// there. The token that has them only its holder has.
func sessionFromTrail(ctx context.Context, dataDir string, c *identity.Caller) (known bool, err error) {
	wanted := []byte(`"` + c.AccessKeyID + `"`)
	s := *c.Session
	err = eachRecord(ctx, dataDir, func(record []byte) error {
		if !bytes.Contains(record, []byte(`"sts.amazonaws.com"`)) || !bytes.Contains(record, wanted) {
			return nil
		}
		var r struct {
			RequestParameters struct {
				Policy     string
				PolicyARNs []struct{ ARN string }
				Tags       []struct{ Key, Value string }

				IncomingTransitiveTags map[string]string
			}
			ResponseElements struct {
				Credentials struct{ AccessKeyID string }
			}
		}
		if err := json.Unmarshal(record, &r); err != nil || !strings.EqualFold(r.ResponseElements.Credentials.AccessKeyID, c.AccessKeyID) {
			return nil // of another operation, whose elements have other forms
		}
		known = true
		p := r.RequestParameters
		s.Policies, s.PolicyARNs, s.Tags = nil, nil, map[string]string{}
		if p.Policy != "" {
			s.Policies = []string{p.Policy}
		}
		for _, a := range p.PolicyARNs {
			s.PolicyARNs = append(s.PolicyARNs, a.ARN)
		}
		for k, v := range p.IncomingTransitiveTags {
			s.Tags[k] = v
		}
		for _, t := range p.Tags {
			s.Tags[t.Key] = t.Value
		}
		return nil
	})
	c.Session = &s
	return known, err
}
