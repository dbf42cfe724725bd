package server

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/goccy/go-yaml/ast"

	"github.com/strongroom/strongroom/internal/jsonstring"
	"github.com/strongroom/strongroom/internal/policy"
)

// document is a policy document of the file: a mapping, which stands for the
// JSON object of the same shape, or a single value that is JSON text. In a
// mapping every value is the characters that stand there, as in text: policies
// take strings where JSON has numbers and booleans.
type document struct {
	text                    // where it begins; s is the JSON
	marks  []placed         // of a mapping: where its parts stand in the file
	path   string           // of a file of its own
	parsed *policy.Document // once it was read by plan.document
}

// placed says that what begins at an offset of the JSON stands here in the file.
type placed struct {
	offset int
	at     text
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (d *document) UnmarshalYAML(n ast.Node) error {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		at := n.GetToken().Position
		if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
			at = m.Values[0].Key.GetToken().Position // the token of a block mapping is a colon
		} else if v, ok := n.(*ast.MappingValueNode); ok {
			at = v.Key.GetToken().Position
		}
		d.line, d.column = at.Line, at.Column
		b, err := d.json(nil, n)
		d.s = string(b)
		return err
	}
	return d.text.UnmarshalYAML(n)
}

// json appends a node as JSON.
func (d *document) json(b []byte, n ast.Node) ([]byte, error) {
	var err error
	at := n.GetToken().Position
	d.marks = append(d.marks, placed{len(b), text{line: at.Line, column: at.Column}})
	switch n := n.(type) {
	case *ast.MappingNode:
		return d.object(b, n.Values)
	case *ast.MappingValueNode:
		return d.object(b, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		b = append(b, '[')
		for i, v := range n.Values {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = d.json(b, v); err != nil {
				return b, err
			}
		}
		return append(b, ']'), nil
	}
	var value text
	if err := value.UnmarshalYAML(n); err != nil {
		return b, text{line: at.Line, column: at.Column}.errorf("want a value, a list or a mapping here, written out (no anchors, and nothing empty)")
	}
	return jsonstring.Append(b, value.s), nil
}

func (d *document) object(b []byte, members []*ast.MappingValueNode) ([]byte, error) {
	b = append(b, '{')
	for i, m := range members {
		if i > 0 {
			b = append(b, ',')
		}
		if m.Key.IsMergeKey() {
			return b, text{}.errorf("[%d:%d] write it out: a policy is not merged of others", m.Key.GetToken().Position.Line, m.Key.GetToken().Position.Column)
		}
		var err error
		if b, err = d.json(b, m.Key); err != nil {
			return b, err
		}
		if b, err = d.json(append(b, ':'), m.Value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// document returns the JSON of a policy that stands in the file or in a file of
// its own, nil when it is in neither, and refuses one that does not parse. What
// is how the policy is called in errors, and name what it is called in the file.
func (p *plan) document(at text, kind policy.Kind, what, name string, d document, file text) (*document, error) {
	switch {
	case d.given() && file.given():
		return nil, at.errorf("give %s or %sFile, not both", name, name)
	case file.given():
		b, err := os.ReadFile(file.s)
		if err != nil {
			return nil, file.wrap(err)
		}
		d = document{text: text{string(b), file.line, file.column}, path: file.s}
	case !d.given():
		return nil, nil
	}
	var err error
	if d.parsed, err = policy.Parse(kind, []byte(d.s)); err != nil {
		return nil, d.wrap(fmt.Errorf("%s: %w", what, err))
	}
	return &d, nil
}

// wrap says where err comes from: the very place, when it is about the document.
func (d *document) wrap(err error) error {
	refused, ok := errors.AsType[*policy.Error](err)
	if !ok {
		return err
	}
	if _, ok := errors.AsType[lineError](err); ok {
		return err
	}
	if d.path != "" {
		return d.errorf("%s, %w", d.path, refused)
	}
	if d.marks == nil {
		return d.errorf("in the document, %w", refused)
	}
	// The JSON is one line, so the column is the offset.
	i := sort.Search(len(d.marks), func(i int) bool { return d.marks[i].offset > refused.Column-1 })
	at := d.text
	if i > 0 {
		at = d.marks[i-1].at
	}
	return at.wrap(errors.New(refused.Detail))
}
