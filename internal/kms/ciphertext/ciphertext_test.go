package ciphertext

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/secret"
	"pgregory.net/rapid"
)

const (
	region    = "eu-central-1"
	keyID     = "1234abcd-12ab-34cd-56ef-1234567890ab"
	mrkID     = "mrk-1234abcd12ab34cd56ef1234567890ab"
	plaintext = "attack at dawn, in thirty-two b."
)

// server is the keys of one server: its blob header key and one KMS key.
type server struct {
	module *hsm.Module
	mac    *hsm.MACKey
	key    *hsm.BackingKey
	header Header
}

func newServer(t testing.TB, keyID string) server {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-key")
	if err := hsm.CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey("global", 1); err != nil {
		t.Fatal(err)
	}
	b := hsm.Binding{Purpose: hsm.PurposeBlobHeader, Domain: "global"}
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := m.LoadMACKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	s := server{module: m, mac: mac}
	s.key = s.newKey(t, keyID)
	s.header = Header{Account: "111122223333", Region: region, KeyID: keyID, MaterialID: s.key.ID()}
	return s
}

// newKey makes another backing key of the same KMS key id.
func (s server) newKey(t testing.TB, keyID string) *hsm.BackingKey {
	t.Helper()
	b := hsm.Binding{Purpose: hsm.PurposeBackingKey, Domain: "global", Account: "111122223333", Region: region, KeyID: keyID}
	token, err := s.module.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.module.LoadBackingKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s server) seal(t testing.TB, context map[string]string) []byte {
	t.Helper()
	blob, err := Seal(s.mac, s.key, s.header, context, secret.New([]byte(plaintext)))
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

// open parses and opens a blob.
func (s server) open(blob []byte, context map[string]string) (string, error) {
	b, err := Parse(s.mac, blob)
	if err != nil {
		return "", err
	}
	opened, err := b.Open(s.key, context)
	return string(opened.Expose()), err
}

func TestBlobOpens(t *testing.T) {
	s := newServer(t, keyID)
	context := map[string]string{"b": "2", "a": "1", "ä": ""}
	blob := s.seal(t, context)
	if got, want := len(blob), 163+len(region)+len(plaintext); got != want {
		t.Errorf("got a blob of %d bytes, want %d", got, want)
	}
	b, err := Parse(s.mac, blob)
	if err != nil {
		t.Fatal(err)
	}
	if b.Header != s.header {
		t.Errorf("got header %+v, want %+v", b.Header, s.header)
	}
	if got, err := s.open(blob, context); err != nil || got != plaintext {
		t.Errorf("got %v, want the plaintext", err)
	}
}

func TestBlobDamage(t *testing.T) {
	s := newServer(t, keyID)
	blob := s.seal(t, nil)
	refused := func(name string, blob []byte) {
		t.Helper()
		if _, err := s.open(blob, nil); err != ErrInvalid {
			t.Errorf("%s: got %v, want %v", name, err, ErrInvalid)
		}
	}
	headerEnd := 163 + len(region) - hsm.MessageOverhead
	for i := range blob {
		for bit := range 8 {
			flipped := bytes.Clone(blob)
			flipped[i] ^= 1 << bit
			refused(fmt.Sprintf("byte %d, bit %d", i, bit), flipped)
			if _, err := Parse(s.mac, flipped); (err == nil) != (i >= headerEnd) {
				t.Errorf("byte %d, bit %d: Parse got %v, want it to notice exactly the header", i, bit, err)
			}
		}
		refused(fmt.Sprintf("cut to %d", i), blob[:i])
	}
	refused("extended", append(bytes.Clone(blob), 0))
	refused("twice", append(bytes.Clone(blob), blob...))
	refused("too long", append(bytes.Clone(blob), make([]byte, MaxSize)...))
	refused("another server", newServer(t, keyID).seal(t, nil))

	// The body of one blob under the header of another.
	other := s.seal(t, map[string]string{"a": "b"})
	refused("bodies exchanged", append(bytes.Clone(blob[:headerEnd]), other[headerEnd:]...))
}

func TestBlobContext(t *testing.T) {
	s := newServer(t, keyID)
	sealed := map[string]string{"a": "1", "b": "2"}
	blob := s.seal(t, sealed)
	for _, row := range []struct {
		name    string
		context map[string]string
		ok      bool
	}{
		{"same", maps.Clone(sealed), true},
		{"absent", nil, false},
		{"empty", map[string]string{}, false},
		{"pair missing", map[string]string{"a": "1"}, false},
		{"pair more", map[string]string{"a": "1", "b": "2", "c": "3"}, false},
		{"values exchanged", map[string]string{"a": "2", "b": "1"}, false},
		{"upper case", map[string]string{"A": "1", "b": "2"}, false},
		{"joined", map[string]string{"a": "1b2"}, false},
	} {
		if _, err := s.open(blob, row.context); row.ok != (err == nil) || (!row.ok && err != ErrInvalid) {
			t.Errorf("%s: got %v, want ok %v", row.name, err, row.ok)
		}
	}
	for _, empty := range []map[string]string{nil, {}} {
		if _, err := s.open(s.seal(t, empty), nil); err != nil {
			t.Errorf("no context and an empty one must be the same: %v", err)
		}
	}
}

func TestBlobOfAnotherKey(t *testing.T) {
	s := newServer(t, keyID)
	b, err := Parse(s.mac, s.seal(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	rotated := s.newKey(t, keyID)
	if _, err := b.Open(rotated, nil); err != ErrInvalid {
		t.Errorf("got %v, want %v", err, ErrInvalid)
	}
	if _, err := b.OpenDataKey(rotated, nil); err != ErrInvalid {
		t.Errorf("got %v, want %v", err, ErrInvalid)
	}
	if _, err := Seal(s.mac, rotated, s.header, nil, secret.New([]byte("x"))); err == nil {
		t.Error("a header that names other material must be refused")
	}
}

// A multi-region key's replica in another region opens the same blob.
func TestBlobOfMultiRegionKey(t *testing.T) {
	s := newServer(t, mrkID)
	blob := s.seal(t, nil)
	if bytes.Contains(blob, []byte(region)) {
		t.Error("the region must not be in the blob")
	}
	b, err := Parse(s.mac, blob)
	if err != nil {
		t.Fatal(err)
	}
	if b.Region != "" || b.KeyID != mrkID {
		t.Errorf("got region %q, key id %q, want none and %q", b.Region, b.KeyID, mrkID)
	}
	if got, err := s.open(blob, nil); err != nil || got != plaintext {
		t.Errorf("got %v, want the plaintext", err)
	}
}

func TestDataKeyBlob(t *testing.T) {
	s := newServer(t, keyID)
	context := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/key"}
	dataKey, blob, err := SealDataKey(s.mac, s.key, s.header, context)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.open(blob, context); err != nil || len(got) != 32 {
		t.Errorf("Decrypt must open a data key's blob to 32 bytes, got %d, %v", len(got), err)
	}
	b, err := Parse(s.mac, blob)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := b.OpenDataKey(s.key, context)
	if err != nil {
		t.Fatal(err)
	}
	_, wrapped, err := dataKey.NewObjectKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.OpenObjectKey(wrapped, nil); err != nil {
		t.Errorf("the opened data key is another one: %v", err)
	}
	if _, err := b.OpenDataKey(s.key, nil); err != ErrInvalid {
		t.Errorf("without its context: got %v, want %v", err, ErrInvalid)
	}
}

func TestSealLimits(t *testing.T) {
	s := newServer(t, keyID)
	room := MaxSize - 163 - len(region)
	blob, err := Seal(s.mac, s.key, s.header, nil, secret.New(make([]byte, room)))
	if err != nil || len(blob) != MaxSize {
		t.Fatalf("got %d bytes, %v, want %d", len(blob), err, MaxSize)
	}
	if _, err := s.open(blob, nil); err != nil {
		t.Errorf("the longest blob: %v", err)
	}
	if _, err := Seal(s.mac, s.key, s.header, nil, secret.New(make([]byte, room+1))); err == nil {
		t.Error("a plaintext too long must be refused")
	}
	long := s.header
	long.Account = strings.Repeat("1", 256)
	if _, err := Seal(s.mac, s.key, long, nil, secret.New([]byte("x"))); err == nil {
		t.Error("an account too long must be refused")
	}
	if _, _, err := SealDataKey(s.mac, s.key, long, nil); err == nil {
		t.Error("an account too long must be refused")
	}
}

func TestCanonicalContext(t *testing.T) {
	got := hex.EncodeToString(CanonicalContext(map[string]string{"b": "xy", "B": "", "ab": "z"}))
	want := "0000000142" + "00000000" + // B
		"000000026162" + "000000017a" + // ab
		"0000000162" + "000000027879" // b
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := CanonicalContext(nil); len(got) != 0 || len(CanonicalContext(map[string]string{})) != 0 {
		t.Errorf("got %x for no context, want nothing", got)
	}
}

// Two contexts have one spelling exactly when they are equal.
func TestCanonicalContextIsInjective(t *testing.T) {
	pairs := rapid.MapOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00")), 0, 3, -1), rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00")), 0, 3, -1), 0, 10)
	rapid.Check(t, func(t *rapid.T) {
		a, b := pairs.Draw(t, "a"), pairs.Draw(t, "b")
		if got := bytes.Equal(CanonicalContext(a), CanonicalContext(b)); got != maps.Equal(a, b) {
			t.Errorf("%q and %q: got same spelling %v", a, b, got)
		}
	})
}

func FuzzBlob(f *testing.F) {
	s := newServer(f, keyID)
	valid := s.seal(f, nil)
	f.Add(valid)
	f.Add(newServer(f, mrkID).seal(f, map[string]string{"a": "b"}))
	f.Add(valid[:len(valid)-1])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, headerMAC, ok := split(in)
		if ok {
			if got := bytes.Join([][]byte{b.Header.append(nil), headerMAC, b.body}, nil); !bytes.Equal(got, in) {
				t.Errorf("got %x, want %x", got, in)
			}
		}
		if _, err := s.open(in, nil); err == nil && !bytes.Equal(in, valid) {
			t.Errorf("%x opened and was never sealed", in)
		} else if err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("got %v, want %v", err, ErrInvalid)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	s := newServer(b, keyID)
	context := map[string]string{"purpose": "test"}
	p := secret.New([]byte(plaintext))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(s.mac, s.key, s.header, context, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newServer(b, keyID)
	context := map[string]string{"purpose": "test"}
	blob := s.seal(b, context)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.open(blob, context); err != nil {
			b.Fatal(err)
		}
	}
}
