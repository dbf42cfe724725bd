package hsm

// RecordKey seals records of the S3 service. It is safe for concurrent use.
// Every record has a key of its own (box.go), so their number is not limited.
type RecordKey struct{ prf *prf }

// Seal appends to dst a box of plaintext, MessageOverhead bytes longer than it,
// bound to aad. Neither may overlap dst's free capacity.
func (k *RecordKey) Seal(dst, plaintext, aad []byte) []byte {
	return k.prf.seal(dst, labelRecord, plaintext, aad)
}

// Open returns the plaintext of a box made by Seal; the caller owns it. The
// error is ErrAuth.
func (k *RecordKey) Open(sealed, aad []byte) ([]byte, error) {
	return k.prf.open(nil, labelRecord, sealed, aad)
}
