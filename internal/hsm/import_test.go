package hsm

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// What an encoding of a key on a curve says twice must agree, and the scalar must be one.
func TestImportOfCurves(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range []KeyType{P256, P384, P521, Secp256k1, SM2} {
		key, other := testPrivate(t, keyType), mustGenerate(t, keyType)
		scalar, err := key.material()
		if err != nil {
			t.Fatal(err)
		}
		point, err := publicBits(key)
		if err != nil {
			t.Fatal(err)
		}
		otherPoint, err := publicBits(other)
		if err != nil {
			t.Fatal(err)
		}
		for name, row := range map[string]struct {
			scalar, point []byte
			want          error
		}{
			"whole":            {scalar, point, nil},
			"a zero before it": {append([]byte{0}, scalar...), point, nil},
			"another's public": {scalar, otherPoint, ErrMaterial},
			"a damaged public": {scalar, flip(point, 5), ErrMaterial},
			"0":                {make([]byte, len(scalar)), point, ErrMaterial},
			"beyond the order": {bytes.Repeat([]byte{0xff}, len(scalar)), point, ErrMaterial},
			"a byte too long":  {append([]byte{1}, scalar...), point, ErrMaterial},
			"no scalar":        {nil, point, ErrMaterial},
		} {
			der, err := marshalECPKCS8(keyType, row.scalar, row.point)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.ImportKeyPair(keyType, b, secret.New(der)); !errors.Is(err, row.want) {
				t.Errorf("%v, %s: got %v, want %v", keyType, name, err, row.want)
			}
		}
	}
}

func mustGenerate(t *testing.T, keyType KeyType) privateKey {
	t.Helper()
	key, err := generatePrivate(keyType)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pkcs1 is RSAPrivateKey of RFC 8017, appendix A.1.2.
type pkcs1 struct {
	Version                     int
	N, E, D, P, Q, DP, DQ, QInv *big.Int
	Others                      []pkcs1Prime `asn1:"optional,omitempty"`
}

type pkcs1Prime struct{ R, D, T *big.Int }

// fill computes what follows from primes and exponent.
func (k pkcs1) fill() pkcs1 {
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(k.P, one), new(big.Int).Sub(k.Q, one)
	k.N = new(big.Int).Mul(k.P, k.Q)
	if k.D == nil {
		lambda := new(big.Int).Mul(p1, q1)
		lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
		k.D = new(big.Int).ModInverse(k.E, lambda)
	}
	k.DP, k.DQ = new(big.Int).Mod(k.D, p1), new(big.Int).Mod(k.D, q1)
	k.QInv = new(big.Int).ModInverse(k.Q, k.P)
	return k
}

func (k pkcs1) encode(t *testing.T) secret.Bytes {
	t.Helper()
	inner, err := asn1.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	der, err := marshalPKCS8(RSA2048, inner)
	if err != nil {
		t.Fatal(err)
	}
	return secret.New(der)
}

func TestImportOfRSA(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	made := testPrivate(t, RSA2048).(*rsaKey).key
	e := big.NewInt(65537)
	key := pkcs1{E: e, P: made.Primes[0], Q: made.Primes[1]}.fill()

	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(key.P, one), new(big.Int).Sub(key.Q, one))
	accepted := map[string]pkcs1{
		"as it is":       key,
		"primes swapped": pkcs1{E: e, P: key.Q, Q: key.P}.fill(),
		"d modulo φ(n)":  pkcs1{E: e, P: key.P, Q: key.Q, D: new(big.Int).ModInverse(e, phi)}.fill(),
	}
	ids := map[[32]byte]bool{}
	for name, k := range accepted {
		token, err := m.ImportKeyPair(RSA2048, b, k.encode(t))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		id, err := m.MaterialID(token, b)
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("got %d ids of one key", len(ids))
	}

	prime := func(bits int) *big.Int {
		t.Helper()
		for {
			p, err := rand.Prime(rand.Reader, bits)
			if err != nil {
				t.Fatal(err)
			}
			if new(big.Int).Mod(new(big.Int).Sub(p, one), e).Sign() != 0 && p.Bit(1) == 1 {
				return p
			}
		}
	}
	composite := func() *big.Int {
		for {
			n := new(big.Int).Mul(prime(512), prime(512))
			n1 := new(big.Int).Sub(n, one)
			if n.BitLen() == 1024 && new(big.Int).GCD(nil, nil, n1, e).Cmp(one) == 0 && new(big.Int).Mul(n, key.Q).BitLen() == 2048 {
				return n
			}
		}
	}
	change := func(f func(*pkcs1)) pkcs1 {
		k := key
		f(&k)
		return k
	}
	plus := func(x *big.Int) *big.Int { return new(big.Int).Add(x, big.NewInt(2)) }
	//lint:ignore SA1019 a key that must be refused
	multi, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)
	if err != nil {
		t.Fatal(err)
	}
	r := multi.Primes[2]
	for name, k := range map[string]pkcs1{
		"another d":           change(func(k *pkcs1) { k.D = plus(k.D) }),
		"another n":           change(func(k *pkcs1) { k.N = plus(k.N) }),
		"another dP":          change(func(k *pkcs1) { k.DP = plus(k.DP) }),
		"another dQ":          change(func(k *pkcs1) { k.DQ = plus(k.DQ) }),
		"d beyond n":          change(func(k *pkcs1) { k.D = new(big.Int).Add(k.D, new(big.Int).Lsh(phi, 1)) }),
		"another qInv":        change(func(k *pkcs1) { k.QInv = plus(k.QInv) }),
		"1024 bits":           pkcs1{E: e, P: prime(512), Q: prime(512)}.fill(),
		"primes of two sizes": pkcs1{E: e, P: prime(1100), Q: prime(948)}.fill(),
		"a composite prime":   pkcs1{E: e, P: composite(), Q: key.Q}.fill(),
		"p twice":             change(func(k *pkcs1) { k.Q, k.N = k.P, new(big.Int).Mul(k.P, k.P) }),
		"negative":            change(func(k *pkcs1) { k.D = new(big.Int).Neg(k.D) }),
		"nothing":             pkcs1{N: one, E: e, D: one, P: one, Q: one, DP: one, DQ: one, QInv: one},
		"three primes": {Version: 1, N: multi.N, E: e, D: multi.D, P: multi.Primes[0], Q: multi.Primes[1],
			DP: multi.Precomputed.Dp, DQ: multi.Precomputed.Dq, QInv: multi.Precomputed.Qinv,
			Others: []pkcs1Prime{{r, new(big.Int).Mod(multi.D, new(big.Int).Sub(r, one)), new(big.Int).ModInverse(new(big.Int).Mul(multi.Primes[0], multi.Primes[1]), r)}}},
	} {
		if _, err := m.ImportKeyPair(RSA2048, b, k.encode(t)); !errors.Is(err, ErrMaterial) {
			t.Errorf("%s: got %v, want %v", name, err, ErrMaterial)
		}
	}
	for _, other := range []KeyType{RSA3072, RSA4096, P256} {
		if _, err := m.ImportKeyPair(other, b, key.encode(t)); !errors.Is(err, ErrMaterial) {
			t.Errorf("as %v: got %v, want %v", other, err, ErrMaterial)
		}
	}
}

