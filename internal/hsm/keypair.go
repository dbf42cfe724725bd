package hsm

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/secret"
)

// Errors of key pairs and HMAC keys.
var (
	// ErrSignature says that a signature or MAC is not one of the message.
	ErrSignature = errors.New("hsm: signature does not verify")
	// ErrMechanism says that a mechanism does not fit the key.
	ErrMechanism = errors.New("hsm: mechanism does not fit the key")
	// ErrForm says that a mechanism of the key does not take messages of that
	// form. It is an ErrMechanism too.
	ErrForm = fmt.Errorf("%w in that form of message", ErrMechanism)
	// ErrDigest says that a digest, or a value that is signed as one, has the wrong length.
	ErrDigest = errors.New("hsm: digest has the wrong length")
	// ErrTooLong says that a plaintext is longer than the key can encrypt.
	ErrTooLong = errors.New("hsm: plaintext is too long for the key")
	// ErrPeerKey says that a public key does not parse or is of another curve.
	ErrPeerKey = errors.New("hsm: public key does not fit")
	// ErrMaterial says that key material from elsewhere is not of its type.
	ErrMaterial = errors.New("hsm: key material is not of its type")
)

// Mechanism is an algorithm that a key pair or HMAC key is used with. The names
// are those of KMS: RSASSA_PSS_SHA_256, ECDSA_SHA_384, RSAES_OAEP_SHA_256,
// HMAC_SHA_256, ECDH.
type Mechanism string

// mechECDH is what Agree does; it is named nowhere but in tables.
const mechECDH Mechanism = "ECDH"

// MessageForm says what the bytes are that are signed.
type MessageForm uint8

// The forms of messages, as KMS's MessageType.
const (
	Raw        MessageForm = 1 + iota // the message itself
	Digest                            // its digest
	ExternalMu                        // the 64 bytes mu of FIPS 204, algorithm 7, line 6
)

// KeyPair is the private key of an asymmetric KMS key. It is safe for
// concurrent use. What a use needs beyond the key's bytes was computed when it
// was loaded.
type KeyPair struct {
	keyType KeyType
	id      [32]byte
	spki    []byte
	// private is behind a pointer, which fmt prints as an address at most.
	private privateKey
}

// privateKey is what the algorithms have in common. Each type's constructors
// return it ready for use; its methods are safe for concurrent use.
type privateKey interface {
	// material returns the canonical encoding that tokens hold
	// (docs/formats/key-token.md). The caller clears it.
	material() ([]byte, error)
	// pkcs8 returns the key in PKCS #8 (RFC 5958). The caller clears it.
	pkcs8() ([]byte, error)
	// spki returns the public key as a SubjectPublicKeyInfo (RFC 5280).
	spki() ([]byte, error)
}

// What some algorithms do. The errors are those of the methods of KeyPair.
type (
	signer interface {
		sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error)
		verify(mech Mechanism, form MessageForm, message, signature []byte) error
	}
	encrypter interface {
		encrypt(mech Mechanism, plaintext []byte) ([]byte, error)
		decrypt(mech Mechanism, ciphertext []byte) ([]byte, error)
	}
	agreer interface {
		agree(peer []byte) ([]byte, error)
	}
)

// GenerateKeyPair makes a key pair of type t and returns it wrapped under the
// newest key of b.Domain. b.Purpose must be PurposeKeyPair. Errors to test for:
// ErrUnknownDomainKey, ErrPurpose.
func (m *Module) GenerateKeyPair(t KeyType, b Binding) (token []byte, err error) {
	if b.Purpose != PurposeKeyPair || t.Purpose() != PurposeKeyPair {
		return nil, fmt.Errorf("making %v for %v: %w", t, b, ErrPurpose)
	}
	private, err := generatePrivate(t)
	if err != nil {
		return nil, fmt.Errorf("making %v: %w", b, err)
	}
	return m.wrapPair(t, b, private)
}

// ImportKeyPair wraps a private key that was made elsewhere, in PKCS #8 DER of
// at most 8192 bytes, which it neither keeps nor wipes. The error is ErrMaterial
// when it is not one of type t, or is not whole: what the encoding repeats must
// agree, and RSA keys have two primes of half their size and the exponent 65537.
// A key that is imported twice has the same material id, however it was encoded.
// Other errors as for GenerateKeyPair.
func (m *Module) ImportKeyPair(t KeyType, b Binding, pkcs8 secret.Bytes) (token []byte, err error) {
	if b.Purpose != PurposeKeyPair || t.Purpose() != PurposeKeyPair {
		return nil, fmt.Errorf("importing %v for %v: %w", t, b, ErrPurpose)
	}
	private, err := importPrivate(t, pkcs8.Expose())
	if err != nil {
		// The parsers' texts are left out: they may quote what they read.
		return nil, fmt.Errorf("importing %v for %v: %w", t, b, ErrMaterial)
	}
	return m.wrapPair(t, b, private)
}

func (m *Module) wrapPair(t KeyType, b Binding, private privateKey) ([]byte, error) {
	material, err := private.material()
	if err != nil {
		return nil, fmt.Errorf("wrapping %v: %w", b, err)
	}
	defer clear(material)
	return m.wrapTyped(t, b, material)
}

