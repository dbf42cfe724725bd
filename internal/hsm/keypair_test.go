package hsm

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestGenerateKeyPair(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range pairTypes {
		if keyType == RSA3072 || keyType == RSA4096 {
			continue // slow, and RSA2048 with another number
		}
		t.Run(keyType.String(), func(t *testing.T) {
			var keys []*KeyPair
			for range 2 {
				token, err := m.GenerateKeyPair(keyType, b)
				if err != nil {
					t.Fatal(err)
				}
				k, err := m.LoadKeyPair(token, keyType, b)
				if err != nil {
					t.Fatal(err)
				}
				if k.Type() != keyType {
					t.Errorf("got type %v, want %v", k.Type(), keyType)
				}
				if id, err := m.MaterialID(token, b); err != nil || id != k.ID() {
					t.Errorf("got id %x, %v, want the handle's, %x", id, err, k.ID())
				}
				keys = append(keys, k)
			}
			if bytes.Equal(keys[0].PublicKey(), keys[1].PublicKey()) || keys[0].ID() == keys[1].ID() {
				t.Error("got the same key twice")
			}
		})
	}
}

func TestSignAndVerify(t *testing.T) {
	m := openTestModule(t)
	for _, keyType := range pairTypes {
		k, _ := newTestPair(t, m, keyType)
		for _, use := range signatureUses(keyType) {
			t.Run(fmt.Sprintf("%v/%s/%d", keyType, use.mech, use.form), func(t *testing.T) {
				message := randomBytes(max(use.size, 1))
				signature, err := k.Sign(use.mech, use.form, message)
				if err != nil {
					t.Fatal(err)
				}
				if err := k.Verify(use.mech, use.form, message, signature); err != nil {
					t.Errorf("got %v", err)
				}
				if err := k.Verify(use.mech, use.form, flip(message, 0), signature); !errors.Is(err, ErrSignature) {
					t.Errorf("another message: got %v, want %v", err, ErrSignature)
				}
				for i := 0; i < len(signature); i += 1 + len(signature)/16 {
					if err := k.Verify(use.mech, use.form, message, flip(signature, i)); !errors.Is(err, ErrSignature) {
						t.Errorf("byte %d flipped: got %v, want %v", i, err, ErrSignature)
					}
				}
				for name, s := range map[string][]byte{"none": nil, "short": signature[:len(signature)-1], "long": append(bytes.Clone(signature), 0)} {
					if err := k.Verify(use.mech, use.form, message, s); !errors.Is(err, ErrSignature) {
						t.Errorf("%s: got %v, want %v", name, err, ErrSignature)
					}
				}
				if use.size > 0 {
					for _, size := range []int{0, use.size - 1, use.size + 1} {
						if _, err := k.Sign(use.mech, use.form, make([]byte, size)); !errors.Is(err, ErrDigest) {
							t.Errorf("signing %d bytes: got %v, want %v", size, err, ErrDigest)
						}
						if err := k.Verify(use.mech, use.form, make([]byte, size), signature); !errors.Is(err, ErrDigest) {
							t.Errorf("verifying %d bytes: got %v, want %v", size, err, ErrDigest)
						}
					}
				}
			})
		}
	}
}

// Every mechanism of any type, in any form, with every type that does not take it.
func TestMechanismMustFit(t *testing.T) {
	m := openTestModule(t)
	mechanisms := map[Mechanism]bool{"": true, "RSASSA_PSS_SHA_1": true, "HMAC_SHA_256": true}
	for _, keyType := range pairTypes {
		for _, use := range signatureUses(keyType) {
			mechanisms[use.mech] = true
		}
	}
	for _, keyType := range pairTypes {
		k, _ := newTestPair(t, m, keyType)
		takes := map[Mechanism]map[MessageForm]bool{}
		for _, use := range signatureUses(keyType) {
			if takes[use.mech] == nil {
				takes[use.mech] = map[MessageForm]bool{}
			}
			takes[use.mech][use.form] = true
		}
		for mech := range mechanisms {
			for form := MessageForm(0); form <= ExternalMu+1; form++ {
				if takes[mech][form] {
					continue
				}
				_, err := k.Sign(mech, form, make([]byte, 64))
				if !errors.Is(err, ErrMechanism) || errors.Is(err, ErrForm) != (takes[mech] != nil) {
					t.Errorf("%v signs with %q in form %d: got %v", keyType, mech, form, err)
				}
				if got := k.Verify(mech, form, make([]byte, 64), make([]byte, 64)); !errors.Is(got, err) {
					t.Errorf("%v verifies with %q in form %d: got %v, want %v", keyType, mech, form, got, err)
				}
			}
		}
	}
}

