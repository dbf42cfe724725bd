package hsm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha3"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/strongroom/strongroom/internal/secret"
)

// vectorFile is a file of testdata/vectors: facts that others published, in one
// form. What In and Out are depends on the mechanism.
type vectorFile struct {
	Source string
	Groups []vectorGroup
}

type vectorGroup struct {
	Type      string
	Mechanism Mechanism
	Private   []byte // PKCS #8
	Public    []byte // SubjectPublicKeyInfo
	Tests     []vector
}

type vector struct {
	ID      int
	Comment string
	Result  string // valid, invalid, or acceptable: either
	Private []byte // where each test has its own
	Mu      []byte
	In, Out []byte
}

func (v vector) String() string { return fmt.Sprintf("%d %s (%s)", v.ID, v.Comment, v.Result) }

// agrees reports whether an outcome is the one that the vector wants.
func (v vector) agrees(good bool) bool {
	return v.Result == "acceptable" || good == (v.Result == "valid")
}

// eachGroup runs f for the groups of a file, and fails when there are too few
// tests to show anything.
func eachGroup(t *testing.T, name string, f func(t *testing.T, keyType KeyType, g vectorGroup)) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	valid, invalid := 0, 0
	for i, g := range file.Groups {
		keyType, ok := ParseKeyType(g.Type)
		if !ok {
			t.Fatalf("group %d is of %q", i, g.Type)
		}
		for _, v := range g.Tests {
			if v.Result == "valid" {
				valid++
			} else {
				invalid++
			}
		}
		t.Run(fmt.Sprintf("%v/%s/%d", keyType, g.Mechanism, i), func(t *testing.T) { f(t, keyType, g) })
	}
	if valid < 6 || file.Source == "" {
		t.Errorf("got %d valid and %d other vectors of source %q", valid, invalid, file.Source)
	}
}

