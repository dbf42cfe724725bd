package policy

import "bytes"

// maxAction is longer than any action there is.
const maxAction = 128

// Evaluate says what the document says of r. Where neither conditions nor
// policy variables take part it does not allocate.
func (d *Document) Evaluate(r *Request) Outcome {
	var out Outcome
	action, vendor := r.lowerAction()
	exact, ofVendor, always := d.index.exact.find(r.actionHash, action), d.index.vendors.find(r.vendorHash, vendor), d.index.always
	for min(exact[0], ofVendor[0], always[0]) != endOfList {
		if len(d.screen.needs) > 0 {
			r.search()
		}
		exact = d.run(&out, r, exact, min(ofVendor[0], always[0]), nil)
		ofVendor = d.run(&out, r, ofVendor, min(exact[0], always[0]), action)
		always = d.run(&out, r, always, min(exact[0], ofVendor[0]), action)
	}
	return out
}

// run considers the statements of a list up to the next of the other lists, and
// returns what is left: together they are considered in the order of the
// document. One that is in two lists is considered twice, which says nothing new.
func (d *Document) run(out *Outcome, r *Request, list []uint32, next uint32, action []byte) []uint32 {
	for ; list[0] <= next && list[0] != endOfList; list = list[1:] {
		if i := list[0]; d.screen.passes(i, &r.found) {
			d.consider(out, &d.statements[i], r, action)
		}
	}
	return list
}

// lowerAction returns the action in lower case and what of it is the vendor, and
// sets their hashes.
func (r *Request) lowerAction() (action, vendor []byte) {
	action = r.room[:0]
	if r.lowered != r.Action {
		r.lowered = r.Action
		action = appendLower(action, r.Action)
		r.vendorLen = max(bytes.IndexByte(action, ':'), 0)
		r.actionHash, r.vendorHash = hash(action), hash(action[:r.vendorLen])
	} else if len(r.Action) > maxAction {
		action = appendLower(action, r.Action)
	}
	action = action[:len(r.Action)]
	return action, action[:r.vendorLen]
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
