package hsm

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// hmacTypes are the types of HMAC keys, written down once more.
var hmacTypes = map[KeyType]struct {
	mech Mechanism
	size int
	new  func() hash.Hash
}{
	HMAC224: {"HMAC_SHA_224", 28, sha256.New224},
	HMAC256: {"HMAC_SHA_256", 32, sha256.New},
	HMAC384: {"HMAC_SHA_384", 48, sha512.New384},
	HMAC512: {"HMAC_SHA_512", 64, sha512.New},
}

func newTestHMACKey(t testing.TB, m *Module, keyType KeyType, material []byte) *HMACKey {
	t.Helper()
	b := testBinding(PurposeHMACKey)
	token, err := m.ImportHMACKey(keyType, b, secret.New(material))
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadHMACKey(token, keyType, b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHMACKey(t *testing.T) {
	m := openTestModule(t)
	message := []byte("message")
	for keyType, want := range hmacTypes {
		t.Run(keyType.String(), func(t *testing.T) {
			material := randomBytes(want.size)
			k := newTestHMACKey(t, m, keyType, material)
			if k.Type() != keyType {
				t.Errorf("got type %v", k.Type())
			}
			h := hmac.New(want.new, material)
			h.Write(message)
			sum := h.Sum(nil)
			for range 2 { // the second time with a pooled state
				got, err := k.MAC(want.mech, message)
				if err != nil || !hmac.Equal(got, sum) {
					t.Errorf("got %x, %v, want %x", got, err, sum)
				}
			}
			if err := k.Verify(want.mech, message, sum); err != nil {
				t.Errorf("got %v", err)
			}
			if err := k.Verify(want.mech, []byte("another"), sum); !errors.Is(err, ErrSignature) {
				t.Errorf("another message: got %v, want %v", err, ErrSignature)
			}
			for i := range sum {
				for name, mac := range map[string][]byte{"flipped": flip(sum, i), "cut": sum[:i]} {
					if err := k.Verify(want.mech, message, mac); !errors.Is(err, ErrSignature) {
						t.Errorf("%s at %d: got %v, want %v", name, i, err, ErrSignature)
					}
				}
			}
			for other, params := range hmacTypes {
				if other == keyType {
					continue
				}
				if _, err := k.MAC(params.mech, message); !errors.Is(err, ErrMechanism) {
					t.Errorf("%s: got %v, want %v", params.mech, err, ErrMechanism)
				}
				if err := k.Verify(params.mech, message, sum); !errors.Is(err, ErrMechanism) {
					t.Errorf("verifying with %s: got %v, want %v", params.mech, err, ErrMechanism)
				}
			}
		})
	}
}

func TestGenerateHMACKey(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeHMACKey)
	for keyType, params := range hmacTypes {
		ids := map[[32]byte]bool{}
		for range 2 {
			token, err := m.GenerateHMACKey(keyType, b)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(token), tokenHeaderSize+boxOverhead+1+params.size; got != want {
				t.Errorf("%v: got a token of %d bytes, want %d", keyType, got, want)
			}
			k, err := m.LoadHMACKey(token, keyType, b)
			if err != nil {
				t.Fatal(err)
			}
			if id, err := m.MaterialID(token, b); err != nil || id != k.ID() {
				t.Errorf("%v: got id %x, %v, want the handle's, %x", keyType, id, err, k.ID())
			}
			rewrapped, err := m.Rewrap(token, b)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := m.LoadHMACKey(rewrapped, keyType, b); err != nil || again.ID() != k.ID() {
				t.Errorf("%v wrapped anew: got another key, %v", keyType, err)
			}
			for other := KeyType(0); other <= HMAC512+1; other++ {
				want := ErrTampered
				if other.Purpose() != PurposeHMACKey {
					want = ErrPurpose
				}
				if _, err := m.LoadHMACKey(token, other, b); other != keyType && !errors.Is(err, want) {
					t.Errorf("%v loaded as %v: got %v, want %v", keyType, other, err, want)
				}
			}
			ids[k.ID()] = true
		}
		if len(ids) != 2 {
			t.Errorf("%v: got the same key twice", keyType)
		}
	}
}

// HMAC keys of two types with the same bytes are two materials.
func TestImportHMACKey(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeHMACKey)
	for keyType, params := range hmacTypes {
		for _, size := range []int{0, 1, 27, 28, 31, 32, 47, 48, 63, 64, 65, 128, 129} {
			material := make([]byte, size)
			_, err := m.ImportHMACKey(keyType, b, secret.New(material))
			if fits := size >= params.size && size <= 128; fits != (err == nil) || !fits && !errors.Is(err, ErrMaterial) {
				t.Errorf("%v of %d bytes: got %v", keyType, size, err)
			}
			if err != nil {
				continue
			}
			h := hmac.New(params.new, material)
			h.Write([]byte("message"))
			if got, err := newTestHMACKey(t, m, keyType, material).MAC(params.mech, []byte("message")); !bytes.Equal(got, h.Sum(nil)) || err != nil {
				t.Errorf("%v of %d bytes: got another MAC than the library: %v", keyType, size, err)
			}
		}
		if _, err := m.ImportHMACKey(keyType, testBinding(PurposeBackingKey), secret.New(make([]byte, params.size))); !errors.Is(err, ErrPurpose) {
			t.Errorf("%v for a backing key: got %v, want %v", keyType, err, ErrPurpose)
		}
		if _, err := m.GenerateHMACKey(keyType, testBinding(PurposeBackingKey)); !errors.Is(err, ErrPurpose) {
			t.Errorf("%v made for a backing key: got %v, want %v", keyType, err, ErrPurpose)
		}
	}
	for _, keyType := range []KeyType{0, Symmetric, P256} {
		if _, err := m.ImportHMACKey(keyType, b, secret.New(make([]byte, 32))); !errors.Is(err, ErrPurpose) {
			t.Errorf("%v: got %v, want %v", keyType, err, ErrPurpose)
		}
		if _, err := m.GenerateHMACKey(keyType, b); !errors.Is(err, ErrPurpose) {
			t.Errorf("making %v: got %v, want %v", keyType, err, ErrPurpose)
		}
	}
	material := randomBytes(32)
	first, again := newTestHMACKey(t, m, HMAC256, material), newTestHMACKey(t, m, HMAC256, material)
	if first.ID() != again.ID() {
		t.Error("the same material has two ids")
	}
}
