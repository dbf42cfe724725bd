package kms_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

func (k *kit) publicKey(id string) []byte {
	k.t.Helper()
	r, err := k.GetPublicKey(k.t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: &id})
	k.check(err)
	return r.PublicKey
}

// The public key of every asymmetric key is a SubjectPublicKeyInfo, with what it
// may be used for and nothing else; it stays the same over a restart.
func TestGetPublicKey(t *testing.T) {
	k := newKit(t)
	keys := map[string][]byte{}
	for _, c := range kinds {
		if c.spec == kmsapi.KeySpecSymmetricDefault || c.usage == mac || c.usage == enc && c.spec != kmsapi.KeySpecRsa2048 {
			continue // the latter take long to make, and differ in no more than their size, as those that sign do
		}
		t.Run(string(c.spec)+" "+string(c.usage), func(t *testing.T) {
			key := k.createKeyOf(c.spec, c.usage)
			r, err := k.GetPublicKey(t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: key.KeyId})
			k.check(err)
			if *r.KeyId != *key.Arn || *r.KeySpec != c.spec || string(*r.CustomerMasterKeySpec) != string(c.spec) || *r.KeyUsage != c.usage {
				t.Errorf("answer is %+v", r)
			}
			wantJSON(t, "lists", lists(&kmsapi.KeyMetadata{
				EncryptionAlgorithms: r.EncryptionAlgorithms, SigningAlgorithms: r.SigningAlgorithms, KeyAgreementAlgorithms: r.KeyAgreementAlgorithms,
			}), map[string]any{c.list: c.algorithms})
			keys[*key.KeyId] = r.PublicKey
			wantPublicKey(t, c.spec, r.PublicKey)
		})
	}
	k.reopen()
	for id, want := range keys {
		if got := k.publicKey(id); !bytes.Equal(got, want) {
			t.Errorf("%s: after a restart the public key is %x, want %x", id, got, want)
		}
	}
}

// wantPublicKey parses a public key of a spec that crypto/x509 knows, and
// measures others: FIPS 204, table 2, and 22 bytes before it (RFC 9881).
func wantPublicKey(t *testing.T, spec kmsapi.KeySpec, der []byte) {
	t.Helper()
	sizes := map[kmsapi.KeySpec]int{kmsapi.KeySpecMlDsa44: 1334, kmsapi.KeySpecMlDsa65: 1974, kmsapi.KeySpecMlDsa87: 2614, kmsapi.KeySpecEccSecgP256k1: 88, kmsapi.KeySpecSm2: 91}
	if want, ok := sizes[spec]; ok {
		if len(der) != want {
			t.Errorf("public key has %d bytes, want %d", len(der), want)
		}
		return
	}
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	switch p := pub.(type) {
	case *rsa.PublicKey:
		got = map[int]string{2048: "RSA_2048", 3072: "RSA_3072", 4096: "RSA_4096"}[p.N.BitLen()]
		if p.E != 65537 {
			t.Errorf("the exponent is %d, want 65537", p.E)
		}
	case *ecdsa.PublicKey:
		got = map[string]string{"P-256": "ECC_NIST_P256", "P-384": "ECC_NIST_P384", "P-521": "ECC_NIST_P521"}[p.Curve.Params().Name]
	case ed25519.PublicKey:
		got = "ECC_NIST_EDWARDS25519"
	}
	if got != string(spec) {
		t.Errorf("public key is a %T of %s, want %s", pub, got, spec)
	}
}

// Symmetric keys have no public key.
func TestGetPublicKeyOfSymmetricKeys(t *testing.T) {
	k := newKit(t)
	for _, id := range []string{*k.createKey().KeyId, *k.createKeyOf(kmsapi.KeySpecHmac256, mac).KeyId} {
		_, err := k.GetPublicKey(t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: &id})
		wantError(t, err, kmsapi.UnsupportedOperationException, "")
		k.disable(id)
		_, err = k.GetPublicKey(t.Context(), root(), &kmsapi.GetPublicKeyRequest{KeyId: &id})
		wantError(t, err, kmsapi.DisabledException, *k.describe(id).Arn+" is disabled.")
	}
}

func TestGetPublicKeyRecord(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecEccNistP256, agree)
	k.publicKey(*key.KeyId)
	r := k.last("GetPublicKey")
	wantParameters(t, r.RequestParameters, `{"keyId":"`+*key.KeyId+`"}`)
	if r.ResponseElements != nil || !r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn {
		t.Errorf("record is %s, want a read of the key", r.raw)
	}
}