// importVector imports a vector's private key as a caller of KMS would.
func importVector(t *testing.T, keyType KeyType, der []byte) *KeyPair {
	t.Helper()
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	token, err := m.ImportKeyPair(keyType, b, secret.New(der))
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadKeyPair(token, keyType, b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// publicOnly makes a handle that can verify, from a public key alone.
func publicOnly(t *testing.T, keyType KeyType, spki []byte) (*KeyPair, error) {
	t.Helper()
	k := &KeyPair{keyType: keyType, spki: spki}
	switch keyType {
	case Secp256k1:
		point, err := parsePoint(Secp256k1, spki)
		if err != nil {
			return nil, err
		}
		public, err := secp256k1.ParsePubKey(point)
		k.private = &secp256k1Key{public: public}
		return k, err
	case MLDSA44, MLDSA65, MLDSA87:
		var info subjectPublicKeyInfo
		if _, err := asn1.Unmarshal(spki, &info); err != nil {
			return nil, err
		}
		public, err := mldsa.NewPublicKey(keyType.mldsaParameters(), info.PublicKey.Bytes)
		k.private = &mldsaKey{keyType: keyType, public: public}
		return k, err
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	switch public := public.(type) {
	case *rsa.PublicKey:
		k.private = &rsaKey{&rsa.PrivateKey{PublicKey: *public}}
	case *ecdsa.PublicKey:
		full := testPrivate(t, keyType).(*ecKey)
		k.private = &ecKey{key: &ecdsa.PrivateKey{PublicKey: *public}, mech: full.mech, hash: full.hash}
	case ed25519.PublicKey:
		k.private = &ed25519Key{public: public}
	}
	return k, nil
}

func TestVectorsOfVerification(t *testing.T) {
	for _, name := range []string{"rsa_pkcs1_verify.json", "rsa_pss_verify.json", "ecdsa_verify.json", "ed25519_verify.json", "mldsa_verify.json"} {
		t.Run(name, func(t *testing.T) {
			eachGroup(t, name, func(t *testing.T, keyType KeyType, g vectorGroup) {
				k, err := publicOnly(t, keyType, g.Public)
				for _, v := range g.Tests {
					if err != nil { // the key itself is what is wrong
						if !v.agrees(false) {
							t.Errorf("%v: %v", v, err)
						}
						continue
					}
					got := k.Verify(g.Mechanism, Raw, v.In, v.Out)
					if !v.agrees(got == nil) || (got != nil && !errors.Is(got, ErrSignature)) {
						t.Errorf("%v: got %v", v, got)
					}
					if m, ok := k.private.(*mldsaKey); ok { // the same by mu
						got := k.Verify(g.Mechanism, ExternalMu, muOf(m.public.Bytes(), v.In), v.Out)
						if !v.agrees(got == nil) || (got != nil && !errors.Is(got, ErrSignature)) {
							t.Errorf("%v, by mu: got %v", v, got)
						}
					}
				}
			})
		})
	}
}

// muOf is FIPS 204, algorithm 2, line 10 with an empty context, and algorithm 7,
// line 6: what a caller of EXTERNAL_MU computes.
func muOf(public, message []byte) []byte {
	h := sha3.NewSHAKE256()
	h.Write(sha3.SumSHAKE256(public, 64))
	h.Write([]byte{0, 0})
	h.Write(message)
	mu := make([]byte, muSize)
	h.Read(mu)
	return mu
}

// PKCS #1 v1.5 is deterministic: we must make the very signatures. Some of the
// keys have exponents that we do not take.
func TestVectorsOfPKCS1(t *testing.T) {
	eachGroup(t, "rsa_pkcs1_sign.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		parsed, err := x509.ParsePKCS8PrivateKey(g.Private)
		if err != nil {
			t.Fatal(err)
		}
		if e := parsed.(*rsa.PrivateKey).E; e != 65537 {
			if _, err := openTestModule(t).ImportKeyPair(keyType, testBinding(PurposeKeyPair), secret.New(g.Private)); !errors.Is(err, ErrMaterial) {
				t.Errorf("exponent %d: got %v, want %v", e, err, ErrMaterial)
			}
			return
		}
		k := importVector(t, keyType, g.Private)
		for _, v := range g.Tests {
			if got, err := k.Sign(g.Mechanism, Raw, v.In); err != nil || !bytes.Equal(got, v.Out) {
				t.Errorf("%v: got %x, %v, want %x", v, got, err, v.Out)
			}
		}
	})
}

func TestVectorsOfOAEP(t *testing.T) {
	eachGroup(t, "rsa_oaep.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		k := importVector(t, keyType, g.Private)
		for _, v := range g.Tests {
			got, err := k.Decrypt(g.Mechanism, v.Out)
			if !v.agrees(err == nil) || (err != nil && !errors.Is(err, ErrAuth)) || (err == nil && !bytes.Equal(got.Expose(), v.In)) {
				t.Errorf("%v: got %d bytes, %v", v, got.Len(), err)
			}
		}
	})
}

func TestVectorsOfECDH(t *testing.T) {
	eachGroup(t, "ecdh.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		for _, v := range g.Tests {
			key, err := parseEC(keyType, v.Private)
			if err != nil {
				t.Fatal(err)
			}
			k := &KeyPair{keyType: keyType, private: key}
			got, err := k.Agree(v.In)
			if !v.agrees(err == nil) || (err != nil && !errors.Is(err, ErrPeerKey)) || (err == nil && !bytes.Equal(got.Expose(), v.Out)) {
				t.Errorf("%v: got %v", v, err)
			}
		}
	})
}

func TestVectorsOfHMAC(t *testing.T) {
	m := openTestModule(t)
	eachGroup(t, "hmac.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		for _, v := range g.Tests {
			k := newTestHMACKey(t, m, keyType, v.Private)
			if err := k.Verify(g.Mechanism, v.In, v.Out); !v.agrees(err == nil) {
				t.Errorf("%v: got %v", v, err)
			}
			if got, err := k.MAC(g.Mechanism, v.In); err != nil || !v.agrees(bytes.Equal(got, v.Out)) {
				t.Errorf("%v: got %x, %v", v, got, err)
			}
		}
	})
}

