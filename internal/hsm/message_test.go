package hsm

import (
	"bytes"
	"errors"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// checkBox checks that open gives want for (box, aad), and ErrAuth for every
// damaged, cut or extended box and for other additional data.
func checkBox(t *testing.T, box, aad, want []byte, open func(box, aad []byte) ([]byte, error)) {
	t.Helper()
	got, err := open(box, aad)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the untouched box must open to its plaintext (%v)", err)
	}
	refused := func(what string, i int, box, aad []byte) {
		t.Helper()
		if _, err := open(box, aad); !errors.Is(err, ErrAuth) {
			t.Errorf("%s %d: got %v, want %v", what, i, err, ErrAuth)
		}
	}
	for i := range box {
		refused("flip at", i, flip(box, i), aad)
		refused("cut to", i, box[:i], aad)
	}
	for i := range aad {
		refused("additional data flipped at", i, box, flip(aad, i))
	}
	refused("extended by", 1, append(bytes.Clone(box), 0), aad)
	refused("additional data extended by", 1, box, append(bytes.Clone(aad), 0))
}

func TestBackingKeyMessages(t *testing.T) {
	m := openTestModule(t)
	k := newTestBackingKey(t, m)
	aad := []byte("header and context")
	for _, size := range []int{0, 1, 32, 4096} {
		plaintext := randomBytes(size)
		prefix := []byte("prefix")
		out, err := k.Encrypt(prefix, aad, secret.New(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		body, ok := bytes.CutPrefix(out, prefix)
		if !ok || len(body) != size+MessageOverhead {
			t.Fatalf("got %d bytes, want %d after the prefix", len(out), size+MessageOverhead)
		}
		open := func(box, aad []byte) ([]byte, error) {
			s, err := k.Decrypt(box, aad)
			if err == nil && s.IsNil() {
				t.Error("an opened plaintext must be present, even when empty")
			}
			return s.Expose(), err
		}
		if size > 32 { // every byte of a long one says no more
			if got, err := open(body, aad); err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%d bytes do not open to themselves (%v)", size, err)
			}
			continue
		}
		checkBox(t, body, aad, plaintext, open)
		if _, err := newTestBackingKey(t, m).Decrypt(body, aad); !errors.Is(err, ErrAuth) {
			t.Errorf("another key: got %v, want %v", err, ErrAuth)
		}
	}
}

func TestEveryMessageHasItsOwnKey(t *testing.T) {
	k := newTestBackingKey(t, openTestModule(t))
	seen := make(map[string]bool)
	for range 1000 {
		body, err := k.Encrypt(nil, nil, secret.New([]byte("same")))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{body[:saltSize], body[saltSize : saltSize+12], body[saltSize+12:]} {
			if seen[string(part)] {
				t.Fatal("a salt, nonce or ciphertext came twice")
			}
			seen[string(part)] = true
		}
	}
}

func TestDataKeys(t *testing.T) {
	k := newTestBackingKey(t, openTestModule(t))
	aad := []byte("context")
	dataKey, body, err := k.NewDataKey(nil, aad)
	if err != nil {
		t.Fatal(err)
	}
	checkBox(t, body, aad, dataKey.prf.key.Expose(), func(box, aad []byte) ([]byte, error) {
		d, err := k.OpenDataKey(box, aad)
		if err != nil {
			return nil, err
		}
		return d.prf.key.Expose(), nil
	})
	if s, err := k.Decrypt(body, aad); err != nil || !s.Equal(dataKey.prf.key) {
		t.Errorf("Decrypt must open a data key like any other message (%v)", err)
	}
	short, err := k.Encrypt(nil, aad, secret.New(make([]byte, 31)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.OpenDataKey(short, aad); !errors.Is(err, ErrAuth) {
		t.Errorf("31 bytes are no data key: got %v, want %v", err, ErrAuth)
	}
}

func TestObjectKeys(t *testing.T) {
	k := newTestBackingKey(t, openTestModule(t))
	dataKey, _, err := k.NewDataKey(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	aad := []byte("binding")
	o, wrapped, err := dataKey.NewObjectKey(aad)
	if err != nil {
		t.Fatal(err)
	}
	if len(wrapped) != WrappedObjectKeySize {
		t.Errorf("got %d bytes, want %d", len(wrapped), WrappedObjectKeySize)
	}
	open := func(box, aad []byte) ([]byte, error) {
		o, err := dataKey.OpenObjectKey(box, aad)
		if err != nil {
			return nil, err
		}
		return o.prf.key.Expose(), nil
	}
	checkBox(t, wrapped, aad, o.prf.key.Expose(), open)

	rewrapped, err := dataKey.WrapObjectKey(o, []byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(rewrapped, []byte("other")); err != nil || !bytes.Equal(got, o.prf.key.Expose()) {
		t.Errorf("a rewrapped object key must be the same key (%v)", err)
	}
	sealed := o.SealManifest([]byte("manifest"), aad)
	checkBox(t, sealed, aad, []byte("manifest"), o.OpenManifest)
}

func TestRecords(t *testing.T) {
	m := openTestModule(t)
	b := testBinding(PurposeRecord)
	k, err := m.LoadRecordKey(generateTestKey(t, m, b), b)
	if err != nil {
		t.Fatal(err)
	}
	checkBox(t, k.Seal(nil, []byte("record"), []byte("row")), []byte("row"), []byte("record"), k.Open)
}

// One key under two labels is two keys: a box of one kind is none of another.
func TestLabelsKeepBoxesApart(t *testing.T) {
	p := newPRF(secret.New(randomBytes(keySize)))
	labels := []string{labelMessage, labelRecord, labelSessionToken, labelObjectKey, labelManifest, labelPartRecord, labelPartContent,
		tokenLabel(PurposeBackingKey), tokenLabel(PurposeRowMAC), tokenLabel(purposeDomainKey)}
	for _, sealed := range labels {
		box := p.seal(nil, sealed, []byte("plaintext"), nil)
		for _, opened := range labels {
			if _, err := p.open(nil, opened, box, nil); (err == nil) != (sealed == opened) {
				t.Errorf("sealed as %q, opened as %q: got %v", sealed, opened, err)
			}
		}
	}
}

func TestRandom(t *testing.T) {
	m := openTestModule(t)
	for _, n := range []int{1, 1024, maxRandom} {
		a, err := m.Random(n)
		if err != nil {
			t.Fatal(err)
		}
		if a.Len() != n {
			t.Errorf("got %d bytes, want %d", a.Len(), n)
		}
	}
	for _, n := range []int{-1, 0, maxRandom + 1} {
		if _, err := m.Random(n); err == nil {
			t.Errorf("%d bytes must be refused", n)
		}
	}
}
