package gate

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// world is a request with all its policies, in pieces that can be changed.
type world struct {
	caller                                            identity.Caller
	kind                                              policy.Kind
	action                                            string
	cross, grant, accountGrant                        bool
	resource, identity, boundary, session, endpoint   []statement
	levels                                            [][]statement
	hasBoundary, hasSession, hasEndpoint, hasResource bool
}

var principals = []string{"*", accountRoot, otherAccount, alice.ARN, mallory.ARN, appRole(account), appRole(foreign), job.ARN, strangeJob.ARN}

func drawStatement(t *rapid.T, principal bool) statement {
	actions := rapid.SampledFrom([]string{"*", "kms:*", "kms:Decrypt", "s3:GetObject", "s3:PutBucketPolicy", "ec2:*"})
	s := allow(actions.Draw(t, "action")).on(rapid.SampledFrom([]string{"*", "*", keyARN, object, "arn:aws:s3:::reports/*"}).Draw(t, "resource"))
	if rapid.IntRange(0, 3).Draw(t, "effect") == 0 {
		s.effect = "Deny"
	}
	if rapid.Bool().Draw(t, "conditional") {
		s = s.when(rapid.SampledFrom([]string{"StringEquals", "StringNotEquals", "StringEqualsIfExists"}).Draw(t, "operator"),
			rapid.SampledFrom([]string{"aws:PrincipalType", "aws:username", "kms:KeySpec"}).Draw(t, "key"),
			rapid.SampledFrom([]string{"User", "alice", "SYMMETRIC_DEFAULT"}).Draw(t, "value"))
	}
	if principal {
		s = s.to(rapid.SampledFrom(principals).Draw(t, "principal"))
	}
	return s
}

func drawStatements(t *rapid.T, principal bool) []statement {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) statement { return drawStatement(t, principal) }), 1, 4).Draw(t, "statements")
}

func drawWorld(t *rapid.T) world {
	w := world{
		caller:   rapid.SampledFrom([]identity.Caller{alice, owner, job, mallory, stranger, strangeJob, s3itself, nobodyElse, alice.Via("s3")}).Draw(t, "caller"),
		kind:     rapid.SampledFrom([]policy.Kind{policy.Key, policy.Bucket, 0}).Draw(t, "kind"),
		action:   rapid.SampledFrom([]string{"kms:Decrypt", "s3:GetObject", "s3:PutBucketPolicy"}).Draw(t, "what"),
		cross:    rapid.Bool().Draw(t, "cross"),
		grant:    rapid.IntRange(0, 5).Draw(t, "grant") == 0,
		identity: drawStatements(t, false), boundary: drawStatements(t, false), session: drawStatements(t, false),
		resource: drawStatements(t, true), endpoint: drawStatements(t, true),
		accountGrant: rapid.IntRange(0, 5).Draw(t, "account grant") == 0,
		hasBoundary:  rapid.Bool().Draw(t, "bounded"), hasSession: rapid.Bool().Draw(t, "session policy"),
		hasEndpoint: rapid.IntRange(0, 3).Draw(t, "endpoint") == 0, hasResource: rapid.IntRange(0, 4).Draw(t, "policy") > 0,
	}
	for range rapid.IntRange(0, 2).Draw(t, "levels") {
		w.levels = append(w.levels, drawStatements(t, false))
	}
	return w
}

// layers are the documents of w that count.
func (w *world) layers() []*[]statement {
	all := []*[]statement{&w.identity}
	for i := range w.levels {
		all = append(all, &w.levels[i])
	}
	for _, l := range []struct {
		statements *[]statement
		has        bool
	}{{&w.boundary, w.hasBoundary}, {&w.session, w.hasSession}, {&w.endpoint, w.hasEndpoint}, {&w.resource, w.hasResource && w.kind != 0}} {
		if l.has {
			all = append(all, l.statements)
		}
	}
	return all
}

