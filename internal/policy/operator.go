package policy

import (
	"encoding/base64"
	"net/netip"
	"strings"
)

// family compiles one value for the operators of one type. Its error is a *fault.
type family func(v *node, variables bool) (matcher, error)

// parseOperator takes an operator's name apart. The condition it returns has
// what the name says; the family is nil for Null.
func parseOperator(name string) (condition, family, string) {
	c := condition{operator: name, set: noSet}
	base := name
	if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		c.set, base = forAllValues, rest
	} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		c.set, base = forAnyValue, rest
	}
	if base == "Null" && c.set == noSet {
		c.null = true
		return c, nil, ""
	}
	base, c.ifExists = strings.CutSuffix(base, "IfExists")
	f, negated := operatorFamily(base)
	if f == nil {
		return c, nil, "\"" + excerpt(name) + "\" is no condition operator"
	}
	c.negated = negated
	return c, f, ""
}

// operatorFamily returns what compiles the values of an operator, nil when there
// is no such operator, and whether it is a negated one.
func operatorFamily(name string) (f family, negated bool) {
	switch name {
	case "StringEquals", "StringNotEquals":
		return compileEquals, name == "StringNotEquals"
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase":
		return compileFold, name == "StringNotEqualsIgnoreCase"
	case "StringLike", "StringNotLike":
		return compileLike, name == "StringNotLike"
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike":
		return compileARN, strings.HasPrefix(name, "ArnNot")
	case "Bool":
		return compileBool, false
	case "BinaryEquals":
		return compileBinary, false
	case "IpAddress", "NotIpAddress":
		return compileIP, name == "NotIpAddress"
	}
	if rest, ok := strings.CutPrefix(name, "Numeric"); ok {
		order, negated := orderOf(rest)
		if order == 0 {
			return nil, false
		}
		return func(v *node, _ bool) (matcher, error) { return compileNumber(v, order) }, negated
	}
	if rest, ok := strings.CutPrefix(name, "Date"); ok {
		order, negated := orderOf(rest)
		if order == 0 {
			return nil, false
		}
		return func(v *node, _ bool) (matcher, error) { return compileDate(v, order) }, negated
	}
	return nil, false
}

// order is which outcomes of a comparison match, as bits.
type order uint8

const (
	less order = 1 << iota
	equal
	greater
)

func orderOf(name string) (o order, negated bool) {
	switch name {
	case "Equals":
		return equal, false
	case "NotEquals":
		return equal, true
	case "LessThan":
		return less, false
	case "LessThanEquals":
		return less | equal, false
	case "GreaterThan":
		return greater, false
	case "GreaterThanEquals":
		return greater | equal, false
	}
	return 0, false
}

// has says whether an outcome of a comparison (-1, 0, +1) matches.
func (o order) has(cmp int) verdict { return is(o&(1<<(cmp+1)) != 0) }

