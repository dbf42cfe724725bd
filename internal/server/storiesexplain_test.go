package server

import (
	"fmt"
	"strings"
)

// about says which request an undisclosed refusal was: its record does not name
// the resource, so the owner of the resource, who knows it, has to ask.
func (r refusedCall) about(a *actor, action, resource string, context ...string) refusedCall {
	r.asked = &Question{Principal: a.arn, Action: action, Resource: resource, Context: context}
	return r
}

// explained says that strongroom explain gives the true reason of a refusal: it
// comes to the same refusal again, by this layer, and of what that says these
// words are a part: documents, statements, what does not fit, missing keys.
func (r refusedCall) explained(layer string, words ...string) {
	st := r.st
	st.Helper()
	if r.requestID == "" {
		return // the refusal has failed already
	}
	cfg := Config{DataDir: st.dir, Clock: st.clock.now}
	found, err := ExplainRequest(st.Context(), cfg, r.requestID)
	if r.asked != nil {
		if err == nil || !strings.Contains(err.Error(), "another account's resource") {
			st.Errorf("got %v, %v of an undisclosed refusal, want no word of it", found, err)
		}
		found = make([]Explanation, 1)
		found[0], err = Explain(st.Context(), cfg, *r.asked)
	}
	if err != nil {
		st.Errorf("explaining %s: %v", r.message, err)
		return
	}
	for _, e := range found {
		if e.Allowed || r.asked == nil && (e.Request.Message != r.message || e.Message != r.message || e.Request.Changed) {
			st.Errorf("explained as allowed %v, %q, changed %v\nwant it refused: %s", e.Allowed, e.Message, e.Request != nil && e.Request.Changed, r.message)
		}
		said := ""
		for _, l := range e.Layers {
			if strings.HasPrefix(l.Name, layer) && !l.allows {
				said += layerText(l)
			}
		}
		if said == "" {
			st.Errorf("no layer %s refuses in %+v", layer, e.Layers)
		}
		said += strings.Join(e.Notes, "\n")
		for _, w := range words {
			if !strings.Contains(said, w) {
				st.Errorf("the explanation does not say %q:\n%s", w, said)
			}
		}
	}
}

// layerText is what an explanation says of a layer: of statements that apply and
// deny, and of those that do not apply.
func layerText(l ExplainedLayer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", l.Name, l.Says)
	for _, d := range l.Documents {
		fmt.Fprintf(&b, "  %s %s\n", d.Name, d.Says)
		for _, s := range d.Statements {
			fmt.Fprintf(&b, "    %s %s applies %v\n", s.title(), s.Effect, s.Applies)
			for _, w := range s.Why {
				fmt.Fprintf(&b, "      %s\n", w)
			}
			for _, c := range s.Conditions {
				fmt.Fprintf(&b, "      %s met %v\n", c.Text(), c.Met)
			}
		}
	}
	return b.String()
}