func (w world) decide(t testing.TB) Decision {
	a := &Authority{Identity: named(t, policy.Identity, "i", w.identity)}
	if w.hasBoundary {
		a.Boundary = named(t, policy.Identity, "b", w.boundary)
	}
	if w.hasSession {
		a.Session = named(t, policy.Identity, "s", w.session)
	}
	for _, l := range w.levels {
		a.ServiceControl = append(a.ServiceControl, named(t, policy.ServiceControl, "c", l))
	}
	r := Request{Action: w.action, Resource: keyARN, ResourceAccount: account, Kind: w.kind, CrossAccount: w.cross, Time: now, Context: keys{"kms:keyspec": "SYMMETRIC_DEFAULT"}}
	if w.hasResource && w.kind != 0 {
		r.Policy = document(t, w.kind, w.resource)
	}
	if w.kind == policy.Bucket {
		r.Resource = object
	}
	if w.grant {
		r.Grant = func() (string, bool) { return "g", true }
	}
	if w.accountGrant {
		r.AccountGrant = func() (string, bool) { return "g", true }
	}
	c := w.caller
	if w.hasEndpoint {
		c.Endpoint = &identity.Endpoint{ID: "vpce-1", Policy: document(t, policy.Endpoint, w.endpoint).Text()}
	}
	d, x := Decide(a, c, r), Explain(a, c, r)
	if x.Decision != d {
		t.Fatalf("Explain decides %+v, Decide %+v", x.Decision, d)
	}
	// A call makes all its decisions in one place, which the last must not mark.
	var e evaluation
	e.begin(&c, nil)
	for _, other := range []struct{ action, resource string }{{"s3:GetObject", object}, {"kms:Decrypt", object}, {"s3:GetObject", keyARN}} {
		before := r
		before.Action, before.Resource = other.action, other.resource
		e.ask(a, endpointDocument(c.Endpoint), before)
		_ = e.decide()
		e.ask(a, endpointDocument(c.Endpoint), r)
		if got := e.decide(); got != d {
			t.Fatalf("after a request for %s on %s it decides %+v, and %+v alone", other.action, other.resource, got, d)
		}
	}
	return d
}

// TestProperties: an added Deny never widens, an added Allow never narrows, a
// statement taken away does the opposite, and order never matters.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		before := w.decide(t)
		layers := w.layers()
		target := layers[rapid.IntRange(0, len(layers)-1).Draw(rt, "layer")]
		names := target == &w.resource || target == &w.endpoint

		old := *target
		added := drawStatement(rt, names)
		at := rapid.IntRange(0, len(old)).Draw(rt, "at")
		*target = slices.Insert(slices.Clone(old), at, added)
		after := w.decide(t)
		if added.effect == "Deny" && after.Allowed && !before.Allowed {
			rt.Fatalf("an added Deny allows: %+v", w)
		}
		if added.effect == "Allow" && before.Allowed && !after.Allowed {
			rt.Fatalf("an added Allow refuses: %+v", w)
		}

		*target = rapid.Permutation(*target).Draw(rt, "order")
		if got := w.decide(t); got.Allowed != after.Allowed || got.Reason != after.Reason {
			rt.Fatalf("the order of statements decides: %+v, then %+v, of %+v", after, got, w)
		}

		*target = append(slices.Clone(old), deny("*"))
		if names {
			*target = append(slices.Clone(old), deny("*").to("*"))
		}
		ownBucket := target == &w.resource && w.kind == policy.Bucket && w.caller.Type == identity.Root && w.action == "s3:PutBucketPolicy"
		notAsked := target != &w.resource && (w.caller.Type == identity.AWSService || w.caller.Type == identity.Anonymous)
		forwarded := target == &w.endpoint && w.caller.ViaService != ""
		if got := w.decide(t); got.Allowed && !ownBucket && !notAsked && !forwarded {
			rt.Fatalf("a Deny of everything is passed over: %+v", w)
		}
	})
}