// A token that is loaded as another type is refused, as is a purpose that does not fit.
func TestTypeIsBound(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range pairTypes {
		_, token := newTestPair(t, m, keyType)
		for other := KeyType(0); other <= HMAC512+1; other++ {
			want := ErrTampered
			if other.Purpose() != PurposeKeyPair {
				want = ErrPurpose
			}
			if _, err := m.LoadKeyPair(token, other, b); other != keyType && !errors.Is(err, want) {
				t.Errorf("%v loaded as %v: got %v, want %v", keyType, other, err, want)
			}
		}
		moved := b
		moved.KeyID = "other"
		if _, err := m.LoadKeyPair(token, keyType, moved); !errors.Is(err, ErrTampered) {
			t.Errorf("%v moved: got %v, want %v", keyType, err, ErrTampered)
		}
		if _, err := m.LoadBackingKey(token, b); !errors.Is(err, ErrPurpose) {
			t.Errorf("%v loaded as a backing key: got %v, want %v", keyType, err, ErrPurpose)
		}
	}
	for _, keyType := range []KeyType{0, Symmetric, HMAC256, HMAC512 + 1} {
		if _, err := m.GenerateKeyPair(keyType, b); !errors.Is(err, ErrPurpose) {
			t.Errorf("generating %v: got %v, want %v", keyType, err, ErrPurpose)
		}
		if _, err := m.ImportKeyPair(keyType, b, secret.New([]byte{1})); !errors.Is(err, ErrPurpose) {
			t.Errorf("importing %v: got %v, want %v", keyType, err, ErrPurpose)
		}
		if _, _, err := m.NewDataKeyPair(keyType); !errors.Is(err, ErrPurpose) {
			t.Errorf("a data key pair of %v: got %v, want %v", keyType, err, ErrPurpose)
		}
	}
	if _, err := m.GenerateKeyPair(P256, testBinding(PurposeBackingKey)); !errors.Is(err, ErrPurpose) {
		t.Errorf("for a backing key: got %v, want %v", err, ErrPurpose)
	}
	for _, p := range []Purpose{PurposeKeyPair, PurposeHMACKey} {
		if _, err := m.GenerateKey(testBinding(p)); !errors.Is(err, ErrPurpose) {
			t.Errorf("32 bytes for a %v: got %v, want %v", p, err, ErrPurpose)
		}
		if _, err := m.ImportKey(testBinding(p), secret.New(make([]byte, 64))); !errors.Is(err, ErrPurpose) {
			t.Errorf("importing any bytes for a %v: got %v, want %v", p, err, ErrPurpose)
		}
	}
}

