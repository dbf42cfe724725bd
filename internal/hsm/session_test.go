package hsm

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"
)

const (
	testSessionID = "ASIAEXAMPLEEXAMPLE01"
	otherSession  = "ASIAEXAMPLEEXAMPLE02"
)

func newTestSessionKey(t testing.TB, m *Module) *SessionKey {
	t.Helper()
	b := testBinding(PurposeSession)
	k, err := m.LoadSessionKey(generateTestKey(t, m, b), b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSessionToken: a token gives back its claims, and a handle that signs as
// the holder of the secret does.
func TestSessionToken(t *testing.T) {
	m := openTestModule(t)
	k := newTestSessionKey(t, m)
	for _, size := range []int{0, 1, 300, MaxSessionClaims} {
		claims := randomBytes(size)
		token, secretKey := k.Issue(testSessionID, claims)
		if want := 1 + boxOverhead + secretSize + size; len(token) != want {
			t.Errorf("got a token of %d bytes, want %d", len(token), want)
		}
		if raw, err := base64.StdEncoding.DecodeString(string(secretKey.Expose())); err != nil || len(raw) != 30 {
			t.Errorf("the secret is not 30 bytes in base64 (%v)", err)
		}
		got, key, err := k.Open(testSessionID, token)
		if err != nil || !bytes.Equal(got, claims) {
			t.Fatalf("got %d bytes of claims, %v, want %d", len(got), err, size)
		}
		want := newTestAccessKey(t, m, string(secretKey.Expose())).SigV4("20261123", "us-east-1", "kms")([]byte("string to sign"))
		if key.SigV4("20261123", "us-east-1", "kms")([]byte("string to sign")) != want {
			t.Error("the token's handle signs otherwise than the secret")
		}
		if bytes.Contains(token, secretKey.Expose()) {
			t.Error("the token shows the secret")
		}
	}
}

// TestSessionTokenIsBound: no bit of a token can be changed, and it opens with
// its own access key id, under its own key, alone.
func TestSessionTokenIsBound(t *testing.T) {
	m := openTestModule(t)
	k := newTestSessionKey(t, m)
	token, _ := k.Issue(testSessionID, []byte("claims"))
	refuse := func(what, id string, k *SessionKey, token []byte) {
		t.Helper()
		if claims, key, err := k.Open(id, token); !errors.Is(err, ErrAuth) || claims != nil || key != nil {
			t.Errorf("%s: got %q, %v, want ErrAuth and nothing else", what, claims, err)
		}
	}
	for i := range token {
		for bit := range 8 {
			damaged := bytes.Clone(token)
			damaged[i] ^= 1 << bit
			refuse("flipped bit", testSessionID, k, damaged)
		}
		refuse("cut", testSessionID, k, token[:i])
	}
	refuse("longer", testSessionID, k, append(bytes.Clone(token), 0))
	refuse("longest", testSessionID, k, make([]byte, 1<<20))
	for _, id := range []string{otherSession, "", testSessionID[:19], testSessionID + "A"} {
		refuse("another id", id, k, token)
	}
	refuse("another key", testSessionID, newTestSessionKey(t, m), token)

	// A box of another use of the same key, and a token of one without its version.
	box := append([]byte{sessionVersion}, k.prf.seal(nil, labelRecord, make([]byte, 50), sessionAAD(testSessionID))...)
	refuse("another label", testSessionID, k, box)
}

// TestSessionTokensDiffer: nothing of two tokens is the same, though they say
// the same.
func TestSessionTokensDiffer(t *testing.T) {
	k := newTestSessionKey(t, openTestModule(t))
	a, aKey := k.Issue(testSessionID, []byte("claims"))
	b, bKey := k.Issue(testSessionID, []byte("claims"))
	if bytes.Equal(a[1:17], b[1:17]) || bytes.Equal(a[17:], b[17:]) || aKey.Equal(bKey) {
		t.Error("two tokens share salt, seal or secret")
	}
}

func TestSessionKeyPurpose(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeSession)
	token := generateTestKey(t, m, b)
	other := testBinding(PurposeRecord)
	if _, err := m.LoadSessionKey(token, other); !errors.Is(err, ErrPurpose) {
		t.Errorf("got %v, want ErrPurpose", err)
	}
	if _, err := m.LoadRecordKey(token, other); !errors.Is(err, ErrTampered) {
		t.Errorf("a session key opened as a record key: got %v, want ErrTampered", err)
	}
}

// FuzzOpenSessionToken: whatever is not a token is refused by ErrAuth.
func FuzzOpenSessionToken(f *testing.F) {
	k := newTestSessionKey(f, openTestModule(f))
	token, _ := k.Issue(testSessionID, []byte("claims"))
	f.Add(testSessionID, token)
	f.Add(otherSession, token)
	f.Add("", []byte{sessionVersion})
	f.Fuzz(func(t *testing.T, id string, b []byte) {
		claims, _, err := k.Open(id, b)
		if genuine := id == testSessionID && bytes.Equal(b, token); (err == nil) != genuine {
			t.Fatalf("got %q, %v for a token that is genuine: %v", claims, err, genuine)
		} else if err != nil && !errors.Is(err, ErrAuth) {
			t.Fatalf("got %v, want ErrAuth", err)
		}
	})
}

// BenchmarkOpenSessionToken is what a token costs that was not seen before.
func BenchmarkOpenSessionToken(b *testing.B) {
	k := newTestSessionKey(b, openTestModule(b))
	token, _ := k.Issue(testSessionID, make([]byte, 200))
	for b.Loop() {
		if _, _, err := k.Open(testSessionID, token); err != nil {
			b.Fatal(err)
		}
	}
}
