package hsm

import (
	"crypto/fips140"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestFIPS(t *testing.T) {
	if !strings.Contains(FIPS(), fips140.Version()) {
		t.Errorf("got %q, want the module's version %q in it", FIPS(), fips140.Version())
	}
	for _, mode := range []string{"on", "off"} {
		child := exec.Command(os.Args[0], "-test.run=^TestFIPSModeOfChild$", "-test.v")
		child.Env = append(os.Environ(), "GODEBUG=fips140="+mode, "STRONGROOM_TEST_FIPS="+mode)
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("fips140=%s: %v\n%s", mode, err, out)
		}
	}
}

// Every use of every type of key is in the table, once.
func TestServicesAreComplete(t *testing.T) {
	listed := map[KeyType]map[Mechanism]int{}
	for _, s := range services {
		if s.why == "" {
			t.Errorf("%v: no reason", s.mechanisms)
		}
		for _, key := range s.keys {
			if listed[key] == nil {
				listed[key] = map[Mechanism]int{}
			}
			for _, mech := range s.mechanisms {
				listed[key][mech]++
			}
		}
	}
	want := map[KeyType]map[Mechanism]int{Symmetric: {"SYMMETRIC_DEFAULT": 1}}
	for _, key := range pairTypes {
		want[key] = map[Mechanism]int{}
		for _, use := range signatureUses(key) {
			want[key][use.mech] = 1
		}
		private := testPrivate(t, key)
		if _, ok := private.(agreer); ok {
			want[key][mechECDH] = 1
		}
		if e, ok := private.(encrypter); ok {
			for _, mech := range []Mechanism{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", mechSM2PKE} {
				if _, err := e.encrypt(mech, []byte("x")); err == nil {
					want[key][mech] = 1
				}
			}
		}
	}
	for key, params := range hmacTypes {
		want[key] = map[Mechanism]int{params.mech: 1}
	}
	for key := Symmetric; key <= HMAC512; key++ {
		if !maps.Equal(listed[key], want[key]) {
			t.Errorf("%v: got %v, want %v", key, listed[key], want[key])
		}
	}
	for _, name := range []string{"RSAES_OAEP_SHA_1", "ECC_SECG_P256K1", "ML_DSA_65", "SM2PKE"} {
		if !strings.Contains(strings.Join(Unapproved(), "\n"), name) {
			t.Errorf("%s is not in %q", name, Unapproved())
		}
	}
}

// The child uses every type of key once, in the mode its parent asked for: none
// may panic or fail for the mode.
func TestFIPSModeOfChild(t *testing.T) {
	mode := os.Getenv("STRONGROOM_TEST_FIPS")
	if mode == "" {
		t.Skip("runs as a child of TestFIPS")
	}
	if !strings.HasSuffix(FIPS(), "mode "+mode) {
		t.Errorf("got %q, want mode %s", FIPS(), mode)
	}
	m := openTestModule(t)
	for _, keyType := range pairTypes {
		if keyType == RSA3072 || keyType == RSA4096 {
			continue
		}
		useEverything(t, m, keyType)
	}
	for keyType, params := range hmacTypes {
		if _, err := newTestHMACKey(t, m, keyType, make([]byte, params.size)).MAC(params.mech, nil); err != nil {
			t.Error(err)
		}
	}
	k := newTestObjectKey(t, m)
	p, record := newTestPart(t, k, 1)
	sealed := p.SealChunk(nil, []byte("chunk"), 0, true)
	opened, err := k.OpenPart(1, p.Salt(), record)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.OpenChunk(nil, sealed, 0, true); err != nil {
		t.Error(err)
	}
}

// useEverything does with a new key of the type all that can be done.
func useEverything(t *testing.T, m *Module, keyType KeyType) {
	t.Helper()
	b := testBinding(PurposeKeyPair)
	private, public, err := m.NewDataKeyPair(keyType)
	if err != nil {
		t.Fatal(err)
	}
	token, err := m.ImportKeyPair(keyType, b, private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadKeyPair(token, keyType, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, use := range signatureUses(keyType) {
		message := make([]byte, use.size)
		signature, err := k.Sign(use.mech, use.form, message)
		if err != nil {
			t.Errorf("%v: %s: %v", keyType, use.mech, err)
			continue
		}
		if err := k.Verify(use.mech, use.form, message, signature); err != nil {
			t.Errorf("%v: %s: %v", keyType, use.mech, err)
		}
	}
	if _, err := k.Agree(public); err != nil && !errors.Is(err, ErrMechanism) {
		t.Errorf("%v: %v", keyType, err)
	}
	for _, mech := range []Mechanism{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", mechSM2PKE} {
		ciphertext, err := k.Encrypt(mech, secret.New([]byte("x")))
		if errors.Is(err, ErrMechanism) {
			continue
		}
		if err == nil {
			_, err = k.Decrypt(mech, ciphertext)
		}
		if err != nil {
			t.Errorf("%v: %s: %v", keyType, mech, err)
		}
	}
}
