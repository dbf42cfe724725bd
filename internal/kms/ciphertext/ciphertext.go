// Package ciphertext is the CiphertextBlob of KMS: what Encrypt and
// GenerateDataKey answer and Decrypt takes.
//
// A blob names its key and key material in a header that carries a MAC under
// the server's own key. The MAC is checked before the key is looked up: that
// tells a damaged or foreign blob (InvalidCiphertextException) from a blob of a
// key that is not there (AccessDeniedException), as AWS does. The body is bound
// to the header and to the encryption context. docs/formats/ciphertext-blob.md
// describes the bytes for readers in other languages.
package ciphertext

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/secret"
)

// MaxSize is the longest blob in bytes: the limit of CiphertextBlob in the KMS API.
const MaxSize = 6144

// ErrInvalid is the one answer for every blob that does not open, whatever the
// reason: damaged, truncated, extended, made elsewhere, another key or another
// encryption context.
var ErrInvalid = errors.New("ciphertext: blob is not valid")

// Header says which key material encrypted a blob.
type Header struct {
	Account string
	// Region is empty in the blob of a multi-region key (KeyID "mrk-…"): its
	// replicas in all regions open the same blobs.
	Region string
	KeyID  string
	// MaterialID is the hsm.BackingKey's ID.
	MaterialID [32]byte
}

// Blob is a parsed blob whose header is authentic and whose body is not opened
// yet. It refers to the bytes it was parsed from, which must not change.
type Blob struct {
	Header
	header []byte // as in the blob, without its MAC
	body   []byte // sealed by the backing key
}

// Seal encrypts plaintext with key, bound to h and context. mac is the blob
// header key of the server: one for all regions that share multi-region keys,
// because Parse must know every blob of the server before it knows its region.
// It fails when a string of h is longer than 255 bytes, when h.MaterialID is
// not key's, or when the blob would be longer than MaxSize.
func Seal(mac *hsm.MACKey, key *hsm.BackingKey, h Header, context map[string]string, plaintext secret.Bytes) ([]byte, error) {
	blob, aad, err := begin(mac, key, h, context, plaintext.Len())
	if err != nil {
		return nil, err
	}
	return key.Encrypt(blob, aad, plaintext)
}

// SealDataKey generates a 32-byte data key under key and returns it as a handle
// together with its blob, which Decrypt opens like any other. Errors as for Seal.
func SealDataKey(mac *hsm.MACKey, key *hsm.BackingKey, h Header, context map[string]string) (*hsm.DataKey, []byte, error) {
	blob, aad, err := begin(mac, key, h, context, dataKeySize)
	if err != nil {
		return nil, nil, err
	}
	return key.NewDataKey(blob, aad)
}

const dataKeySize = 32

// begin builds everything of a blob but its body, with room for one of the
// given plaintext size, and the body's additional data.
func begin(mac *hsm.MACKey, key *hsm.BackingKey, h Header, context map[string]string, plainSize int) (blob, aad []byte, err error) {
	if h.MaterialID != key.ID() {
		return nil, nil, fmt.Errorf("ciphertext: key %s: header names other key material", h.KeyID)
	}
	if multiRegion(h.KeyID) {
		h.Region = ""
	}
	headerSize, err := h.size()
	if err != nil {
		return nil, nil, err
	}
	size := headerSize + macSize + hsm.MessageOverhead + plainSize
	if size > MaxSize {
		return nil, nil, fmt.Errorf("ciphertext: plaintext of %d bytes makes a blob of more than %d", plainSize, MaxSize)
	}
	blob = h.append(make([]byte, 0, size))
	aad = appendAAD(nil, blob, context)
	return append(blob, mac.MAC(macLabel, blob)...), aad, nil
}

// Parse splits a blob and checks its header's MAC; the body is left to Open.
// The error is ErrInvalid.
func Parse(mac *hsm.MACKey, blob []byte) (*Blob, error) {
	b, headerMAC, ok := split(blob)
	if !ok || !mac.Verify(headerMAC, macLabel, b.header) {
		return nil, ErrInvalid
	}
	return b, nil
}

// Peek splits a blob without checking anything of it: what its header says is
// what somebody claims. It is for finding the key whose material authenticates
// the header, [hsm.BackingKey.HeaderMAC]; Parse with that must come before Open.
// The error is ErrInvalid.
func Peek(blob []byte) (*Blob, error) {
	b, _, ok := split(blob)
	if !ok {
		return nil, ErrInvalid
	}
	return b, nil
}

// Open decrypts the body; the caller owns the plaintext. The error is
// ErrInvalid: the body is damaged, or key or context is not the one it was
// sealed with.
func (b *Blob) Open(key *hsm.BackingKey, context map[string]string) (secret.Bytes, error) {
	plaintext, err := key.Decrypt(b.body, appendAAD(nil, b.header, context))
	if err != nil {
		return secret.Bytes{}, ErrInvalid
	}
	return plaintext, nil
}

// OpenDataKey is Open for a blob that holds a 32-byte data key, which stays in
// custody. The error is ErrInvalid.
func (b *Blob) OpenDataKey(key *hsm.BackingKey, context map[string]string) (*hsm.DataKey, error) {
	dataKey, err := key.OpenDataKey(b.body, appendAAD(nil, b.header, context))
	if err != nil {
		return nil, ErrInvalid
	}
	return dataKey, nil
}

// multiRegion reports whether a key id is a multi-region key's.
func multiRegion(keyID string) bool { return strings.HasPrefix(keyID, "mrk-") }
