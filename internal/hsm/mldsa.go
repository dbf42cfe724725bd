package hsm

import (
	"crypto/sha3"
	"crypto/subtle"
	"encoding/asn1"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
)

const (
	// mechMLDSA is ML-DSA of FIPS 204 with an empty context, randomised: not
	// HashML-DSA.
	mechMLDSA Mechanism = "ML_DSA_SHAKE_256"
	// muSize is the size in bytes of mu.
	muSize = 64
	// mldsaSeed is the size in bytes of ξ.
	mldsaSeed = mldsa.PrivateKeySize
)

// mldsaKey is a key of ML-DSA (FIPS 204).
type mldsaKey struct {
	keyType KeyType
	key     *mldsa.PrivateKey
	public  *mldsa.PublicKey
}

// mldsaParameters returns the parameter set of a key type.
func (t KeyType) mldsaParameters() mldsa.Parameters {
	switch t {
	case MLDSA44:
		return mldsa.MLDSA44()
	case MLDSA65:
		return mldsa.MLDSA65()
	}
	return mldsa.MLDSA87()
}

func parseMLDSA(t KeyType, seed []byte) (privateKey, error) {
	key, err := mldsa.NewPrivateKey(t.mldsaParameters(), seed)
	if err != nil {
		return nil, errPrivateKey
	}
	return &mldsaKey{t, key, key.PublicKey()}, nil
}

// importMLDSA reads the seed form of RFC 9881, section 6, and the form with both
// seed and expanded key. From an expanded key alone no seed can be had.
func importMLDSA(t KeyType, info privateKeyInfo) (privateKey, error) {
	if len(info.Algorithm.Parameters.FullBytes) > 0 {
		return nil, errPrivateKey
	}
	var seed []byte
	if rest, err := asn1.UnmarshalWithParams(info.PrivateKey, &seed, "tag:0"); err == nil && len(rest) == 0 {
		return parseMLDSA(t, seed)
	}
	var both struct{ Seed, Expanded []byte }
	if rest, err := asn1.Unmarshal(info.PrivateKey, &both); err != nil || len(rest) > 0 {
		return nil, errPrivateKey
	}
	key, err := parseMLDSA(t, both.Seed)
	if err != nil {
		return nil, err
	}
	if !key.(*mldsaKey).expandsTo(both.Expanded) {
		return nil, errPrivateKey
	}
	return key, nil
}

// expandsTo reports whether an expanded key begins as that of the seed does: with
// ρ, K and tr (FIPS 204, algorithms 6 and 24). The vectors after them follow
// from the seed as these do, and are not used.
func (k *mldsaKey) expandsTo(expanded []byte) bool {
	set := k.keyType.mldsaSet()
	if len(expanded) != set.privateSize() {
		return false
	}
	seed := k.key.Bytes()
	defer clear(seed)
	h := sha3.NewSHAKE256()
	_, _ = h.Write(seed)
	_, _ = h.Write([]byte{byte(set.k), byte(set.l)})
	var derived [32 + 64 + 32]byte // ρ ‖ ρ′ ‖ K
	defer clear(derived[:])
	_, _ = h.Read(derived[:])
	tr := sha3.SumSHAKE256(k.public.Bytes(), muSize)
	return subtle.ConstantTimeCompare(expanded[:32], derived[:32])&
		subtle.ConstantTimeCompare(expanded[32:64], derived[96:])&
		subtle.ConstantTimeCompare(expanded[64:128], tr) == 1
}

// material is the seed ξ of FIPS 204, algorithm 1.
func (k *mldsaKey) material() ([]byte, error) { return k.key.Bytes(), nil }

func (k *mldsaKey) pkcs8() ([]byte, error) {
	seed := k.key.Bytes()
	defer clear(seed)
	der, err := asn1.MarshalWithParams(seed, "tag:0")
	if err != nil {
		return nil, err
	}
	defer clear(der)
	return marshalPKCS8(k.keyType, der)
}

func (k *mldsaKey) spki() ([]byte, error) { return marshalSPKI(k.keyType, k.public.Bytes()) }

// check tests all but the signature.
func (*mldsaKey) check(mech Mechanism, form MessageForm, message []byte) error {
	switch {
	case mech != mechMLDSA:
		return ErrMechanism
	case form == ExternalMu && len(message) != muSize:
		return ErrDigest
	case form != Raw && form != ExternalMu:
		return ErrForm
	}
	return nil
}

func (k *mldsaKey) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	if err := k.check(mech, form, message); err != nil {
		return nil, err
	}
	if form == ExternalMu {
		return k.key.Sign(nil, message, mldsacrypto.MLDSAMu)
	}
	return k.key.Sign(nil, message, nil)
}

func (k *mldsaKey) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	if err := k.check(mech, form, message); err != nil {
		return err
	}
	if form == ExternalMu {
		if !verifyMu(k.keyType, k.public.Bytes(), [muSize]byte(message), signature) {
			return ErrSignature
		}
		return nil
	}
	if mldsa.Verify(k.public, message, signature, nil) != nil {
		return ErrSignature
	}
	return nil
}
