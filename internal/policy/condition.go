package policy

import (
	"slices"
	"strings"
)

// set is how an operator compares a key that has several values.
type set uint8

const (
	noSet set = iota + 1
	forAllValues
	forAnyValue
)

// condition is one operator with one key and its values, compiled.
//
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and
// "Single-valued vs. multivalued context keys".
type condition struct {
	operator string   // as written, prefix and suffix included
	key      string   // as written
	wanted   []string // as written

	name     string // key in lower case
	set      set
	ifExists bool
	negated  bool
	null     bool      // Null: matchers is nil, and values say whether the key must be absent
	absent   []bool    // of Null
	matchers []matcher // one by value, not negated
}

// verdict is what one value of a condition says of one value of a request.
type verdict uint8

const (
	no verdict = iota + 1
	yes
	unresolved // no match, because a policy variable in the value has no value
)

// matcher is one value of a condition.
type matcher interface {
	match(got string, c Context) verdict
}

// conditions compiles a Condition element.
func (d *Document) conditions(n *node) ([]condition, error) {
	if n.shape != anObject {
		return nil, refuse(n.at, Syntax, "Condition is %v and should be an object", n.shape)
	}
	var all []condition
	for i := range n.members {
		op := &n.members[i]
		if op.value.shape != anObject {
			return nil, refuse(op.value.at, Syntax, "%s is %v and should be an object of condition keys", excerpt(op.name), op.value.shape)
		}
		seen := map[string]bool{}
		for j := range op.value.members {
			c, err := d.condition(op, &op.value.members[j])
			if err != nil {
				return nil, err
			}
			if seen[c.name] {
				return nil, refuse(op.value.members[j].at, DuplicateKey, "condition keys are not case sensitive, so %q stands twice", excerpt(c.key))
			}
			seen[c.name] = true
			all = append(all, c)
		}
		if len(op.value.members) == 0 {
			if _, _, detail := parseOperator(op.name); detail != "" {
				return nil, refuse(op.at, UnknownOperator, "%s", detail)
			}
		}
	}
	return all, nil
}

func (d *Document) condition(op, m *member) (condition, error) {
	c, family, detail := parseOperator(op.name)
	if detail != "" {
		return c, refuse(op.at, UnknownOperator, "%s", detail)
	}
	c.key, c.name = m.name, strings.ToLower(m.name)
	vendor, rest, ok := strings.Cut(m.name, ":")
	if !ok || vendor == "" || rest == "" || strings.ContainsAny(vendor, "*?$ ") {
		return c, refuse(m.at, InvalidConditionKey, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
	}
	if d.kind == Key && c.set == forAllValues {
		if what := singleValued(c.name); what != "" {
			return c, refuse(m.at, OverlyPermissiveCondition, "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches requests without the specified %[1]s or with an unspecified %[1]s. To fix, remove ForAllValues.", what)
		}
	}
	values := []node{m.value}
	if m.value.shape == anArray {
		values = m.value.items
	}
	for i := range values {
		v := &values[i]
		switch v.shape {
		case aString, aNumber, aBoolean: // without quotes it is the text that was written
		default:
			return c, refuse(v.at, Syntax, "a value of %s is %v and should be a string", excerpt(m.name), v.shape)
		}
		c.wanted = append(c.wanted, v.text)
		if c.null {
			absent, ok := parseBool(v.text)
			if !ok {
				return c, refuse(v.at, InvalidConditionValue, "%q is neither true nor false, which Null compares with", excerpt(v.text))
			}
			c.absent = append(c.absent, absent)
			continue
		}
		compiled, err := family(v, d.version == Version2012)
		if err != nil {
			return c, err
		}
		c.matchers = append(c.matchers, compiled)
	}
	return c, nil
}

// singleValued says what a key is of which KMS knows that it has one value.
//
// Source: KMS Developer Guide, "Condition keys for AWS KMS", kms:EncryptionContext:context-key.
func singleValued(name string) string {
	switch {
	case strings.HasPrefix(name, "kms:encryptioncontext:"):
		return "encryption context"
	case strings.HasPrefix(name, "aws:requesttag/"), strings.HasPrefix(name, "aws:resourcetag/"):
		return "tag"
	}
	return ""
}

// met reports whether the condition is met.
func (c *condition) met(ctx Context) bool {
	got, present := lookup(ctx, c.name)
	if present && (c.null || c.set != noSet) && len(got.Strings) == 1 && got.Strings[0] == "" {
		present = false // an empty string counts as no value, for these alone
	}
	switch {
	case c.null:
		return slices.Contains(c.absent, !present)
	case !present && (c.ifExists || c.set == forAllValues):
		return true
	case !present:
		return c.negated && c.set == noSet
	case c.set == forAllValues:
		for _, v := range got.Strings {
			if !c.meets(v, ctx) {
				return false
			}
		}
		return true
	case c.set == forAnyValue:
		for _, v := range got.Strings {
			if c.meets(v, ctx) {
				return true
			}
		}
		return false
	}
	// Which of several values an operator without a set compares is not
	// defined, so such a condition is never met.
	return !c.needsSet(got) && c.meets(got.Strings[0], ctx)
}

// needsSet reports whether the key may have several values, and the operator is
// for one.
func (c *condition) needsSet(got Value) bool {
	return !c.null && c.set == noSet && (got.Multi || len(got.Strings) > 1)
}

// meets reports whether one value of the request is among the condition's, or
// for a negated operator that it is not. A policy variable without a value makes
// its value match nothing, so that a negated operator is met.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags", "Policy
// variables with no value".
func (c *condition) meets(got string, ctx Context) bool {
	for _, m := range c.matchers {
		if m.match(got, ctx) == yes {
			return !c.negated
		}
	}
	return c.negated
}