func is(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// equals is a value of StringEquals.
type equals struct{ pattern }

func compileText(v *node, wildcards, variables bool) (pattern, error) {
	p, detail := compilePattern(v.text, wildcards, variables)
	if detail != "" {
		return p, refuse(v.at, InvalidVariable, "%s", detail)
	}
	return p, nil
}

func compileEquals(v *node, variables bool) (matcher, error) {
	p, err := compileText(v, false, variables)
	return &equals{p}, err
}

func (m *equals) match(got string, c Context) verdict {
	want, ok := m.resolve(c)
	if !ok {
		return unresolved
	}
	return is(got == want)
}

// fold is a value of StringEqualsIgnoreCase.
type fold struct{ pattern }

func compileFold(v *node, variables bool) (matcher, error) {
	p, err := compileText(v, false, variables)
	return &fold{p}, err
}

func (m *fold) match(got string, c Context) verdict {
	want, ok := m.resolve(c)
	if !ok {
		return unresolved
	}
	return is(strings.EqualFold(got, want))
}

// like is a value of StringLike.
type like struct{ pattern }

func compileLike(v *node, variables bool) (matcher, error) {
	p, err := compileText(v, true, variables)
	return &like{p}, err
}

func (m *like) match(got string, c Context) verdict {
	glob, ok := m.resolve(c)
	if !ok {
		return unresolved
	}
	return is(matchGlob(glob, got))
}

// arnPattern is a value of ArnEquals and ArnLike, which are the same: six parts
// that are compared one by one, so that a wildcard does not reach over a colon.
type arnPattern struct {
	anything bool // "*": any ARN
	parts    [6]pattern
}

func compileARN(v *node, variables bool) (matcher, error) {
	if v.text == "*" {
		return &arnPattern{anything: true}, nil
	}
	m := &arnPattern{}
	rest := v.text
	for i := range m.parts {
		part := rest
		if i < len(m.parts)-1 {
			end := literalColon(rest, variables)
			if end < 0 {
				return nil, refuse(v.at, InvalidConditionValue, "%q is no ARN: it has %d of the six parts between colons", excerpt(v.text), i+1)
			}
			part, rest = rest[:end], rest[end+1:]
		}
		p, detail := compilePattern(part, true, variables)
		if detail != "" {
			return nil, refuse(v.at, InvalidVariable, "%s", detail)
		}
		m.parts[i] = p
	}
	return m, nil
}

// literalColon returns the place of the first colon outside of policy variables,
// -1 without one.
func literalColon(s string, variables bool) int {
	for i := 0; i < len(s); i++ {
		if variables && strings.HasPrefix(s[i:], "${") {
			_, n, ok := variableText(s[i:])
			if !ok {
				return -1
			}
			i += n - 1
		} else if s[i] == ':' {
			return i
		}
	}
	return -1
}

func (m *arnPattern) match(got string, c Context) verdict {
	isARN := strings.HasPrefix(got, "arn:") && strings.Count(got, ":") >= 5
	if m.anything {
		return is(isARN)
	}
	matched := isARN
	for i := range m.parts {
		part := got
		if i < len(m.parts)-1 {
			part, got, _ = strings.Cut(got, ":")
		}
		glob, ok := m.parts[i].resolve(c)
		if !ok {
			return unresolved
		}
		matched = matched && matchGlob(glob, part)
	}
	return is(matched)
}

// truth is a value of Bool, which may be a policy variable.
type truth struct{ pattern }

func compileBool(v *node, variables bool) (matcher, error) {
	p, err := compileText(v, false, variables)
	if err != nil {
		return nil, err
	}
	if _, ok := parseBool(p.glob); p.parts == nil && !ok {
		return nil, refuse(v.at, InvalidConditionValue, "%q is neither true nor false, which Bool compares with", excerpt(v.text))
	}
	return &truth{p}, nil
}

func parseBool(s string) (value, ok bool) {
	return strings.EqualFold(s, "true"), strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
}

func (m *truth) match(got string, c Context) verdict {
	text, ok := m.resolve(c)
	if !ok {
		return unresolved
	}
	want, wantOK := parseBool(text)
	b, ok := parseBool(got)
	return is(ok && wantOK && b == want)
}

// binary is a value of BinaryEquals: bytes, of which both sides have the Base64.
type binary string

func compileBinary(v *node, _ bool) (matcher, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(v.text)
	if err != nil {
		return nil, refuse(v.at, InvalidConditionValue, "%q is not Base64, which BinaryEquals compares with", excerpt(v.text))
	}
	return binary(b), nil
}

func (m binary) match(got string, _ Context) verdict {
	b, err := base64.StdEncoding.DecodeString(got)
	return is(err == nil && string(b) == string(m))
}

// network is a value of IpAddress.
type network netip.Prefix

func compileIP(v *node, _ bool) (matcher, error) {
	p, err := netip.ParsePrefix(v.text)
	if err != nil {
		a, err := netip.ParseAddr(v.text)
		if err != nil || a.Zone() != "" {
			return nil, refuse(v.at, InvalidConditionValue, "%q is no IP address or CIDR range such as 203.0.113.0/24 or 2001:db8::/32", excerpt(v.text))
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return network(p.Masked()), nil
}

func (m network) match(got string, _ Context) verdict {
	a, err := netip.ParseAddr(got)
	return is(err == nil && netip.Prefix(m).Contains(a.WithZone("").Unmap()))
}
