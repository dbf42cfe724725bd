package hsm

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// pairTypes are the types of key pairs.
var pairTypes = []KeyType{RSA2048, RSA3072, RSA4096, P256, P384, P521, Secp256k1, Ed25519, MLDSA44, MLDSA65, MLDSA87, SM2}

// signatureUse is a mechanism with a form of message that it takes.
type signatureUse struct {
	mech Mechanism
	form MessageForm
	size int // of the message; 0 is any
}

// signatureUses returns all that a key of type t signs.
func signatureUses(t KeyType) []signatureUse {
	hashed := func(mech Mechanism, size int) []signatureUse {
		return []signatureUse{{mech, Raw, 0}, {mech, Digest, size}}
	}
	switch t {
	case RSA2048, RSA3072, RSA4096:
		var all []signatureUse
		for _, scheme := range []string{"RSASSA_PKCS1_V1_5_SHA_", "RSASSA_PSS_SHA_"} {
			for _, bits := range []int{256, 384, 512} {
				all = append(all, hashed(Mechanism(fmt.Sprint(scheme, bits)), bits/8)...)
			}
		}
		return all
	case P256, Secp256k1:
		return hashed("ECDSA_SHA_256", 32)
	case P384:
		return hashed("ECDSA_SHA_384", 48)
	case P521:
		return hashed("ECDSA_SHA_512", 64)
	case Ed25519:
		return []signatureUse{{mechEd25519, Raw, 0}, {mechEd25519ph, Digest, 64}}
	case MLDSA44, MLDSA65, MLDSA87:
		return []signatureUse{{mechMLDSA, Raw, 0}, {mechMLDSA, ExternalMu, 64}}
	case SM2:
		return hashed(mechSM2DSA, 32)
	}
	return nil
}

// privates keeps one key of each type: those of RSA take long to make.
var privates sync.Map

// testPrivate returns the one key of type t that the tests share.
func testPrivate(t testing.TB, keyType KeyType) privateKey {
	t.Helper()
	key, ok := privates.Load(keyType)
	if !ok {
		made, err := generatePrivate(keyType)
		if err != nil {
			t.Fatal(err)
		}
		key, _ = privates.LoadOrStore(keyType, made)
	}
	return key.(privateKey)
}

// newTestPair wraps the shared key of a type and opens it.
func newTestPair(t testing.TB, m *Module, keyType KeyType) (*KeyPair, []byte) {
	t.Helper()
	b := testBinding(PurposeKeyPair)
	token, err := m.wrapPair(keyType, b, testPrivate(t, keyType))
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.LoadKeyPair(token, keyType, b)
	if err != nil {
		t.Fatal(err)
	}
	return k, token
}

func mustSPKI(t testing.TB, keyType KeyType) []byte {
	t.Helper()
	spki, err := testPrivate(t, keyType).spki()
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

// heap returns the bytes in use on the heap.
func heap() int {
	runtime.GC()
	runtime.GC() // what pools held
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
