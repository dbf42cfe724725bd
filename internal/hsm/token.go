package hsm

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// A key token is one wrapped key (docs/formats/key-token.md):
//
//	offset  size  content
//	0       1     format version, 1
//	1       1     purpose
//	2       4     version of the wrapping domain key, big-endian
//	6       44+n  box of the key, n by [Purpose.sizes]
//
// The box's key is derived from the domain key, or from the root key when the
// purpose is 255; its additional data is [Binding.appendAAD].

const (
	tokenVersion    = 1
	tokenHeaderSize = 6
	tokenOverhead   = tokenHeaderSize + boxOverhead
	// maxTypedKey bounds the material of a key pair with its type, in bytes: RSA
	// with 4096 bits has 2,375 or 2,376 in PKCS #8.
	maxTypedKey = 2500
)

// sizes returns how many bytes a token of the purpose wraps, at least and at
// most.
func (p Purpose) sizes() (minimum, maximum int) {
	switch p {
	case PurposeAccessKey, PurposeCredential:
		return 1, maxImport
	case PurposeKeyPair: // type ‖ material
		return 1 + 32, maxTypedKey
	case PurposeHMACKey: // type ‖ material
		return 1 + 28, 1 + maxHMACKey
	}
	return keySize, keySize
}

// typed reports whether tokens of the purpose wrap the type of key material
// before it.
func (p Purpose) typed() bool { return p == PurposeKeyPair || p == PurposeHMACKey }

type tokenHeader struct {
	purpose   Purpose
	domainKey uint32 // version
}

func (h tokenHeader) append(dst []byte) []byte {
	dst = append(dst, tokenVersion, byte(h.purpose))
	return binary.BigEndian.AppendUint32(dst, h.domainKey)
}

// parseToken splits a token without opening it; box aliases token.
func parseToken(token []byte) (h tokenHeader, box []byte, ok bool) {
	if len(token) < tokenOverhead || token[0] != tokenVersion {
		return tokenHeader{}, nil, false
	}
	h = tokenHeader{Purpose(token[1]), binary.BigEndian.Uint32(token[2:])}
	if !h.purpose.valid() && h.purpose != purposeDomainKey {
		return tokenHeader{}, nil, false
	}
	minimum, maximum := h.purpose.sizes()
	if n := len(token) - tokenOverhead; n < minimum || n > maximum {
		return tokenHeader{}, nil, false
	}
	return h, token[tokenHeaderSize:], true
}

// ParseToken returns what a token says in clear: what it is for, and the
// version of the domain key that wraps it. None of it is authenticated before
// the token is opened. It reports false for what is no token.
func ParseToken(token []byte) (p Purpose, version uint32, ok bool) {
	h, _, ok := parseToken(token)
	return h.purpose, h.domainKey, ok
}

// tokenLabel is the derivation label of the tokens of one purpose, such as
// "strongroom/1 key token 4".
func tokenLabel(p Purpose) string { return labelKeyToken + " " + strconv.Itoa(int(p)) }

// sealToken wraps key under parent.
func sealToken(parent *prf, b Binding, domainKey uint32, key []byte) []byte {
	h := tokenHeader{b.Purpose, domainKey}
	dst := make([]byte, 0, tokenOverhead+len(key))
	return parent.seal(h.append(dst), tokenLabel(b.Purpose), key, b.appendAAD(nil, h))
}

// openToken unwraps a token whose header and box are already parsed.
func openToken(parent *prf, b Binding, h tokenHeader, box []byte) ([]byte, error) {
	key, err := parent.open(nil, tokenLabel(b.Purpose), box, b.appendAAD(nil, h))
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, ErrTampered)
	}
	return key, nil
}