// A key pair survives rotation of its domain key, with its id.
func TestRewrapKeyPair(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range pairTypes {
		k, token := newTestPair(t, m, keyType)
		version := m.NewestDomainKey(testDomain) + 1
		if _, err := m.NewDomainKey(testDomain, version); err != nil {
			t.Fatal(err)
		}
		token, err := m.Rewrap(token, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.RemoveDomainKey(testDomain, version-1); err != nil {
			t.Fatal(err)
		}
		again, err := m.LoadKeyPair(token, keyType, b)
		if err != nil {
			t.Fatal(err)
		}
		if again.ID() != k.ID() || !bytes.Equal(again.PublicKey(), k.PublicKey()) {
			t.Errorf("%v: got another key", keyType)
		}
	}
}

// What a caller gets is a pair: it is imported as one and has the same public
// key. Its id depends on the key and the key id alone.
func TestDataKeyPair(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeKeyPair)
	for _, keyType := range pairTypes {
		if keyType == RSA3072 || keyType == RSA4096 {
			continue
		}
		t.Run(keyType.String(), func(t *testing.T) {
			private, public, err := m.NewDataKeyPair(keyType)
			if err != nil {
				t.Fatal(err)
			}
			elsewhere, otherKey := b, b
			elsewhere.Account, elsewhere.Region = "444455556666", "us-east-1"
			otherKey.KeyID = "other"
			var ids [][32]byte
			for _, b := range []Binding{b, elsewhere, otherKey} {
				token, err := m.ImportKeyPair(keyType, b, private)
				if err != nil {
					t.Fatal(err)
				}
				k, err := m.LoadKeyPair(token, keyType, b)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(k.PublicKey(), public) {
					t.Error("got another public key")
				}
				ids = append(ids, k.ID())
			}
			if ids[0] != ids[1] || ids[0] == ids[2] {
				t.Error("the id must depend on key and key id, and on nothing else")
			}
			for _, other := range pairTypes {
				if _, err := m.ImportKeyPair(other, b, private); other != keyType && !errors.Is(err, ErrMaterial) {
					t.Errorf("imported as %v: got %v, want %v", other, err, ErrMaterial)
				}
			}
			der := private.Expose()
			for name, der := range map[string][]byte{"none": nil, "cut": der[:len(der)-1], "a byte more": append(bytes.Clone(der), 0), "public": public, "long": make([]byte, 1<<20)} {
				if _, err := m.ImportKeyPair(keyType, b, secret.New(der)); !errors.Is(err, ErrMaterial) {
					t.Errorf("%s: got %v, want %v", name, err, ErrMaterial)
				}
			}
		})
	}
}

func TestRSAEncryption(t *testing.T) {
	m := openTestModule(t)
	for _, row := range []struct {
		keyType KeyType
		mech    Mechanism
		longest int // of "Key spec reference", KMS Developer Guide
	}{
		{RSA2048, "RSAES_OAEP_SHA_1", 214},
		{RSA2048, "RSAES_OAEP_SHA_256", 190},
		{RSA3072, "RSAES_OAEP_SHA_1", 342},
		{RSA3072, "RSAES_OAEP_SHA_256", 318},
		{RSA4096, "RSAES_OAEP_SHA_1", 470},
		{RSA4096, "RSAES_OAEP_SHA_256", 446},
	} {
		t.Run(fmt.Sprintf("%v/%s", row.keyType, row.mech), func(t *testing.T) {
			k, _ := newTestPair(t, m, row.keyType)
			for _, size := range []int{0, 1, row.longest} {
				plaintext := randomBytes(size)
				ciphertext, err := k.Encrypt(row.mech, secret.New(plaintext))
				if err != nil {
					t.Fatal(err)
				}
				got, err := k.Decrypt(row.mech, ciphertext)
				if err != nil || !bytes.Equal(got.Expose(), plaintext) {
					t.Errorf("%d bytes: got %d bytes, %v", size, got.Len(), err)
				}
				other := Mechanism("RSAES_OAEP_SHA_256")
				if row.mech == other {
					other = "RSAES_OAEP_SHA_1"
				}
				for name, c := range map[string][]byte{"flipped": flip(ciphertext, 100), "none": nil, "short": ciphertext[1:], "long": append([]byte{0}, ciphertext...)} {
					if _, err := k.Decrypt(row.mech, c); !errors.Is(err, ErrAuth) {
						t.Errorf("%s: got %v, want %v", name, err, ErrAuth)
					}
				}
				if _, err := k.Decrypt(other, ciphertext); !errors.Is(err, ErrAuth) {
					t.Errorf("with %s: got %v, want %v", other, err, ErrAuth)
				}
			}
			if _, err := k.Encrypt(row.mech, secret.New(make([]byte, row.longest+1))); !errors.Is(err, ErrTooLong) {
				t.Errorf("%d bytes: got %v, want %v", row.longest+1, err, ErrTooLong)
			}
			for _, mech := range []Mechanism{"", "RSAES_OAEP_SHA_512", "SM2PKE", "SYMMETRIC_DEFAULT"} {
				if _, err := k.Encrypt(mech, secret.New([]byte{1})); !errors.Is(err, ErrMechanism) {
					t.Errorf("encrypting with %q: got %v, want %v", mech, err, ErrMechanism)
				}
				if _, err := k.Decrypt(mech, make([]byte, 256)); !errors.Is(err, ErrMechanism) {
					t.Errorf("decrypting with %q: got %v, want %v", mech, err, ErrMechanism)
				}
			}
		})
	}
}

