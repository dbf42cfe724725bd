package hsm

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/strongroom/strongroom/internal/secret"
)

// A session token carries the secret of temporary credentials and what its
// issuer says of them (docs/formats/session-token.md):
//
//	offset  size    content
//	0       1       format version, 1
//	1       84+n    box of the secret access key (40 bytes) and the claims (n bytes)
//
// The box has a key of its own (box.go), derived from the session key: the
// number of tokens is not limited. Its additional data is
//
//	format version (1 byte) ‖ purpose (1 byte) ‖ lp(access key id)
//
// lp(x) is the length of x as a 32-bit big-endian number, then x. So a token
// opens with the access key id that it was issued with and no other.

const (
	sessionVersion = 1
	// secretSize is the size of a generated secret access key: 30 random bytes in
	// base64, as AWS's look.
	secretSize = 40
	// MaxSessionClaims bounds the claims of a session token, in bytes.
	MaxSessionClaims = 8 << 10
	minSessionToken  = 1 + boxOverhead + secretSize
	maxSessionToken  = minSessionToken + MaxSessionClaims
)

// SessionKey seals the tokens of temporary credentials. It is safe for
// concurrent use.
type SessionKey struct{ prf *prf }

// LoadSessionKey opens a token of PurposeSession. Errors as for the other Load
// methods.
func (m *Module) LoadSessionKey(token []byte, b Binding) (*SessionKey, error) {
	p, err := m.load(token, b, PurposeSession)
	if err != nil {
		return nil, err
	}
	return &SessionKey{p}, nil
}

// Issue makes a secret access key for the access key id, and the session token
// that holds it together with the claims. This is the only time that the secret
// leaves the package; the caller hands it out, keeps no copy, and wipes it. Claims
// of more than MaxSessionClaims bytes panic: the issuer bounds them.
func (k *SessionKey) Issue(id string, claims []byte) (token []byte, secretKey secret.Bytes) {
	if len(claims) > MaxSessionClaims {
		panic("hsm: session claims are too long")
	}
	random := randomBytes(secretSize / 4 * 3)
	defer clear(random)
	plaintext := make([]byte, secretSize, secretSize+len(claims))
	defer clear(plaintext)
	base64.StdEncoding.Encode(plaintext, random)
	secretKey = secret.New(append([]byte(nil), plaintext...))
	plaintext = append(plaintext, claims...)
	dst := make([]byte, 1, minSessionToken+len(claims))
	dst[0] = sessionVersion
	return k.prf.seal(dst, labelSessionToken, plaintext, sessionAAD(id)), secretKey
}

// Open returns the claims of a token, and the handle of its secret. The caller
// owns the claims. The error is ErrAuth, for a token that is damaged as for one
// that was issued with another access key id.
func (k *SessionKey) Open(id string, token []byte) (claims []byte, key *AccessKey, err error) {
	if len(token) < minSessionToken || len(token) > maxSessionToken || token[0] != sessionVersion {
		return nil, nil, ErrAuth
	}
	plaintext, err := k.prf.open(nil, labelSessionToken, token[1:], sessionAAD(id))
	if err != nil {
		return nil, nil, err
	}
	defer clear(plaintext)
	key = newAccessKey(secret.New(plaintext[:secretSize]))
	return append([]byte(nil), plaintext[secretSize:]...), key, nil
}

// sessionAAD is the additional data of the token of an access key id.
func sessionAAD(id string) []byte {
	aad := make([]byte, 0, 6+len(id))
	aad = append(aad, sessionVersion, byte(PurposeSession))
	aad = binary.BigEndian.AppendUint32(aad, uint32(len(id)))
	return append(aad, id...)
}
