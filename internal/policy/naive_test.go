package policy

import "unicode/utf8"

// Naive says what Evaluate should: by every statement in turn, compared with
// every one of its patterns by match, which takes '*' and '?' for wildcards.
func (d *Document) Naive(r *Request, match func(pattern, s []rune) bool) Outcome {
	var out Outcome
	for i := range d.statements {
		s := &d.statements[i]
		how := Match(0)
		if s.principals != nil {
			how = s.principal(&r.Principal)
		}
		switch {
		case s.principals != nil && how == 0, s.inert, !s.naiveAction(r, match), d.kind != Trust && !s.naiveResource(d.kind, r, match), !s.met(r.Context):
		case s.Effect == Deny && out.Deny == nil:
			out.Deny = s
		case s.Effect == Allow && (out.Allow == nil || how > out.Match):
			out.Allow, out.Match = s, how
		}
	}
	return out
}

func (s *Statement) naiveAction(r *Request, match func(pattern, s []rune) bool) bool {
	action := bytesOf(string(appendLower(nil, r.Action)))
	for i := range s.actions {
		if match(bytesOf(s.actions[i].glob), action) {
			return !s.notAction
		}
	}
	return s.notAction
}

func (s *Statement) naiveResource(kind Kind, r *Request, match func(pattern, s []rune) bool) bool {
	for i := range s.resources {
		p := &s.resources[i]
		if kind == Key && p.wildcards && p.glob != starStr {
			continue
		}
		if glob, ok := p.resolve(r.Context); ok && match(runesOf(glob), runesOf(r.Resource)) {
			return !s.notResource
		}
	}
	return s.notResource
}

// plain is far from what a character or a byte that is none is here.
const plain = 2 * utf8.MaxRune

// runesOf returns the characters of a glob or a text: '*' and '?' are its wildcards.
func runesOf(s string) []rune {
	var all []rune
	for i := 0; i < len(s); {
		r, n := decode(s[i:])
		switch {
		case s[i] == star:
			r = '*'
		case s[i] == anyOne:
			r = '?'
		default:
			r += plain
		}
		all = append(all, r)
		i += n
	}
	return all
}

// bytesOf does so for actions, which are matched by bytes.
func bytesOf(s string) []rune {
	var all []rune
	for i := range len(s) {
		all = append(all, runesOf(s[i:i+1])...)
	}
	return all
}
