// Package sigstore_test signs with sigstore's kms/aws, as cosign does. This
// client speaks TLS whatever it is told.
package sigstore_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/sigstore/sigstore/pkg/signature"
	sigkms "github.com/sigstore/sigstore/pkg/signature/kms"
	sigaws "github.com/sigstore/sigstore/pkg/signature/kms/aws"
	"github.com/sigstore/sigstore/pkg/signature/options"

	"github.com/strongroom/strongroom/clienttests/strongroom"
)

// start serves with TLS and returns the beginning of references to its keys.
func start(t *testing.T) string {
	t.Helper()
	endpoint := strongroom.Start(t, "--tls", "self")
	if os.Getenv("AWS_CA_BUNDLE") == "" {
		t.Fatal("got no AWS_CA_BUNDLE from env, want the server's CA")
	}
	return sigaws.ReferenceScheme + strings.TrimPrefix(endpoint, "https://") + "/"
}

func load(t *testing.T, reference string) sigkms.SignerVerifier {
	t.Helper()
	s, err := sigkms.Get(t.Context(), reference, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkSigner signs by s and verifies here, remotely, and with the public key.
func checkSigner(t *testing.T, s sigkms.SignerVerifier, public crypto.PublicKey) {
	t.Helper()
	message := []byte("attack at dawn")
	signed, err := s.SignMessage(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	for name, opts := range map[string][]signature.VerifyOption{"here": nil, "remotely": {options.WithRemoteVerification(true)}} {
		if err := s.VerifySignature(bytes.NewReader(signed), bytes.NewReader(message), opts...); err != nil {
			t.Errorf("%s: got %v, want a good signature", name, err)
		}
		if err := s.VerifySignature(bytes.NewReader(signed), strings.NewReader("attack at dusk"), opts...); err == nil {
			t.Errorf("%s: got a good signature of another message, want an error", name)
		}
	}
	digest := sha256.Sum256(message)
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		if !ecdsa.VerifyASN1(public, digest[:], signed) {
			t.Error("got a signature that the public key refuses")
		}
	case *rsa.PublicKey:
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signed); err != nil {
			t.Errorf("got a signature that the public key refuses: %v", err)
		}
	default:
		t.Errorf("got a public key of %T", public)
	}
}

// TestCreatedKey has the client itself make a key behind an alias, as `cosign
// generate-key-pair --kms` does.
func TestCreatedKey(t *testing.T) {
	reference := start(t) + "alias/release"
	s := load(t, reference)
	created, err := s.CreateKey(t.Context(), string(types.KeySpecEccNistP256))
	if err != nil {
		t.Fatal(err)
	}
	checkSigner(t, s, created)

	// Asked again it takes what is there.
	again, err := load(t, reference).CreateKey(t.Context(), string(types.KeySpecEccNistP256))
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := again.(*ecdsa.PublicKey); !ok || !public.Equal(created) {
		t.Errorf("got another key behind the same alias")
	}
}

func TestKey(t *testing.T) {
	at := start(t)
	client := strongroom.KMS(t.Context(), t)
	for _, spec := range []types.KeySpec{types.KeySpecEccNistP256, types.KeySpecRsa2048} {
		t.Run(string(spec), func(t *testing.T) {
			arn := strongroom.CreateKey(t.Context(), t, client, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: types.KeyUsageTypeSignVerify})
			s := load(t, at+arn)
			public, err := s.PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			if spec == types.KeySpecRsa2048 {
				// The client takes the first algorithm of the key's list.
				out, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(arn)})
				if err != nil {
					t.Fatal(err)
				}
				if got := out.KeyMetadata.SigningAlgorithms[0]; got != types.SigningAlgorithmSpecRsassaPkcs1V15Sha256 {
					t.Fatalf("got %s first, want RSASSA_PKCS1_V1_5_SHA_256", got)
				}
			}
			checkSigner(t, s, public)
		})
	}
}

// TestUntrusted leaves the server's CA out.
func TestUntrusted(t *testing.T) {
	at := start(t)
	if err := os.Unsetenv("AWS_CA_BUNDLE"); err != nil { // Setenv of start puts it back
		t.Fatal(err)
	}
	if _, err := load(t, at+"alias/release").PublicKey(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want that the certificate is not trusted", err)
	}
}
