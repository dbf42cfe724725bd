package hsm

import (
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

const (
	testDomain  = "eu-central-1"
	testAccount = "111122223333"
	testKeyID   = "1234abcd-12ab-34cd-56ef-1234567890ab"
)

// openTestModule opens a new root key with one domain key.
func openTestModule(t testing.TB) *Module {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-key")
	if err := CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey(testDomain, 1); err != nil {
		t.Fatal(err)
	}
	return m
}

func testBinding(p Purpose) Binding {
	return Binding{Purpose: p, Domain: testDomain, Account: testAccount, Region: testDomain, KeyID: testKeyID}
}

func generateTestKey(t testing.TB, m *Module, b Binding) (token []byte) {
	t.Helper()
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newTestBackingKey(t testing.TB, m *Module) *BackingKey {
	t.Helper()
	b := testBinding(PurposeBackingKey)
	k, err := m.LoadBackingKey(generateTestKey(t, m, b), b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newTestMACKey(t testing.TB, m *Module, p Purpose) *MACKey {
	t.Helper()
	b := testBinding(p)
	k, err := m.LoadMACKey(generateTestKey(t, m, b), b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newTestAccessKey(t testing.TB, m *Module, material string) *AccessKey {
	t.Helper()
	b := testBinding(PurposeAccessKey)
	token, err := m.ImportKey(b, secret.New([]byte(material)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadAccessKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newTestObjectKey(t testing.TB, m *Module) *ObjectKey {
	t.Helper()
	dataKey, _, err := newTestBackingKey(t, m).NewDataKey(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, _, err := dataKey.NewObjectKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// flip returns b with one bit of byte i changed, another bit for every i.
func flip(b []byte, i int) []byte {
	c := append([]byte(nil), b...)
	c[i] ^= 1 << (i % 8)
	return c
}
