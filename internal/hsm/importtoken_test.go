package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/strongroom/strongroom/internal/keywrap"
)

var testValidTo = time.Date(2026, 11, 24, 11, 2, 3, 987_000_000, time.UTC)

func newTestImportKey(t testing.TB, m *Module) *ImportTokenKey {
	t.Helper()
	b := testBinding(PurposeImport)
	k, err := m.LoadImportTokenKey(generateTestKey(t, m, b), b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wrapFor wraps material as the owner of it does, by the public key alone.
func wrapFor(t testing.TB, public []byte, method WrappingMethod, material []byte) []byte {
	t.Helper()
	if method == WrapSM2PKE {
		key, err := smx509.ParsePKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := sm2.EncryptASN1(rand.Reader, key.(*ecdsa.PublicKey), material)
		if err != nil {
			t.Fatal(err)
		}
		return wrapped
	}
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	hash := crypto.SHA1
	if strings.HasSuffix(string(method), "_256") {
		hash = crypto.SHA256
	}
	oaep := func(plaintext []byte) []byte {
		wrapped, err := rsa.EncryptOAEP(hash.New(), rand.Reader, key.(*rsa.PublicKey), plaintext, nil)
		if err != nil {
			t.Fatal(err)
		}
		return wrapped
	}
	if !strings.HasPrefix(string(method), "RSA_AES_") {
		return oaep(material)
	}
	kek := randomBytes(32)
	inner, err := keywrap.WrapPad(kek, material)
	if err != nil {
		t.Fatal(err)
	}
	return append(oaep(kek), inner...)
}

// Material that its owner wraps by any method for any wrapping key comes in as
// what it is, and is the same material every time.
func TestImportWrapped(t *testing.T) {
	m := openTestModule(t)
	k := newTestImportKey(t, m)
	b := testBinding(PurposeBackingKey)
	material := randomBytes(32)
	var ids [][32]byte
	for _, tt := range []struct {
		t       KeyType
		methods []WrappingMethod
	}{
		{RSA2048, []WrappingMethod{WrapOAEPSHA1, WrapOAEPSHA256, WrapRSAAESSHA1, WrapRSAAESSHA256}},
		{RSA3072, []WrappingMethod{WrapOAEPSHA256}},
		{RSA4096, []WrappingMethod{WrapRSAAESSHA256}},
		{SM2, []WrappingMethod{WrapSM2PKE}},
	} {
		for _, method := range tt.methods {
			t.Run(fmt.Sprint(tt.t, method), func(t *testing.T) {
				token, public, err := k.Issue(b, tt.t, method, testValidTo)
				if err != nil {
					t.Fatal(err)
				}
				if len(token) > 6144 {
					t.Errorf("got a token of %d bytes, want at most 6144", len(token))
				}
				w, err := k.Open(b, token)
				if err != nil {
					t.Fatal(err)
				}
				if !w.ValidTo().Equal(testValidTo) {
					t.Errorf("got %v, want %v", w.ValidTo(), testValidTo)
				}
				wrapped := wrapFor(t, public, method, material)
				if !w.Fits(len(wrapped)) || tt.t != SM2 && w.Fits(len(wrapped)-1) {
					t.Errorf("the length of what was wrapped, %d, is not the one that fits", len(wrapped))
				}
				imported, err := m.ImportWrapped(Symmetric, b, w, wrapped)
				if err != nil {
					t.Fatal(err)
				}
				handle, err := m.LoadBackingKey(imported, b)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, handle.ID())
				for i := range wrapped {
					bad := bytes.Clone(wrapped)
					bad[i] ^= 0x40
					if i%97 == 0 { // RSA is slow
						if _, err := m.ImportWrapped(Symmetric, b, w, bad); !errors.Is(err, ErrAuth) {
							t.Errorf("byte %d: got %v, want ErrAuth", i, err)
						}
					}
				}
				for _, n := range []int{0, 1, len(wrapped) - 1} {
					if _, err := m.ImportWrapped(Symmetric, b, w, wrapped[:n]); !errors.Is(err, ErrAuth) {
						t.Errorf("cut to %d: got %v, want ErrAuth", n, err)
					}
				}
				if _, err := m.ImportWrapped(Symmetric, b, w, wrapFor(t, public, method, material[:31])); !errors.Is(err, ErrMaterial) {
					t.Errorf("31 bytes: got %v, want ErrMaterial", err)
				}
			})
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Error("the same material has two ids")
		}
	}
}

// Key pairs and HMAC keys come in too, and sign like their owner.
func TestImportWrappedOtherTypes(t *testing.T) {
	m := openTestModule(t)
	k := newTestImportKey(t, m)
	pair := testBinding(PurposeKeyPair)
	token, public, err := k.Issue(pair, RSA2048, WrapRSAAESSHA256, testValidTo)
	if err != nil {
		t.Fatal(err)
	}
	w, err := k.Open(pair, token)
	if err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	imported, err := m.ImportWrapped(RSA2048, pair, w, wrapFor(t, public, WrapRSAAESSHA256, der))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := m.LoadKeyPair(imported, RSA2048, pair)
	if err != nil {
		t.Fatal(err)
	}
	if spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil || !bytes.Equal(handle.PublicKey(), spki) {
		t.Errorf("got another public key than that of the material: %v", err)
	}
	if _, err := m.ImportWrapped(RSA4096, pair, w, wrapFor(t, public, WrapRSAAESSHA256, der)); !errors.Is(err, ErrMaterial) {
		t.Errorf("RSA_2048 for RSA_4096: got %v, want ErrMaterial", err)
	}
	hmac := testBinding(PurposeHMACKey)
	for _, n := range []int{32, 128} {
		if _, err := m.ImportWrapped(HMAC256, hmac, w, wrapFor(t, public, WrapRSAAESSHA256, randomBytes(n))); err != nil {
			t.Errorf("an HMAC key of %d bytes: %v", n, err)
		}
	}
	// An AES key between of another size than the method's.
	rsaKey, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	kek := randomBytes(16)
	short, err := rsa.EncryptOAEP(crypto.SHA256.New(), rand.Reader, rsaKey.(*rsa.PublicKey), kek, nil)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := keywrap.WrapPad(kek, randomBytes(32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.ImportWrapped(HMAC256, hmac, w, append(short, inner...)); !errors.Is(err, ErrAuth) {
		t.Errorf("an AES key of 16 bytes between: got %v, want ErrAuth", err)
	}
}

// A token opens whole, for its KMS key, under its import key, and not otherwise.
func TestImportTokenIsBound(t *testing.T) {
	m := openTestModule(t)
	k := newTestImportKey(t, m)
	b := testBinding(PurposeBackingKey)
	token, _, err := k.Issue(b, RSA2048, WrapOAEPSHA256, testValidTo)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(what string, k *ImportTokenKey, b Binding, token []byte) {
		t.Helper()
		if w, err := k.Open(b, token); !errors.Is(err, ErrAuth) || w != nil {
			t.Errorf("%s: got %v, want ErrAuth", what, err)
		}
	}
	for i := range token {
		damaged := bytes.Clone(token)
		damaged[i] ^= 1 << (i % 8)
		refuse("flipped bit", k, b, damaged)
	}
	for _, n := range []int{0, 1, 2, minImportToken, len(token) - 1} {
		refuse("cut", k, b, token[:n])
	}
	refuse("longer", k, b, append(bytes.Clone(token), 0))
	refuse("longest", k, b, make([]byte, 1<<20))
	refuse("another import key", newTestImportKey(t, m), b, token)
	for what, change := range map[string]func(*Binding){
		"another account": func(b *Binding) { b.Account = "999999999999" },
		"another region":  func(b *Binding) { b.Region = "eu-west-1" },
		"another key":     func(b *Binding) { b.KeyID += "0" },
	} {
		other := b
		change(&other)
		refuse(what, k, other, token)
	}
}

func TestImportTokenMethods(t *testing.T) {
	m := openTestModule(t)
	k := newTestImportKey(t, m)
	for _, tt := range []struct {
		t      KeyType
		method WrappingMethod
	}{
		{RSA2048, "RSAES_PKCS1_V1_5"}, {RSA2048, ""}, {RSA2048, WrapSM2PKE}, {SM2, WrapOAEPSHA256}, {P256, WrapOAEPSHA256}, {Symmetric, WrapRSAAESSHA1}, {0, WrapOAEPSHA1},
	} {
		if _, _, err := k.Issue(testBinding(PurposeBackingKey), tt.t, tt.method, testValidTo); !errors.Is(err, ErrMechanism) {
			t.Errorf("%v, %v: got %v, want ErrMechanism", tt.t, tt.method, err)
		}
	}
	b := testBinding(PurposeRecord)
	if _, err := m.LoadImportTokenKey(generateTestKey(t, m, b), b); !errors.Is(err, ErrPurpose) {
		t.Errorf("got %v, want ErrPurpose", err)
	}
}

// What fmt prints of a wrapping key shows nothing of it.
func TestWrappingKeyDoesNotPrint(t *testing.T) {
	m := openTestModule(t)
	k := newTestImportKey(t, m)
	b := testBinding(PurposeBackingKey)
	token, _, err := k.Issue(b, RSA2048, WrapOAEPSHA256, testValidTo)
	if err != nil {
		t.Fatal(err)
	}
	w, err := k.Open(b, token)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{w, *w, &w} {
			if text := fmt.Sprintf(verb, v); len(text) > 40 {
				t.Errorf("%s prints %d bytes", verb, len(text))
			}
		}
	}
}

// FuzzImportToken: whatever is not the token is refused by ErrAuth.
func FuzzImportToken(f *testing.F) {
	m := openTestModule(f)
	k := newTestImportKey(f, m)
	b := testBinding(PurposeBackingKey)
	token, _, err := k.Issue(b, SM2, WrapSM2PKE, testValidTo)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add([]byte{importVersion})
	f.Fuzz(func(t *testing.T, got []byte) {
		_, err := k.Open(b, got)
		if genuine := bytes.Equal(got, token); (err == nil) != genuine || err != nil && !errors.Is(err, ErrAuth) {
			t.Fatalf("got %v for a token that is genuine: %v", err, genuine)
		}
	})
}

// FuzzImportWrapped: hostile wrapped material is refused, and nothing panics.
func FuzzImportWrapped(f *testing.F) {
	m := openTestModule(f)
	k := newTestImportKey(f, m)
	b := testBinding(PurposeHMACKey)
	var keys []*WrappingKey
	for _, tt := range []struct {
		t      KeyType
		method WrappingMethod
	}{{RSA2048, WrapRSAAESSHA1}, {RSA2048, WrapOAEPSHA1}, {SM2, WrapSM2PKE}} {
		token, public, err := k.Issue(b, tt.t, tt.method, testValidTo)
		if err != nil {
			f.Fatal(err)
		}
		w, err := k.Open(b, token)
		if err != nil {
			f.Fatal(err)
		}
		keys = append(keys, w)
		f.Add(wrapFor(f, public, tt.method, make([]byte, 64)))
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		for _, w := range keys {
			if _, err := m.ImportWrapped(HMAC512, b, w, wrapped); err != nil && !errors.Is(err, ErrAuth) && !errors.Is(err, ErrMaterial) {
				t.Fatalf("got %v", err)
			}
		}
	})
}
