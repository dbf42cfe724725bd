// Package internal_test holds the rules that no single package can hold: the
// import order, and what house rules a program can check.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/strongroom/strongroom/"

// imports is the import order: what each package of the project may import of
// the others, tests aside. Data goes one way, transport → service → policy and
// custody → store, and nothing below imports anything above. An edge that is
// not here is refused; so is a package that is not here.
var imports = map[string][]string{
	// Leaves.
	"internal/secret":     {},
	"internal/arn":        {},
	"internal/awserr":     {},
	"internal/durable":    {},
	"internal/faultproxy": {},
	"internal/sigv4":      {},
	"internal/uuid":       {},
	"internal/jsonstring": {},
	"internal/keywrap":    {},
	"internal/identity":   {"internal/arn"},
	"internal/nitro":      {"internal/secret"},

	// Test kits below everything.
	"internal/durable/crashfs": {"internal/durable"},
	"internal/durable/errorfs": {"internal/durable"},

	// State, shapes, trail and custody: none knows another.
	"internal/store":           {},
	"internal/store/sqlite":    {"internal/durable", "internal/store"},
	"internal/store/storetest": {"internal/store"},
	"internal/policy":          {"internal/arn", "internal/jsonstring"},
	"internal/model":           {"internal/awserr", "internal/secret"},
	"internal/model/gen":       {"internal/model"},
	"internal/audit":           {"internal/durable", "internal/jsonstring"},
	"internal/hsm":             {"internal/durable", "internal/keywrap", "internal/secret"},

	// Wire protocols and shapes, formats, the gate, records.
	"internal/kms/kmsapi":     {"internal/awserr", "internal/secret"},
	"internal/s3/s3api":       {"internal/awserr", "internal/secret"},
	"internal/sts/stsapi":     {"internal/awserr", "internal/secret"},
	"internal/awsjson":        {"internal/awserr", "internal/identity", "internal/jsonstring", "internal/model", "internal/secret"},
	"internal/restxml":        {"internal/awserr", "internal/s3/s3api", "internal/secret"},
	"internal/awsquery":       {"internal/awserr", "internal/identity", "internal/restxml"}, // for the text of XML
	"internal/gate":           {"internal/arn", "internal/audit", "internal/awserr", "internal/identity", "internal/policy", "internal/uuid"},
	"internal/custody":        {"internal/audit", "internal/durable", "internal/hsm", "internal/store", "internal/uuid"},
	"internal/kms/ciphertext": {"internal/hsm", "internal/secret"},
	"internal/s3/sse":         {"internal/hsm", "internal/secret"},
	"internal/kms/kmsdb":      {"internal/arn", "internal/hsm", "internal/kms/kmsapi", "internal/store"},
	"internal/iam":            {"internal/arn", "internal/audit", "internal/awserr", "internal/gate", "internal/hsm", "internal/identity", "internal/policy", "internal/secret", "internal/store", "internal/uuid"},

	"internal/tlscert": {"internal/hsm"},

	// Services: they never import each other.
	"internal/kms": {"internal/arn", "internal/audit", "internal/awserr", "internal/gate", "internal/hsm", "internal/identity", "internal/jsonstring",
		"internal/kms/ciphertext", "internal/kms/kmsapi", "internal/kms/kmsdb", "internal/model", "internal/policy", "internal/secret", "internal/store", "internal/uuid"},
	"internal/s3": {"internal/arn", "internal/audit", "internal/awserr", "internal/gate", "internal/hsm", "internal/identity",
		"internal/model", "internal/policy", "internal/s3/s3api", "internal/s3/sse", "internal/secret", "internal/store", "internal/uuid"},
	"internal/sts": {"internal/arn", "internal/awserr", "internal/gate", "internal/hsm", "internal/identity", "internal/model", "internal/policy", "internal/sts/stsapi"},

	// What implements or exposes them.
	"internal/s3/diskstore": {"internal/durable", "internal/s3"},
	"internal/backup":       {"internal/audit", "internal/durable", "internal/s3", "internal/s3/diskstore", "internal/store", "internal/store/sqlite"},
	"internal/kms/kmshttp":  {"internal/awserr", "internal/awsjson", "internal/gate", "internal/identity", "internal/kms", "internal/kms/kmsapi"},
	"internal/s3/s3http":    {"internal/awserr", "internal/gate", "internal/identity", "internal/restxml", "internal/s3", "internal/s3/s3api"},
	"internal/sts/stshttp":  {"internal/awserr", "internal/awsquery", "internal/identity", "internal/sts", "internal/sts/stsapi"},

	// The one that knows them all, and the command.
	"internal/server": {"internal/arn", "internal/audit", "internal/awserr", "internal/awsjson", "internal/awsquery", "internal/backup", "internal/custody", "internal/durable", "internal/gate", "internal/hsm",
		"internal/iam", "internal/identity", "internal/jsonstring", "internal/kms", "internal/kms/kmsapi", "internal/kms/kmsdb", "internal/kms/kmshttp", "internal/policy", "internal/s3", "internal/s3/diskstore", "internal/s3/s3api", "internal/s3/s3http",
		"internal/secret", "internal/sigv4", "internal/store", "internal/store/sqlite", "internal/sts", "internal/sts/stshttp", "internal/tlscert", "internal/uuid"},
	"internal/bench": {"internal/gate", "internal/identity", "internal/policy", "internal/secret", "internal/server", "internal/sigv4"},
	"cmd/strongroom": {"internal/audit", "internal/backup", "internal/custody", "internal/hsm", "internal/secret", "internal/server"},
}

