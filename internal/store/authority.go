package store

import (
	"encoding/binary"
	"fmt"
)

// MAC seals authority rows: those that say who may do what (key states,
// policies, aliases, users, access keys, bucket owners). The custody boundary
// makes it, so that whoever can write to the database cannot make one.
type MAC interface {
	// MAC returns 32 bytes over the parts, each bound with its length.
	MAC(parts ...[]byte) []byte
	// Verify compares in constant time.
	Verify(mac []byte, parts ...[]byte) bool
}

// TamperedError says that an authority row does not carry the MAC of what it
// holds: it was written by something other than this server, moved from another
// key, or belongs to another custody.
type TamperedError struct {
	Table Table
	Key   string
}

// Error implements error.
func (e *TamperedError) Error() string {
	return fmt.Sprintf("row %s/%s was changed outside the server: its MAC does not fit; restore the row from a backup", e.Table, e.Key)
}

// Seal sets r.MAC over the table, the key, the revision that [Tx.Put] will
// give the row (r.Rev+1), the reference and the document. Call it last before
// Put.
func Seal(m MAC, t Table, r *Row) { r.MAC = m.MAC(authorityParts(t, *r, r.Rev+1)...) }

// VerifyRow checks a row as it was read. The error is a *[TamperedError].
func VerifyRow(m MAC, t Table, r Row) error {
	if !m.Verify(r.MAC, authorityParts(t, r, r.Rev)...) {
		return &TamperedError{Table: t, Key: r.Key}
	}
	return nil
}

func authorityParts(t Table, r Row, rev int64) [][]byte {
	return [][]byte{
		[]byte("authority row 1"), []byte(t), []byte(r.Key),
		binary.BigEndian.AppendUint64(nil, uint64(rev)), []byte(r.Ref), r.Doc,
	}
}
