package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// bootstrap is the bootstrap file, docs/bootstrap.md.
type bootstrap struct {
	Accounts  []bootstrapAccount  `yaml:"accounts"`
	Endpoints []bootstrapEndpoint `yaml:"endpoints"`
}

type bootstrapAccount struct {
	ID         text                 `yaml:"id"`
	AccessKeys []bootstrapAccessKey `yaml:"accessKeys"` // of the account's root user

	Organization           text               `yaml:"organization"`
	ManagementAccount      *bool              `yaml:"managementAccount"`
	ServiceControlPolicies []bootstrapControl `yaml:"serviceControlPolicies"`

	Policies []bootstrapPolicy `yaml:"policies"` // customer managed policies
	Groups   []bootstrapGroup  `yaml:"groups"`
	Users    []bootstrapUser   `yaml:"users"`
	Roles    []bootstrapRole   `yaml:"roles"`

	Keys    []bootstrapKey    `yaml:"keys"` // KMS keys
	Buckets []bootstrapBucket `yaml:"buckets"`
}

type bootstrapAccessKey struct {
	ID         text `yaml:"id"`
	Absent     bool `yaml:"absent"`
	Secret     text `yaml:"secret"`
	SecretFile text `yaml:"secretFile"`
}

type bootstrapKey struct {
	ID           text            `yaml:"id"`
	Region       text            `yaml:"region"`
	Description  text            `yaml:"description"`
	Enabled      *bool           `yaml:"enabled"`
	Aliases      []text          `yaml:"aliases"`
	Tags         map[string]text `yaml:"tags"`
	Policy       document        `yaml:"policy"`
	PolicyFile   text            `yaml:"policyFile"`
	Material     text            `yaml:"material"` // base64
	MaterialFile text            `yaml:"materialFile"`
}

type bootstrapBucket struct {
	Name       text     `yaml:"name"`
	Region     text     `yaml:"region"`
	Policy     document `yaml:"policy"`
	PolicyFile text     `yaml:"policyFile"`
}

// text is a scalar of the file: just the characters that stand there, so that
// an unquoted account id is no number (and one that begins with 0 no octal
// one), and where they stand.
type text struct {
	s            string
	line, column int // from 1; 0: the file does not have it
}

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (t *text) UnmarshalYAML(n ast.Node) error {
	if tag, ok := n.(*ast.TagNode); ok {
		n = tag.Value
	}
	at := n.GetToken().Position
	t.line, t.column = at.Line, at.Column
	switch n := n.(type) {
	case *ast.StringNode:
		t.s = n.Value
	case *ast.LiteralNode:
		t.s = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		t.s = n.GetToken().Value
	default:
		return t.errorf("want a single value here")
	}
	return nil
}

// given reports whether the file has the value.
func (t text) given() bool { return t.line > 0 }

// or is t, or other where the file does not have t.
func (t text) or(other text) text {
	if t.given() {
		return t
	}
	return other
}

// lineError is an error about a place in the file.
type lineError struct {
	line, column int
	err          error
}

func (e lineError) Error() string {
	if e.line == 0 {
		return e.err.Error()
	}
	return fmt.Sprintf("[%d:%d] %v", e.line, e.column, e.err)
}

func (e lineError) Unwrap() error { return e.err }

// wrap says where err comes from, once. Nil stays nil.
func (t text) wrap(err error) error {
	if _, ok := errors.AsType[lineError](err); ok || err == nil {
		return err
	}
	return lineError{t.line, t.column, err}
}

func (t text) errorf(format string, args ...any) error {
	return t.wrap(fmt.Errorf(format, args...))
}

// readBootstrap parses the file. Unknown and repeated keys are refused, with
// the line they stand in. No error shows a value of the file that may be secret.
func readBootstrap(path string) (*bootstrap, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("bootstrap file: %w", err)
	}
	defer f.Close()
	var b bootstrap
	d := yaml.NewDecoder(f, yaml.Strict())
	if err = d.Decode(&b); err == nil {
		// The rest of the file would be passed over without a word.
		var more any
		if err = d.Decode(&more); err == nil {
			return nil, fmt.Errorf("bootstrap file %s: it has a second YAML document, after a line \"---\"; put everything into one", path)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("bootstrap file %s: %s", path, firstLine(yaml.FormatError(err, false, false)))
	}
	return &b, nil
}

// firstLine keeps the "[line:column] what" of a YAML error and drops the
// excerpt of the file under it, which may show a secret.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
