package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/secret"
)

func TestCredentialsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credentials")
	k := iam.AccessKey{ID: "AKIAEXAMPLE000000001", Secret: secret.New([]byte("a/b+c=d"))}
	if err := os.WriteFile(path, formatCredentials(k), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readCredentials(path)
	if err != nil || got.ID != k.ID || !got.Secret.Equal(k.Secret) {
		t.Errorf("got %q, %v, want the key that was written", got.ID, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readCredentials(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v for a file that others can read, want what to do", err)
	}
}

// FuzzCredentials: a file either has a key under [default], or an error says so
// without showing what is in it.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte("[default]\naws_access_key_id = A\naws_secret_access_key = B\n"))
	f.Add([]byte("[other]\naws_access_key_id = A\n[default]\naws_secret_access_key==\n"))
	f.Add([]byte("aws_access_key_id = A\r\n[default"))
	path := filepath.Join(f.TempDir(), "credentials")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := readCredentials(path)
		if err != nil {
			if want := "credentials file " + path + " has no aws_access_key_id and aws_secret_access_key under [default]"; err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
			return
		}
		if k.ID == "" || k.Secret.Len() == 0 {
			t.Error("got a key without an id or a secret")
		}
	})
}
