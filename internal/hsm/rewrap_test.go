package hsm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/secret"
)

func TestRewrapKeepsTheKey(t *testing.T) {
	m := openTestModule(t)
	for p := PurposeBackingKey; p.valid(); p++ {
		if p.typed() {
			continue // TestRewrapKeyPair
		}
		t.Run(p.String(), func(t *testing.T) {
			b := testBinding(p)
			material := secret.New(randomBytes(keySize))
			old, err := m.ImportKey(b, material)
			if err != nil {
				t.Fatal(err)
			}
			version := m.NewestDomainKey(testDomain) + 1
			if _, err := m.NewDomainKey(testDomain, version); err != nil {
				t.Fatal(err)
			}
			token, err := m.Rewrap(old, b)
			if err != nil {
				t.Fatal(err)
			}
			gotPurpose, gotVersion, ok := ParseToken(token)
			if !ok || gotPurpose != p || gotVersion != version {
				t.Errorf("got a token of purpose %v under version %d, want %v, %d", gotPurpose, gotVersion, p, version)
			}
			if bytes.Contains(token, old[tokenHeaderSize:tokenHeaderSize+saltSize]) {
				t.Error("the new token has the salt of the old one")
			}
			for name, token := range map[string][]byte{"old": old, "new": token} {
				if same, err := m.SameKey(token, b, material); err != nil || !same {
					t.Errorf("%s token: got %v, %v, want the same key", name, same, err)
				}
			}
			if err := m.RemoveDomainKey(testDomain, version-1); err != nil {
				t.Fatal(err)
			}
			if err := m.CheckToken(old, b); !errors.Is(err, ErrUnknownDomainKey) {
				t.Errorf("old token after the removal: got %v, want %v", err, ErrUnknownDomainKey)
			}
			if err := m.CheckToken(token, b); err != nil {
				t.Errorf("new token after the removal: %v", err)
			}
		})
	}
}

func TestRewrapRefuses(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeBackingKey)
	token := generateTestKey(t, m, b)
	moved, otherPurpose := b, b
	moved.KeyID, otherPurpose.Purpose = "other", PurposeRecord
	unknown := bytes.Clone(token)
	unknown[5] = 9
	for _, tt := range []struct {
		name     string
		token    []byte
		from, to Binding
		want     error
	}{
		{"flipped", flip(token, len(token)-1), b, b, ErrTampered},
		{"nothing", nil, b, b, ErrTampered},
		{"another binding", token, moved, moved, ErrTampered},
		{"another purpose", token, b, otherPurpose, ErrPurpose},
		{"version that is not there", unknown, b, b, ErrUnknownDomainKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := m.Rebind(tt.token, tt.from, tt.to); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	rebound, err := m.Rebind(token, b, moved)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckToken(rebound, moved); err != nil {
		t.Errorf("with its new binding: %v", err)
	}
	if err := m.CheckToken(rebound, b); !errors.Is(err, ErrTampered) {
		t.Errorf("with its old binding: got %v, want %v", err, ErrTampered)
	}
}

// TestRemoveDomainKey: its bytes are zeros afterwards, and open handles work on.
// Key material of every type is wrapped for another region, under its domain
// key, and is the same there.
func TestRebindForAnotherRegion(t *testing.T) {
	const region = "eu-west-1"
	m := openTestModule(t)
	if _, err := m.NewDomainKey(region, 1); err != nil {
		t.Fatal(err)
	}
	for _, kt := range []KeyType{Symmetric, RSA2048, P256, P384, Ed25519, HMAC224, HMAC512} {
		t.Run(kt.String(), func(t *testing.T) {
			from := testBinding(kt.Purpose())
			to := from
			to.Domain, to.Region = region, region
			token, id, err := material(m, kt, from)
			if err != nil {
				t.Fatal(err)
			}
			there, err := m.Rebind(token, from, to)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := m.MaterialID(there, to); got != id || err != nil {
				t.Errorf("got material %x, %v; want %x", got, err, id)
			}
			for _, err := range []error{m.CheckToken(there, from), m.CheckToken(token, to)} {
				if !errors.Is(err, ErrTampered) && !errors.Is(err, ErrUnknownDomainKey) {
					t.Errorf("a token opens in the other region: %v", err)
				}
			}
		})
	}
}

// material makes key material of a type.
func material(m *Module, kt KeyType, b Binding) (token []byte, id [32]byte, err error) {
	switch b.Purpose {
	case PurposeKeyPair:
		token, err = m.GenerateKeyPair(kt, b)
	case PurposeHMACKey:
		token, err = m.GenerateHMACKey(kt, b)
	default:
		token, err = m.GenerateKey(b)
	}
	if err == nil {
		id, err = m.MaterialID(token, b)
	}
	return token, id, err
}

func TestRemoveDomainKey(t *testing.T) {
	m := openTestModule(t)
	if err := m.RemoveDomainKey(testDomain, 1); err == nil {
		t.Error("the newest version was removed")
	}
	handle := newTestBackingKey(t, m)
	sealed, err := handle.Encrypt(nil, nil, secret.New([]byte("kept")))
	if err != nil {
		t.Fatal(err)
	}
	old, _, err := m.domainKey(testDomain, 1)
	if err != nil {
		t.Fatal(err)
	}
	generated := m.GenerateDomainKey(testDomain, 2)
	if got := m.NewestDomainKey(testDomain); got != 1 {
		t.Errorf("got version %d in use before the new one is installed, want 1", got)
	}
	if err := m.InstallDomainKey(generated); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing, which is no error
		if err := m.RemoveDomainKey(testDomain, 1); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(old.key.Expose(), make([]byte, keySize)) {
		t.Error("the removed key is still in memory")
	}
	if got, err := handle.Decrypt(sealed, nil); err != nil || string(got.Expose()) != "kept" {
		t.Errorf("an open handle: got %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a wiped key worked")
		}
	}()
	old.mac(nil)
}

