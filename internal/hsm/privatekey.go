package hsm

import (
	"bytes"
	"errors"
)

// errPrivateKey says nothing of what was read: the bytes are secret.
var errPrivateKey = errors.New("hsm: private key does not parse")

// generatePrivate makes a private key of type t, of PurposeKeyPair.
func generatePrivate(t KeyType) (privateKey, error) {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return generateRSA(t)
	case P256, P384, P521:
		return generateEC(t)
	case Secp256k1:
		return generateSecp256k1(), nil
	case Ed25519:
		seed := randomBytes(ed25519Seed)
		defer clear(seed)
		return parseEd25519(seed)
	case MLDSA44, MLDSA65, MLDSA87:
		seed := randomBytes(mldsaSeed)
		defer clear(seed)
		return parseMLDSA(t, seed)
	case SM2:
		return generateSM2()
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
	case Secp256k1:
		return parseSecp256k1(material)
	case Ed25519:
		return parseEd25519(material)
	case MLDSA44, MLDSA65, MLDSA87:
		return parseMLDSA(t, material)
	case SM2:
		return parseSM2(material)
	}
	return nil, errors.ErrUnsupported
}

// importPrivate reads a private key in PKCS #8 that somebody else made.
func importPrivate(t KeyType, der []byte) (privateKey, error) {
	info, err := parsePKCS8(der)
	if err != nil || !info.Algorithm.Algorithm.Equal(t.algorithm()) {
		return nil, errPrivateKey
	}
	var key privateKey
	switch t {
	case RSA2048, RSA3072, RSA4096:
		key, err = importRSA(t, info)
	case P256, P384, P521, Secp256k1, SM2:
		key, err = importECPrivate(t, info)
	case Ed25519:
		key, err = importEd25519(info)
	case MLDSA44, MLDSA65, MLDSA87:
		key, err = importMLDSA(t, info)
	}
	if err != nil {
		return nil, err
	}
	return key, info.matches(key)
}

// importECPrivate reads the ECPrivateKey of RFC 5915, which repeats the curve
// and the public key or does not.
func importECPrivate(t KeyType, info privateKeyInfo) (privateKey, error) {
	if !info.curveIs(t) {
		return nil, errPrivateKey
	}
	ec, err := parseECPrivateKey(info.PrivateKey)
	if err != nil || (len(ec.Curve) > 0 && !ec.Curve.Equal(t.curveOID())) {
		return nil, errPrivateKey
	}
	scalar, err := fixed(ec.PrivateKey, t.scalarSize())
	if err != nil {
		return nil, err
	}
	defer clear(scalar)
	key, err := parsePrivate(t, scalar)
	if err != nil {
		return nil, err
	}
	if len(ec.PublicKey.Bytes) > 0 {
		if public, err := publicBits(key); err != nil || !bytes.Equal(public, ec.PublicKey.Bytes) {
			return nil, errPrivateKey
		}
	}
	return key, nil
}

// fixed returns a copy of a big-endian number in size bytes. Encoders leave
// leading zeros out or add some, though RFC 5915 fixes the length.
func fixed(number []byte, size int) ([]byte, error) {
	for len(number) > size && number[0] == 0 {
		number = number[1:]
	}
	if len(number) > size {
		return nil, errPrivateKey
	}
	out := make([]byte, size)
	copy(out[size-len(number):], number)
	return out, nil
}
