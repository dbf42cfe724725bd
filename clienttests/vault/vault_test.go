// Package vault_test seals with go-kms-wrapping's awskms: what Vault's
// automatic unseal does with a KMS key, and OpenBao's, whose wrapper descends
// from it.
package vault_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2"
	"google.golang.org/protobuf/proto"

	"github.com/strongroom/strongroom/clienttests/strongroom"
)

// configure returns what a `seal "awskms"` stanza makes.
func configure(t *testing.T, endpoint, keyID string) (*awskms.Wrapper, error) {
	t.Helper()
	w := awskms.NewWrapper()
	_, err := w.SetConfig(t.Context(), wrapping.WithConfigMap(map[string]string{
		"kms_key_id": keyID, "region": strongroom.Region, "endpoint": endpoint,
	}))
	return w, err
}

func TestSeal(t *testing.T) {
	endpoint := strongroom.Start(t)
	ctx := t.Context()
	client := strongroom.KMS(ctx, t)
	arn := strongroom.CreateKey(ctx, t, client, &kms.CreateKeyInput{})
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/unseal"), TargetKeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	w, err := configure(t, endpoint, "alias/unseal")
	if err != nil {
		t.Fatal(err)
	}

	// An alias becomes the key's id at once, and its ARN with the first seal:
	// Vault compares them to learn which values to seal again.
	if got, err := w.KeyId(ctx); err != nil || !strings.HasSuffix(arn, "/"+got) {
		t.Errorf("got key id %q, %v, want the last part of %s", got, err, arn)
	}
	seal := func(plaintext string) []byte {
		t.Helper()
		blob, err := w.Encrypt(ctx, []byte(plaintext), wrapping.WithAad([]byte("core/hsm/barrier")))
		if err != nil {
			t.Fatal(err)
		}
		if got := blob.KeyInfo.KeyId; got != arn {
			t.Errorf("got sealed under %q, want %s", got, arn)
		}
		b, err := proto.Marshal(blob) // as Vault stores it
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// unseal is what a restarted Vault does, with a client of its own.
	unseal := func(sealed []byte, aad string) (string, error) {
		t.Helper()
		w, err := configure(t, endpoint, arn)
		if err != nil {
			t.Fatal(err)
		}
		var blob wrapping.BlobInfo
		if err := proto.Unmarshal(sealed, &blob); err != nil {
			t.Fatal(err)
		}
		got, err := w.Decrypt(ctx, &blob, wrapping.WithAad([]byte(aad)))
		return string(got), err
	}
	before := seal("unseal key")
	if _, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	after := seal("unseal key")
	for name, sealed := range map[string][]byte{"before the rotation": before, "after it": after} {
		if got, err := unseal(sealed, "core/hsm/barrier"); err != nil || got != "unseal key" {
			t.Errorf("sealed %s: got %q, %v, want the value", name, got, err)
		}
		if got, err := unseal(sealed, "another place"); err == nil {
			t.Errorf("sealed %s, moved: got %q, want an error", name, got)
		}
	}

	// A disabled key keeps Vault sealed, until it is enabled again.
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	if got, err := unseal(before, "core/hsm/barrier"); err == nil || !strings.Contains(err.Error(), "DisabledException") {
		t.Errorf("by a disabled key: got %q, %v, want DisabledException", got, err)
	}
	if _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &arn}); err != nil {
		t.Fatal(err)
	}
	if got, err := unseal(before, "core/hsm/barrier"); err != nil || got != "unseal key" {
		t.Errorf("by the key enabled again: got %q, %v, want the value", got, err)
	}
}

func TestConfigureWithoutKey(t *testing.T) {
	endpoint := strongroom.Start(t)
	if _, err := configure(t, endpoint, "alias/nobody"); err == nil || !strings.Contains(err.Error(), "NotFoundException") {
		t.Errorf("got %v, want NotFoundException", err)
	}
}
