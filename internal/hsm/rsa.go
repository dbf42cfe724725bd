package hsm

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"hash"
	"math/big"
	"slices"
)

const (
	// rsaExponent is the only public exponent: that of every key KMS makes.
	rsaExponent = 65537
	// primeRounds is how many rounds of Miller-Rabin an imported prime passes,
	// beside a Baillie-PSW test. FIPS 186-5, table B.1, asks for 4 at 1024 bits
	// and for fewer above.
	primeRounds = 5
)

// rsaKey is a key of RSA (RFC 8017).
type rsaKey struct{ key *rsa.PrivateKey }

// rsaBits returns the size of the modulus, 0 for other types.
func (t KeyType) rsaBits() int {
	switch t {
	case RSA2048:
		return 2048
	case RSA3072:
		return 3072
	case RSA4096:
		return 4096
	}
	return 0
}

func generateRSA(t KeyType) (privateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, t.rsaBits())
	if err != nil {
		return nil, err
	}
	return &rsaKey{key}, nil
}

// parseRSA reads PKCS #8, as material wrote it.
func parseRSA(t KeyType, material []byte) (privateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		return nil, errPrivateKey
	}
	k, ok := key.(*rsa.PrivateKey)
	if !ok || k.N.BitLen() != t.rsaBits() {
		return nil, errPrivateKey
	}
	return &rsaKey{k}, nil
}

// importRSA reads a key whose n and CRT values x509 finds to fit the primes.
// It tests what x509 does not, and brings the
// parts that can be written in several ways into one form, so that a key has
// one material id: the larger prime first, d the inverse of e modulo λ(n)
// (FIPS 186-5, A.1.1).
func importRSA(t KeyType, info privateKeyInfo) (privateKey, error) {
	k, err := x509.ParsePKCS1PrivateKey(info.PrivateKey)
	if err != nil {
		return nil, errPrivateKey
	}
	bits := t.rsaBits()
	if k.N.BitLen() != bits || k.E != rsaExponent || len(k.Primes) != 2 {
		return nil, errPrivateKey
	}
	p, q := new(big.Int).Set(k.Primes[0]), new(big.Int).Set(k.Primes[1])
	switch p.Cmp(q) {
	case 0:
		return nil, errPrivateKey
	case -1:
		p, q = q, p
	}
	if p.BitLen() != bits/2 || q.BitLen() != bits/2 || !p.ProbablyPrime(primeRounds) || !q.ProbablyPrime(primeRounds) {
		return nil, errPrivateKey
	}
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	d := new(big.Int).ModInverse(big.NewInt(rsaExponent), lambda)
	// Not every version of the module looks at d when there are CRT values.
	if d == nil || k.D.Cmp(k.N) >= 0 || new(big.Int).Mod(k.D, lambda).Cmp(d) != 0 {
		return nil, errPrivateKey
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: rsaExponent},
		D:         d, Primes: []*big.Int{p, q},
	}
	key.Precompute()
	if key.Validate() != nil || !key.PublicKey.Equal(&k.PublicKey) {
		return nil, errPrivateKey
	}
	return &rsaKey{key}, nil
}

// material is PKCS #8 with the PKCS #1 structure of RFC 8017, appendix A.1.2:
// it has the CRT values, whose computation is most of the cost of loading.
func (k *rsaKey) material() ([]byte, error) { return k.pkcs8() }

func (k *rsaKey) pkcs8() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.key) }

func (k *rsaKey) spki() ([]byte, error) { return x509.MarshalPKIXPublicKey(&k.key.PublicKey) }

// rsaScheme is a signature mechanism.
type rsaScheme struct {
	hash crypto.Hash
	pss  *rsa.PSSOptions // nil for PKCS #1 v1.5
}

// The salt is as long as the digest, as KMS has it, when verifying too.
func pss(h crypto.Hash) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
}

var rsaSchemes = map[Mechanism]rsaScheme{
	"RSASSA_PKCS1_V1_5_SHA_256": {crypto.SHA256, nil},
	"RSASSA_PKCS1_V1_5_SHA_384": {crypto.SHA384, nil},
	"RSASSA_PKCS1_V1_5_SHA_512": {crypto.SHA512, nil},
	"RSASSA_PSS_SHA_256":        {crypto.SHA256, pss(crypto.SHA256)},
	"RSASSA_PSS_SHA_384":        {crypto.SHA384, pss(crypto.SHA384)},
	"RSASSA_PSS_SHA_512":        {crypto.SHA512, pss(crypto.SHA512)},
}

func (k *rsaKey) sign(mech Mechanism, form MessageForm, message []byte) ([]byte, error) {
	scheme, ok := rsaSchemes[mech]
	if !ok {
		return nil, ErrMechanism
	}
	sum, err := digest(scheme.hash, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return nil, err
	}
	if scheme.pss != nil {
		return rsa.SignPSS(rand.Reader, k.key, scheme.hash, sum, scheme.pss)
	}
	return rsa.SignPKCS1v15(rand.Reader, k.key, scheme.hash, sum)
}

func (k *rsaKey) verify(mech Mechanism, form MessageForm, message, signature []byte) error {
	scheme, ok := rsaSchemes[mech]
	if !ok {
		return ErrMechanism
	}
	sum, err := digest(scheme.hash, form, message, make([]byte, 0, maxDigest))
	if err != nil {
		return err
	}
	if scheme.pss != nil {
		err = rsa.VerifyPSS(&k.key.PublicKey, scheme.hash, sum, signature, scheme.pss)
	} else {
		err = rsa.VerifyPKCS1v15(&k.key.PublicKey, scheme.hash, sum, signature)
	}
	if err != nil {
		return ErrSignature
	}
	return nil
}

// oaepHash returns the hash of RSAES-OAEP, which MGF1 uses too; the label is
// empty.
func oaepHash(mech Mechanism) (hash.Hash, error) {
	switch mech {
	case "RSAES_OAEP_SHA_1":
		return sha1.New(), nil
	case "RSAES_OAEP_SHA_256":
		return sha256.New(), nil
	}
	return nil, ErrMechanism
}

func (k *rsaKey) encrypt(mech Mechanism, plaintext []byte) ([]byte, error) {
	h, err := oaepHash(mech)
	if err != nil {
		return nil, err
	}
	ciphertext, err := rsa.EncryptOAEP(h, rand.Reader, &k.key.PublicKey, plaintext, nil)
	if errors.Is(err, rsa.ErrMessageTooLong) {
		return nil, ErrTooLong
	}
	return ciphertext, err
}

// decrypt fails in one way, whatever is wrong (RFC 8017, section 7.1.2): the
// library takes the same time for it, but for the length, which is public.
func (k *rsaKey) decrypt(mech Mechanism, ciphertext []byte) ([]byte, error) {
	h, err := oaepHash(mech)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) != k.key.Size() {
		return nil, ErrAuth
	}
	plaintext, err := rsa.DecryptOAEP(h, rand.Reader, k.key, ciphertext, nil)
	if err != nil {
		return nil, ErrAuth
	}
	return slices.Clip(plaintext), nil
}
