// Package uuid makes random UUIDs: version 4 of RFC 9562, section 5.4.
package uuid

import (
	"crypto/rand"
	"encoding/hex"
)

// New returns a new UUID in its text form, 36 characters in lower case.
func New() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails: it ends the process instead
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], u[0:4])
	hex.Encode(s[9:13], u[4:6])
	hex.Encode(s[14:18], u[6:8])
	hex.Encode(s[19:23], u[8:10])
	hex.Encode(s[24:36], u[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
