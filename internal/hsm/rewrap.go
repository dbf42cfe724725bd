package hsm

import "fmt"

// This file changes what keys are wrapped under. The keys themselves do not
// change and do not leave the package.

// Rewrap wraps the key in token anew, under the newest domain key of b.Domain.
// The old token stays as good as it was until the version that wraps it is
// removed. Errors as for the Load methods.
func (m *Module) Rewrap(token []byte, b Binding) ([]byte, error) { return m.Rebind(token, b, b) }

// Rebind is Rewrap with another binding for the new token: for key material that
// a key of another region is to have too, whose domain key wraps it then, and for
// changes of our own format. The purpose must stay what it was. The material has
// the id that it had as long as KeyID stays.
func (m *Module) Rebind(token []byte, from, to Binding) ([]byte, error) {
	if from.Purpose != to.Purpose {
		return nil, fmt.Errorf("wrapping %v as %v: %w", from, to, ErrPurpose)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	key, err := m.unwrap(token, from)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	parent, version, err := m.domainKey(to.Domain, 0)
	if err != nil {
		return nil, fmt.Errorf("wrapping %v: %w", to, err)
	}
	return sealToken(parent, to, version, key), nil
}

// CheckToken opens a token and keeps nothing of it. Errors as for the Load
// methods.
func (m *Module) CheckToken(token []byte, b Binding) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	key, err := m.unwrap(token, b)
	clear(key)
	return err
}