// Version 1 of PKCS #8 has the public key too (RFC 5958, RFC 8410).
func TestImportOfVersion1(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range []KeyType{RSA2048, P256, Secp256k1, Ed25519, MLDSA44, SM2} {
		key := testPrivate(t, keyType)
		der, err := key.pkcs8()
		if err != nil {
			t.Fatal(err)
		}
		info, err := parsePKCS8(der)
		if err != nil {
			t.Fatal(err)
		}
		public, err := publicBits(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, row := range map[string]struct {
			version int
			public  []byte
			want    error
		}{
			"its public key":   {1, public, nil},
			"another's":        {1, flip(public, 3), ErrMaterial},
			"half of its own":  {1, public[:len(public)/2], ErrMaterial},
			"of version 2":     {2, public, ErrMaterial},
			"version negative": {-1, public, ErrMaterial},
		} {
			info := info
			der, err := asn1.Marshal(struct {
				Version    int
				Algorithm  asn1.RawValue
				PrivateKey []byte
				PublicKey  asn1.BitString `asn1:"tag:1"`
			}{row.version, rawAlgorithm(t, info), info.PrivateKey, asn1.BitString{Bytes: row.public, BitLength: 8 * len(row.public)}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.ImportKeyPair(keyType, b, secret.New(der)); !errors.Is(err, row.want) {
				t.Errorf("%v, %s: got %v, want %v", keyType, name, err, row.want)
			}
		}
	}
}

func rawAlgorithm(t *testing.T, info privateKeyInfo) asn1.RawValue {
	t.Helper()
	der, err := asn1.Marshal(info.Algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: der}
}