func TestAgree(t *testing.T) {
	m := openTestModule(t)
	sizes := map[KeyType]int{P256: 32, P384: 48, P521: 66, SM2: 32}
	for keyType, size := range sizes {
		ours, _ := newTestPair(t, m, keyType)
		private, public, err := m.NewDataKeyPair(keyType)
		if err != nil {
			t.Fatal(err)
		}
		b := testBinding(PurposeKeyPair)
		token, err := m.ImportKeyPair(keyType, b, private)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := m.LoadKeyPair(token, keyType, b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.Agree(public)
		if err != nil {
			t.Fatal(err)
		}
		want, err := theirs.Agree(ours.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		if !got.Equal(want) || got.Len() != size {
			t.Errorf("%v: got secrets of %d and %d bytes, want the same of %d", keyType, got.Len(), want.Len(), size)
		}
		for _, other := range pairTypes {
			if other == keyType {
				continue
			}
			if _, err := ours.Agree(mustSPKI(t, other)); !errors.Is(err, ErrPeerKey) {
				t.Errorf("%v with %v: got %v, want %v", keyType, other, err, ErrPeerKey)
			}
		}
		off := bytes.Clone(public)
		off[len(off)-1] ^= 1
		for name, spki := range map[string][]byte{"none": nil, "off the curve": off, "a byte more": append(bytes.Clone(public), 0), "cut": public[:len(public)-1]} {
			if _, err := ours.Agree(spki); !errors.Is(err, ErrPeerKey) {
				t.Errorf("%v, %s: got %v, want %v", keyType, name, err, ErrPeerKey)
			}
		}
	}
	for _, keyType := range pairTypes {
		if k, _ := newTestPair(t, m, keyType); sizes[keyType] == 0 {
			if _, err := k.Agree(k.PublicKey()); !errors.Is(err, ErrMechanism) {
				t.Errorf("%v agrees: got %v, want %v", keyType, err, ErrMechanism)
			}
		}
	}
}

// The public keys are those that x509 writes.
func TestPublicKeyParses(t *testing.T) {
	for _, keyType := range []KeyType{RSA2048, P256, P384, P521, Ed25519} {
		if _, err := x509.ParsePKIXPublicKey(mustSPKI(t, keyType)); err != nil {
			t.Errorf("%v: %v", keyType, err)
		}
	}
}

// What caches reckon with is not less than what handles take once they were used.
func TestHandleSize(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes memory of its own")
	}
	m := openTestModule(t)
	for _, keyType := range pairTypes {
		_, token := newTestPair(t, m, keyType)
		use := signatureUses(keyType)[0]
		handles := make([]*KeyPair, 20)
		before := heap()
		for i := range handles {
			var err error
			if handles[i], err = m.LoadKeyPair(token, keyType, testBinding(PurposeKeyPair)); err != nil {
				t.Fatal(err)
			}
			if _, err := handles[i].Sign(use.mech, use.form, []byte("message")); err != nil {
				t.Fatal(err)
			}
		}
		got := (heap() - before) / len(handles)
		runtime.KeepAlive(handles)
		if want := keyType.HandleSize(); got > want {
			t.Errorf("%v: got %d bytes, want at most %d", keyType, got, want)
		}
	}
}
