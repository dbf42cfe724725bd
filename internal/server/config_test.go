package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestConfigDefaults(t *testing.T) {
	var c Config
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.RootKeyFile != "strongroom-data.root-key" {
		t.Errorf("got root key file %q, want it beside the data directory, named after it", c.RootKeyFile)
	}
	if want := []string{"localhost", "s3.localhost", "s3.amazonaws.com", "s3.us-east-1.localhost", "s3.us-east-1.amazonaws.com"}; !slices.Equal(c.S3Domains, want) {
		t.Errorf("got S3 domains %q, want %q", c.S3Domains, want)
	}
	if CredentialsFile(c.DataDir) != "strongroom-data.credentials" {
		t.Errorf("got credentials file %q, want it beside the data directory", CredentialsFile(c.DataDir))
	}
}

func TestConfigRefusals(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "data"), link); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // in the error
	}{
		{"region in capitals", Config{Regions: []string{"US-EAST-1"}}, `region "US-EAST-1"`},
		{"SM2 in a region that is not enabled", Config{SM2Regions: []string{"cn-north-1"}}, "--sm2-region cn-north-1: the region is not enabled"},
		{"region twice", Config{Regions: []string{"us-east-1", "us-east-1"}}, "named twice"},
		{"short account", Config{Account: "123"}, "12 digits"},
		{"half a credential", Config{RootAccessKeyID: "AKIAEXAMPLE000000001"}, "give both"},
		{"other half", Config{RootSecretAccessKey: secret.New([]byte("x"))}, "give both"},
		{"root key inside", Config{DataDir: filepath.Join(dir, "data"), RootKeyFile: filepath.Join(dir, "data", "key")}, "inside the data directory"},
		{"root key inside through a link", Config{DataDir: filepath.Join(dir, "data"), RootKeyFile: filepath.Join(link, "key")}, "inside the data directory"},
		{"S3 domain with a port", Config{S3Domains: []string{"s3.example.com:8650"}}, `S3 domain "s3.example.com:8650": want a domain name`},
		{"S3 domain that is an address", Config{S3Domains: []string{"127.0.0.1"}}, "addresses need none"},
		{"S3 domain of nothing", Config{S3Domains: []string{""}}, "want a domain name"},
		{"S3 domain with a star", Config{S3Domains: []string{"*.example.com"}}, "want a domain name"},
		{"S3 domain twice", Config{S3Domains: []string{"s3.example.com", "S3.Example.Com."}}, "named twice"},
		{"no port", Config{Listen: "127.0.0.1"}, "want host:port"},
		{"all addresses", Config{Listen: ":8650"}, "other machines"},
		{"public address", Config{Listen: "0.0.0.0:8650"}, "other machines"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.complete()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want one line", err)
			}
		})
	}
	ok := Config{Listen: "0.0.0.0:8650", InsecurePublic: true}
	if err := ok.complete(); err != nil {
		t.Errorf("got %v with InsecurePublic, want nil", err)
	}
}
