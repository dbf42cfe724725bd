package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Documents have conditions on what is known of a principal and a resource, and
// on what only a request says: where it comes from, which encryption context it
// has. To say who can do a thing whatever the request says, and who only if it
// says the right things, a document is rewritten twice, so that no condition on
// an unknown key is left in it, and the gate decides with both.

// supposition is how the conditions on unknown keys are taken.
type supposition uint8

const (
	// generous: those of an Allow hold, those of a Deny do not. What is refused
	// then is refused whatever the request says.
	generous supposition = iota + 1
	// strict: those of an Allow do not hold, those of a Deny do. What is allowed
	// then is allowed whatever the request says.
	strict
)

// supposed is a document without conditions on unknown keys. It has as many
// statements as the original, in their order.
type supposed struct {
	text []byte
	// open are the conditions that were taken out or for granted, by the index
	// of their statement: compact JSON.
	open map[int]string
}

// never is a condition that holds for nobody: every principal has an account of
// 12 digits, and a service has none.
var never = json.RawMessage(`{"StringEquals":{"aws:PrincipalAccount":"none"}}`)

// suppose rewrites a document. It must be one that package policy has accepted.
func suppose(text []byte, s supposition, known func(key string) bool) (supposed, error) {
	out := supposed{open: map[int]string{}}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(text, &document); err != nil {
		return out, fmt.Errorf("reading a policy again: %w", err)
	}
	var statements []map[string]json.RawMessage
	if raw := bytes.TrimSpace(document["Statement"]); len(raw) > 0 && raw[0] == '{' {
		statements = make([]map[string]json.RawMessage, 1)
		if err := json.Unmarshal(raw, &statements[0]); err != nil {
			return out, fmt.Errorf("reading the statement of a policy again: %w", err)
		}
	} else if err := json.Unmarshal(raw, &statements); err != nil {
		return out, fmt.Errorf("reading the statements of a policy again: %w", err)
	}
	for i, st := range statements {
		open, err := supposeStatement(st, s, known)
		if err != nil {
			return out, fmt.Errorf("reading statement %d of a policy again: %w", i, err)
		}
		if open != "" {
			out.open[i] = open
		}
	}
	var err error
	if document["Statement"], err = json.Marshal(statements); err != nil {
		return out, err
	}
	out.text, err = json.Marshal(document)
	return out, err
}

// supposeStatement rewrites a statement in place and returns the conditions on
// unknown keys that it had, "" for none.
func supposeStatement(st map[string]json.RawMessage, s supposition, known func(key string) bool) (string, error) {
	var effect string
	if err := json.Unmarshal(st["Effect"], &effect); err != nil {
		return "", err
	}
	applies := (effect == "Allow") == (s == generous) // what is unknown is to be as if it were so
	settled, open, err := splitConditions(st["Condition"], known)
	if err != nil {
		return "", err
	}
	var wild bool
	if applies {
		wild, err = openVariables(st, "Resource", known)
	}
	if err != nil || len(open) == 0 && !wild {
		return "", err
	}
	switch {
	case len(open) > 0 && !applies:
		st["Condition"] = never
	case len(settled) == 0:
		delete(st, "Condition")
	default:
		if st["Condition"], err = json.Marshal(settled); err != nil {
			return "", err
		}
	}
	if len(open) == 0 {
		return "Resource " + string(st["Resource"]), nil
	}
	b, err := json.Marshal(open)
	return string(b), err
}

// conditions is a Condition element: by operator and key, the values.
type conditions map[string]map[string]json.RawMessage

// splitConditions parts the conditions on known keys from the others.
func splitConditions(raw json.RawMessage, known func(key string) bool) (settled, open conditions, err error) {
	if raw == nil {
		return nil, nil, nil
	}
	var all conditions
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, nil, err
	}
	settled, open = conditions{}, conditions{}
	for operator, keys := range all {
		for key, values := range keys {
			to := open
			if known(key) && !namesUnknown(valuesOf(values), known) {
				to = settled
			}
			if to[operator] == nil {
				to[operator] = map[string]json.RawMessage{}
			}
			to[operator][key] = values
		}
	}
	return settled, open, nil
}

// variable is a policy variable; its first group is the key. (IAM User Guide,
// "IAM policy elements: Variables and tags"; ${*}, ${?} and ${$} are characters.)
var variable = regexp.MustCompile(`\$\{([^*?$},]+)[^}]*\}`)

func namesUnknown(values []string, known func(key string) bool) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return slices.ContainsFunc(variable.FindAllStringSubmatch(v, -1), func(m []string) bool { return !known(strings.TrimSpace(m[1])) })
	})
}

// openVariables puts * for the variables of an element that are unknown, and
// reports whether there were any.
func openVariables(st map[string]json.RawMessage, element string, known func(key string) bool) (bool, error) {
	raw := st[element]
	if raw == nil {
		return false, nil
	}
	values := valuesOf(raw)
	if !namesUnknown(values, known) {
		return false, nil
	}
	for i, v := range values {
		values[i] = variable.ReplaceAllStringFunc(v, func(v string) string {
			if known(strings.TrimSpace(variable.FindStringSubmatch(v)[1])) {
				return v
			}
			return "*"
		})
	}
	var err error
	st[element], err = json.Marshal(values)
	return true, err
}

// valuesOf reads the values of a condition: one or a list; strings, numbers or
// truth values.
func valuesOf(raw json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var out []string
	for _, v := range list {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		out = append(out, s)
	}
	return out
}

// knownKeys is a set of condition keys; a name that ends in / or : stands for
// all keys that begin so.
type knownKeys map[string]bool

func (k knownKeys) has(key string) bool {
	key = strings.ToLower(key)
	if k[key] {
		return true
	}
	for _, end := range []string{"/", ":"} {
		if i := strings.LastIndex(key, end); i >= 0 && k[key[:i+1]] {
			return true
		}
	}
	return false
}

func (k knownKeys) with(names ...string) knownKeys {
	k = maps.Clone(k)
	for _, n := range names {
		k[strings.ToLower(n)] = true
	}
	return k
}
