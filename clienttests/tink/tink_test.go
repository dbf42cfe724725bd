// Package tink_test seals with tink-go-awskms, as a remote AEAD and as the one
// that an envelope's data keys are sealed by.
package tink_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/strongroom/strongroom/clienttests/strongroom"
)

const prefix = "aws-kms://"

// remote returns an AEAD that is the KMS key; it takes associated data as the
// value of the encryption context associatedData.
func remote(t *testing.T, client *kms.Client, arn string) tink.AEAD {
	t.Helper()
	c, err := awskms.NewClientWithOptions(t.Context(), prefix+arn, awskms.WithKMS(client))
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.GetAEAD(prefix + arn)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// checkAEAD seals with a and opens with b, which must bind associated data and
// refuse what was changed.
func checkAEAD(t *testing.T, a, b tink.AEAD, plaintext []byte) {
	t.Helper()
	for _, associated := range [][]byte{[]byte("row 7"), {0, 0xff, 0x80}, nil} {
		sealed, err := a.Encrypt(plaintext, associated)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Decrypt(sealed, associated); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("with %q: got %d bytes, %v, want the plaintext of %d", associated, len(got), err, len(plaintext))
		}
		if got, err := b.Decrypt(sealed, []byte("row 8")); err == nil {
			t.Errorf("with other associated data than %q: got %d bytes, want an error", associated, len(got))
		}
		for _, i := range []int{len(sealed) / 2, len(sealed) - 1} {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1
			if got, err := b.Decrypt(changed, associated); err == nil {
				t.Errorf("with byte %d changed: got %d bytes, want an error", i, len(got))
			}
		}
	}
}

func TestRemoteAEAD(t *testing.T) {
	strongroom.Start(t)
	client := strongroom.KMS(t.Context(), t)
	arn := strongroom.CreateKey(t.Context(), t, client, &kms.CreateKeyInput{})
	checkAEAD(t, remote(t, client, arn), remote(t, client, arn), []byte("attack at dawn"))

	// A ciphertext belongs to its key: the client names the key that it wants.
	other := strongroom.CreateKey(t.Context(), t, client, &kms.CreateKeyInput{})
	sealed, err := remote(t, client, arn).Encrypt([]byte("attack at dawn"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := remote(t, client, other).Decrypt(sealed, nil); err == nil {
		t.Errorf("by another key: got %d bytes, want an error", len(got))
	}
}

func TestEnvelopeAEAD(t *testing.T) {
	strongroom.Start(t)
	client := strongroom.KMS(t.Context(), t)
	arn := strongroom.CreateKey(t.Context(), t, client, &kms.CreateKeyInput{})
	envelope := func() tink.AEAD {
		return aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), remote(t, client, arn))
	}
	checkAEAD(t, envelope(), envelope(), bytes.Repeat([]byte("attack at dawn "), 10000)) // more than KMS itself takes
}

// TestEncryptedKeyset keeps a keyset of Tink's sealed under a KMS key.
func TestEncryptedKeyset(t *testing.T) {
	strongroom.Start(t)
	client := strongroom.KMS(t.Context(), t)
	arn := strongroom.CreateKey(t.Context(), t, client, &kms.CreateKeyInput{})
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&file), remote(t, client, arn), []byte("keyset 1")); err != nil {
		t.Fatal(err)
	}
	if _, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(file.Bytes())), remote(t, client, arn), []byte("keyset 2")); err == nil {
		t.Error("got a keyset under another name, want an error")
	}
	again, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(&file), remote(t, client, arn), []byte("keyset 1"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := aead.New(handle)
	if err != nil {
		t.Fatal(err)
	}
	b, err := aead.New(again)
	if err != nil {
		t.Fatal(err)
	}
	checkAEAD(t, a, b, []byte("attack at dawn"))
}
