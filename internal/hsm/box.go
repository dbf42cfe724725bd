package hsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"slices"
)

// A box is one sealed message:
//
//	offset      size  content
//	0           16    salt, random
//	16          12    nonce, random
//	28          n     ciphertext
//	28+n        16    tag
//
// AES-256-GCM, its key derived from a parent key with a label and the salt as
// context. Salt and nonce together are 224 random bits, so one parent key can
// seal as many boxes as anyone will ever make: two boxes with the same AES key
// are expected after some 2^64, and those still differ in their nonce. The
// limit of SP 800-38D section 8.3 (2^32 seals under one AES key) cannot be met,
// because an AES key seals once.

const (
	saltSize = 16
	// gcmOverhead is what cipher.NewGCMWithRandomNonce adds: nonce and tag.
	gcmOverhead = 28
	// boxOverhead is how much longer a box is than its plaintext.
	boxOverhead = saltSize + gcmOverhead
)

// seal appends a box of plaintext to dst. Neither plaintext nor aad may
// overlap the free capacity of dst.
func (p *prf) seal(dst []byte, label string, plaintext, aad []byte) []byte {
	dst = slices.Grow(dst, boxOverhead+len(plaintext))
	start := len(dst)
	dst = dst[:start+saltSize]
	salt := dst[start:]
	_, _ = rand.Read(salt)
	return p.aead(label, salt).Seal(dst, nil, plaintext, aad)
}

// open appends the plaintext of box to dst. The error is ErrAuth.
func (p *prf) open(dst []byte, label string, box, aad []byte) ([]byte, error) {
	if len(box) < boxOverhead {
		return nil, ErrAuth
	}
	salt, sealed := box[:saltSize], box[saltSize:]
	out, err := p.aead(label, salt).Open(dst, nil, sealed, aad)
	if err != nil {
		return nil, ErrAuth
	}
	return out, nil
}

// openKey opens a box that must hold a key of keySize bytes.
func (p *prf) openKey(label string, box, aad []byte) ([]byte, error) {
	if len(box) != boxOverhead+keySize {
		return nil, ErrAuth
	}
	return p.open(nil, label, box, aad)
}

// aead returns AES-256-GCM under the key for label and context.
func (p *prf) aead(label string, context ...[]byte) cipher.AEAD {
	s := p.get()
	defer p.put(s)
	// The key goes to the state's own scratch: a local array would escape.
	s.derive(s.sum[:], label, context...)
	return newAEAD(s.sum[:])
}

// newAEAD returns AES-256-GCM with random nonces under a key of keySize bytes,
// which it copies.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("hsm: " + err.Error()) // only for a key of the wrong size
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("hsm: " + err.Error()) // only for a block cipher that is not AES
	}
	return aead
}
