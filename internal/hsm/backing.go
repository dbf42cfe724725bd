package hsm

import (
	"github.com/strongroom/strongroom/internal/secret"
)

// BackingKey is the key material of one KMS key version. It is safe for
// concurrent use. Every message has a key of its own (box.go), so the number
// of messages is not limited.
type BackingKey struct {
	prf *prf
	id  [32]byte
}

// ID returns the material's public id, as [Module.MaterialID] does.
func (k *BackingKey) ID() [32]byte { return k.id }

// MessageOverhead is how many bytes longer a sealed message is than its
// plaintext: 16 of salt, 12 of nonce, 16 of tag.
const MessageOverhead = boxOverhead

// Encrypt appends to dst a box (box.go) of plaintext, MessageOverhead bytes
// longer than it, bound to aad. It keeps neither plaintext nor aad; they must
// not overlap dst's free capacity. The error is always nil in process; a
// module on another machine can fail.
func (k *BackingKey) Encrypt(dst, aad []byte, plaintext secret.Bytes) ([]byte, error) {
	return k.prf.seal(dst, labelMessage, plaintext.Expose(), aad), nil
}

// Decrypt opens a box made by Encrypt or NewDataKey. The caller owns the
// plaintext. The error is ErrAuth.
func (k *BackingKey) Decrypt(body, aad []byte) (secret.Bytes, error) {
	plaintext, err := k.prf.open([]byte{}, labelMessage, body, aad)
	if err != nil {
		return secret.Bytes{}, err
	}
	return secret.New(plaintext), nil
}

// NewDataKey generates a 32-byte data key and appends it, encrypted as by
// Encrypt, to dst. The data key itself does not leave the package. Errors as
// for Encrypt.
func (k *BackingKey) NewDataKey(dst, aad []byte) (*DataKey, []byte, error) {
	key := randomBytes(keySize)
	return &DataKey{newPRF(secret.New(key))}, k.prf.seal(dst, labelMessage, key, aad), nil
}

// OpenDataKey opens the encrypted data key that NewDataKey appended. The error
// is ErrAuth, also when the plaintext is no 32-byte key.
func (k *BackingKey) OpenDataKey(body, aad []byte) (*DataKey, error) {
	key, err := k.prf.openKey(labelMessage, body, aad)
	if err != nil {
		return nil, err
	}
	return &DataKey{newPRF(secret.New(key))}, nil
}

// HeaderMAC returns the key that authenticates the headers of blobs under
// portable material: derived from the material, so that every server with the
// same material takes the same blobs for whole. The handle is the caller's to keep.
func (k *BackingKey) HeaderMAC() *MACKey {
	key := make([]byte, keySize)
	k.prf.derive(key, labelBlobHeader)
	return &MACKey{newPRF(secret.New(key))}
}
