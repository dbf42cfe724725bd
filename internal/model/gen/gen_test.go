package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/model"
)

// TestGeneratedShapesAreCurrent makes sure that nobody edits a generated file,
// or a model without running the generator.
func TestGeneratedShapesAreCurrent(t *testing.T) {
	for _, s := range services {
		t.Run(s.pkg, func(t *testing.T) {
			data := read(t, filepath.Join("..", s.file))
			f, err := model.ParseFile(data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := generate(s, f)
			if err != nil {
				t.Fatal(err)
			}
			want := read(t, filepath.Join("..", "..", s.dir, "zz_shapes.go"))
			if !bytes.Equal(got, want) {
				t.Error("zz_shapes.go is not what the model generates: run go generate ./internal/model")
			}
		})
	}
}

// TestModelsAreTrimmed makes sure that the models hold the served operations and
// what they reach, no more and no less.
func TestModelsAreTrimmed(t *testing.T) {
	for _, s := range services {
		t.Run(s.file, func(t *testing.T) {
			path := filepath.Join("..", s.file)
			again := filepath.Join(t.TempDir(), s.file)
			if err := trimFile(path, again, s.operations); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(read(t, again), read(t, path)) {
				t.Error("the model holds more than trimming leaves, or other operations")
			}
		})
	}
}

func TestCamel(t *testing.T) {
	for in, want := range map[string]string{
		"RSAES_OAEP_SHA_256": "RsaesOaepSha256",
		"aws:kms":            "AwsKms",
		"Enabled":            "Enabled",
		"eu-central-1":       "EuCentral1",
	} {
		if got := camel(in); got != want {
			t.Errorf("got %s for %s, want %s", got, in, want)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestTrimMarksSensitive: the mark is ours, so trimming a model that lacks it
// must set it.
func TestTrimMarksSensitive(t *testing.T) {
	f, err := model.ParseFile(read(t, filepath.Join("..", "kms.json")))
	if err != nil {
		t.Fatal(err)
	}
	f.Shapes["GrantTokenType"].Sensitive = false
	got, err := trim(f, []string{"DescribeKey"})
	if err != nil {
		t.Fatal(err)
	}
	if !got.Shapes["GrantTokenType"].Sensitive {
		t.Error("grant tokens are not sensitive")
	}
}
