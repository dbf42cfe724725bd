package hsm

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// The structures of private and public keys: PKCS #8 (RFC 5958), ECPrivateKey
// (RFC 5915) and SubjectPublicKeyInfo (RFC 5280). crypto/x509 knows neither
// secp256k1 nor SM2 nor ML-DSA, and passes over public keys that do not belong
// to their private keys.

// maxPKCS8 bounds a PKCS #8 key, in bytes. One of RSA with 4096 bits has 2,375;
// one of ML-DSA-87 with its expanded form 4,958.
const maxPKCS8 = 8 << 10

var (
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}      // RFC 8017
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}          // RFC 5480
	oidP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}       // RFC 5480
	oidP384      = asn1.ObjectIdentifier{1, 3, 132, 0, 34}                // RFC 5480
	oidP521      = asn1.ObjectIdentifier{1, 3, 132, 0, 35}                // RFC 5480
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}                // SEC 2
	oidSM2       = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}        // GM/T 0006
	oidEd25519   = asn1.ObjectIdentifier{1, 3, 101, 112}                  // RFC 8410
	oidMLDSA44   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 17} // RFC 9881
	oidMLDSA65   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18}
	oidMLDSA87   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 19}
)

// algorithm returns the identifier of the type's keys.
func (t KeyType) algorithm() asn1.ObjectIdentifier {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return oidRSA
	case P256, P384, P521, Secp256k1, SM2:
		return oidEC
	case Ed25519:
		return oidEd25519
	case MLDSA44:
		return oidMLDSA44
	case MLDSA65:
		return oidMLDSA65
	case MLDSA87:
		return oidMLDSA87
	}
	return nil
}

// curveOID returns the identifier of the type's curve, the parameters of oidEC.
func (t KeyType) curveOID() asn1.ObjectIdentifier {
	switch t {
	case P256:
		return oidP256
	case P384:
		return oidP384
	case P521:
		return oidP521
	case Secp256k1:
		return oidSecp256k1
	case SM2:
		return oidSM2
	}
	return nil
}

// scalarSize returns how many bytes a private scalar of the type's curve has.
func (t KeyType) scalarSize() int {
	switch t {
	case P384:
		return 48
	case P521:
		return 66
	}
	return 32
}

// identifier returns the AlgorithmIdentifier of the type's keys, for curves.
func (t KeyType) identifier() (pkix.AlgorithmIdentifier, error) {
	id := pkix.AlgorithmIdentifier{Algorithm: t.algorithm()}
	if curve := t.curveOID(); curve != nil {
		der, err := asn1.Marshal(curve)
		if err != nil {
			return id, err
		}
		id.Parameters = asn1.RawValue{FullBytes: der}
	}
	return id, nil
}

// privateKeyInfo is OneAsymmetricKey of RFC 5958, whose version 1 adds the public key.
type privateKeyInfo struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
	Attributes asn1.RawValue  `asn1:"optional,tag:0"`
	PublicKey  asn1.BitString `asn1:"optional,tag:1"`
}

// parsePKCS8 reads the outer structure, with nothing after it.
func parsePKCS8(der []byte) (info privateKeyInfo, err error) {
	if len(der) > maxPKCS8 {
		return info, errPrivateKey
	}
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 || info.Version < 0 || info.Version > 1 {
		return info, errPrivateKey
	}
	return info, nil
}

// marshalPKCS8 writes version 0: the private key alone.
func marshalPKCS8(t KeyType, private []byte) ([]byte, error) {
	id, err := t.identifier()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		PrivateKey []byte
	}{0, id, private})
}

// curveIs reports whether the parameters name the type's curve.
func (info *privateKeyInfo) curveIs(t KeyType) bool {
	var curve asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve)
	return err == nil && len(rest) == 0 && curve.Equal(t.curveOID())
}

// matches tests the public key, when there is one.
func (info *privateKeyInfo) matches(key privateKey) error {
	if len(info.PublicKey.Bytes) == 0 {
		return nil
	}
	if public, err := publicBits(key); err != nil || !bytes.Equal(public, info.PublicKey.Bytes) {
		return errPrivateKey
	}
	return nil
}

// ecPrivateKey is ECPrivateKey of RFC 5915.
type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func parseECPrivateKey(der []byte) (key ecPrivateKey, err error) {
	rest, err := asn1.Unmarshal(der, &key)
	if err != nil || len(rest) > 0 || key.Version != 1 {
		return key, errPrivateKey
	}
	return key, nil
}

// marshalECPKCS8 writes a key on a curve, its public key included: as
// crypto/x509 and OpenSSL do it.
func marshalECPKCS8(t KeyType, scalar, point []byte) ([]byte, error) {
	der, err := asn1.Marshal(struct {
		Version    int
		PrivateKey []byte
		PublicKey  asn1.BitString `asn1:"explicit,tag:1"`
	}{1, scalar, asn1.BitString{Bytes: point, BitLength: 8 * len(point)}})
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return marshalPKCS8(t, der)
}

// subjectPublicKeyInfo is that of RFC 5280, section 4.1.
type subjectPublicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

func marshalSPKI(t KeyType, public []byte) ([]byte, error) {
	id, err := t.identifier()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(subjectPublicKeyInfo{id, asn1.BitString{Bytes: public, BitLength: 8 * len(public)}})
}

// parsePoint returns the encoded point of a public key on the type's curve. The
// error is ErrPeerKey.
func parsePoint(t KeyType, spki []byte) ([]byte, error) {
	var info subjectPublicKeyInfo
	var curve asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(spki, &info); err != nil || len(rest) > 0 || !info.Algorithm.Algorithm.Equal(oidEC) {
		return nil, ErrPeerKey
	}
	if rest, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &curve); err != nil || len(rest) > 0 || !curve.Equal(t.curveOID()) {
		return nil, ErrPeerKey
	}
	return info.PublicKey.RightAlign(), nil
}

// publicBits returns the bits of a SubjectPublicKeyInfo: for curves the point,
// else the encoded key.
func publicBits(key privateKey) ([]byte, error) {
	der, err := key.spki()
	if err != nil {
		return nil, err
	}
	var info subjectPublicKeyInfo
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	return info.PublicKey.Bytes, nil
}