// TestRewrapDomainKey moves a domain key under another root key.
func TestRewrapDomainKey(t *testing.T) {
	m, to := openTestModule(t), openTestModule(t)
	if _, err := m.NewDomainKey("us-east-1", 3); err != nil {
		t.Fatal(err)
	}
	b := Binding{Purpose: PurposeRowMAC, Domain: "us-east-1", KeyID: "x"}
	token := generateTestKey(t, m, b)
	moved, err := m.RewrapDomainKey(to, "us-east-1", 3)
	if err != nil {
		t.Fatal(err)
	}
	if moved.RootKeyID != to.RootKeyID() || moved.Version != 3 {
		t.Errorf("got version %d under root key %s, want 3, %s", moved.Version, moved.RootKeyID, to.RootKeyID())
	}
	if err := m.InstallDomainKey(moved); !errors.Is(err, ErrWrongRootKey) {
		t.Errorf("under the old root key: got %v, want %v", err, ErrWrongRootKey)
	}
	relabelled := moved
	relabelled.RootKeyID = m.RootKeyID()
	if err := m.InstallDomainKey(relabelled); !errors.Is(err, ErrTampered) {
		t.Errorf("relabelled for the old root key: got %v, want %v", err, ErrTampered)
	}
	if err := to.InstallDomainKey(moved); err != nil {
		t.Fatal(err)
	}
	if err := to.CheckToken(token, b); err != nil {
		t.Errorf("a token under it: %v", err)
	}
	if _, err := m.RewrapDomainKey(to, "us-east-1", 2); !errors.Is(err, ErrUnknownDomainKey) {
		t.Errorf("a version that is not there: got %v, want %v", err, ErrUnknownDomainKey)
	}
}

// TestRotationRace makes, opens and re-wraps tokens while versions come and go;
// it is for the race detector and for the promise that a token never opens to
// another key.
func TestRotationRace(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeAccessKey)
	material := secret.New([]byte("the secret of an access key"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				token, err := m.ImportKey(b, material)
				if err != nil {
					t.Error(err)
					return
				}
				if again, err := m.Rewrap(token, b); err == nil {
					token = again
				} else if !errors.Is(err, ErrUnknownDomainKey) {
					t.Error(err)
				}
				if same, err := m.SameKey(token, b, material); err == nil && !same || err != nil && !errors.Is(err, ErrUnknownDomainKey) {
					t.Errorf("got %v, %v", same, err)
				}
			}
		})
	}
	for v := uint32(2); v < 300; v++ {
		if _, err := m.NewDomainKey(testDomain, v); err != nil {
			t.Fatal(err)
		}
		if err := m.RemoveDomainKey(testDomain, v-1); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestCopyRootKeyFile(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := CreateRootKeyFile(from); err != nil {
		t.Fatal(err)
	}
	if err := CopyRootKeyFile(from, to); err != nil {
		t.Fatal(err)
	}
	want, err := RootKeyFileID(from)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := RootKeyFileID(to); err != nil || got != want {
		t.Errorf("got root key %s, %v, want %s", got, err, want)
	}
	if info, err := os.Stat(to); err != nil || info.Mode() != 0o600 {
		t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
	}
	if err := CopyRootKeyFile(from, to); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file that is there: got %v, want %v", err, os.ErrExist)
	}
	if err := durable.WriteFile(from, []byte("no key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CopyRootKeyFile(from, filepath.Join(dir, "other")); !errors.Is(err, ErrRootKeyMalformed) {
		t.Errorf("of no root key: got %v, want %v", err, ErrRootKeyMalformed)
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); err == nil {
		t.Error("a file without a key was copied")
	}
}

// FuzzParseToken: what is taken for a token prints to the same header.
func FuzzParseToken(f *testing.F) {
	m := openTestModule(f)
	f.Add(generateTestKey(f, m, testBinding(PurposeBackingKey)))
	f.Add([]byte{1, 4, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, token []byte) {
		p, version, ok := ParseToken(token)
		if !ok {
			return
		}
		if got := (tokenHeader{p, version}).append(nil); !bytes.Equal(got, token[:tokenHeaderSize]) {
			t.Errorf("got %x, want %x", got, token[:tokenHeaderSize])
		}
	})
}
