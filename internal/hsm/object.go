package hsm

import (
	"github.com/strongroom/strongroom/internal/secret"
)

// DataKey is a KMS data key that stays in process: it wraps object keys. It is
// safe for concurrent use. Every wrap has a key of its own (box.go), so the
// number of object keys is not limited.
type DataKey struct{ prf *prf }

// WrappedObjectKeySize is the size in bytes of a wrapped object key: a box.
const WrappedObjectKeySize = boxOverhead + keySize

// NewObjectKey generates an object key and returns it with its wrapped form,
// WrappedObjectKeySize bytes bound to aad. Object keys are made once per
// object and never shared between objects.
func (k *DataKey) NewObjectKey(aad []byte) (o *ObjectKey, wrapped []byte, err error) {
	o = &ObjectKey{newPRF(secret.New(randomBytes(keySize)))}
	wrapped, err = k.WrapObjectKey(o, aad)
	return o, wrapped, err
}

// WrapObjectKey wraps an object key that exists already, to change what it is
// wrapped under or bound to without touching the object's bytes.
func (k *DataKey) WrapObjectKey(o *ObjectKey, aad []byte) (wrapped []byte, err error) {
	return k.prf.seal(nil, labelObjectKey, o.prf.key.Expose(), aad), nil
}

// OpenObjectKey opens a wrapped object key. The error is ErrAuth.
func (k *DataKey) OpenObjectKey(wrapped, aad []byte) (*ObjectKey, error) {
	key, err := k.prf.openKey(labelObjectKey, wrapped, aad)
	if err != nil {
		return nil, err
	}
	return &ObjectKey{newPRF(secret.New(key))}, nil
}

// ObjectKey is the key of one stored object: it makes the keys of its parts and
// seals its manifest. It is safe for concurrent use.
type ObjectKey struct{ prf *prf }

// SealManifest returns a box of the object's manifest b, MessageOverhead bytes
// longer than it, bound to aad. Every seal has a key of its own.
func (k *ObjectKey) SealManifest(b, aad []byte) []byte {
	return k.prf.seal(nil, labelManifest, b, aad)
}

// OpenManifest opens what SealManifest made; the caller owns the result. The
// error is ErrAuth.
func (k *ObjectKey) OpenManifest(b, aad []byte) ([]byte, error) {
	return k.prf.open(nil, labelManifest, b, aad)
}
