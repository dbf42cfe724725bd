package hsm

import (
	"crypto/hmac"
	"encoding/binary"
)

// MACKey authenticates rows of the store and headers of ciphertext blobs. It is
// safe for concurrent use.
type MACKey struct{ prf *prf }

// MAC returns HMAC-SHA-256 (32 bytes) over the parts, each with its length
// before it as a 32-bit big-endian number, so that no two lists of parts give
// the same input. Callers of one key tell their uses apart by the first part.
func (k *MACKey) MAC(parts ...[]byte) []byte {
	s := k.prf.get()
	defer k.prf.put(s)
	s.sumParts(parts)
	return append([]byte(nil), s.sum[:]...)
}

// Verify reports whether mac is the MAC of the parts, in time that does not
// depend on where they differ.
func (k *MACKey) Verify(mac []byte, parts ...[]byte) bool {
	s := k.prf.get()
	defer k.prf.put(s)
	s.sumParts(parts)
	return hmac.Equal(mac, s.sum[:])
}

func (s *prfState) sumParts(parts [][]byte) {
	s.h.Reset()
	for _, p := range parts {
		s.buf = binary.BigEndian.AppendUint32(s.buf[:0], uint32(len(p)))
		s.h.Write(s.buf)
		s.h.Write(p)
	}
	s.h.Sum(s.sum[:0])
}
