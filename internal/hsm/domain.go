package hsm

import (
	"fmt"

	"github.com/strongroom/strongroom/internal/secret"
)

// DomainKeyToken is a domain key as it is stored: wrapped by the root key.
type DomainKeyToken struct {
	Domain    string // a region, or "global"
	Version   uint32 // from 1
	Token     []byte // docs/formats/key-token.md, purpose 255
	RootKeyID string // of the root key that wraps it
}

// binding binds a domain key to its domain and root key. The root key id takes
// the place of the key id.
func (t DomainKeyToken) binding() Binding {
	return Binding{Purpose: purposeDomainKey, Domain: t.Domain, KeyID: t.RootKeyID}
}

// domain holds the installed versions of one domain key.
type domain struct {
	newest uint32
	keys   map[uint32]*prf
}

// NewDomainKey generates a domain key, wraps it under the root key and installs
// it. New tokens of the domain are wrapped by the highest version installed.
func (m *Module) NewDomainKey(domain string, version uint32) (DomainKeyToken, error) {
	key := randomBytes(keySize)
	t := DomainKeyToken{Domain: domain, Version: version, RootKeyID: m.rootID}
	t.Token = sealToken(m.root, t.binding(), version, key)
	if err := m.install(t, secret.New(key)); err != nil {
		return DomainKeyToken{}, err
	}
	return t, nil
}

// InstallDomainKey unwraps a stored domain key and makes it usable. Installing
// the same key twice does nothing. Errors to test for: ErrWrongRootKey, whose
// text names both root keys, ErrTampered, ErrDomainKeyInstalled.
func (m *Module) InstallDomainKey(t DomainKeyToken) error {
	if t.RootKeyID != m.rootID {
		return fmt.Errorf("installing domain key %q version %d: %w: it needs root key %q, this is root key %s",
			t.Domain, t.Version, ErrWrongRootKey, t.RootKeyID, m.rootID)
	}
	h, box, ok := parseToken(t.Token)
	if !ok || h != (tokenHeader{purposeDomainKey, t.Version}) {
		return fmt.Errorf("installing domain key %q version %d: %w", t.Domain, t.Version, ErrTampered)
	}
	key, err := openToken(m.root, t.binding(), h, box)
	if err != nil {
		return err
	}
	if len(key) != keySize {
		return fmt.Errorf("installing domain key %q version %d: %w", t.Domain, t.Version, ErrTampered)
	}
	return m.install(t, secret.New(key))
}

// install takes ownership of key.
func (m *Module) install(t DomainKeyToken, key secret.Bytes) error {
	if t.Version == 0 {
		return fmt.Errorf("installing domain key %q: versions begin with 1", t.Domain)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.domains[t.Domain]
	if d == nil {
		d = &domain{keys: make(map[uint32]*prf)}
		m.domains[t.Domain] = d
	}
	if old := d.keys[t.Version]; old != nil {
		if old.key.Equal(key) {
			return nil
		}
		return fmt.Errorf("installing domain key %q version %d: %w", t.Domain, t.Version, ErrDomainKeyInstalled)
	}
	d.keys[t.Version] = newPRF(key)
	d.newest = max(d.newest, t.Version)
	return nil
}

// domainKey returns the given version of a domain key, the newest for version 0.
func (m *Module) domainKey(name string, version uint32) (*prf, uint32, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if d := m.domains[name]; d != nil {
		if version == 0 {
			version = d.newest
		}
		if p := d.keys[version]; p != nil {
			return p, version, nil
		}
	}
	return nil, 0, fmt.Errorf("domain key %q version %d: %w", name, version, ErrUnknownDomainKey)
}
