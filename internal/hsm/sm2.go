package hsm

import (
	"crypto/rand"
	"errors"
	"math/big"

	"github.com/emmansun/gmsm/ecdh"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// The mechanisms of SM2.
const (
	mechSM2DSA Mechanism = "SM2DSA" // GB/T 32918.2
	mechSM2PKE Mechanism = "SM2PKE" // GB/T 32918.4
)

const (
	// maxSM2 is the longest plaintext of SM2PKE, in bytes: "Key spec reference",
	// KMS Developer Guide.
	maxSM2 = 1024
	// sm2UID is the distinguishing identifier of a signer who has none, by GM/T
	// 0009. KMS signs Raw messages with it; who wants another makes the digest.
	sm2UID = "1234567812345678"
)

// sm2Key is a key on the curve of SM2 (GB/T 32918.5).
type sm2Key struct {
	key  *sm2.PrivateKey
	ecdh *ecdh.PrivateKey
	za   []byte // digest of the distinguishing identifier and the public key
}

func generateSM2() (privateKey, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newSM2(key)
}

func parseSM2(scalar []byte) (privateKey, error) {
	key, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		return nil, errPrivateKey
	}
	return newSM2(key)
}

func newSM2(key *ecdh.PrivateKey) (privateKey, error) {
	scalar := key.Bytes()
	defer clear(scalar)
	d := new(big.Int).SetBytes(scalar)
	// Signatures divide by 1+d: a private key is at most the order less 2.
	if new(big.Int).Add(d, big.NewInt(1)).Cmp(sm2.P256().Params().N) >= 0 {
		return nil, errPrivateKey
	}
	point := key.PublicKey().Bytes() // 4 ‖ x ‖ y
	k := &sm2Key{ecdh: key, key: new(sm2.PrivateKey)}
	k.key.Curve = sm2.P256()
	k.key.X, k.key.Y, k.key.D = new(big.Int).SetBytes(point[1:33]), new(big.Int).SetBytes(point[33:]), d
	var err error
	k.za, err = sm2.CalculateZA(&k.key.PublicKey, []byte(sm2UID))
	return k, err
}

// material is the private scalar, big-endian.
func (k *sm2Key) material() ([]byte, error) { return k.ecdh.Bytes(), nil }

func (k *sm2Key) pkcs8() ([]byte, error) {
	scalar := k.ecdh.Bytes()
	defer clear(scalar)
	return marshalECPKCS8(SM2, scalar, k.ecdh.PublicKey().Bytes())
}

func (k *sm2Key) spki() ([]byte, error) { return marshalSPKI(SM2, k.ecdh.PublicKey().Bytes()) }

// digest returns what is signed: SM3 of za and the message.
func (k *sm2Key) digest(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	if mech != mechSM2DSA {
		return nil, ErrMechanism
	}
	switch form {
	case Raw:
		h := sm3.New()
		h.Write(k.za)
		h.Write(message)
		return h.Sum(nil), nil
	case Digest:
		if len(message) != sm3.Size {
			return nil, ErrDigest
		}
		return message, nil
	}
	return nil, ErrForm
}

func (k *sm2Key) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	sum, err := k.digest(mech, form, message)
	if err != nil {
		return nil, err
	}
	return sm2.SignASN1(rand.Reader, k.key, sum, nil)
}

func (k *sm2Key) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	sum, err := k.digest(mech, form, message)
	if err != nil {
		return err
	}
	if !sm2.VerifyASN1(&k.key.PublicKey, sum, signature) {
		return ErrSignature
	}
	return nil
}

// encrypt returns the DER of GM/T 0009, section 7.2: the point's coordinates,
// the digest, the ciphertext.
func (k *sm2Key) encrypt(mech Mechanism, plaintext []byte) ([]byte, error) {
	switch {
	case mech != mechSM2PKE:
		return nil, ErrMechanism
	case len(plaintext) == 0:
		return nil, errors.New("hsm: SM2 does not encrypt nothing")
	case len(plaintext) > maxSM2:
		return nil, ErrTooLong
	}
	return sm2.EncryptASN1(rand.Reader, &k.key.PublicKey, plaintext)
}

// decrypt takes the DER form alone, not the concatenations that the library
// tells from it by the first byte.
func (k *sm2Key) decrypt(mech Mechanism, ciphertext []byte) ([]byte, error) {
	if mech != mechSM2PKE {
		return nil, ErrMechanism
	}
	if len(ciphertext) == 0 || ciphertext[0] != 0x30 {
		return nil, ErrAuth
	}
	plaintext, err := k.key.Decrypt(nil, ciphertext, sm2.ASN1DecrypterOpts)
	if err != nil {
		return nil, ErrAuth
	}
	return plaintext, nil
}

// agree is ECDH on the curve, as KMS's DeriveSharedSecret has it, and not the
// key exchange of GB/T 32918.3.
func (k *sm2Key) agree(peer []byte) ([]byte, error) {
	point, err := parsePoint(SM2, peer)
	if err != nil {
		return nil, err
	}
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return nil, ErrPeerKey
	}
	shared, err := k.ecdh.ECDH(public)
	if err != nil {
		return nil, ErrPeerKey
	}
	return shared, nil
}
