package hsm

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"sync"

	"github.com/strongroom/strongroom/internal/secret"
)

// HMACKey is the key material of an HMAC KMS key (RFC 2104, FIPS 198-1). It is
// safe for concurrent use.
type HMACKey struct {
	keyType KeyType
	id      [32]byte
	states  *hmacStates
}

// hmacStates are keyed states of one key, pooled: keying one costs two blocks.
type hmacStates struct {
	key  secret.Bytes
	pool sync.Pool // of hash.Hash
}

// maxHMACKey is the longest HMAC key that is imported, in bytes.
const maxHMACKey = 128

// hmacType is what sets the types of HMAC keys apart.
type hmacType struct {
	mech Mechanism
	size int // of digest and key, in bytes
	new  func() hash.Hash
}

// hmacType returns the parameters of the type; a zero size says that it is no
// type of HMAC keys.
func (t KeyType) hmacType() hmacType {
	switch t {
	case HMAC224:
		return hmacType{"HMAC_SHA_224", sha256.Size224, sha256.New224}
	case HMAC256:
		return hmacType{"HMAC_SHA_256", sha256.Size, sha256.New}
	case HMAC384:
		return hmacType{"HMAC_SHA_384", sha512.Size384, sha512.New384}
	case HMAC512:
		return hmacType{"HMAC_SHA_512", sha512.Size, sha512.New}
	}
	return hmacType{}
}

// GenerateHMACKey makes random key material of the size of t's digest: 28, 32, 48
// or 64 bytes. b.Purpose must be PurposeHMACKey. Errors to test for:
// ErrUnknownDomainKey, ErrPurpose.
func (m *Module) GenerateHMACKey(t KeyType, b Binding) (token []byte, err error) {
	size := t.hmacType().size
	if b.Purpose != PurposeHMACKey || size == 0 {
		return nil, fmt.Errorf("making %v for %v: %w", t, b, ErrPurpose)
	}
	key := randomBytes(size)
	defer clear(key)
	return m.wrapTyped(t, b, key)
}

// ImportHMACKey wraps key material that was made elsewhere; it neither keeps nor
// wipes it. The error is ErrMaterial when it is shorter than t's digest or longer
// than 128 bytes ("Requirements for imported key material", KMS Developer Guide).
// Other errors as for GenerateHMACKey.
func (m *Module) ImportHMACKey(t KeyType, b Binding, material secret.Bytes) (token []byte, err error) {
	size := t.hmacType().size
	if b.Purpose != PurposeHMACKey || size == 0 {
		return nil, fmt.Errorf("importing %v for %v: %w", t, b, ErrPurpose)
	}
	if material.Len() < size || material.Len() > maxHMACKey {
		return nil, fmt.Errorf("importing %v for %v: %w", t, b, ErrMaterial)
	}
	return m.wrapTyped(t, b, material.Expose())
}

// LoadHMACKey opens a token of GenerateHMACKey or ImportHMACKey. Errors as for
// the other Load methods; ErrTampered also when the token is one of another type.
func (m *Module) LoadHMACKey(token []byte, t KeyType, b Binding) (*HMACKey, error) {
	h := t.hmacType()
	if h.size == 0 {
		return nil, fmt.Errorf("opening %v as %v: %w", b, t, ErrPurpose)
	}
	p, err := m.load(token, b, PurposeHMACKey)
	if err != nil {
		return nil, err
	}
	defer p.wipe()
	material, ok := typedMaterial(t, p.key.Expose())
	if !ok || len(material) < h.size {
		return nil, fmt.Errorf("opening %v as %v: %w", b, t, ErrTampered)
	}
	states := &hmacStates{key: secret.New(append([]byte(nil), material...))}
	states.pool.New = func() any { return hmac.New(h.new, states.key.Expose()) }
	return &HMACKey{keyType: t, id: materialID(p, b.KeyID), states: states}, nil
}

// ID returns the material's public id, a function of the material and the key id.
func (k *HMACKey) ID() [32]byte { return k.id }

// Type returns the key's type.
func (k *HMACKey) Type() KeyType { return k.keyType }

// MAC computes the HMAC of a message, as long as the type's digest. The caller
// owns it. The error is ErrMechanism.
func (k *HMACKey) MAC(mech Mechanism, message []byte) ([]byte, error) {
	h := k.keyType.hmacType()
	if mech != h.mech {
		return nil, ErrMechanism
	}
	return k.states.mac(message, make([]byte, 0, h.size)), nil
}

// Verify checks a MAC in time that does not depend on where it differs. Errors to
// test for: ErrSignature, ErrMechanism.
func (k *HMACKey) Verify(mech Mechanism, message, mac []byte) error {
	if mech != k.keyType.hmacType().mech {
		return ErrMechanism
	}
	if !hmac.Equal(k.states.mac(message, make([]byte, 0, maxDigest)), mac) {
		return ErrSignature
	}
	return nil
}

// mac appends the HMAC of a message to dst.
func (s *hmacStates) mac(message, dst []byte) []byte {
	h := s.pool.Get().(hash.Hash)
	defer s.pool.Put(h)
	h.Reset()
	h.Write(message)
	return h.Sum(dst)
}

// String keeps fmt from looking inside, whatever holds the handle.
func (HMACKey) String() string { return "hsm.HMACKey" }

// GoString is String for %#v.
func (HMACKey) GoString() string { return "hsm.HMACKey" }
