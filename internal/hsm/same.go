package hsm

import "github.com/strongroom/strongroom/internal/secret"

// SameKey reports whether token wraps just this key, in time that depends only
// on the lengths. It is how a configured secret is told from the stored one
// without either leaving the module. Errors as for the Load methods.
func (m *Module) SameKey(token []byte, b Binding, key secret.Bytes) (bool, error) {
	p, err := m.load(token, b, b.Purpose)
	if err != nil {
		return false, err
	}
	defer p.wipe()
	return p.key.Equal(key), nil
}
