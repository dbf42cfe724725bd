package server

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Encryption with RSA keys through the AWS SDK: by the server and by whoever has
// the public key, and from and to a symmetric key.
func TestRSAEncryptionBySDK(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir})
	c := client(t, s.Endpoint(), dir, 1).kms
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := c.CreateKey(ctx, &awskms.CreateKeyInput{KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	must(err)
	plain, err := c.CreateKey(ctx, &awskms.CreateKeyInput{})
	must(err)
	key, symmetric := made.KeyMetadata.KeyId, plain.KeyMetadata.KeyId
	const sha256oaep = types.EncryptionAlgorithmSpecRsaesOaepSha256
	open := func(blob []byte) string {
		t.Helper()
		r, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: blob, KeyId: key, EncryptionAlgorithm: sha256oaep})
		must(err)
		if *r.KeyId != *made.KeyMetadata.Arn || r.EncryptionAlgorithm != sha256oaep || r.KeyMaterialId != nil {
			t.Errorf("the answer is of %s with %s", *r.KeyId, r.EncryptionAlgorithm)
		}
		return string(r.Plaintext)
	}
	sealed, err := c.Encrypt(ctx, &awskms.EncryptInput{KeyId: key, Plaintext: []byte("hello"), EncryptionAlgorithm: sha256oaep})
	must(err)
	if got := open(sealed.CiphertextBlob); got != "hello" || sealed.EncryptionAlgorithm != sha256oaep || len(sealed.CiphertextBlob) != 256 {
		t.Errorf("the blob of %d bytes opens to %q", len(sealed.CiphertextBlob), got)
	}
	der, err := c.GetPublicKey(ctx, &awskms.GetPublicKeyInput{KeyId: key})
	must(err)
	public, err := x509.ParsePKIXPublicKey(der.PublicKey)
	must(err)
	blob, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), []byte("from elsewhere"), nil)
	must(err)
	if got := open(blob); got != "from elsewhere" {
		t.Errorf("the blob opens to %q", got)
	}
	under, err := c.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: blob, SourceKeyId: key, SourceEncryptionAlgorithm: sha256oaep, DestinationKeyId: symmetric})
	must(err)
	back, err := c.ReEncrypt(ctx, &awskms.ReEncryptInput{CiphertextBlob: under.CiphertextBlob, DestinationKeyId: key, DestinationEncryptionAlgorithm: sha256oaep})
	must(err)
	if got := open(back.CiphertextBlob); got != "from elsewhere" || under.SourceKeyMaterialId != nil || *under.DestinationKeyMaterialId != *back.SourceKeyMaterialId {
		t.Errorf("after two times ReEncrypt the blob opens to %q", got)
	}
	_, err = c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: blob})
	if e, ok := errors.AsType[*types.InvalidCiphertextException](err); !ok || e.Message != nil {
		t.Errorf("error is %v, want InvalidCiphertextException without a text", err)
	}
}
