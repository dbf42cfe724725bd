package s3http

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/model"
	"github.com/strongroom/strongroom/internal/s3"
)

// Every operation of the model is served, has an action, and is found by the
// method and query its own model says.
func TestTable(t *testing.T) {
	byName := map[string]*route{}
	for i := range routes {
		byName[routes[i].name] = &routes[i]
	}
	for _, name := range model.S3().Operations() {
		r := byName[name]
		if r == nil {
			t.Errorf("%s is in the model and not in the table", name)
			continue
		}
		if s3.Action(name) == "" {
			t.Errorf("%s has no action", name)
		}
		query := url.Values{"x-id": {name}}
		for _, s := range r.selectors {
			query.Set(s, "1")
		}
		if r.value[0] != "" {
			query.Set(r.value[0], r.value[1])
		}
		if got, _ := find(r.method, r.level, query, r.copies); got != r {
			t.Errorf("%s %v finds %v, want %s", r.method, query, got, name)
		}
		if reads := r.method == http.MethodGet || r.method == http.MethodHead || r.method == http.MethodDelete; reads && (r.bodyLimit > 0 || r.streams) {
			t.Errorf("%s takes a payload with %s", name, r.method)
		}
	}
	if got, want := len(byName), len(model.S3().Operations()); got != want {
		t.Errorf("got %d operations in the table, want the %d of the model", got, want)
	}
}

// codesOf lists the code constants that a directory of Go files declares.
func codesOf(t *testing.T, files ...string) []awserr.Code {
	var codes []awserr.Code
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if typ, ok := spec.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Code" {
				return true
			}
			for _, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok {
					s, _ := strconv.Unquote(lit.Value)
					codes = append(codes, awserr.Code(s))
				}
			}
			return true
		})
	}
	if len(codes) == 0 {
		t.Fatal("found no code")
	}
	return codes
}

// badRequests are the codes whose status is 400: a code that is new must be
// put here or into statuses, so that nobody forgets to look it up.
var badRequests = map[awserr.Code]bool{
	"AuthorizationHeaderMalformed": true, "AuthorizationQueryParametersError": true, "BadDigest": true,
	"EncryptionTypeMismatch": true, "EntityTooLarge": true, "EntityTooSmall": true, "ExpiredToken": true,
	"IllegalLocationConstraintException": true, "IncompleteBody": true, "InvalidArgument": true, "InvalidBucketName": true,
	"InvalidDigest": true, "InvalidEncryptionAlgorithmError": true, "InvalidLocationConstraint": true, "InvalidPart": true,
	"InvalidPartOrder": true, "InvalidRequest": true, "InvalidStorageClass": true, "InvalidTag": true, "InvalidToken": true,
	"InvalidURI": true, "InvalidWriteOffset": true, "KeyTooLongError": true, "MalformedPolicy": true, "MalformedXML": true,
	"MaxMessageLengthExceeded": true, "MetadataTooLarge": true, "MissingRequestBodyError": true, "MissingSecurityHeader": true,
	"RequestTimeout": true, "TooManyBuckets": true, "TooManyParts": true, "XAmzContentSHA256Mismatch": true,
	"KMS.DisabledException": true, "KMS.InvalidKeyUsageException": true, "KMS.KMSInvalidStateException": true, "KMS.NotFoundException": true,
}

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, code := range codesOf(t, "../s3api/codes.go", "../s3api/zz_shapes.go", "../errors.go") {
		_, other := statuses[code]
		if other == badRequests[code] {
			t.Errorf("%s: in the map %v, known as 400 %v, want one of both", code, other, badRequests[code])
		}
	}
}

func FuzzSplitPath(f *testing.F) {
	for _, seed := range []string{"/", "/b", "/b/", "/b/k", "/b//k", "/b/a%2Fb", "/%62/..", "", "b", "/b/%zz"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		bucket, key, l, ok := splitPath(path)
		if !ok {
			return
		}
		if (l == serviceLevel) != (bucket == "" && path == "/") && l != objectLevel && bucket != "" {
			t.Errorf("got %q, %q at level %v for %q", bucket, key, l, path)
		}
		if l == objectLevel && key == "" || l != objectLevel && key != "" {
			t.Errorf("got key %q at level %v", key, l)
		}
		again := "/" + url.PathEscape(bucket)
		if l == serviceLevel {
			again = "/"
		} else if key != "" {
			again += "/" + url.PathEscape(key)
		}
		if b, k, l2, ok := splitPath(again); !ok || b != bucket || k != key || l2 != l && bucket != "" {
			t.Errorf("got %q, %q, %v back from %q", b, k, ok, again)
		}
	})
}
