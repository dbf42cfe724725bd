// Package sse is server-side encryption of S3 objects: how a stored object is
// laid out in parts and chunks, what its manifest holds, and what its key is
// bound to. It works over io; keys are handles of package hsm.
//
// docs/formats/object.md describes the bytes for readers in other languages.
package sse

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTampered says that stored bytes are damaged, moved, reordered or cut off.
var ErrTampered = errors.New("sse: stored bytes do not authenticate")

// Mode is how an object is encrypted. The zero value is invalid. The numbers
// are part of the object format.
type Mode uint8

// The modes.
const (
	SSES3  Mode = 1 // a key that belongs to the service
	SSEKMS Mode = 2 // a KMS key that the caller names
)

// String returns the mode as the header x-amz-server-side-encryption has it.
func (m Mode) String() string {
	switch m {
	case SSES3:
		return "AES256"
	case SSEKMS:
		return "aws:kms"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// ParseMode is the inverse of String for valid modes.
func ParseMode(header string) (Mode, bool) {
	for m := SSES3; m <= SSEKMS; m++ {
		if m.String() == header {
			return m, true
		}
	}
	return 0, false
}

// Binding is what an object key and a manifest are bound to. An object whose
// record is moved to another bucket, key or upload does not open.
type Binding struct {
	Mode        Mode
	Bucket, Key string
	// Instance is chosen when the upload begins (NewInstance), because version
	// ids do not exist then.
	Instance [16]byte
}

const bindingLabel = "strongroom/1 object"

// AAD returns the additional data of the object's wrapped key and manifest,
//
//	lp("strongroom/1 object") ‖ mode (1 byte) ‖ lp(bucket) ‖ lp(key) ‖ instance (16)
//
// where lp(x) is the length of x in bytes as a 32-bit big-endian number, then x.
func (b Binding) AAD() []byte {
	aad := make([]byte, 0, 3*4+len(bindingLabel)+1+len(b.Bucket)+len(b.Key)+len(b.Instance))
	aad = appendString(aad, bindingLabel)
	aad = append(aad, byte(b.Mode))
	aad = appendString(aad, b.Bucket)
	aad = appendString(aad, b.Key)
	return append(aad, b.Instance[:]...)
}

// NewInstance returns a random instance id. The error is always nil today:
// crypto/rand ends the process rather than fail.
func NewInstance() (id [16]byte, err error) {
	_, err = rand.Read(id[:])
	return id, err
}

// appendString appends lp(s).
func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}
