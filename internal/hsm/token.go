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
//	6       44+n  box of the key, n = 32 except for imported keys
//
// The box's key is derived from the domain key, or from the root key when the
// purpose is 255; its additional data is [Binding.appendAAD].

const (
	tokenVersion    = 1
	tokenHeaderSize = 6
	minTokenSize    = tokenHeaderSize + boxOverhead + 1
	maxTokenSize    = tokenHeaderSize + boxOverhead + maxImport
)

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
	if len(token) < minTokenSize || len(token) > maxTokenSize || token[0] != tokenVersion {
		return tokenHeader{}, nil, false
	}
	h = tokenHeader{Purpose(token[1]), binary.BigEndian.Uint32(token[2:])}
	if !h.purpose.valid() && h.purpose != purposeDomainKey {
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
	dst := make([]byte, 0, tokenHeaderSize+boxOverhead+len(key))
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
