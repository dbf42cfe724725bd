package kms_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
)

// peer is the other side of a key agreement, outside of the service.
type peer struct {
	private *ecdh.PrivateKey
	spki    []byte
}

func newPeerOn(t testing.TB, curve ecdh.Curve) peer {
	t.Helper()
	private, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return peer{private, spki}
}

func newPeer(t testing.TB) peer { return newPeerOn(t, ecdh.P256()) }

// with computes what the peer shares with the owner of a public key in DER.
func (p peer) with(t testing.TB, spki []byte) []byte {
	t.Helper()
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := pub.(interface {
		ECDH() (*ecdh.PublicKey, error)
	}).ECDH()
	if err != nil {
		t.Fatal(err)
	}
	shared, err := p.private.ECDH(theirs)
	if err != nil {
		t.Fatal(err)
	}
	return shared
}

func agreeRequest(id string, spki []byte) *kmsapi.DeriveSharedSecretRequest {
	return &kmsapi.DeriveSharedSecretRequest{KeyId: &id, PublicKey: spki, KeyAgreementAlgorithm: new(kmsapi.KeyAgreementAlgorithmSpecEcdh)}
}

var curves = map[kmsapi.KeySpec]ecdh.Curve{kmsapi.KeySpecEccNistP256: ecdh.P256(), kmsapi.KeySpecEccNistP384: ecdh.P384(), kmsapi.KeySpecEccNistP521: ecdh.P521()}

// Both sides come to the same secret, as long as a coordinate of the curve.
func TestDeriveSharedSecret(t *testing.T) {
	k := newKit(t)
	for spec, curve := range curves {
		t.Run(string(spec), func(t *testing.T) {
			key, p := k.createKeyOf(spec, agree), newPeerOn(t, curve)
			r, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(*key.KeyId, p.spki))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.SharedSecret.Expose(), p.with(t, k.publicKey(*key.KeyId)); !bytes.Equal(got, want) {
				t.Errorf("the secret is %x, the peer's %x", got, want)
			}
			if *r.KeyId != *key.Arn || *r.KeyAgreementAlgorithm != "ECDH" || *r.KeyOrigin != "AWS_KMS" || r.CiphertextForRecipient != nil {
				t.Errorf("answer is %+v", r)
			}
		})
	}
}

// Two keys of the service agree too, of SM2 as well.
func TestDeriveSharedSecretBetweenKeys(t *testing.T) {
	k := newKit(t)
	for _, spec := range []kmsapi.KeySpec{kmsapi.KeySpecEccNistP384, kmsapi.KeySpecSm2} {
		a, b := *k.createKeyOf(spec, agree).KeyId, *k.createKeyOf(spec, agree).KeyId
		ours, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(a, k.publicKey(b)))
		k.check(err)
		theirs, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(b, k.publicKey(a)))
		k.check(err)
		if !ours.SharedSecret.Equal(theirs.SharedSecret) || ours.SharedSecret.Len() == 0 {
			t.Errorf("%s: the two sides have different secrets", spec)
		}
	}
}

// What is no public key on the key's curve is refused without a text (recorded
// from AWS), in a dry run too.
func TestDeriveSharedSecretBadPeer(t *testing.T) {
	k := newKit(t)
	key := k.createKeyOf(kmsapi.KeySpecEccNistP256, agree)
	good := newPeer(t).spki
	ed, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(make([]byte, 32)))
	k.check(err)
	offCurve := bytes.Clone(good)
	offCurve[len(offCurve)-1] ^= 1
	for name, spki := range map[string][]byte{
		"another curve":         newPeerOn(t, ecdh.P384()).spki,
		"RSA":                   k.publicKey(*k.createKeyOf(kmsapi.KeySpecRsa2048, sig).KeyId),
		"Ed25519":               ed,
		"X25519":                newPeerOn(t, ecdh.X25519()).spki,
		"off the curve":         offCurve,
		"the point alone":       good[len(good)-65:],
		"cut":                   good[:len(good)-1],
		"extended":              append(bytes.Clone(good), 0),
		"no DER":                []byte("public key"),
		"PEM":                   []byte("-----BEGIN PUBLIC KEY-----\n"),
		"the point at infinity": append(bytes.Clone(good[:len(good)-65]), make([]byte, 65)...),
	} {
		t.Run(name, func(t *testing.T) {
			for _, dry := range []bool{false, true} {
				r := agreeRequest(*key.KeyId, spki)
				r.DryRun = &dry
				_, err := k.DeriveSharedSecret(t.Context(), root(), r)
				wantError(t, err, kmsapi.ValidationException, "")
			}
		})
	}
	_, err = k.DeriveSharedSecret(t.Context(), root(), agreeRequest(*key.KeyId, make([]byte, 8193)))
	wantError(t, err, kmsapi.ValidationException, "1 validation error detected: Value at 'publicKey' failed to satisfy constraint: Member must have length less than or equal to 8192")
}

// An enclave gets nothing in clear.
func TestDeriveSharedSecretForARecipient(t *testing.T) {
	k := newKit(t)
	r := agreeRequest(*k.createKeyOf(kmsapi.KeySpecEccNistP256, agree).KeyId, newPeer(t).spki)
	r.Recipient = &kmsapi.RecipientInfo{AttestationDocument: []byte("x")}
	a, err := k.DeriveSharedSecret(t.Context(), root(), r)
	wantError(t, err, kmsapi.UnsupportedOperationException, "The Recipient parameter is not supported yet.")
	if a != nil {
		t.Errorf("answer is %+v, want none", a)
	}
}

// The answer tells where the private key is from.
func TestDeriveSharedSecretKeyOrigin(t *testing.T) {
	k := newKit(t)
	id := *k.createKeyOf(kmsapi.KeySpecEccNistP256, agree).KeyId
	k.change(id, func(key *kmsdb.Key) { key.Origin = kmsapi.OriginTypeExternal })
	r, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(id, newPeer(t).spki))
	k.check(err)
	if *r.KeyOrigin != kmsapi.OriginTypeExternal {
		t.Errorf("KeyOrigin is %s, want EXTERNAL", *r.KeyOrigin)
	}
}

func TestDeriveSharedSecretRecord(t *testing.T) {
	k := newKit(t)
	key, p := k.createKeyOf(kmsapi.KeySpecEccNistP256, agree), newPeer(t)
	_, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(*key.KeyId, p.spki))
	k.check(err)
	r := k.last("DeriveSharedSecret")
	wantParameters(t, r.RequestParameters, `{"keyAgreementAlgorithm":"ECDH","keyId":"`+*key.KeyId+`"}`)
	if r.ResponseElements != nil || !r.ReadOnly || len(r.Resources) != 1 || r.Resources[0].ARN != *key.Arn || strings.Contains(r.raw, "haredSecret\":") {
		t.Errorf("record is %s, want a read of the key and nothing of the answer", r.raw)
	}
}
