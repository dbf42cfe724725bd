package policy

// index finds the statements that may concern an action, so that a document
// that is mostly about other actions costs little.
type index struct {
	exact map[string][]uint32 // lower-case action → statements that name it without wildcards
	other []uint32            // statements with a wildcard or NotAction
}

func newIndex(statements []Statement) index {
	x := index{exact: map[string][]uint32{}}
	for i := range statements {
		s := &statements[i]
		other := s.notAction
		for _, a := range s.actions {
			if s.notAction || hasWildcard(a) {
				other = true
			} else if of := x.exact[a]; len(of) == 0 || of[len(of)-1] != uint32(i) {
				x.exact[a] = append(of, uint32(i))
			}
		}
		if other {
			x.other = append(x.other, uint32(i))
		}
	}
	return x
}

// maxAction is longer than any action there is.
const maxAction = 128

// Evaluate says what the document says of r. Where neither conditions nor
// policy variables take part it does not allocate.
func (d *Document) Evaluate(r *Request) Outcome {
	var out Outcome
	if len(r.Action) > maxAction {
		for i := range d.statements {
			d.consider(&out, &d.statements[i], r, false)
		}
		return out
	}
	var buf [maxAction]byte
	for i := range len(r.Action) {
		buf[i] = lower(r.Action[i])
	}
	exact, other := d.index.exact[string(buf[:len(r.Action)])], d.index.other
	for len(exact) > 0 || len(other) > 0 {
		switch {
		case len(other) == 0 || len(exact) > 0 && exact[0] < other[0]:
			d.consider(&out, &d.statements[exact[0]], r, true)
			exact = exact[1:]
		case len(exact) > 0 && exact[0] == other[0]:
			exact = exact[1:]
		default:
			d.consider(&out, &d.statements[other[0]], r, false)
			other = other[1:]
		}
	}
	return out
}

// consider adds to out what s says. Named says that s names the action.
func (d *Document) consider(out *Outcome, s *Statement, r *Request, named bool) {
	if s.inert || s.Effect == Deny && out.Deny != nil || !named && !s.action(r.Action) {
		return
	}
	var match Match
	if s.principals != nil {
		if match = s.principal(&r.Principal); match == 0 {
			return
		}
	}
	if s.Effect == Allow && out.Allow != nil && match <= out.Match {
		return
	}
	if !s.resource(d.kind, r) || !s.met(r.Context) {
		return
	}
	if s.Effect == Deny {
		out.Deny = s
	} else {
		out.Allow, out.Match = s, match
	}
}

// action reports whether s concerns an action.
func (s *Statement) action(action string) bool {
	for _, glob := range s.actions {
		if matchAction(glob, action) {
			return !s.notAction
		}
	}
	return s.notAction
}

// resource reports whether s concerns the resource. A variable without a value
// matches nothing.
func (s *Statement) resource(kind Kind, r *Request) bool {
	if kind == Trust {
		return true
	}
	for i := range s.resources {
		p := &s.resources[i]
		if kind == Key && p.wildcards && p.glob != starStr {
			continue // a key policy is of one key, which "*" stands for; no other pattern has an effect
		}
		if glob, ok := p.resolve(r.Context); ok && matchGlob(glob, r.Resource) {
			return !s.notResource
		}
	}
	return s.notResource
}

// met reports whether all conditions are met.
func (s *Statement) met(c Context) bool {
	for i := range s.conditions {
		if !s.conditions[i].met(c) {
			return false
		}
	}
	return true
}
