package hsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// With the nonce of RFC 6979 our signature is the one that the library makes.
func TestSecp256k1WithNonceOfTheLibrary(t *testing.T) {
	for range 50 {
		k := generateSecp256k1().(*secp256k1Key)
		sum := sha256.Sum256(randomBytes(10))
		scalar := k.scalar.Bytes()
		nonce := secp256k1.NonceRFC6979(scalar[:], sum[:], nil, nil, 0)
		blind := randomScalar()
		var e secp256k1.ModNScalar
		e.SetByteSlice(sum[:])
		r, s := k.signOnce(&e, nonce, &blind)
		want := ecdsa.Sign(secp256k1.NewPrivateKey(&k.scalar), sum[:]).Serialize()
		if got := ecdsa.NewSignature(&r, &s).Serialize(); !bytes.Equal(got, want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	}
}

// Blinding changes nothing: the points are those of the library, at the ends of
// the range too.
func TestSecp256k1BlindBase(t *testing.T) {
	one := new(secp256k1.ModNScalar).SetInt(1)
	last := new(secp256k1.ModNScalar).NegateVal(one)
	random := randomScalar()
	for i, k := range []*secp256k1.ModNScalar{one, new(secp256k1.ModNScalar).SetInt(2), last, &random} {
		var want secp256k1.JacobianPoint
		secp256k1.ScalarBaseMultNonConst(k, &want)
		want.ToAffine()
		if got := blindBase(k); !got.X.Equals(&want.X) || !got.Y.Equals(&want.Y) {
			t.Errorf("scalar %d: got another point", i)
		}
	}
}

// Signatures are random, and the lower of the two; the higher verifies too.
func TestSecp256k1Signatures(t *testing.T) {
	k, _ := newTestPair(t, openTestModule(t), Secp256k1)
	half := new(big.Int).Rsh(secp256k1.Params().N, 1)
	message := []byte("message")
	seen := map[string]bool{}
	for range 40 {
		signature, err := k.Sign(mechSecp256k1, Raw, message)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(signature)] = true
		var parts struct{ R, S *big.Int }
		if rest, err := asn1.Unmarshal(signature, &parts); err != nil || len(rest) > 0 {
			t.Fatal(err)
		}
		if parts.S.Cmp(half) > 0 {
			t.Error("s is the higher one")
		}
		parts.S.Sub(secp256k1.Params().N, parts.S)
		higher, err := asn1.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(mechSecp256k1, Raw, message, higher); err != nil {
			t.Errorf("the higher s: %v", err)
		}
		parts.S.Add(parts.S, secp256k1.Params().N)
		beyond, err := asn1.Marshal(parts)
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(mechSecp256k1, Raw, message, beyond); !errors.Is(err, ErrSignature) {
			t.Errorf("s beyond the order: got %v, want %v", err, ErrSignature)
		}
	}
	if len(seen) != 40 {
		t.Errorf("got %d signatures in 40 runs", len(seen))
	}
}
