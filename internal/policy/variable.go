package policy

import (
	"strings"
	"unicode/utf8"
)

// pattern is a value with policy variables and wildcards, compiled.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags".
type pattern struct {
	glob      string // without variables: what matchGlob takes
	prefix    int    // length of glob up to its first wildcard
	wildcards bool   // of the document's text
	parts     []part // with variables: glob and variable by turns; nil without
}

// part is a run of a pattern without a variable, or a variable.
type part struct {
	glob       string
	variable   string // lower-case name of a condition key; empty: no variable
	byDefault  string
	hasDefault bool
}

// compilePattern compiles s. Wildcards says whether * and ? are such, variables
// whether the document's version has them. Its error is the detail of what is
// wrong with a variable.
func compilePattern(s string, wildcards, variables bool) (pattern, string) {
	var parts []part
	var run strings.Builder
	flush := func() {
		if run.Len() > 0 {
			parts = append(parts, part{glob: run.String()})
			run.Reset()
		}
	}
	p := pattern{}
	hasVariable := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case wildcards && c == '*':
			p.wildcards = true
			run.WriteByte(star)
		case wildcards && c == '?':
			p.wildcards = true
			run.WriteByte(anyOne)
		case variables && c == '$' && strings.HasPrefix(s[i:], "${"):
			inner, n, ok := variableText(s[i:])
			if !ok {
				return pattern{}, "the policy variable that begins at \"" + excerpt(s[i:]) + "\" does not end; write ${$} for a dollar sign"
			}
			i += n - 1
			if inner == "*" || inner == "?" || inner == "$" {
				run.WriteString(inner)
				continue
			}
			v, ok := compileVariable(inner)
			if !ok {
				return pattern{}, "\"${" + excerpt(inner) + "}\" is no policy variable; a variable is ${key} or ${key, 'default'}"
			}
			hasVariable = true
			flush()
			parts = append(parts, v)
		default:
			run.WriteByte(c)
		}
	}
	if !hasVariable {
		p.glob = run.String()
		p.prefix = firstWildcard(p.glob)
		return p, ""
	}
	flush()
	p.parts = parts
	return p, ""
}

// variableText returns what stands between ${ at the beginning of s and its },
// and the length of all. A } in the quotes of a default does not end it.
func variableText(s string) (inner string, n int, ok bool) {
	quoted, comma := false, false
	for i := 2; i < len(s); i++ {
		switch {
		case s[i] == ',' && !quoted:
			comma = true
		case s[i] == '\'' && comma:
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return s[2:i], i + 1, true
		}
	}
	return "", 0, false
}

func compileVariable(inner string) (part, bool) {
	key, rest, hasDefault := strings.Cut(inner, ",")
	key = strings.TrimSpace(key)
	if key == "" || strings.ContainsAny(key, "${*?\t\r\n") {
		return part{}, false
	}
	v := part{variable: strings.ToLower(key), hasDefault: hasDefault}
	if hasDefault {
		rest = strings.TrimSpace(rest)
		if len(rest) < 2 || rest[0] != '\'' || strings.IndexByte(rest[1:], '\'') != len(rest)-2 {
			return part{}, false
		}
		v.byDefault = rest[1 : len(rest)-1]
	}
	return v, true
}

func excerpt(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

// maxResolved bounds what variables can make of a pattern, in bytes: more than
// any text it is compared with. A document may name one variable thousands of
// times, and a caller give it thousands of bytes.
const maxResolved = 64 << 10

// resolve returns the pattern as a glob, and false when a variable has no value
// in this request. What comes from the request is literal, wildcards or not.
func (p *pattern) resolve(c Context) (glob string, ok bool) {
	if p.parts == nil {
		return p.glob, true
	}
	var b strings.Builder
	for i := range p.parts {
		v := &p.parts[i]
		if v.variable == "" {
			b.WriteString(v.glob)
			continue
		}
		s, ok := v.value(c)
		if !ok || b.Len()+len(s) > maxResolved {
			return "", false
		}
		b.WriteString(s)
	}
	return b.String(), true
}

// matches reports whether the pattern matches all of s.
func (p *pattern) matches(s string, c Context) bool {
	if p.parts == nil {
		// Most patterns are of something else, which their beginning says.
		return len(s) >= p.prefix && s[:p.prefix] == p.glob[:p.prefix] && matchGlob(p.glob[p.prefix:], s[p.prefix:])
	}
	glob, ok := p.resolve(c)
	return ok && matchGlob(glob, s)
}

// value returns the value of a variable. A key with several values has none
// that could stand in a text; what is not UTF-8 could be taken for a wildcard.
func (v *part) value(c Context) (string, bool) {
	got, ok := lookup(c, v.variable)
	switch {
	case !ok:
		return v.byDefault, v.hasDefault
	case got.Multi || len(got.Strings) != 1 || !utf8.ValidString(got.Strings[0]):
		return "", false
	}
	return got.Strings[0], true
}

// lookup asks c for a key. A key with no value at all is a key that is not there.
func lookup(c Context, name string) (Value, bool) {
	if c == nil {
		return Value{}, false
	}
	v, ok := c.Lookup(name)
	return v, ok && len(v.Strings) > 0
}