// Our signatures are randomised; what the vectors have is made by the same key
// without. Both ways, by message and by mu.
func TestVectorsOfMLDSA(t *testing.T) {
	eachGroup(t, "mldsa_sign.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		k := importVector(t, keyType, g.Private)
		key := k.private.(*mldsaKey)
		if got := key.public.Bytes(); !bytes.Equal(got, g.Public) {
			t.Fatalf("got public key %x", got)
		}
		for _, v := range g.Tests {
			if got, err := key.key.SignDeterministic(v.Mu, mldsacrypto.MLDSAMu); err != nil || !bytes.Equal(got, v.Out) {
				t.Errorf("%v: got another signature, %v", v, err)
			}
			if err := k.Verify(mechMLDSA, ExternalMu, v.Mu, v.Out); err != nil {
				t.Errorf("%v: by mu: %v", v, err)
			}
			if v.In == nil {
				continue // with a context, or of the internal interface
			}
			if err := k.Verify(mechMLDSA, Raw, v.In, v.Out); err != nil {
				t.Errorf("%v: by message: %v", v, err)
			}
			if got := muOf(g.Public, v.In); !bytes.Equal(got, v.Mu) {
				t.Errorf("%v: got mu %x, want %x", v, got, v.Mu)
			}
		}
	})
}

// ACVP's internal interface signs what the external one calls M′, so that every
// such vector is one of an external mu.
func TestVectorsOfExternalMu(t *testing.T) {
	eachGroup(t, "mldsa_internal.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		public, err := mldsa.NewPublicKey(keyType.mldsaParameters(), g.Public)
		if err != nil {
			t.Fatal(err)
		}
		k := &KeyPair{keyType: keyType, private: &mldsaKey{keyType: keyType, public: public}}
		for _, v := range g.Tests {
			mu := sha3.SumSHAKE256(append(sha3.SumSHAKE256(g.Public, 64), v.In...), muSize)
			if err := k.Verify(mechMLDSA, ExternalMu, mu, v.Out); !v.agrees(err == nil) {
				t.Errorf("%v: got %v", v, err)
			}
		}
	})
}

// The seed gives the public key, and an encoding with both seed and expanded
// key is taken when they belong together.
func TestVectorsOfMLDSAKeys(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	eachGroup(t, "mldsa_keygen.json", func(t *testing.T, keyType KeyType, g vectorGroup) {
		encode := func(private any) secret.Bytes {
			inner, err := asn1.Marshal(private)
			if err != nil {
				t.Fatal(err)
			}
			der, err := marshalPKCS8(keyType, inner)
			if err != nil {
				t.Fatal(err)
			}
			return secret.New(der)
		}
		type both struct{ Seed, Expanded []byte }
		for _, v := range g.Tests {
			key, err := parseMLDSA(keyType, v.Private)
			if err != nil {
				t.Fatal(err)
			}
			if got := key.(*mldsaKey).public.Bytes(); !bytes.Equal(got, v.Out) {
				t.Errorf("%v: got another public key", v)
			}
			token, err := m.ImportKeyPair(keyType, b, encode(both{v.Private, v.In}))
			if err != nil {
				t.Fatal(err)
			}
			pair, err := m.LoadKeyPair(token, keyType, b)
			if err != nil {
				t.Fatal(err)
			}
			der, err := key.pkcs8()
			if err != nil {
				t.Fatal(err)
			}
			if seed := importVector(t, keyType, der); seed.ID() != pair.ID() || !bytes.Equal(seed.PublicKey(), pair.PublicKey()) {
				t.Errorf("%v: the two encodings give two keys", v)
			}
			for name, private := range map[string]any{
				"ρ of another":  both{v.Private, flip(v.In, 0)},
				"K of another":  both{v.Private, flip(v.In, 40)},
				"tr of another": both{v.Private, flip(v.In, 100)},
				"seed flipped":  both{flip(v.Private, 0), v.In},
				"short":         both{v.Private, v.In[1:]},
				"expanded only": v.In,
			} {
				if _, err := m.ImportKeyPair(keyType, b, encode(private)); !errors.Is(err, ErrMaterial) {
					t.Errorf("%v: %s: got %v, want %v", v, name, err, ErrMaterial)
				}
			}
		}
	})
}
