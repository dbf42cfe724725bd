package hsm

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestTokenOpensWithItsBinding(t *testing.T) {
	m := openTestModule(t)
	for p := PurposeBackingKey; p <= PurposeRecord; p++ {
		t.Run(p.String(), func(t *testing.T) {
			b := testBinding(p)
			token := generateTestKey(t, m, b)
			if got, want := len(token), tokenHeaderSize+boxOverhead+keySize; got != want {
				t.Errorf("got a token of %d bytes, want %d", got, want)
			}
			if _, err := m.load(token, b, p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTokenDamage(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeBackingKey)
	token := generateTestKey(t, m, b)
	refused := func(name string, token []byte) {
		t.Helper()
		_, err := m.LoadBackingKey(token, b)
		// A damaged version number asks for a domain key that is not there.
		if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrUnknownDomainKey) {
			t.Errorf("%s: got %v, want %v", name, err, ErrTampered)
		}
		if err != nil && !strings.Contains(err.Error(), testKeyID) {
			t.Errorf("%s: got %q, want the key id in it", name, err)
		}
	}
	for i := range token {
		refused(fmt.Sprintf("flip at %d", i), flip(token, i))
		refused(fmt.Sprintf("cut to %d", i), token[:i])
	}
	refused("one byte more", append(bytes.Clone(token), 0))
	refused("long", make([]byte, 10000))
	if _, err := m.LoadBackingKey(token, b); err != nil {
		t.Errorf("untouched: %v", err)
	}
}

func TestTokenMoved(t *testing.T) {
	m := openTestModule(t)
	for _, domain := range []string{"us-east-1", "global"} {
		if _, err := m.NewDomainKey(domain, 1); err != nil {
			t.Fatal(err)
		}
	}
	b := testBinding(PurposeRowMAC)
	token := generateTestKey(t, m, b)
	for _, row := range []struct {
		name string
		move func(*Binding)
	}{
		{"account", func(b *Binding) { b.Account = "444455556666" }},
		{"no account", func(b *Binding) { b.Account = "" }},
		{"region", func(b *Binding) { b.Region = "us-east-1" }},
		{"key id", func(b *Binding) { b.KeyID = "other" }},
		{"domain", func(b *Binding) { b.Domain = "us-east-1" }},
		{"purpose", func(b *Binding) { b.Purpose = PurposeBlobHeader }},
		{"account and region joined", func(b *Binding) { b.Account, b.Region = b.Account+b.Region, "" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			moved := b
			row.move(&moved)
			if _, err := m.LoadMACKey(token, moved); !errors.Is(err, ErrTampered) {
				t.Errorf("got %v, want %v", err, ErrTampered)
			}
			relabelled := bytes.Clone(token) // the purpose in clear changed to fit
			relabelled[1] = byte(moved.Purpose)
			if _, err := m.LoadMACKey(relabelled, moved); !errors.Is(err, ErrTampered) {
				t.Errorf("relabelled: got %v, want %v", err, ErrTampered)
			}
		})
	}
}

// Everything the token binds is the same, and the domain key is another one.
func TestTokenOfAnotherRootKey(t *testing.T) {
	m, other := openTestModule(t), openTestModule(t)
	b := testBinding(PurposeBackingKey)
	if _, err := other.LoadBackingKey(generateTestKey(t, m, b), b); !errors.Is(err, ErrTampered) {
		t.Errorf("got %v, want %v", err, ErrTampered)
	}
}

func TestPurposeMustFit(t *testing.T) {
	m := openTestModule(t)
	loaders := map[Purpose]func([]byte, Binding) error{
		PurposeBackingKey: func(token []byte, b Binding) error { _, err := m.LoadBackingKey(token, b); return err },
		PurposeRowMAC:     func(token []byte, b Binding) error { _, err := m.LoadMACKey(token, b); return err },
		PurposeAccessKey:  func(token []byte, b Binding) error { _, err := m.LoadAccessKey(token, b); return err },
		PurposeRecord:     func(token []byte, b Binding) error { _, err := m.LoadRecordKey(token, b); return err },
	}
	for p := PurposeBackingKey; p <= PurposeRecord; p++ {
		b := testBinding(p)
		token := generateTestKey(t, m, b)
		for l, load := range loaders {
			fits := l == p || (l == PurposeRowMAC && p == PurposeBlobHeader)
			if err := load(token, b); fits != (err == nil) || (!fits && !errors.Is(err, ErrPurpose)) {
				t.Errorf("%v loaded as %v: got %v, want fit %v", p, l, err, fits)
			}
		}
	}
	for _, p := range []Purpose{0, PurposeRecord + 1, purposeDomainKey} {
		if _, err := m.GenerateKey(testBinding(p)); !errors.Is(err, ErrPurpose) {
			t.Errorf("generating %v: got %v, want %v", p, err, ErrPurpose)
		}
	}
}

func TestImportKey(t *testing.T) {
	m := openTestModule(t)
	for _, row := range []struct {
		purpose Purpose
		size    int
		ok      bool
	}{
		{PurposeAccessKey, 0, false},
		{PurposeAccessKey, 1, true},
		{PurposeAccessKey, 40, true},
		{PurposeAccessKey, 256, true},
		{PurposeAccessKey, 257, false},
		{PurposeBackingKey, 32, true},
		{PurposeBackingKey, 31, false},
		{PurposeRowMAC, 33, false},
	} {
		b := testBinding(row.purpose)
		material := randomBytes(row.size)
		token, err := m.ImportKey(b, secret.New(material))
		if row.ok != (err == nil) {
			t.Errorf("%v of %d bytes: got %v, want ok %v", row.purpose, row.size, err, row.ok)
		}
		if err != nil {
			continue
		}
		p, err := m.load(token, b, row.purpose)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p.key.Expose(), material) {
			t.Errorf("%v of %d bytes: the token holds another key", row.purpose, row.size)
		}
	}
}

// The id tells materials and key ids apart, and is the same for the same two.
func TestMaterialID(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeBackingKey)
	material := secret.New(randomBytes(keySize))
	imported := func(b Binding) [32]byte {
		token, err := m.ImportKey(b, material)
		if err != nil {
			t.Fatal(err)
		}
		id, err := m.MaterialID(token, b)
		if err != nil {
			t.Fatal(err)
		}
		k, err := m.LoadBackingKey(token, b)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.ID(); got != id {
			t.Errorf("got %x from the handle, want %x", got, id)
		}
		return id
	}
	elsewhere, otherKey := b, b
	elsewhere.Account, elsewhere.Region = "444455556666", "us-east-1"
	otherKey.KeyID = "other"
	id := imported(b)
	if imported(b) != id || imported(elsewhere) != id {
		t.Error("the id must depend on material and key id alone")
	}
	if imported(otherKey) == id {
		t.Error("the id must depend on the key id")
	}
	if other, err := m.MaterialID(generateTestKey(t, m, b), b); err != nil || other == id {
		t.Errorf("other material: got the same id, or %v", err)
	}
	if _, err := m.MaterialID([]byte("x"), b); !errors.Is(err, ErrTampered) {
		t.Errorf("got %v, want %v", err, ErrTampered)
	}
}

func TestDomainKeyVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root-key")
	if err := CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	b := testBinding(PurposeBackingKey)
	if _, err := m.GenerateKey(b); !errors.Is(err, ErrUnknownDomainKey) {
		t.Errorf("without a domain key: got %v, want %v", err, ErrUnknownDomainKey)
	}
	first, err := m.NewDomainKey(testDomain, 1)
	if err != nil {
		t.Fatal(err)
	}
	old := generateTestKey(t, m, b)
	second, err := m.NewDomainKey(testDomain, 2)
	if err != nil {
		t.Fatal(err)
	}
	fresh := generateTestKey(t, m, b)
	if h, _, _ := parseToken(fresh); h.domainKey != 2 {
		t.Errorf("got a token under version %d, want 2", h.domainKey)
	}
	for name, token := range map[string][]byte{"old": old, "fresh": fresh} {
		if _, err := m.LoadBackingKey(token, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := m.NewDomainKey(testDomain, 2); !errors.Is(err, ErrDomainKeyInstalled) {
		t.Errorf("making version 2 again: got %v, want %v", err, ErrDomainKeyInstalled)
	}
	if _, err := m.NewDomainKey(testDomain, 0); err == nil {
		t.Error("version 0 must be refused")
	}

	// A second process: it opens what it has installed, in any order.
	m, err = Open(Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.InstallDomainKey(second); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.LoadBackingKey(fresh, b); err != nil {
		t.Error(err)
	}
	if _, err := m.LoadBackingKey(old, b); !errors.Is(err, ErrUnknownDomainKey) {
		t.Errorf("version 1 is not installed: got %v, want %v", err, ErrUnknownDomainKey)
	}
	if err := m.InstallDomainKey(first); err != nil {
		t.Fatal(err)
	}
	if _, err := m.LoadBackingKey(old, b); err != nil {
		t.Error(err)
	}
	if h, _, _ := parseToken(generateTestKey(t, m, b)); h.domainKey != 2 {
		t.Errorf("got a token under version %d, want the highest", h.domainKey)
	}
}

func TestInstallDomainKeyRefuses(t *testing.T) {
	m, other := openTestModule(t), openTestModule(t)
	good, err := m.NewDomainKey("global", 7)
	if err != nil {
		t.Fatal(err)
	}
	foreign := good
	foreign.RootKeyID = other.RootKeyID()
	err = m.InstallDomainKey(foreign)
	if !errors.Is(err, ErrWrongRootKey) || !strings.Contains(err.Error(), m.RootKeyID()) || !strings.Contains(err.Error(), other.RootKeyID()) {
		t.Errorf("got %v, want %v and both root keys named", err, ErrWrongRootKey)
	}
	if err := other.InstallDomainKey(foreign); !errors.Is(err, ErrTampered) {
		t.Errorf("id changed to fit: got %v, want %v", err, ErrTampered)
	}
	renamed, older := good, good
	renamed.Domain = "us-east-1"
	older.Version = 6
	cases := []DomainKeyToken{renamed, older, {Domain: "global", Version: 7, RootKeyID: m.RootKeyID()}}
	for i := range good.Token {
		flipped, cut := good, good
		flipped.Token = flip(good.Token, i)
		cut.Token = good.Token[:i]
		cases = append(cases, flipped, cut)
	}
	keyToken := good // a token of another purpose
	keyToken.Token = generateTestKey(t, m, testBinding(PurposeBackingKey))
	for i, c := range append(cases, keyToken) {
		if err := m.InstallDomainKey(c); !errors.Is(err, ErrTampered) {
			t.Errorf("case %d: got %v, want %v", i, err, ErrTampered)
		}
	}
}

func FuzzToken(f *testing.F) {
	m := openTestModule(f)
	b := testBinding(PurposeAccessKey)
	token, err := m.ImportKey(b, secret.New([]byte("short")))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(generateTestKey(f, m, testBinding(PurposeBackingKey)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, box, ok := parseToken(in)
		if ok {
			if got := append(h.append(nil), box...); !bytes.Equal(got, in) {
				t.Errorf("got %x, want %x", got, in)
			}
		}
		if _, err := m.LoadAccessKey(in, b); err == nil && !bytes.Equal(in, token) {
			t.Errorf("%x opened and was never sealed", in)
		}
	})
}