// external is who may import what from outside the standard library.
var external = map[string][]string{
	"cmd/strongroom":           {"github.com/spf13/cobra"},
	"internal/server":          {"github.com/goccy/go-yaml", "github.com/prometheus/client_golang", "golang.org/x/sys"},
	"internal/store/sqlite":    {"modernc.org/sqlite"},
	"internal/hsm":             {"filippo.io/mldsa", "github.com/decred/dcrd/dcrec/secp256k1/v4", "github.com/emmansun/gmsm", "golang.org/x/sys"},
	"internal/nitro":           {"github.com/fxamacker/cbor/v2"},
	"internal/s3":              {"github.com/cespare/xxhash/v2", "github.com/minio/crc64nvme", "github.com/zeebo/xxh3"},
	"internal/store/storetest": {"pgregory.net/rapid"},           // a test kit
	"internal/bench":           {"github.com/aws/aws-sdk-go-v2"}, // a client, as in tests
}

type source struct {
	pkg     string // directory below the module's root
	file    string
	imports []string
	ast     *ast.File
}

// sources parses every Go file of the product, tests aside.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	fset := token.NewFileSet()
	for _, top := range []string{"../internal", "../cmd"} {
		err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return nil
			}
			f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel("..", p)
			if err != nil {
				return err
			}
			s := source{pkg: path.Dir(filepath.ToSlash(rel)), file: filepath.ToSlash(rel), ast: f}
			for _, i := range f.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				s.imports = append(s.imports, name)
			}
			all = append(all, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 50 {
		t.Fatalf("found %d Go files, want the whole tree", len(all))
	}
	return all
}

func TestImportOrder(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.pkg] = true
		allowed, ok := imports[s.pkg]
		if !ok {
			t.Errorf("%s: package %s has no place in the import order; give it one in this file", s.file, s.pkg)
			continue
		}
		for _, name := range s.imports {
			switch inside, own := strings.CutPrefix(name, module); {
			case own && !slices.Contains(allowed, inside):
				t.Errorf("%s imports %s, which the import order does not allow", s.file, inside)
			case !own && strings.Contains(strings.Split(name, "/")[0], ".") &&
				!slices.ContainsFunc(external[s.pkg], func(m string) bool { return name == m || strings.HasPrefix(name, m+"/") }):
				t.Errorf("%s imports %s; say why in this file and in ARCHITECTURE.md, or do without", s.file, name)
			}
		}
	}
	for pkg := range imports {
		if !seen[pkg] {
			t.Errorf("the import order names %s, which is not there", pkg)
		}
	}
}

func TestPackagesAreDescribed(t *testing.T) {
	described := map[string]bool{}
	for _, s := range sources(t) {
		described[s.pkg] = described[s.pkg] || s.ast.Doc != nil
	}
	for pkg, ok := range described {
		if !ok {
			t.Errorf("package %s has no comment that says what it is", pkg)
		}
	}
}

// TestHouseRules checks what reads badly in any codebase and worse in one that
// keeps keys.
func TestHouseRules(t *testing.T) {
	for _, s := range sources(t) {
		for _, name := range s.imports {
			if name == "math/rand" || name == "math/rand/v2" {
				t.Errorf("%s imports %s: crypto/rand is the only source of randomness", s.file, name)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if f, ok := n.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s has an init function: package state is not set behind the reader's back", s.file)
			}
			if call, ok := n.(*ast.CallExpr); ok && len(call.Args) > 0 {
				// The message of a warning or error is the label of a metric.
				f, ok := call.Fun.(*ast.SelectorExpr)
				if ok && (f.Sel.Name == "Warn" || f.Sel.Name == "Error") && s.pkg != "internal/bench" && s.pkg != "internal/store/storetest" {
					if message, ok := call.Args[0].(*ast.BasicLit); !ok || message.Kind != token.STRING {
						t.Errorf("%s logs a message that is no literal; what varies belongs into attributes", s.file)
					}
				}
			}
			return true
		})
		for _, c := range s.ast.Comments {
			if strings.Contains(c.Text(), "TODO") || strings.Contains(c.Text(), "FIXME") {
				t.Errorf("%s: an open end in a comment: %q", s.file, strings.TrimSpace(c.Text()))
			}
		}
		b, err := os.ReadFile(filepath.Join("..", s.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "\n"); n > 800 && !strings.Contains(path.Base(s.file), "zz_") {
			t.Errorf("%s has %d lines: is it one idea?", s.file, n)
		}
	}
}
