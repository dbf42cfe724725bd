package hsm

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"slices"
)

// The mechanisms of Ed25519.
const (
	// mechEd25519 is Ed25519 of RFC 8032. It hashes the message twice, so there
	// is no digest that could be signed instead.
	mechEd25519 Mechanism = "ED25519_SHA_512"
	// mechEd25519ph is Ed25519ph of RFC 8032 with an empty context, over a digest
	// as its message. KMS demands MessageType DIGEST and 64 bytes, and lets
	// Ed25519ph hash them as it hashes any message: for the SHA-512 of a
	// message it signs the SHA-512 of that. A verifier takes the digest as the
	// message.
	mechEd25519ph Mechanism = "ED25519_PH_SHA_512"
)

// ed25519Seed is the size in bytes of a seed.
const ed25519Seed = ed25519.SeedSize

// The options of Ed25519 and Ed25519ph.
var (
	pure      = &ed25519.Options{}
	prehashed = &ed25519.Options{Hash: crypto.SHA512}
)

// ed25519Key is a key of Ed25519 (RFC 8032, FIPS 186-5).
type ed25519Key struct {
	key    ed25519.PrivateKey
	public ed25519.PublicKey
}

func parseEd25519(seed []byte) (privateKey, error) {
	if len(seed) != ed25519Seed {
		return nil, errPrivateKey
	}
	key := ed25519.NewKeyFromSeed(seed)
	return &ed25519Key{key, key.Public().(ed25519.PublicKey)}, nil
}

// importEd25519 reads the CurvePrivateKey of RFC 8410.
func importEd25519(info privateKeyInfo) (privateKey, error) {
	var seed []byte
	rest, err := asn1.Unmarshal(info.PrivateKey, &seed)
	if err != nil || len(rest) > 0 || len(info.Algorithm.Parameters.FullBytes) > 0 {
		return nil, errPrivateKey
	}
	return parseEd25519(seed)
}

// material is the seed: the private key of RFC 8032, section 5.1.5.
func (k *ed25519Key) material() ([]byte, error) { return k.key.Seed(), nil }

func (k *ed25519Key) pkcs8() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.key) }

func (k *ed25519Key) spki() ([]byte, error) { return x509.MarshalPKIXPublicKey(k.public) }

// message returns what the library signs, and how.
func (*ed25519Key) message(mech Mechanism, form MessageForm, message []byte) ([]byte, *ed25519.Options, error) {
	switch mech {
	case mechEd25519:
		if form != Raw {
			return nil, nil, ErrForm
		}
		return message, pure, nil
	case mechEd25519ph:
		if form != Digest {
			return nil, nil, ErrForm
		}
		if len(message) != sha512.Size {
			return nil, nil, ErrDigest
		}
		sum := sha512.Sum512(message)
		return slices.Clone(sum[:]), prehashed, nil
	}
	return nil, nil, ErrMechanism
}

func (k *ed25519Key) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	message, options, err := k.message(mech, form, message)
	if err != nil {
		return nil, err
	}
	return k.key.Sign(rand.Reader, message, options)
}

func (k *ed25519Key) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	message, options, err := k.message(mech, form, message)
	if err != nil {
		return err
	}
	if ed25519.VerifyWithOptions(k.public, message, signature, options) != nil {
		return ErrSignature
	}
	return nil
}
