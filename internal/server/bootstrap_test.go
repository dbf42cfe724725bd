package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBootstrapFileIsStrict(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"unknown key", "accounts:\n  - id: \"111122223333\"\n    user: []\n", "[3:"},
		{"repeated key", "accounts: []\naccounts: []\n", "[2:"},
		{"wrong type", "accounts:\n  - id: [1]\n", "[2:"},
		{"not yaml", "accounts: [\n", "["},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.yaml")
			if err := os.WriteFile(path, []byte(tt.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := readBootstrap(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with the path and %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line", err)
			}
		})
	}
}

// TestBootstrapErrorShowsNoSecret: a YAML library likes to print the lines
// around a mistake.
func TestBootstrapErrorShowsNoSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.yaml")
	const yaml = "accounts:\n  - id: \"111122223333\"\n    accessKeys:\n      - id: AKIAEXAMPLE000000001\n        secret: hush-hush-hush\n        sekret: also-hush-hush\n"
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readBootstrap(path)
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("got %v, want an error without the secrets", err)
	}
}

func TestEmptyBootstrapFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := readBootstrap(path)
	if err != nil || len(b.Accounts) != 0 {
		t.Errorf("got %v, %v, want an empty one", b, err)
	}
}
