package policy

import "bytes"

// index finds the statements that may concern an action, so that a document
// that is mostly about other actions costs little.
type index struct {
	exact    map[string][]uint32 // lower-case action → statements that name it without wildcards
	services map[string][]uint32 // vendor → statements with wildcards or NotAction that may concern it
	other    []uint32            // the same for a vendor that services has not
}

func newIndex(statements []Statement) index {
	x := index{exact: map[string][]uint32{}, services: map[string][]uint32{}}
	for i := range statements {
		for j := range statements[i].actions {
			x.services[statements[i].actions[j].vendor] = nil
		}
	}
	delete(x.services, "")
	for i := range statements {
		s := &statements[i]
		everywhere := s.notAction
		vendors := map[string]bool{}
		for j := range s.actions {
			switch a := &s.actions[j]; {
			case s.notAction:
			case a.vendor == "":
				everywhere = true
			case a.exact():
				x.exact[a.glob] = add(x.exact[a.glob], i)
			default:
				vendors[a.vendor] = true
			}
		}
		if everywhere {
			x.other = add(x.other, i)
		}
		for v := range x.services {
			if everywhere || vendors[v] {
				x.services[v] = add(x.services[v], i)
			}
		}
	}
	return x
}

// add adds statement i to a list in growing order, once.
func add(list []uint32, i int) []uint32 {
	if len(list) > 0 && list[len(list)-1] == uint32(i) {
		return list
	}
	return append(list, uint32(i))
}

// maxAction is longer than any action there is.
const maxAction = 128

// Evaluate says what the document says of r. Where neither conditions nor
// policy variables take part it does not allocate.
func (d *Document) Evaluate(r *Request) Outcome {
	var out Outcome
	action := r.lowerAction()
	var exact []uint32
	if len(d.index.exact) > 0 {
		exact = d.index.exact[string(action)]
	}
	other, ok := d.index.services[string(action[:max(bytes.IndexByte(action, ':'), 0)])]
	if !ok {
		other = d.index.other
	}
	for len(exact) > 0 || len(other) > 0 {
		switch {
		case len(other) == 0 || len(exact) > 0 && exact[0] < other[0]:
			d.consider(&out, &d.statements[exact[0]], r, nil)
			exact = exact[1:]
		case len(exact) > 0 && exact[0] == other[0]:
			exact = exact[1:]
		default:
			d.consider(&out, &d.statements[other[0]], r, action)
			other = other[1:]
		}
	}
	return out
}

// lowerAction returns the action in lower case.
func (r *Request) lowerAction() []byte {
	if len(r.Action) > maxAction {
		return appendLower(nil, r.Action)
	}
	if r.lowered != r.Action {
		r.lowered = r.Action
		appendLower(r.room[:0], r.Action)
	}
	return r.room[:len(r.Action)]
}

// appendLower appends s to dst with its ASCII letters in lower case.
func appendLower(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, lower(s[i]))
	}
	return dst
}

// consider adds to out what s says. Action is nil where s is known to name it.
func (d *Document) consider(out *Outcome, s *Statement, r *Request, action []byte) {
	switch {
	case s.inert, s.Effect == Deny && out.Deny != nil, s.Effect == Allow && out.Allow != nil && s.principals == nil:
		return
	case action != nil && !s.action(action):
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

// action reports whether s concerns an action in lower case.
func (s *Statement) action(action []byte) bool {
	for i := range s.actions {
		if s.actions[i].match(action) {
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
		if p.matches(r.Resource, r.Context) {
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
