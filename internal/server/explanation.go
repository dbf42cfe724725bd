package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/policy"
)

// Explanation is why a request is allowed or refused, as the documents in a
// data directory have it now.
type Explanation struct {
	Request   *ExplainedCall `json:"request,omitempty"` // of a call that is in the trail
	Principal string         `json:"principal"`         // ARN
	Action    string         `json:"action"`
	Resource  string         `json:"resource"`
	Allowed   bool           `json:"allowed"`
	// Message is what AWS's clients are told of a refusal, and for a request that
	// is allowed what allows it.
	Message string `json:"message"`
	// Layer is the name of the layer that decided: whose Allow was enough, or
	// which the refusal names.
	Layer  string           `json:"layer"`
	Layers []ExplainedLayer `json:"layers"`
	// Context has the condition keys that documents asked for, sorted by name.
	Context []ExplainedKey `json:"context"`
	// Missing are those that the request does not have.
	Missing []string `json:"missing"`
	// Notes say what of the request could not be known.
	Notes []string `json:"notes,omitempty"`

	reason string // AWS's, of a refusal
	grant  string // the id of the grant that allows it
}

// ExplainedCall is a refused call in the trail.
type ExplainedCall struct {
	ID      string    `json:"id"`
	Event   string    `json:"event"` // kms.amazonaws.com Decrypt
	Time    time.Time `json:"time"`
	Message string    `json:"message"` // as recorded
	// Changed says that the decision of today is another one: that it would be
	// allowed, or is refused for another reason.
	Changed bool `json:"changed"`
}

// ExplainedLayer is one step of a decision: the key policy, the permissions
// boundary.
type ExplainedLayer struct {
	Name      string              `json:"name"`
	Says      string              `json:"says"`
	Documents []ExplainedDocument `json:"documents,omitempty"`

	allow  bool // a statement allows
	allows bool // and that counts: the request is allowed by it
}

// ExplainedDocument is one policy, or one grant, which has no statements.
type ExplainedDocument struct {
	Name       string               `json:"name"`
	Says       string               `json:"says,omitempty"`
	Statements []ExplainedStatement `json:"statements,omitempty"`
}

// ExplainedStatement is one statement of a policy.
type ExplainedStatement struct {
	Index   int    `json:"index"` // from 0
	Sid     string `json:"sid,omitempty"`
	Effect  string `json:"effect"`
	Applies bool   `json:"applies"`
	// Why says how it names the caller; or what does not fit, a line each.
	Why        []string             `json:"why,omitempty"`
	Conditions []ExplainedCondition `json:"conditions,omitempty"`
}

// title names the statement.
func (s ExplainedStatement) title() string {
	if s.Sid == "" {
		return fmt.Sprintf("statement %d", s.Index)
	}
	return fmt.Sprintf("statement %d %q", s.Index, s.Sid)
}

// resourcePolicyName is what the policy of a resource is called.
func resourcePolicyName(k policy.Kind) string {
	switch k {
	case policy.Key:
		return "key policy"
	case policy.Bucket:
		return "bucket policy"
	case policy.Trust:
		return "role trust policy"
	}
	return "resource-based policy"
}

// ExplainedCondition is one operator with one key.
type ExplainedCondition struct {
	Operator string   `json:"operator"`
	Key      string   `json:"key"`
	Wanted   []string `json:"wanted"`
	Got      []string `json:"got"` // null: the request does not have the key
	Met      bool     `json:"met"`
	Note     string   `json:"note,omitempty"`
}

// ExplainedKey is a condition key and its value in the request.
type ExplainedKey struct {
	Name   string   `json:"name"`
	Values []string `json:"values"` // null: the request does not have it
}

// Text is the condition in one line.
func (c ExplainedCondition) Text() string {
	s := c.Operator + " " + c.Key + ": wanted " + quoted(c.Wanted) + ", got "
	if c.Got == nil {
		s += "nothing: the request does not have the key"
	} else {
		s += quoted(c.Got)
	}
	if c.Note != "" {
		s += "; " + c.Note
	}
	return s
}

// maxShown bounds what is printed of a list, and maxText what of one value.
const (
	maxShown = 8
	maxText  = 200
)

// quoted prints a list of values, a long one in part.
func quoted(values []string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteString(" or ")
		}
		if i == maxShown {
			fmt.Fprintf(&b, "%d more", len(values)-i)
			break
		}
		fmt.Fprintf(&b, "%q", shortened(v))
	}
	return b.String()
}

