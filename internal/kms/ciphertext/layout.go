package ciphertext

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/strongroom/strongroom/internal/hsm"
)

// The layout of a blob:
//
//	size  content
//	4     "SRB1"
//	1+a   account: its length, then its bytes
//	1+r   region, empty for a multi-region key
//	1+k   key id
//	32    key material id
//	32    MAC over everything before it
//	44+n  body: salt (16), nonce (12), ciphertext (n), tag (16)

const (
	magic          = "SRB1"
	materialIDSize = 32
	macSize        = 32
	maxString      = 255
)

// macLabel is the first part of the header's MAC; the header is the second.
var macLabel = []byte("strongroom/1 blob header")

func (h Header) size() (int, error) {
	n := len(magic) + materialIDSize
	for _, s := range [...]string{h.Account, h.Region, h.KeyID} {
		if len(s) > maxString {
			return 0, fmt.Errorf("ciphertext: name of %d bytes in a blob's header", len(s))
		}
		n += 1 + len(s)
	}
	return n, nil
}

// append appends the header without its MAC. Its strings have at most maxString bytes.
func (h Header) append(dst []byte) []byte {
	dst = append(dst, magic...)
	for _, s := range [...]string{h.Account, h.Region, h.KeyID} {
		dst = append(dst, byte(len(s)))
		dst = append(dst, s...)
	}
	return append(dst, h.MaterialID[:]...)
}

// split parses a blob without authenticating anything.
func split(blob []byte) (b *Blob, headerMAC []byte, ok bool) {
	if len(blob) > MaxSize || len(blob) < len(magic) || string(blob[:len(magic)]) != magic {
		return nil, nil, false
	}
	b = new(Blob)
	rest := blob[len(magic):]
	for _, s := range [...]*string{&b.Account, &b.Region, &b.KeyID} {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return nil, nil, false
		}
		n := 1 + int(rest[0])
		*s, rest = string(rest[1:n]), rest[n:]
	}
	if len(rest) < materialIDSize+macSize+hsm.MessageOverhead {
		return nil, nil, false
	}
	if multiRegion(b.KeyID) && b.Region != "" {
		return nil, nil, false
	}
	copy(b.MaterialID[:], rest)
	b.header = blob[:len(blob)-len(rest)+materialIDSize]
	rest = rest[materialIDSize:]
	b.body = rest[macSize:]
	return b, rest[:macSize], true
}

// appendAAD appends the body's additional data:
//
//	length of the header, 32 bits big-endian ‖ header ‖ canonical context
func appendAAD(dst, header []byte, context map[string]string) []byte {
	dst = slices.Grow(dst, 4+len(header)+contextSize(context))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(header)))
	dst = append(dst, header...)
	return appendContext(dst, context)
}

// CanonicalContext is the one spelling of an encryption context: its pairs in
// bytewise order of their keys, each key and each value with its length before
// it as a 32-bit big-endian number. A nil map and an empty one give no bytes.
func CanonicalContext(context map[string]string) []byte {
	return appendContext(make([]byte, 0, contextSize(context)), context)
}

func contextSize(context map[string]string) int {
	n := 0
	for k, v := range context {
		n += 8 + len(k) + len(v)
	}
	return n
}

func appendContext(dst []byte, context map[string]string) []byte {
	if len(context) == 0 {
		return dst
	}
	var few [8]string // enough for most contexts, without an allocation
	keys := slices.AppendSeq(few[:0], maps.Keys(context))
	slices.Sort(keys)
	for _, k := range keys {
		for _, s := range [...]string{k, context[k]} {
			dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		}
	}
	return dst
}
