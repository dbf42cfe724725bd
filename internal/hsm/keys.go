package hsm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/secret"
)

// maxImport is the longest key, in bytes, that ImportKey wraps.
const maxImport = 256

// GenerateKey makes a random 32-byte key and returns it wrapped under the
// newest key of b.Domain. A signing key, a key pair or an HMAC key is not any 32
// bytes: methods of their own make those. Errors to test for:
// ErrUnknownDomainKey, ErrPurpose.
func (m *Module) GenerateKey(b Binding) (token []byte, err error) {
	if b.Purpose == PurposeSigning || b.Purpose.typed() {
		return nil, fmt.Errorf("making %v: %w", b, ErrPurpose)
	}
	key := randomBytes(keySize)
	defer clear(key)
	return m.wrap(b, key)
}

// ImportKey wraps material that was made elsewhere: the secret of an access
// key or another credential, 1 to 256 bytes, or key material of 32 bytes for any
// other purpose. It neither keeps nor wipes material. Key pairs and HMAC keys have methods of their
// own. Errors as for GenerateKey.
func (m *Module) ImportKey(b Binding, material secret.Bytes) (token []byte, err error) {
	if b.Purpose.typed() {
		return nil, fmt.Errorf("importing %v: %w", b, ErrPurpose)
	}
	if minimum, maximum := b.Purpose.sizes(); material.Len() < minimum || material.Len() > maximum {
		return nil, errors.New("hsm: imported key has a wrong size")
	}
	return m.wrap(b, material.Expose())
}

func (m *Module) wrap(b Binding, key []byte) ([]byte, error) {
	if !b.Purpose.valid() {
		return nil, fmt.Errorf("wrapping %v: %w", b, ErrPurpose)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	parent, version, err := m.domainKey(b.Domain, 0)
	if err != nil {
		return nil, fmt.Errorf("wrapping %v: %w", b, err)
	}
	return sealToken(parent, b, version, key), nil
}

// MaterialID returns the public id of the wrapped key material: a function of
// the material and b.KeyID that reveals nothing of the material. KMS shows it
// as KeyMaterialId. Errors to test for: ErrTampered, ErrUnknownDomainKey.
func (m *Module) MaterialID(token []byte, b Binding) ([32]byte, error) {
	p, err := m.load(token, b, b.Purpose)
	if err != nil {
		return [32]byte{}, err
	}
	defer p.wipe()
	return materialID(p, b.KeyID), nil
}

func materialID(p *prf, keyID string) (id [32]byte) {
	p.derive(id[:], labelMaterialID, []byte(keyID))
	return id
}

// LoadBackingKey opens a token of PurposeBackingKey. The errors of the Load
// methods to test for: ErrTampered, whose text names purpose and key id;
// ErrUnknownDomainKey; ErrPurpose when b.Purpose is not the method's.
func (m *Module) LoadBackingKey(token []byte, b Binding) (*BackingKey, error) {
	p, err := m.load(token, b, PurposeBackingKey)
	if err != nil {
		return nil, err
	}
	return &BackingKey{prf: p, id: materialID(p, b.KeyID)}, nil
}

// LoadMACKey opens a token of PurposeRowMAC or PurposeBlobHeader.
func (m *Module) LoadMACKey(token []byte, b Binding) (*MACKey, error) {
	p, err := m.load(token, b, PurposeRowMAC, PurposeBlobHeader)
	if err != nil {
		return nil, err
	}
	return &MACKey{p}, nil
}

// LoadAccessKey opens a token of PurposeAccessKey.
func (m *Module) LoadAccessKey(token []byte, b Binding) (*AccessKey, error) {
	p, err := m.load(token, b, PurposeAccessKey)
	if err != nil {
		return nil, err
	}
	defer p.wipe() // the handle has a copy
	return newAccessKey(p.key), nil
}

// LoadRecordKey opens a token of PurposeRecord.
func (m *Module) LoadRecordKey(token []byte, b Binding) (*RecordKey, error) {
	p, err := m.load(token, b, PurposeRecord)
	if err != nil {
		return nil, err
	}
	return &RecordKey{p}, nil
}

// load opens token, which must have one of the allowed purposes. The caller
// owns the result.
func (m *Module) load(token []byte, b Binding, allowed ...Purpose) (*prf, error) {
	if !slices.Contains(allowed, b.Purpose) {
		return nil, fmt.Errorf("opening %v: %w", b, ErrPurpose)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	key, err := m.unwrap(token, b)
	if err != nil {
		return nil, err
	}
	return newPRF(secret.New(key)), nil
}

// unwrap returns the key in a token. The caller holds m.mu, and clears the key.
func (m *Module) unwrap(token []byte, b Binding) ([]byte, error) {
	if !b.Purpose.valid() {
		return nil, fmt.Errorf("opening %v: %w", b, ErrPurpose)
	}
	h, box, ok := parseToken(token)
	if !ok || h.purpose != b.Purpose {
		return nil, fmt.Errorf("opening %v: %w", b, ErrTampered)
	}
	if h.domainKey == 0 { // 0 asks domainKey for the newest; no token has it
		return nil, fmt.Errorf("opening %v: %w", b, ErrTampered)
	}
	parent, _, err := m.domainKey(b.Domain, h.domainKey)
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, err)
	}
	return openToken(parent, b, h, box) // parseToken has tested the size
}
