package server

import (
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestOlderDatabase puts an older copy of the database back under a trail that
// has gone on: a key that was disabled since would be enabled again.
func TestOlderDatabase(t *testing.T) {
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1)
	key, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	old, err := os.ReadFile(databasePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	s, stop = start(t, Config{DataDir: dir})
	c = client(t, s.Endpoint(), dir, 1)
	if _, err := c.kms.DisableKey(t.Context(), &awskms.DisableKeyInput{KeyId: aws.String(*key.KeyMetadata.KeyId)}); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := os.WriteFile(databasePath(dir), old, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "replaced by an older one") {
		t.Errorf("got %v, want an error that says the database is older than the trail", err)
	}
}

// TestMissingDatabase must not begin anew over what is left.
func TestMissingDatabase(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, Config{DataDir: dir})
	stop()
	if err := os.Remove(databasePath(dir)); err != nil {
		t.Fatal(err)
	}
	_, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "no database") {
		t.Errorf("got %v, want an error that says the database is missing", err)
	}
	if _, err := os.Stat(databasePath(dir)); err == nil {
		t.Error("a new database was made")
	}
}
