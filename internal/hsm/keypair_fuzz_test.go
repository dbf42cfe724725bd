package hsm

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// FuzzVerify: whatever is given as a signature is refused in one way, and what
// was signed verifies.
func FuzzVerify(f *testing.F) {
	m := openTestModule(f)
	pairs := make([]*KeyPair, len(pairTypes))
	for i, keyType := range pairTypes {
		pairs[i], _ = newTestPair(f, m, keyType)
		for j, use := range signatureUses(keyType) {
			message := make([]byte, use.size)
			signature, err := pairs[i].Sign(use.mech, use.form, message)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), uint8(j), message, signature)
		}
	}
	f.Add(uint8(3), uint8(0), []byte("message"), []byte{0x30, 0x80, 2, 0, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, i, j uint8, message, signature []byte) {
		k := pairs[int(i)%len(pairs)]
		uses := signatureUses(k.Type())
		use := uses[int(j)%len(uses)]
		err := k.Verify(use.mech, use.form, message, signature)
		if err != nil && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrDigest) {
			t.Errorf("%v, %s: got %v", k.Type(), use.mech, err)
		}
	})
}

// FuzzImportKeyPair: what is taken for a key works, and is the same when it is
// written and read again. The longer keys of RSA take too long to find anything.
func FuzzImportKeyPair(f *testing.F) {
	m := openTestModule(f)
	b := testBinding(PurposeKeyPair)
	types := slices.DeleteFunc(slices.Clone(pairTypes), func(t KeyType) bool { return t == RSA3072 || t == RSA4096 })
	for i, keyType := range types {
		der, err := testPrivate(f, keyType).pkcs8()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), der)
	}
	f.Fuzz(func(t *testing.T, i uint8, der []byte) {
		keyType := types[int(i)%len(types)]
		token, err := m.ImportKeyPair(keyType, b, secret.New(bytes.Clone(der)))
		if err != nil {
			if !errors.Is(err, ErrMaterial) {
				t.Errorf("%v: got %v, want %v", keyType, err, ErrMaterial)
			}
			return
		}
		k, err := m.LoadKeyPair(token, keyType, b)
		if err != nil {
			t.Fatal(err)
		}
		use := signatureUses(keyType)[0]
		signature, err := k.Sign(use.mech, use.form, []byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(use.mech, use.form, []byte("message"), signature); err != nil {
			t.Errorf("%v: a key was taken that does not work: %v", keyType, err)
		}
		again, err := k.private.pkcs8()
		if err != nil {
			t.Fatal(err)
		}
		token, err = m.ImportKeyPair(keyType, b, secret.New(again))
		if err != nil {
			t.Fatal(err)
		}
		if id, err := m.MaterialID(token, b); err != nil || id != k.ID() {
			t.Errorf("%v: written and read again it has another id, or %v", keyType, err)
		}
	})
}

// FuzzAgree: a hostile public key is refused in one way, and a secret has its length.
func FuzzAgree(f *testing.F) {
	m := openTestModule(f)
	agreeing := []KeyType{P256, P384, P521, SM2}
	pairs := make([]*KeyPair, len(agreeing))
	for i, keyType := range agreeing {
		pairs[i], _ = newTestPair(f, m, keyType)
		for j := range agreeing {
			f.Add(uint8(j), pairs[i].PublicKey())
		}
	}
	f.Add(uint8(0), mustSPKI(f, RSA2048))
	f.Add(uint8(0), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, i uint8, spki []byte) {
		k := pairs[int(i)%len(pairs)]
		shared, err := k.Agree(spki)
		if err != nil {
			if !errors.Is(err, ErrPeerKey) {
				t.Errorf("%v: got %v, want %v", k.Type(), err, ErrPeerKey)
			}
			return
		}
		if shared.Len() != k.Type().scalarSize() {
			t.Errorf("%v: got a secret of %d bytes", k.Type(), shared.Len())
		}
	})
}

// FuzzDecrypt: a ciphertext that nobody made is refused in one way.
func FuzzDecrypt(f *testing.F) {
	m := openTestModule(f)
	uses := []struct {
		keyType KeyType
		mech    Mechanism
	}{{RSA2048, "RSAES_OAEP_SHA_1"}, {RSA2048, "RSAES_OAEP_SHA_256"}, {SM2, mechSM2PKE}}
	pairs := make([]*KeyPair, len(uses))
	made := map[string]bool{}
	for i, use := range uses {
		pairs[i], _ = newTestPair(f, m, use.keyType)
		ciphertext, err := pairs[i].Encrypt(use.mech, secret.New([]byte("plaintext")))
		if err != nil {
			f.Fatal(err)
		}
		made[string(ciphertext)] = true
		f.Add(uint8(i), ciphertext)
		f.Add(uint8(i), ciphertext[:len(ciphertext)-1])
	}
	f.Fuzz(func(t *testing.T, i uint8, ciphertext []byte) {
		n := int(i) % len(uses)
		_, err := pairs[n].Decrypt(uses[n].mech, ciphertext)
		if err != nil && !errors.Is(err, ErrAuth) || err == nil && !made[string(ciphertext)] {
			t.Errorf("%v, %s: got %v", uses[n].keyType, uses[n].mech, err)
		}
	})
}
