package hsm

// KeyType is the algorithm and size of key material. The zero value is invalid.
// The names are those of KMS's KeySpec; the numbers are part of the token format.
type KeyType uint8

// The key types.
const (
	Symmetric KeyType = 1 + iota // 32 bytes: a backing key
	RSA2048
	RSA3072
	RSA4096
	P256
	P384
	P521
	Secp256k1
	Ed25519
	MLDSA44
	MLDSA65
	MLDSA87
	SM2
	HMAC224
	HMAC256
	HMAC384
	HMAC512
)

var keyTypeNames = [...]string{
	Symmetric: "SYMMETRIC_DEFAULT",
	RSA2048:   "RSA_2048", RSA3072: "RSA_3072", RSA4096: "RSA_4096",
	P256: "ECC_NIST_P256", P384: "ECC_NIST_P384", P521: "ECC_NIST_P521",
	Secp256k1: "ECC_SECG_P256K1", Ed25519: "ECC_NIST_EDWARDS25519",
	MLDSA44: "ML_DSA_44", MLDSA65: "ML_DSA_65", MLDSA87: "ML_DSA_87",
	SM2:     "SM2",
	HMAC224: "HMAC_224", HMAC256: "HMAC_256", HMAC384: "HMAC_384", HMAC512: "HMAC_512",
}

// String returns the name that KMS has for the type.
func (t KeyType) String() string {
	if t == 0 || int(t) >= len(keyTypeNames) {
		return "invalid key type"
	}
	return keyTypeNames[t]
}

// ParseKeyType is the inverse of [KeyType.String].
func ParseKeyType(name string) (KeyType, bool) {
	for t := Symmetric; int(t) < len(keyTypeNames); t++ {
		if keyTypeNames[t] == name {
			return t, true
		}
	}
	return 0, false
}

// Purpose returns what the tokens of material of the type are for, 0 for no type.
func (t KeyType) Purpose() Purpose {
	switch {
	case t == Symmetric:
		return PurposeBackingKey
	case t >= HMAC224 && t <= HMAC512:
		return PurposeHMACKey
	case t >= RSA2048 && t <= SM2:
		return PurposeKeyPair
	}
	return 0
}

// HandleSize returns a bound of what an open handle of material of the type
// takes in memory, in bytes: ML-DSA keeps its matrix.
func (t KeyType) HandleSize() int {
	switch t {
	case RSA2048, RSA3072, RSA4096:
		return 8 << 10
	case MLDSA44, MLDSA65, MLDSA87:
		return 112 << 10
	}
	return 2 << 10
}
