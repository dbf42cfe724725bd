package policy

import "strings"

// principalElement compiles the Principal or NotPrincipal element of a statement.
func (d *Document) principalElement(s *Statement, n *node, e *elements) error {
	p, not := either(e.principal, e.notPrincipal)
	if d.kind == Identity || d.kind == ServiceControl {
		if p != nil {
			return refuse(p.at, ProhibitedPrincipal, "Policy document should not specify a principal.")
		}
		return nil
	}
	if p == nil {
		return refuse(n.at, MissingPrincipal, "the statement has no Principal")
	}
	if not && d.kind == Trust {
		return refuse(p.at, ProhibitedPrincipal, "Has prohibited field NotPrincipal.")
	}
	if not && s.Effect == Allow {
		return refuse(p.at, InvalidPrincipal, "NotPrincipal with Allow would allow everyone else; it must be used with Deny")
	}
	s.notPrincipal = not
	var err error
	s.principals, err = d.principals(p)
	return err
}

// principals compiles a Principal or NotPrincipal element and keeps where it
// names principals of type AWS.
func (d *Document) principals(n *node) (*principals, error) {
	e := &principals{}
	if n.shape == aString {
		if n.text != "*" {
			return nil, refuse(n.at, InvalidPrincipal, "Invalid principal in policy: %q; write {\"AWS\": …}", excerpt(n.text))
		}
		e.everyone = true
		return e, nil
	}
	if n.shape != anObject {
		return nil, refuse(n.at, Syntax, "a principal is %v and should be \"*\" or an object", n.shape)
	}
	found := false
	for i := range n.members {
		m := &n.members[i]
		values, err := oneOrMore(&m.value, aString, m.name)
		if err != nil {
			return nil, err
		}
		for j := range values {
			if err := d.onePrincipal(e, m, &values[j]); err != nil {
				return nil, err
			}
			found = true
		}
	}
	if !found {
		return nil, refuse(n.at, MissingPrincipal, "the statement names no principal")
	}
	return e, nil
}

func (d *Document) onePrincipal(e *principals, m *member, n *node) error {
	s, ok := n.text, true
	switch m.name {
	case "AWS":
		kind, accountID := classify(s)
		switch kind {
		case anyone:
			e.everyone = true
		case account:
			e.accounts = append(e.accounts, accountID)
		case 0:
			ok = false
		default:
			e.names = append(e.names, s)
		}
		d.names = append(d.names, named{n.at, n.end, s})
	case "Service":
		e.services, ok = append(e.services, s), isService(s)
	case "Federated":
		e.federated, ok = append(e.federated, s), isProvider(s)
	case "CanonicalUser":
		var accountID string
		accountID, ok = canonicalAccount(s)
		ok = ok && d.kind == Bucket
		e.accounts = append(e.accounts, accountID)
	default:
		return refuse(m.at, InvalidPrincipal, "%q is no type of principal; there are AWS, Service and Federated, and CanonicalUser in bucket policies", excerpt(m.name))
	}
	if !ok {
		return refuse(n.at, InvalidPrincipal, "Invalid principal in policy: \"%s\":\"%s\"", strings.ToUpper(m.name), excerpt(s))
	}
	return nil
}
