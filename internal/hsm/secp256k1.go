package hsm

import (
	"crypto"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// secp256k1Key is a key on the curve secp256k1 (SEC 2) for ECDSA with SHA-256.
//
// The library's multiplication of the base point and its inversion take time
// that depends on the scalar, which its own signing does not hide. Here a
// scalar that matters meets neither: it is split into two random ones for the
// multiplication (blindBase), and multiplied with a random one for the inversion.
type secp256k1Key struct {
	scalar secp256k1.ModNScalar
	public *secp256k1.PublicKey
}

// The one signature mechanism of the curve.
const mechSecp256k1 Mechanism = "ECDSA_SHA_256"

func newSecp256k1(scalar *secp256k1.ModNScalar) *secp256k1Key {
	k := &secp256k1Key{scalar: *scalar}
	point := blindBase(scalar)
	k.public = secp256k1.NewPublicKey(&point.X, &point.Y)
	return k
}

func generateSecp256k1() privateKey {
	scalar := randomScalar()
	defer scalar.Zero()
	return newSecp256k1(&scalar)
}

func parseSecp256k1(material []byte) (privateKey, error) {
	var scalar secp256k1.ModNScalar
	defer scalar.Zero()
	if len(material) != 32 || scalar.SetByteSlice(material) || scalar.IsZero() {
		return nil, errPrivateKey
	}
	return newSecp256k1(&scalar), nil
}

// randomScalar returns a number from 1 to the order of the group less 1, by
// rejection: FIPS 186-5, appendix A.2.2.
func randomScalar() (s secp256k1.ModNScalar) {
	for {
		b := [32]byte(randomBytes(32))
		overflow := s.SetBytes(&b)
		clear(b[:])
		if overflow == 0 && !s.IsZero() {
			return s
		}
	}
}

// blindBase returns the point k·G in affine coordinates, as (k-r)·G + r·G with a
// random r: neither scalar says anything of k.
func blindBase(k *secp256k1.ModNScalar) (sum secp256k1.JacobianPoint) {
	r := randomScalar()
	defer r.Zero()
	var rest secp256k1.ModNScalar
	defer rest.Zero()
	rest.NegateVal(&r).Add(k)
	var a, b secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&rest, &a)
	secp256k1.ScalarBaseMultNonConst(&r, &b)
	secp256k1.AddNonConst(&a, &b, &sum)
	sum.ToAffine()
	return sum
}

// material is the private scalar, big-endian.
func (k *secp256k1Key) material() ([]byte, error) {
	b := k.scalar.Bytes()
	defer clear(b[:])
	return append([]byte(nil), b[:]...), nil
}

func (k *secp256k1Key) pkcs8() ([]byte, error) {
	scalar, err := k.material()
	if err != nil {
		return nil, err
	}
	defer clear(scalar)
	return marshalECPKCS8(Secp256k1, scalar, k.public.SerializeUncompressed())
}

func (k *secp256k1Key) spki() ([]byte, error) {
	return marshalSPKI(Secp256k1, k.public.SerializeUncompressed())
}

// sign is ECDSA of SEC 1, section 4.1.3, with a random nonce. Of s and -s it
// takes the lower, which verifiers of blockchains demand and all others accept.
func (k *secp256k1Key) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	if mech != mechSecp256k1 {
		return nil, ErrMechanism
	}
	sum, err := digest(crypto.SHA256, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return nil, err
	}
	var e secp256k1.ModNScalar
	e.SetByteSlice(sum) // modulo the order
	for {
		nonce, blind := randomScalar(), randomScalar()
		r, s := k.signOnce(&e, &nonce, &blind)
		nonce.Zero()
		blind.Zero()
		if r.IsZero() || s.IsZero() {
			continue
		}
		return ecdsa.NewSignature(&r, &s).Serialize(), nil // makes s the lower
	}
}

// signOnce returns r and s = (e + r·d)·nonce⁻¹, whose inverse it computes as
// blind·(nonce·blind)⁻¹.
func (k *secp256k1Key) signOnce(e, nonce, blind *secp256k1.ModNScalar) (r, s secp256k1.ModNScalar) {
	point := blindBase(nonce)
	r.SetBytes(point.X.Bytes()) // modulo the order
	var inverse secp256k1.ModNScalar
	defer inverse.Zero()
	inverse.Mul2(nonce, blind)
	inverse.InverseNonConst()
	inverse.Mul(blind)
	s.Mul2(&r, &k.scalar).Add(e).Mul(&inverse)
	return r, s
}

// verify accepts the higher s too, as KMS does.
func (k *secp256k1Key) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	if mech != mechSecp256k1 {
		return ErrMechanism
	}
	sum, err := digest(crypto.SHA256, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return err
	}
	parsed, err := ecdsa.ParseDERSignature(signature)
	if err != nil || !parsed.Verify(sum, k.public) {
		return ErrSignature
	}
	return nil
}
