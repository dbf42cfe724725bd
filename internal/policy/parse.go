package policy

import (
	"errors"
	"slices"
	"strings"
)

// Parse parses and compiles a document. It takes what AWS takes and no more:
// JSON in UTF-8 without a byte order mark, no name twice, no element that there
// is not, nothing after the end. The text is copied. The error is an *Error. How
// long a document may be is the service's affair.
func Parse(kind Kind, text []byte) (*Document, error) {
	d := &Document{kind: kind, text: slices.Clone(text), version: Version2008}
	if err := d.parse(); err != nil {
		if f, ok := errors.AsType[*fault](err); ok {
			return nil, f.located(d.text)
		}
		return nil, err
	}
	return d, nil
}

func (d *Document) parse() error {
	if len(d.text) > 0 && strings.IndexByte(" \t\r\n", d.text[0]) >= 0 {
		switch d.kind {
		case Identity, Trust:
			return refuse(0, LeadingSpace, "JSON strings must not have leading spaces")
		case Bucket:
			return refuse(0, LeadingSpace, "Policies must be valid JSON and the first byte must be '{'")
		}
	}
	root, err := readJSON(d.text)
	if err != nil {
		return err
	}
	var statements *node
	// The version says whether there are variables, so it is read first.
	for i := range root.members {
		m := &root.members[i]
		switch m.name {
		case "Version":
			if m.value.shape != aString || m.value.text != Version2008 && m.value.text != Version2012 {
				return refuse(m.value.at, InvalidVersion, "Version must be %q or %q", Version2012, Version2008)
			}
			d.version = m.value.text
		case "Id":
			if m.value.shape != aString {
				return refuse(m.value.at, Syntax, "Id is %v and should be a string", m.value.shape)
			}
		case "Statement":
			statements = &m.value
		default:
			return refuse(m.at, UnknownElement, "%q is no element of a policy", excerpt(m.name))
		}
	}
	if statements == nil {
		return refuse(root.at, MissingStatement, "the policy has no Statement")
	}
	items, err := oneOrMore(statements, anObject, "Statement")
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return refuse(statements.at, MissingStatement, "Statement is empty")
	}
	d.statements = make([]Statement, len(items))
	sids := map[string]bool{}
	line := lineCounter{text: d.text, line: 1}
	for i := range items {
		s := &d.statements[i]
		s.Index, s.Line = i, line.of(items[i].at)
		if err := d.statement(s, &items[i]); err != nil {
			return err
		}
		if s.Sid != "" && sids[s.Sid] && (d.kind == Identity || d.kind == Trust || d.kind == ServiceControl) {
			return refuse(items[i].at, DuplicateSid, "Statement IDs (SID) in a single policy must be unique.")
		}
		sids[s.Sid] = true
	}
	d.index, d.screen = newIndex(d.statements), newScreen(d.statements)
	return nil
}

// lineCounter gives the lines of growing offsets.
type lineCounter struct {
	text     []byte
	at, line int
}

func (c *lineCounter) of(at int) int {
	for ; c.at < at; c.at++ {
		if c.text[c.at] == '\n' {
			c.line++
		}
	}
	return c.line
}

// oneOrMore returns the elements of n, an array of shape s or one such value.
func oneOrMore(n *node, s shape, element string) ([]node, error) {
	if n.shape == s {
		return []node{*n}, nil
	}
	if n.shape != anArray {
		return nil, refuse(n.at, Syntax, "%s is %v and should be %v or an array", element, n.shape, s)
	}
	for i := range n.items {
		if n.items[i].shape != s {
			return nil, refuse(n.items[i].at, Syntax, "%s contains %v and should contain %v", element, n.items[i].shape, s)
		}
	}
	return n.items, nil
}

// elements are the members of one statement; nil: absent.
type elements struct {
	sid, effect, principal, notPrincipal, action, notAction, resource, notResource, condition *node
}