func shortened(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// explainDocument puts what the statements of d say of a request into words.
func explainDocument(d *policy.Document, traces []policy.Trace, dir policy.Directory) []ExplainedStatement {
	elements := statementsOf(d.Shown(dir))
	var out []ExplainedStatement
	for _, t := range traces {
		s := ExplainedStatement{Index: t.Statement.Index, Sid: t.Statement.Sid, Effect: t.Statement.Effect.String(), Applies: t.Applies}
		var has map[string]json.RawMessage
		if s.Index < len(elements) {
			has = elements[s.Index]
		}
		if t.Applies {
			s.Why = matchedBy(t.Match)
		} else {
			s.Why = misfits(t, has, dir)
		}
		for _, c := range t.Conditions {
			s.Conditions = append(s.Conditions, explainCondition(c))
		}
		out = append(out, s)
	}
	return out
}

// matchedBy says how a statement names the caller.
func matchedBy(m policy.Match) []string {
	switch m {
	case policy.ByAccount:
		return []string{"names the caller's account"}
	case policy.ByRole:
		return []string{"names the caller's role"}
	case policy.ByEveryone:
		return []string{"names everyone"}
	case policy.ByPrincipal:
		return []string{"names the caller"}
	}
	return nil
}

// misfits says which elements of a statement do not fit the request; conditions
// speak for themselves.
func misfits(t policy.Trace, has map[string]json.RawMessage, dir policy.Directory) (why []string) {
	if t.Inert {
		return []string{"has no effect: a statement of a key policy needs an action and a resource"}
	}
	for _, e := range t.Failed {
		if e == policy.ElementCondition {
			continue
		}
		name := e.String()
		raw, ok := has[name]
		if !ok {
			name = "Not" + name
			raw = has[name]
		}
		line := name + " " + shortened(string(raw)) + " does not fit"
		if e == policy.ElementPrincipal {
			for _, id := range strangers(raw, dir) {
				line += "; " + id + " was deleted, and a namesake made since is somebody else"
			}
		}
		why = append(why, line)
	}
	return why
}

// strangers returns the unique ids among principals that nobody has any more.
func strangers(principal json.RawMessage, dir policy.Directory) (ids []string) {
	var named struct{ AWS json.RawMessage }
	if json.Unmarshal(principal, &named) != nil {
		return nil
	}
	for _, v := range valuesOf(named.AWS) {
		id, _, _ := strings.Cut(v, ":")
		if strings.HasPrefix(id, "AROA") || strings.HasPrefix(id, "AIDA") {
			if _, ok := dir.ARN(id); !ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func explainCondition(c policy.ConditionTrace) ExplainedCondition {
	out := ExplainedCondition{Operator: c.Operator, Key: c.Key, Wanted: c.Wanted, Got: c.Got, Met: c.Met}
	switch {
	case c.Missing:
		out.Got = nil
	case c.Got == nil:
		out.Got = []string{}
	}
	switch {
	case c.NeedsSet:
		out.Note = "the key has several values: the operator needs ForAnyValue or ForAllValues before it"
	case len(c.Unresolved) > 0:
		out.Note = "the request has no value for the variable in " + quoted(c.Unresolved)
	}
	return out
}

// statementsOf takes a document apart that package policy has accepted. The
// elements are compact JSON.
func statementsOf(text []byte) []map[string]json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, text) != nil {
		return nil
	}
	var document struct{ Statement json.RawMessage }
	if json.Unmarshal(compact.Bytes(), &document) != nil {
		return nil
	}
	var many []map[string]json.RawMessage
	if json.Unmarshal(document.Statement, &many) == nil {
		return many
	}
	var one map[string]json.RawMessage
	if json.Unmarshal(document.Statement, &one) != nil {
		return nil
	}
	return []map[string]json.RawMessage{one}
}

// askedKeys lists the condition keys in those statements of layers that fit the
// request but for conditions, sorted, and those that the request does not have.
func askedKeys(layers []ExplainedLayer) (keys []ExplainedKey, missing []string) {
	seen := map[string]bool{}
	for _, l := range layers {
		for _, d := range l.Documents {
			for _, s := range d.Statements {
				if !s.Applies && len(s.Why) > 0 {
					continue // whatever the request had
				}
				for _, c := range s.Conditions {
					if name := strings.ToLower(c.Key); !seen[name] {
						seen[name] = true
						keys = append(keys, ExplainedKey{c.Key, c.Got})
					}
				}
			}
		}
	}
	slices.SortFunc(keys, func(a, b ExplainedKey) int { return strings.Compare(a.Name, b.Name) })
	missing = []string{}
	for _, k := range keys {
		if k.Values == nil {
			missing = append(missing, k.Name)
		}
	}
	return keys, missing
}
