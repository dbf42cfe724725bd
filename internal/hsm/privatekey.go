package hsm

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
)

// errPrivateKey says nothing of what was read: the bytes are secret.
var errPrivateKey = errors.New("hsm: private key does not parse")

// maxPKCS8 bounds a PKCS #8 key, in bytes. One of RSA with 4096 bits has 2,375;
// one of ML-DSA-87 with its expanded form 4,958.
const maxPKCS8 = 8 << 10

// generatePrivate makes a private key of type t, of PurposeKeyPair.
func generatePrivate(t KeyType) (privateKey, error) {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return generateRSA(t)
	case P256, P384, P521:
		return generateEC(t)
	case Ed25519:
		return generateEd25519(), nil
	}
	return nil, errors.ErrUnsupported
}

// parsePrivate reads what privateKey.material returned.
func parsePrivate(t KeyType, material []byte) (privateKey, error) {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return parseRSA(t, material)
	case P256, P384, P521:
		return parseEC(t, material)
	case Ed25519:
		return parseEd25519(material)
	}
	return nil, errors.ErrUnsupported
}

// importPrivate reads a private key in PKCS #8 that somebody else made.
func importPrivate(t KeyType, der []byte) (privateKey, error) {
	if err := checkPKCS8(der); err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errPrivateKey
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return importRSA(t, key)
	case *ecdsa.PrivateKey:
		return importEC(t, key)
	case ed25519.PrivateKey:
		if t == Ed25519 {
			return newEd25519(key), nil
		}
	}
	return nil, errPrivateKey
}

// checkPKCS8 refuses what is too long for a private key, and bytes after it.
func checkPKCS8(der []byte) error {
	if len(der) > maxPKCS8 {
		return errPrivateKey
	}
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &outer); err != nil || len(rest) != 0 {
		return errPrivateKey
	}
	return nil
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