func readElements(n *node) (elements, error) {
	var e elements
	fields := map[string]**node{
		"Sid": &e.sid, "Effect": &e.effect, "Principal": &e.principal, "NotPrincipal": &e.notPrincipal,
		"Action": &e.action, "NotAction": &e.notAction, "Resource": &e.resource, "NotResource": &e.notResource,
		"Condition": &e.condition,
	}
	for i := range n.members {
		m := &n.members[i]
		field := fields[m.name]
		if field == nil {
			return e, refuse(m.at, UnknownElement, "%q is no element of a statement", excerpt(m.name))
		}
		*field = &m.value
	}
	for _, pair := range []struct {
		name string
		a, b *node
	}{{"Principal", e.principal, e.notPrincipal}, {"Action", e.action, e.notAction}, {"Resource", e.resource, e.notResource}} {
		if pair.a != nil && pair.b != nil {
			return e, refuse(max(pair.a.at, pair.b.at), Syntax, "a statement has %s or Not%s, not both", pair.name, pair.name)
		}
	}
	return e, nil
}

// either returns whichever of an element and its Not twin there is.
func either(n, not *node) (found *node, isNot bool) {
	if not != nil {
		return not, true
	}
	return n, false
}

// statement compiles one statement.
func (d *Document) statement(s *Statement, n *node) error {
	e, err := readElements(n)
	if err != nil {
		return err
	}
	if e.sid != nil {
		if s.Sid, err = d.sid(e.sid); err != nil {
			return err
		}
	}
	switch {
	case e.effect == nil:
		return refuse(n.at, InvalidEffect, "the statement has no Effect")
	case e.effect.shape == aString && e.effect.text == "Allow":
		s.Effect = Allow
	case e.effect.shape == aString && e.effect.text == "Deny":
		s.Effect = Deny
	default:
		return refuse(e.effect.at, InvalidEffect, "Effect must be \"Allow\" or \"Deny\"")
	}
	for _, read := range []func(*Statement, *node, *elements) error{d.principalElement, d.actionElement, d.resourceElement} {
		if err := read(s, n, &e); err != nil {
			return err
		}
	}
	if e.condition != nil {
		s.conditions, err = d.conditions(e.condition)
	}
	return err
}

func (d *Document) sid(n *node) (string, error) {
	if n.shape != aString {
		return "", refuse(n.at, Syntax, "Sid is %v and should be a string", n.shape)
	}
	if d.kind == Identity || d.kind == Trust || d.kind == ServiceControl {
		if !all(n.text, func(c byte) bool {
			return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		}) {
			return "", refuse(n.at, InvalidSid, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
	}
	return n.text, nil
}

// actionElement compiles the Action or NotAction element of a statement.
func (d *Document) actionElement(s *Statement, n *node, e *elements) error {
	a, not := either(e.action, e.notAction)
	s.notAction = not
	var items []node
	var err error
	at := n.at
	if a != nil {
		at = a.at
		if items, err = oneOrMore(a, aString, "Action"); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		if d.kind != Key {
			return refuse(at, MissingAction, "Policy statement must contain actions.")
		}
		s.inert = true // KMS takes it, and it does nothing
	}
	for i := range items {
		a, detail := compileAction(items[i].text)
		if detail != "" {
			return refuse(items[i].at, InvalidAction, "%s", detail)
		}
		s.actions = append(s.actions, a)
	}
	return nil
}

// resourceElement compiles the Resource or NotResource element of a statement.
func (d *Document) resourceElement(s *Statement, n *node, e *elements) error {
	r, not := either(e.resource, e.notResource)
	s.notResource = not
	if d.kind == Trust {
		if r != nil {
			return refuse(r.at, ProhibitedResource, "Has prohibited field Resource.")
		}
		return nil
	}
	var items []node
	var err error
	at := n.at
	if r != nil {
		at = r.at
		if items, err = oneOrMore(r, aString, "Resource"); err != nil {
			return err
		}
	}
	if len(items) == 0 {
		if d.kind != Key {
			return refuse(at, MissingResource, "Policy statement must contain resources.")
		}
		s.inert = true
	}
	for i := range items {
		v := items[i].text
		if d.kind != Key && !isResource(v) {
			return refuse(items[i].at, InvalidResource, "Resource %s must be in ARN format or \"*\".", excerpt(v))
		}
		p, detail := compilePattern(v, true, d.version == Version2012)
		if detail != "" {
			return refuse(items[i].at, InvalidVariable, "%s", detail)
		}
		s.resources = append(s.resources, p)
	}
	return nil
}

// isResource reports whether s can be a resource: "*" or an ARN, of which a star
// may stand for several parts.
func isResource(s string) bool {
	return s == "*" || strings.HasPrefix(s, "arn:") && (strings.Count(s, ":") >= 5 || strings.Contains(s, "*"))
}
