package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/strongroom/strongroom/internal/model"
)

// trimFile reads a full model and writes what the operations need of it.
func trimFile(from, to string, operations []string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	full, err := model.ParseFile(data)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	trimmed, err := trim(full, operations)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := printFile(trimmed)
	if err != nil {
		return err
	}
	return os.WriteFile(to, out, 0o644)
}

// trim returns the operations and the shapes they reach. Exceptions keep their
// name and status alone: errors are written by hand-made codecs, not from shapes.
func trim(full *model.File, operations []string) (*model.File, error) {
	out := &model.File{
		Metadata:   full.Metadata,
		Operations: map[string]*model.Operation{},
		Shapes:     map[string]*model.Shape{},
	}
	var keep func(ref *model.Ref)
	keep = func(ref *model.Ref) {
		if ref == nil || out.Shapes[ref.Shape] != nil {
			return
		}
		s := full.Shapes[ref.Shape]
		if s.Exception {
			s.Members, s.Required = nil, nil
		}
		if slices.Contains(sensitive, ref.Shape) {
			s.Sensitive = true
		}
		out.Shapes[ref.Shape] = s
		for _, r := range []*model.Ref{s.Member, s.Key, s.Value} {
			keep(r)
		}
		for i := range s.Members {
			keep(&s.Members[i].Ref)
		}
	}
	for _, name := range operations {
		op := full.Operations[name]
		if op == nil {
			return nil, fmt.Errorf("no operation %s", name)
		}
		out.Operations[name] = op
		keep(op.Input)
		keep(op.Output)
		for i := range op.Errors {
			keep(&op.Errors[i])
		}
	}
	return out, nil
}

// printFile prints a model indented and with its operations and shapes sorted by
// name, so that a diff of two is readable.
func printFile(f *model.File) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", " "); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
