// Package secret holds bytes that must not be shown: key material, data keys
// and plaintexts on their way through the process.
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"unsafe"
)

// redacted is what every printing, logging and marshalling route yields.
const redacted = "[redacted]"

// Bytes is a byte string that prints, logs and marshals as "[redacted]".
// The zero value is absent: IsNil reports true for it. Bytes is a value; copies
// share the same memory. It is safe for concurrent reading, not for Wipe.
//
// It holds a pointer and a length, not a slice: fmt prints the unexported
// fields of a struct without asking their methods, and then it shows an address.
type Bytes struct {
	p *byte
	n int
}

// New takes ownership of b: the caller must neither change nor keep it.
// New(nil) is absent, New([]byte{}) is present and empty.
func New(b []byte) Bytes { return Bytes{unsafe.SliceData(b), len(b)} }

// Expose returns the bytes themselves, not a copy. Its name is the one to grep
// for when asking where secrets leave their wrapper.
func (s Bytes) Expose() []byte { return unsafe.Slice(s.p, s.n) }

// Len returns the length in bytes.
func (s Bytes) Len() int { return s.n }

// IsNil reports whether no value is present, as opposed to an empty one.
func (s Bytes) IsNil() bool { return s.p == nil }

// Equal compares in time that depends only on the lengths.
func (s Bytes) Equal(t Bytes) bool {
	return subtle.ConstantTimeCompare(s.Expose(), t.Expose()) == 1
}

// Wipe overwrites the bytes with zeros. Copies made by the runtime (a moved
// stack, a grown buffer) are out of its reach, so it narrows a window and
// promises nothing.
func (s Bytes) Wipe() { clear(s.Expose()) }

// String implements [fmt.Stringer].
func (Bytes) String() string { return redacted }

// GoString implements [fmt.GoStringer].
func (Bytes) GoString() string { return redacted }

// Format implements [fmt.Formatter], so that no verb, %x included, reaches the bytes.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON implements [json.Marshaler].
func (Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText implements [encoding.TextMarshaler].
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements [slog.LogValuer].
func (Bytes) LogValue() slog.Value { return slog.StringValue(redacted) }
