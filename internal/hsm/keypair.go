package hsm

import (
	"errors"

	"github.com/strongroom/strongroom/internal/secret"
)

// Errors of key pairs and HMAC keys.
var (
	// ErrSignature says that a signature or MAC is not one of the message.
	ErrSignature = errors.New("hsm: signature does not verify")
	// ErrMechanism says that a mechanism does not fit the key.
	ErrMechanism = errors.New("hsm: mechanism does not fit the key")
	// ErrDigest says that a digest, or a value that is signed as one, has the wrong length.
	ErrDigest = errors.New("hsm: digest has the wrong length")
	// ErrTooLong says that a plaintext is longer than the key can encrypt.
	ErrTooLong = errors.New("hsm: plaintext is too long for the key")
	// ErrPeerKey says that a public key does not parse or is of another curve.
	ErrPeerKey = errors.New("hsm: public key does not fit")
	// ErrMaterial says that key material from elsewhere is not of its type.
	ErrMaterial = errors.New("hsm: key material is not of its type")

	errNotBuilt = errors.New("hsm: not built yet")
)

// Mechanism is an algorithm that a key pair or HMAC key is used with. The names
// are those of KMS: RSASSA_PSS_SHA_256, ECDSA_SHA_384, RSAES_OAEP_SHA_256,
// HMAC_SHA_256, ECDH.
type Mechanism string

// MessageForm says what the bytes are that are signed.
type MessageForm uint8

// The forms of messages, as KMS's MessageType.
const (
	Raw        MessageForm = 1 + iota // the message itself
	Digest                            // its digest
	ExternalMu                        // the 64 bytes mu of FIPS 204, algorithm 7, line 6
)

// KeyPair is the private key of an asymmetric KMS key. It is safe for
// concurrent use.
type KeyPair struct{}

// GenerateKeyPair makes a key pair of type t and returns it wrapped under the
// newest key of b.Domain. b.Purpose must be PurposeKeyPair.
func (m *Module) GenerateKeyPair(t KeyType, b Binding) (token []byte, err error) {
	return nil, errNotBuilt
}

// ImportKeyPair wraps a private key that was made elsewhere, in PKCS #8 DER. The
// error is ErrMaterial when it is not one of type t.
func (m *Module) ImportKeyPair(t KeyType, b Binding, pkcs8 secret.Bytes) (token []byte, err error) {
	return nil, errNotBuilt
}

// LoadKeyPair opens a token of GenerateKeyPair or ImportKeyPair.
func (m *Module) LoadKeyPair(token []byte, t KeyType, b Binding) (*KeyPair, error) {
	return nil, errNotBuilt
}

// NewDataKeyPair makes a key pair for a caller to keep: the private key in PKCS
// #8 DER, the public key in SPKI DER. It is kept nowhere.
func (m *Module) NewDataKeyPair(t KeyType) (private secret.Bytes, public []byte, err error) {
	return secret.Bytes{}, nil, errNotBuilt
}

// ID returns the material's public id, a function of the material and the key id.
func (k *KeyPair) ID() [32]byte { return [32]byte{} }

// Type returns the key's type.
func (k *KeyPair) Type() KeyType { return 0 }

// PublicKey returns the public key as a SubjectPublicKeyInfo in DER (RFC 5280).
// The caller must not change it.
func (k *KeyPair) PublicKey() []byte { return nil }

// Sign signs a message, its digest or mu. Errors to test for: ErrMechanism, ErrDigest.
func (k *KeyPair) Sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	return nil, errNotBuilt
}

// Verify checks a signature. Errors to test for: ErrSignature, and those of Sign.
func (k *KeyPair) Verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	return errNotBuilt
}

// Encrypt encrypts to the public key. Errors to test for: ErrMechanism, ErrTooLong.
func (k *KeyPair) Encrypt(mech Mechanism, plaintext secret.Bytes) ([]byte, error) {
	return nil, errNotBuilt
}

// Decrypt opens what was encrypted to the public key, here or elsewhere. The
// error is ErrAuth, or ErrMechanism.
func (k *KeyPair) Decrypt(mech Mechanism, ciphertext []byte) (secret.Bytes, error) {
	return secret.Bytes{}, errNotBuilt
}

// Agree returns the raw shared secret (SP 800-56A, 5.7.1.2) with the owner of
// a public key in SPKI DER. The error is ErrPeerKey.
func (k *KeyPair) Agree(peer []byte) (secret.Bytes, error) {
	return secret.Bytes{}, errNotBuilt
}

// HMACKey is the key material of an HMAC KMS key. It is safe for concurrent use.
type HMACKey struct{}

// GenerateHMACKey makes random key material of the size of t's digest: 28, 32, 48
// or 64 bytes. b.Purpose must be PurposeHMACKey.
func (m *Module) GenerateHMACKey(t KeyType, b Binding) (token []byte, err error) {
	return nil, errNotBuilt
}

// ImportHMACKey wraps key material that was made elsewhere. The error is
// ErrMaterial when its size is not one that t takes.
func (m *Module) ImportHMACKey(t KeyType, b Binding, material secret.Bytes) (token []byte, err error) {
	return nil, errNotBuilt
}

// LoadHMACKey opens a token of GenerateHMACKey or ImportHMACKey.
func (m *Module) LoadHMACKey(token []byte, t KeyType, b Binding) (*HMACKey, error) {
	return nil, errNotBuilt
}

// ID returns the material's public id.
func (k *HMACKey) ID() [32]byte { return [32]byte{} }

// MAC computes the HMAC of a message. The error is ErrMechanism.
func (k *HMACKey) MAC(mech Mechanism, message []byte) ([]byte, error) { return nil, errNotBuilt }

// Verify checks a MAC in constant time. Errors to test for: ErrSignature, ErrMechanism.
func (k *HMACKey) Verify(mech Mechanism, message, mac []byte) error { return errNotBuilt }
