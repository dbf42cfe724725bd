package model

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/secret"
)

// ValidationException is the code of what Validate returns.
const ValidationException awserr.Code = "ValidationException"

// Validate checks the input of an operation against the model. V is a pointer to
// the generated structure, such as *kmsapi.EncryptRequest. The error is an
// *awserr.Error with code ValidationException that names every violation, in the
// order of the model's members, in AWS's words:
//
//	1 validation error detected: Value '1025' at 'numberOfBytes' failed to
//	satisfy constraint: Member must have value less than or equal to 1024
//
// Validate does not allocate for a valid input. It panics when the service does
// not have the operation, or when v is not its input.
func (s *Service) Validate(op string, v any) error {
	cache := s.plans[op]
	if cache == nil {
		panic("model: no operation " + op)
	}
	rv := reflect.ValueOf(v).Elem()
	p := cache.p.Load()
	if p == nil || p.typ != rv.Type() {
		p = cache.get(s, s.operations[op].Input.Shape, rv.Type())
	}
	if p.holds(rv) {
		return nil
	}
	var found violations
	found.structure(p, "", rv)
	return found.err()
}

// holds reports whether a structure satisfies its plan. It is kept apart from
// the making of messages, so that the usual case does no more than compare.
func (p *plan) holds(v reflect.Value) bool {
	for i := range p.members {
		if !p.members[i].holds(v.Field(p.members[i].field)) {
			return false
		}
	}
	return true
}

func (m *memberPlan) holds(f reflect.Value) bool {
	if m.absent(f) {
		return !m.required
	}
	if m.limits != nil && !m.limits.holds(m.kind, f) {
		return false
	}
	switch m.kind {
	case kindStruct:
		return m.nested == nil || m.nested.holds(f.Elem())
	case kindStructs:
		if m.nested != nil {
			for i := range f.Len() {
				if !m.nested.holds(f.Index(i)) {
					return false
				}
			}
		}
	case kindStrings:
		if m.element != nil {
			for i := range f.Len() {
				if !m.element.holdsString(f.Index(i).String()) {
					return false
				}
			}
		}
	}
	return true
}

func (m *memberPlan) absent(f reflect.Value) bool {
	if m.kind == kindSecret {
		return f.Addr().Interface().(*secret.Bytes).IsNil()
	}
	return f.IsNil()
}

func (l *limits) holds(k kind, f reflect.Value) bool {
	switch k {
	case kindString:
		return l.holdsString(f.Elem().String())
	case kindInt:
		return l.inRange(f.Elem().Int())
	case kindSecret:
		return l.inRange(int64(f.Addr().Interface().(*secret.Bytes).Len()))
	case kindBlob, kindStrings, kindStructs, kindMap:
		return l.inRange(int64(f.Len()))
	}
	return true
}

func (l *limits) inRange(n int64) bool {
	return (!l.hasMin || n >= l.min) && (!l.hasMax || n <= l.max)
}

func (l *limits) holdsString(s string) bool {
	return l.lengthHolds(s) &&
		(l.pattern == nil || l.pattern.MatchString(s)) &&
		(l.enum == nil || l.enum[s])
}

// lengthHolds counts characters, not bytes: the Smithy specification defines the
// length of a string as its number of Unicode scalar values. A character is of 1 to
// 4 bytes, which decides most cases without counting.
func (l *limits) lengthHolds(s string) bool {
	n := int64(len(s))
	if (!l.hasMax || n <= l.max) && (!l.hasMin || n >= 4*l.min-3) {
		return true
	}
	return l.inRange(int64(utf8.RuneCountInString(s)))
}

// violations collects the texts of what is wrong.
type violations []string

func (vs *violations) structure(p *plan, prefix string, v reflect.Value) {
	for i := range p.members {
		m := &p.members[i]
		vs.member(m, prefix+m.path, v.Field(m.field))
	}
}

func (vs *violations) member(m *memberPlan, path string, f reflect.Value) {
	if m.absent(f) {
		if m.required {
			vs.add("null", path, "Member must not be null")
		}
		return
	}
	if m.limits != nil && !m.limits.holds(m.kind, f) {
		for _, text := range m.limits.broken(m.kind, f) {
			vs.add(shown(m.limits, m.kind, f), path, text)
		}
	}
	switch {
	case m.nested != nil && m.kind == kindStruct:
		vs.structure(m.nested, path+".", f.Elem())
	case m.nested != nil && m.kind == kindStructs:
		for i := range f.Len() {
			vs.structure(m.nested, path+"."+strconv.Itoa(i+1)+".member.", f.Index(i))
		}
	case m.element != nil:
		for i := range f.Len() {
			if !m.element.holdsString(f.Index(i).String()) {
				// One violation for the whole list, naming all constraints of an element.
				vs.add(shown(m.element, m.kind, f), path,
					"Member must satisfy constraint: ["+strings.Join(m.element.all(), ", ")+"]")
				break
			}
		}
	}
}

// add appends one violation; an empty value is one that is not shown.
func (vs *violations) add(value, path, text string) {
	if value != "" {
		value += " "
	}
	*vs = append(*vs, "Value "+value+"at '"+path+"' failed to satisfy constraint: "+text)
}

func (vs violations) err() error {
	noun := "errors"
	if len(vs) == 1 {
		noun = "error"
	}
	return awserr.New(ValidationException, "%d validation %s detected: %s", len(vs), noun, strings.Join(vs, "; "))
}

// shown returns a value as the message has it, in quotes.
func shown(l *limits, k kind, f reflect.Value) string {
	switch {
	case l.hidden:
		return ""
	case k == kindString:
		return "'" + f.Elem().String() + "'"
	case k == kindInt:
		return "'" + strconv.FormatInt(f.Elem().Int(), 10) + "'"
	case k == kindStrings:
		all := make([]string, f.Len())
		for i := range all {
			all[i] = f.Index(i).String()
		}
		return "'[" + strings.Join(all, ", ") + "]'"
	}
	return ""
}

// broken returns the texts of the constraints that a present value does not satisfy.
func (l *limits) broken(k kind, f reflect.Value) []string {
	one := *l
	var texts []string
	check := func(only limits) {
		if !only.holds(k, f) {
			texts = append(texts, only.all()...)
		}
	}
	check(limits{isValue: one.isValue, max: one.max, hasMax: one.hasMax})
	check(limits{isValue: one.isValue, min: one.min, hasMin: one.hasMin})
	check(limits{pattern: one.pattern, patternText: one.patternText})
	check(limits{enum: one.enum, enumText: one.enumText})
	return texts
}

// all returns the texts of all constraints: maximum, minimum, pattern,
// enumeration, which is the order of AWS's own messages.
func (l *limits) all() []string {
	what := "length"
	if l.isValue {
		what = "value"
	}
	var texts []string
	if l.hasMax {
		texts = append(texts, fmt.Sprintf("Member must have %s less than or equal to %d", what, l.max))
	}
	if l.hasMin {
		texts = append(texts, fmt.Sprintf("Member must have %s greater than or equal to %d", what, l.min))
	}
	if l.patternText != "" {
		texts = append(texts, "Member must satisfy regular expression pattern: "+l.patternText)
	}
	if l.enumText != "" {
		texts = append(texts, "Member must satisfy enum value set: "+l.enumText)
	}
	return texts
}
