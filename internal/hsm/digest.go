package hsm

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
)

// maxDigest is the size in bytes of the longest digest.
const maxDigest = sha512.Size

// digest returns what is signed for a message: its digest by h, which it
// appends to buf, or the message when that is a digest already. The errors are
// ErrForm and ErrDigest.
func digest(h crypto.Hash, form MessageForm, message, buf []byte) ([]byte, error) {
	switch form {
	case Raw:
		switch h {
		case crypto.SHA256:
			sum := sha256.Sum256(message)
			return append(buf, sum[:]...), nil
		case crypto.SHA384:
			sum := sha512.Sum384(message)
			return append(buf, sum[:]...), nil
		case crypto.SHA512:
			sum := sha512.Sum512(message)
			return append(buf, sum[:]...), nil
		}
		panic("hsm: no such hash")
	case Digest:
		if len(message) != h.Size() {
			return nil, ErrDigest
		}
		return message, nil
	}
	return nil, ErrForm
}
