package hsm

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
)

// ecKey is a key on a NIST curve (SP 800-186): ECDSA of FIPS 186-5 with a
// random nonce, and ECC CDH of SP 800-56A.
type ecKey struct {
	key  *ecdsa.PrivateKey
	ecdh *ecdh.PrivateKey
	mech Mechanism // of signatures: one per curve
	hash crypto.Hash
}

func newEC(t KeyType, key *ecdsa.PrivateKey) (privateKey, error) {
	agreement, err := key.ECDH()
	if err != nil {
		return nil, errPrivateKey
	}
	k := &ecKey{key: key, ecdh: agreement}
	switch t {
	case P256:
		k.mech, k.hash = "ECDSA_SHA_256", crypto.SHA256
	case P384:
		k.mech, k.hash = "ECDSA_SHA_384", crypto.SHA384
	case P521:
		k.mech, k.hash = "ECDSA_SHA_512", crypto.SHA512
	}
	return k, nil
}

// curve returns the NIST curve of a key type, nil for other types.
func (t KeyType) curve() elliptic.Curve {
	switch t {
	case P256:
		return elliptic.P256()
	case P384:
		return elliptic.P384()
	case P521:
		return elliptic.P521()
	}
	return nil
}

func generateEC(t KeyType) (privateKey, error) {
	key, err := ecdsa.GenerateKey(t.curve(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newEC(t, key)
}

func parseEC(t KeyType, scalar []byte) (privateKey, error) {
	key, err := ecdsa.ParseRawPrivateKey(t.curve(), scalar)
	if err != nil {
		return nil, errPrivateKey
	}
	return newEC(t, key)
}

// material is the private scalar, big-endian, as long as the curve's order.
func (k *ecKey) material() ([]byte, error) { return k.key.Bytes() }

func (k *ecKey) pkcs8() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.key) }

func (k *ecKey) spki() ([]byte, error) { return x509.MarshalPKIXPublicKey(&k.key.PublicKey) }

func (k *ecKey) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	if mech != k.mech {
		return nil, ErrMechanism
	}
	sum, err := digest(k.hash, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return nil, err
	}
	return ecdsa.SignASN1(rand.Reader, k.key, sum)
}

func (k *ecKey) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	if mech != k.mech {
		return ErrMechanism
	}
	sum, err := digest(k.hash, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return err
	}
	if !ecdsa.VerifyASN1(&k.key.PublicKey, sum, signature) {
		return ErrSignature
	}
	return nil
}

func (k *ecKey) agree(peer []byte) ([]byte, error) {
	key, err := x509.ParsePKIXPublicKey(peer)
	if err != nil {
		return nil, ErrPeerKey
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, ErrPeerKey
	}
	point, err := public.ECDH() // tests that the point is on its curve
	if err != nil {
		return nil, ErrPeerKey
	}
	shared, err := k.ecdh.ECDH(point) // fails for another curve
	if err != nil {
		return nil, ErrPeerKey
	}
	return shared, nil
}
