package server

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// Data key pairs through the AWS SDK: the private key comes back from its blob.
func TestDataKeyPairsBySDK(t *testing.T) {
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
	key, err := c.CreateKey(ctx, &awskms.CreateKeyInput{})
	must(err)
	for _, spec := range []types.DataKeyPairSpec{types.DataKeyPairSpecRsa4096, types.DataKeyPairSpecEccNistP521, types.DataKeyPairSpecEccSecgP256k1, types.DataKeyPairSpecEccNistEdwards25519} {
		pair, err := c.GenerateDataKeyPair(ctx, &awskms.GenerateDataKeyPairInput{KeyId: key.KeyMetadata.KeyId, KeyPairSpec: spec, EncryptionContext: map[string]string{"a": "1"}})
		must(err)
		opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: pair.PrivateKeyCiphertextBlob, EncryptionContext: map[string]string{"a": "1"}})
		must(err)
		if !bytes.Equal(opened.Plaintext, pair.PrivateKeyPlaintext) || len(pair.PublicKey) == 0 || pair.KeyPairSpec != spec || *pair.KeyMaterialId != *key.KeyMetadata.CurrentKeyMaterialId {
			t.Errorf("%s: the private key does not come back, or the answer is of %s under %s", spec, pair.KeyPairSpec, aws.ToString(pair.KeyMaterialId))
		}
	}
	blind, err := c.GenerateDataKeyPairWithoutPlaintext(ctx, &awskms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: key.KeyMetadata.KeyId, KeyPairSpec: types.DataKeyPairSpecEccNistP256})
	must(err)
	opened, err := c.Decrypt(ctx, &awskms.DecryptInput{CiphertextBlob: blind.PrivateKeyCiphertextBlob})
	must(err)
	private, err := x509.ParsePKCS8PrivateKey(opened.Plaintext)
	must(err)
	if want, err := x509.MarshalPKIXPublicKey(private.(interface{ Public() crypto.PublicKey }).Public()); err != nil || !bytes.Equal(blind.PublicKey, want) {
		t.Errorf("the public key is not that of the private key: %v", err)
	}
}
