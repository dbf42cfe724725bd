package hsm

import (
	"fmt"
	"maps"
	"slices"

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

// NewDomainKey is GenerateDomainKey and InstallDomainKey.
func (m *Module) NewDomainKey(domain string, version uint32) (DomainKeyToken, error) {
	t := m.GenerateDomainKey(domain, version)
	if err := m.InstallDomainKey(t); err != nil {
		return DomainKeyToken{}, err
	}
	return t, nil
}

// GenerateDomainKey generates a domain key and wraps it under the root key. It
// is not installed: nothing may be wrapped under it before its token is where a
// restart finds it.
func (m *Module) GenerateDomainKey(domain string, version uint32) DomainKeyToken {
	key := randomBytes(keySize)
	defer clear(key)
	t := DomainKeyToken{Domain: domain, Version: version, RootKeyID: m.rootID}
	t.Token = sealToken(m.root, t.binding(), version, key)
	return t
}

// InstallDomainKey unwraps a stored domain key and makes it usable. New tokens
// of the domain are wrapped by the highest version installed. Installing the
// same key twice does nothing. Errors to test for: ErrWrongRootKey, whose
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
		defer key.Wipe()
		if old.key.Equal(key) {
			return nil
		}
		return fmt.Errorf("installing domain key %q version %d: %w", t.Domain, t.Version, ErrDomainKeyInstalled)
	}
	d.keys[t.Version] = newPRF(key)
	d.newest = max(d.newest, t.Version)
	return nil
}

// NewestDomainKey returns the version that wraps the domain's new tokens, 0
// when none is installed.
func (m *Module) NewestDomainKey(domain string) uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if d := m.domains[domain]; d != nil {
		return d.newest
	}
	return 0
}

// DomainKeyVersions returns the installed versions of a domain key, the oldest
// first.
func (m *Module) DomainKeyVersions(domain string) []uint32 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d := m.domains[domain]
	if d == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(d.keys))
}

// RemoveDomainKey wipes an installed version; one that is not installed is no
// error. Nothing that is wrapped under it opens in this module again; handles
// that are open work on. The newest version cannot be removed.
func (m *Module) RemoveDomainKey(domain string, version uint32) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.domains[domain]
	if d == nil || d.keys[version] == nil {
		return nil
	}
	if version == d.newest {
		return fmt.Errorf("removing domain key %q version %d: it is the newest", domain, version)
	}
	d.keys[version].wipe() // nobody is using it: users hold the lock
	delete(d.keys, version)
	return nil
}

// RewrapDomainKey wraps an installed domain key under the root key of another
// module: the key is the same, so are the tokens under it. The error is
// ErrUnknownDomainKey.
func (m *Module) RewrapDomainKey(to *Module, domain string, version uint32) (DomainKeyToken, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p, version, err := m.domainKey(domain, version)
	if err != nil {
		return DomainKeyToken{}, err
	}
	t := DomainKeyToken{Domain: domain, Version: version, RootKeyID: to.rootID}
	t.Token = sealToken(to.root, t.binding(), version, p.key.Expose())
	return t, nil
}

// domainKey returns the given version of a domain key, the newest for version
// 0. The caller holds m.mu until it has done with the key: a removed version is
// wiped.
func (m *Module) domainKey(name string, version uint32) (*prf, uint32, error) {
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
