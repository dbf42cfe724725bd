package model

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/strongroom/strongroom/internal/secret"
)

// A plan is a structure's constraints, compiled against the Go type that
// carries it. Members without a constraint are not in it.
type plan struct {
	typ     reflect.Type
	members []memberPlan
}

// memberPlan says what one member of a structure must satisfy.
type memberPlan struct {
	field    int
	path     string // wire name in lowerCamel, as AWS prints it
	required bool
	kind     kind
	limits   *limits // of the value itself; nil: none
	element  *limits // of a list's scalar elements; nil: none
	nested   *plan   // of a structure, or of the structures in a list; nil: none
}

// kind is how a value lies in the Go structure.
type kind uint8

const (
	kindString  kind = iota + 1 // *string or a pointer to a string type
	kindInt                     // *int32, *int64
	kindBlob                    // []byte
	kindSecret                  // secret.Bytes
	kindScalar                  // *bool, *float64, *time.Time: only presence is checked
	kindStruct                  // *T
	kindStrings                 // []string or a slice of a string type
	kindStructs                 // []T
	kindMap                     // map[string]string
)

// limits are the constraints of one scalar, list or blob.
type limits struct {
	min, max    int64
	hasMin      bool
	hasMax      bool
	isValue     bool // min and max bound the number, not the length
	pattern     *regexp.Regexp
	patternText string
	enum        map[string]bool
	enumText    string
	hidden      bool // the value is left out of the message
}

// planCache keeps an operation's plan for the one type that is validated.
type planCache struct{ p atomic.Pointer[plan] }

func (c *planCache) get(s *Service, shape string, t reflect.Type) *plan {
	if p := c.p.Load(); p != nil && p.typ == t {
		return p
	}
	p := s.compile(s.shapes[shape], t, 0)
	c.p.Store(p)
	return p
}

// maxNesting bounds the structures in structures. No served input comes near it;
// it makes a recursive shape a panic at first use instead of an endless loop.
const maxNesting = 8

// compile makes the plan of a structure. It panics when the type and the shape
// disagree or when the shape has a constraint that the validator cannot check:
// either is a broken build, which the tests of every operation show.
func (s *Service) compile(sh *Shape, t reflect.Type, depth int) *plan {
	if depth > maxNesting {
		panic("model: shape " + sh.Name + " nests too deeply")
	}
	p := &plan{typ: t}
	for _, m := range sh.Members {
		if m.Streaming {
			continue
		}
		f, ok := t.FieldByName(m.GoName())
		if !ok {
			panic(fmt.Sprintf("model: %v has no field %s", t, m.GoName()))
		}
		mp := memberPlan{
			field:    f.Index[0],
			path:     lowerCamel(m.Name),
			required: sh.IsRequired(m.Name),
			kind:     kindOf(f.Type),
		}
		ms := s.shapes[m.Shape]
		mp.limits = newLimits(ms)
		switch mp.kind {
		case kindStruct:
			mp.nested = s.compile(ms, f.Type.Elem(), depth+1)
		case kindStructs:
			mp.nested = s.compile(s.shapes[ms.Member.Shape], f.Type.Elem(), depth+1)
		case kindStrings:
			es := s.shapes[ms.Member.Shape]
			mp.element = newLimits(es)
			if mp.limits != nil && es.Sensitive {
				mp.limits.hidden = true // for the list is shown by its elements
			}
		case kindScalar:
			if mp.limits != nil {
				panic("model: constraints on " + ms.Type + " " + ms.Name + " are not supported")
			}
		case kindMap:
			if newLimits(s.shapes[ms.Key.Shape]) != nil || newLimits(s.shapes[ms.Value.Shape]) != nil {
				panic("model: constraints on the entries of map " + ms.Name + " are not supported")
			}
		}
		if mp.nested != nil && len(mp.nested.members) == 0 {
			mp.nested = nil
		}
		if mp.required || mp.limits != nil || mp.element != nil || mp.nested != nil {
			p.members = append(p.members, mp)
		}
	}
	return p
}

func kindOf(t reflect.Type) kind {
	if t == reflect.TypeFor[secret.Bytes]() {
		return kindSecret
	}
	switch t.Kind() {
	case reflect.Map:
		return kindMap
	case reflect.Slice:
		switch t.Elem().Kind() {
		case reflect.Uint8:
			return kindBlob
		case reflect.String:
			return kindStrings
		case reflect.Struct:
			return kindStructs
		}
	case reflect.Pointer:
		switch t.Elem().Kind() {
		case reflect.String:
			return kindString
		case reflect.Int32, reflect.Int64:
			return kindInt
		case reflect.Bool, reflect.Float64:
			return kindScalar
		case reflect.Struct:
			if t.Elem().PkgPath() == "time" {
				return kindScalar
			}
			return kindStruct
		}
	}
	panic("model: no validation for " + t.String())
}

// newLimits returns the constraints of a shape, or nil when it has none.
func newLimits(sh *Shape) *limits {
	if sh.Type == "structure" || sh.Min == nil && sh.Max == nil && sh.Pattern == "" && len(sh.Enum) == 0 {
		return nil
	}
	l := &limits{
		isValue:     sh.Type == "integer" || sh.Type == "long",
		patternText: sh.Pattern,
		hidden:      sh.Type == "blob" || sh.Sensitive,
	}
	if sh.Min != nil {
		l.min, l.hasMin = *sh.Min, true
	}
	if sh.Max != nil {
		l.max, l.hasMax = *sh.Max, true
	}
	if sh.Pattern != "" {
		l.pattern = regexp.MustCompile(`\A(?:` + javaPattern.ReplaceAllString(sh.Pattern, `\x{$1}`) + `)\z`)
	}
	if len(sh.Enum) > 0 {
		l.enum = make(map[string]bool, len(sh.Enum))
		for _, v := range sh.Enum {
			l.enum[v] = true
		}
		l.enumText = "[" + strings.Join(sh.Enum, ", ") + "]"
	}
	return l
}

// javaPattern finds the one construct of the models' Java patterns that RE2
// spells otherwise: exactly four hexadecimal digits after \u.
var javaPattern = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// lowerCamel turns a member's name into its form in a path: KeyId into keyId.
func lowerCamel(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}
