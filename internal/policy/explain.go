package policy

// Element is a part of a statement that a request is compared with.
type Element uint8

// The elements. The zero value is invalid.
const (
	ElementPrincipal Element = iota + 1
	ElementAction
	ElementResource
	ElementCondition
)

var elementNames = [...]string{ElementPrincipal: "Principal", ElementAction: "Action", ElementResource: "Resource", ElementCondition: "Condition"}

// String returns the name of the element in documents, without a Not.
func (e Element) String() string { return name(elementNames[:], e) }

// Trace says what one statement says of a request, and why.
type Trace struct {
	Statement *Statement
	Applies   bool
	Match     Match     // how the statement names the caller, 0: not, or it names no principals
	Failed    []Element // what does not fit the request, in the order of Element; nil when it applies
	// Inert says that the statement never applies: one of a key policy without
	// actions or resources.
	Inert      bool
	Conditions []ConditionTrace // in the order of the text
}

// ConditionTrace says what one operator with one key says of a request.
type ConditionTrace struct {
	Operator string   // as written: ForAnyValue:StringEqualsIfExists
	Key      string   // as written
	Wanted   []string // as written
	Got      []string // nil when Missing
	Missing  bool     // the request does not have the key
	Met      bool
	// Unresolved are the values among Wanted with a policy variable that this
	// request has no value for.
	Unresolved []string
	// NeedsSet says that the key has several values and the operator neither
	// ForAllValues nor ForAnyValue, so that it is never met.
	NeedsSet bool
}

// Explain says of each statement whether it applies to r, and why. Evaluate
// says the same in fewer words.
func (d *Document) Explain(r *Request) []Trace {
	traces := make([]Trace, len(d.statements))
	for i := range d.statements {
		traces[i] = d.statements[i].explain(d.kind, r)
	}
	return traces
}

func (s *Statement) explain(kind Kind, r *Request) Trace {
	t := Trace{Statement: s, Inert: s.inert}
	fail := func(e Element) { t.Failed = append(t.Failed, e) }
	if s.principals != nil {
		if t.Match = s.principal(&r.Principal); t.Match == 0 {
			fail(ElementPrincipal)
		}
	}
	if len(s.actions) == 0 || !s.action(appendLower(nil, r.Action)) {
		fail(ElementAction)
	}
	if kind != Trust && len(s.resources) == 0 || !s.resource(kind, r) {
		fail(ElementResource)
	}
	met := true
	for i := range s.conditions {
		c := s.conditions[i].explain(r.Context)
		t.Conditions = append(t.Conditions, c)
		met = met && c.Met
	}
	if !met {
		fail(ElementCondition)
	}
	t.Applies = t.Failed == nil
	return t
}

func (c *condition) explain(ctx Context) ConditionTrace {
	t := ConditionTrace{Operator: c.operator, Key: c.key, Wanted: c.wanted, Met: c.met(ctx)}
	got, present := lookup(ctx, c.name)
	t.Got, t.Missing = got.Strings, !present
	if !present {
		t.Got = nil
	}
	t.NeedsSet = present && c.needsSet(got)
	for i, m := range c.matchers {
		if m.match("", ctx) == unresolved {
			t.Unresolved = append(t.Unresolved, c.wanted[i])
		}
	}
	return t
}

// Conclude returns the outcome that the traces of one document amount to.
func Conclude(traces []Trace) Outcome {
	var out Outcome
	for _, t := range traces {
		switch {
		case !t.Applies:
		case t.Statement.Effect == Deny && out.Deny == nil:
			out.Deny = t.Statement
		case t.Statement.Effect == Allow && (out.Allow == nil || t.Match > out.Match):
			out.Allow, out.Match = t.Statement, t.Match
		}
	}
	return out
}