// LoadKeyPair opens a token of GenerateKeyPair or ImportKeyPair. Errors as for
// the other Load methods; ErrTampered also when the token is one of another type.
func (m *Module) LoadKeyPair(token []byte, t KeyType, b Binding) (*KeyPair, error) {
	if t.Purpose() != PurposeKeyPair {
		return nil, fmt.Errorf("opening %v as %v: %w", b, t, ErrPurpose)
	}
	p, err := m.load(token, b, PurposeKeyPair)
	if err != nil {
		return nil, err
	}
	defer p.wipe()
	material, ok := typedMaterial(t, p.key.Expose())
	if !ok {
		return nil, fmt.Errorf("opening %v as %v: %w", b, t, ErrTampered)
	}
	private, err := parsePrivate(t, material)
	if err != nil {
		return nil, fmt.Errorf("opening %v as %v: %w", b, t, ErrTampered)
	}
	spki, err := private.spki()
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, err)
	}
	return &KeyPair{keyType: t, id: materialID(p, b.KeyID), spki: spki, private: private}, nil
}

// NewDataKeyPair makes a key pair for a caller to keep: the private key in PKCS
// #8 DER, the public key in SPKI DER. It is kept nowhere. The error is
// ErrPurpose for a type that is no key pair.
func (m *Module) NewDataKeyPair(t KeyType) (private secret.Bytes, public []byte, err error) {
	if t.Purpose() != PurposeKeyPair {
		return secret.Bytes{}, nil, fmt.Errorf("making a data key pair of %v: %w", t, ErrPurpose)
	}
	key, err := generatePrivate(t)
	if err != nil {
		return secret.Bytes{}, nil, fmt.Errorf("making a data key pair of %v: %w", t, err)
	}
	if public, err = key.spki(); err != nil {
		return secret.Bytes{}, nil, fmt.Errorf("making a data key pair of %v: %w", t, err)
	}
	der, err := key.pkcs8()
	if err != nil {
		return secret.Bytes{}, nil, fmt.Errorf("making a data key pair of %v: %w", t, err)
	}
	return secret.New(der), public, nil
}

// ID returns the material's public id, a function of the material and the key id.
func (k *KeyPair) ID() [32]byte { return k.id }

// Type returns the key's type.
func (k *KeyPair) Type() KeyType { return k.keyType }

// PublicKey returns the public key as a SubjectPublicKeyInfo in DER (RFC 5280).
// The caller must not change it.
func (k *KeyPair) PublicKey() []byte { return k.spki }

// Sign signs a message, its digest or mu. Each mechanism takes Raw and Digest,
// but ED25519_SHA_512 Raw alone, ED25519_PH_SHA_512 Digest alone, and
// ML_DSA_SHAKE_256 Raw and ExternalMu. The caller owns the signature: for RSA as
// long as the modulus; for ECDSA and SM2 the DER of RFC 3279, section 2.2.3; for
// Ed25519 64 bytes; for ML-DSA as FIPS 204 has it. Errors to test for:
// ErrMechanism, ErrForm, ErrDigest.
func (k *KeyPair) Sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	s, ok := k.private.(signer)
	if !ok {
		return nil, ErrMechanism
	}
	return s.sign(mech, form, message)
}

// Verify checks a signature; whatever is wrong with it is ErrSignature. Errors
// to test for: that, and those of Sign.
func (k *KeyPair) Verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	s, ok := k.private.(signer)
	if !ok {
		return ErrMechanism
	}
	return s.verify(mech, form, message, signature)
}

// Encrypt encrypts to the public key. The caller owns the ciphertext. Errors to
// test for: ErrMechanism, ErrTooLong.
func (k *KeyPair) Encrypt(mech Mechanism, plaintext secret.Bytes) ([]byte, error) {
	e, ok := k.private.(encrypter)
	if !ok {
		return nil, ErrMechanism
	}
	return e.encrypt(mech, plaintext.Expose())
}

// Decrypt opens what was encrypted to the public key, here or elsewhere. The
// caller owns the plaintext. The error is ErrAuth, or ErrMechanism.
func (k *KeyPair) Decrypt(mech Mechanism, ciphertext []byte) (secret.Bytes, error) {
	e, ok := k.private.(encrypter)
	if !ok {
		return secret.Bytes{}, ErrMechanism
	}
	plaintext, err := e.decrypt(mech, ciphertext)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(plaintext), nil
}

// Agree returns the raw shared secret (SP 800-56A, 5.7.1.2) with the owner of
// a public key in SPKI DER: the X coordinate, as long as the curve's field. The
// caller owns it. Errors to test for: ErrPeerKey; ErrMechanism for a type that
// KMS does not agree with.
func (k *KeyPair) Agree(peer []byte) (secret.Bytes, error) {
	a, ok := k.private.(agreer)
	if !ok {
		return secret.Bytes{}, ErrMechanism
	}
	shared, err := a.agree(peer)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(shared), nil
}

// String keeps fmt from looking inside, whatever holds the handle.
func (KeyPair) String() string { return "hsm.KeyPair" }

// GoString is String for %#v.
func (KeyPair) GoString() string { return "hsm.KeyPair" }

// wrapTyped wraps material of type t: its token holds the type and the material.
func (m *Module) wrapTyped(t KeyType, b Binding, material []byte) ([]byte, error) {
	payload := append(append(make([]byte, 0, 1+len(material)), byte(t)), material...)
	defer clear(payload)
	if minimum, maximum := b.Purpose.sizes(); len(payload) < minimum || len(payload) > maximum {
		return nil, fmt.Errorf("wrapping %v for %v: %w", t, b, ErrMaterial)
	}
	return m.wrap(b, payload)
}

// typedMaterial returns the material in what wrapTyped wrapped, when it is of
// type t. It aliases payload.
func typedMaterial(t KeyType, payload []byte) ([]byte, bool) {
	return bytes.CutPrefix(payload, []byte{byte(t)})
}
