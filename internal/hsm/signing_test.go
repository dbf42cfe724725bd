package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSigningKey(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeSigning)
	token, err := m.GenerateSigningKey(b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(token), tokenHeaderSize+boxOverhead+keySize; got != want {
		t.Errorf("got a token of %d bytes, want %d", got, want)
	}
	one, err := m.LoadSigningKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := m.LoadSigningKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("what is signed"))
	// A reader that yields nothing: the caller's randomness must not matter.
	sig, err := one.Sign(bytes.NewReader(nil), sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := two.Public().(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		t.Fatalf("got a %T, want an ECDSA key on P-256", two.Public())
	}
	if !ecdsa.VerifyASN1(public, sum[:], sig) {
		t.Error("the signature does not verify under the public key of the token opened again")
	}
	other, err := m.GenerateSigningKey(b)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(other, token) {
		t.Error("got one token twice")
	}
}

func TestSigningKeyPurpose(t *testing.T) {
	m := openTestModule(t)
	signing := testBinding(PurposeSigning)
	token, err := m.GenerateSigningKey(signing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.GenerateKey(signing); !errors.Is(err, ErrPurpose) {
		t.Errorf("GenerateKey for signing: got %v, want %v", err, ErrPurpose)
	}
	if _, err := m.GenerateSigningKey(testBinding(PurposeRecord)); !errors.Is(err, ErrPurpose) {
		t.Errorf("GenerateSigningKey for records: got %v, want %v", err, ErrPurpose)
	}
	if _, err := m.LoadRecordKey(token, signing); !errors.Is(err, ErrPurpose) {
		t.Errorf("a signing key as a record key: got %v, want %v", err, ErrPurpose)
	}
	if _, err := m.LoadRecordKey(token, testBinding(PurposeRecord)); !errors.Is(err, ErrTampered) {
		t.Errorf("a signing key under another binding: got %v, want %v", err, ErrTampered)
	}
	moved := signing
	moved.KeyID = "tls-server"
	if _, err := m.LoadSigningKey(token, moved); !errors.Is(err, ErrTampered) {
		t.Errorf("moved: got %v, want %v", err, ErrTampered)
	}
	for i := range token {
		if _, err := m.LoadSigningKey(flip(token, i), signing); err == nil {
			t.Errorf("bit flipped at %d: got no error", i)
		}
	}
	// Bytes that authenticate and are no scalar: zero.
	zero, err := m.wrap(signing, make([]byte, keySize))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.LoadSigningKey(zero, signing); !errors.Is(err, ErrTampered) {
		t.Errorf("zero: got %v, want %v", err, ErrTampered)
	}
}

func TestSigningKeyDoesNotPrint(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeSigning)
	token, err := m.GenerateSigningKey(b)
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadSigningKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	private := k.signer.(*ecdsa.PrivateKey)
	scalar, err := private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	number := new(big.Int).SetBytes(scalar).String()
	var texts []string
	for _, v := range []any{k, struct{ V any }{k}, struct{ K *SigningKey }{k}, *k} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
		if j, err := json.Marshal(v); err == nil {
			texts = append(texts, string(j))
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		texts = append(texts, log.String())
	}
	for _, text := range texts {
		for _, spelling := range append(spellings(scalar), number) {
			if strings.Contains(text, spelling) {
				t.Fatal("the private scalar is printed")
			}
		}
	}
}

// pkcs8 returns a key in PEM.
func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestSigningKeyFile(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}})
	for _, tt := range []struct {
		name string
		text []byte
		mode os.FileMode
		want string // in the error; empty: none
	}{
		{"ECDSA, PKCS 8", pkcs8(t, ec), 0o600, ""},
		{"ECDSA, SEC 1 after parameters", append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...), 0o400, ""},
		{"RSA, PKCS 8", pkcs8(t, rsaKey), 0o600, ""},
		{"RSA, PKCS 1", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)}), 0o600, ""},
		{"Ed25519", pkcs8(t, ed), 0o600, ""},
		{"readable by the group", pkcs8(t, ec), 0o640, "can be read by others (mode 0640)"},
		{"readable by all", pkcs8(t, ec), 0o604, "can be read by others (mode 0604)"},
		{"empty", nil, 0o600, "holds no private key in PEM"},
		{"cut in the middle", pkcs8(t, ec)[:90], 0o600, "holds no private key in PEM"},
		{"two keys", append(pkcs8(t, ec), pkcs8(t, ed)...), 0o600, "more than one"},
		{"encrypted", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}), 0o600, "encrypted"},
		{"encrypted as of old", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("x")}), 0o600, "encrypted"},
		{"not a key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("attack at dawn")}), 0o600, "damaged or cannot sign"},
		{"large", bytes.Repeat([]byte("x"), maxKeyFile+1), 0o600, "larger than any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(path, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			k, err := LoadSigningKeyFile(path)
			if tt.want != "" {
				if !errors.Is(err, ErrSigningKeyFile) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("got %v, want %v, the path, and %q", err, ErrSigningKeyFile, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if k.Public() == nil {
				t.Error("got no public key")
			}
		})
	}
	if _, err := LoadSigningKeyFile(t.TempDir()); !errors.Is(err, ErrSigningKeyFile) {
		t.Errorf("a directory: got %v, want %v", err, ErrSigningKeyFile)
	}
	if _, err := LoadSigningKeyFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, os.ErrNotExist)
	}
}
