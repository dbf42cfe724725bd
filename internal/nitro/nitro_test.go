package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"
	"time"
)

func set(name string, v any) func(map[string]any) { return func(f map[string]any) { f[name] = v } }

func TestVerify(t *testing.T) {
	e := newEnclave(t, nil)
	doc := e.document(nil)
	for name, b := range map[string][]byte{"untagged": doc, "tagged": append([]byte{tagSign1}, doc...)} {
		t.Run(name, func(t *testing.T) {
			d, err := Verify(b, append([]Root{AWSRoot()}, e.roots()...), e.now)
			if err != nil {
				t.Fatal(err)
			}
			if d.ModuleID != "i-1-enc1" || d.Timestamp.UnixMilli() != e.now.UnixMilli() || len(d.PCRs) != 2 || len(d.ImageSHA384()) != 48 ||
				d.UserData != nil || string(d.Nonce) != "nonce" || !d.PublicKey.Equal(&e.rsa.PublicKey) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestBrokenFieldIsRefused(t *testing.T) {
	e := newEnclave(t, nil)
	big := make([]byte, 1025)
	tests := map[string]func(map[string]any){
		"module id empty":         set("module_id", ""),
		"module id null":          set("module_id", nil),
		"module id bytes":         set("module_id", []byte("i")),
		"digest other":            set("digest", "SHA256"),
		"timestamp zero":          set("timestamp", 0),
		"timestamp negative":      set("timestamp", -1),
		"timestamp text":          set("timestamp", "1"),
		"timestamp beyond years":  set("timestamp", uint64(1<<63)),
		"pcrs empty":              set("pcrs", map[int][]byte{}),
		"pcr index 32":            set("pcrs", map[int][]byte{32: make([]byte, 48)}),
		"pcr index negative":      set("pcrs", map[int][]byte{-1: make([]byte, 48)}),
		"pcr index text":          set("pcrs", map[string][]byte{"0": make([]byte, 48)}),
		"pcr short":               set("pcrs", map[int][]byte{0: make([]byte, 47)}),
		"pcr text":                set("pcrs", map[int]string{0: string(make([]byte, 48))}),
		"pcr of numbers":          set("pcrs", map[int][]int{0: make([]int, 32)}),
		"certificate empty":       set("certificate", []byte{}),
		"certificate long":        set("certificate", big),
		"certificate no DER":      set("certificate", []byte("x")),
		"bundle empty":            set("cabundle", [][]byte{}),
		"bundle entry empty":      set("cabundle", [][]byte{e.root, {}}),
		"bundle entry no DER":     set("cabundle", [][]byte{e.root, []byte("x")}),
		"public key empty":        set("public_key", []byte{}),
		"public key long":         set("public_key", big),
		"user data long":          set("user_data", big[:513]),
		"nonce long":              set("nonce", big[:513]),
		"member unknown":          set("debug", true),
		"member in capitals":      set("NONCE", []byte("x")),
		"timestamp missing":       func(f map[string]any) { delete(f, "timestamp") },
		"certificate missing":     func(f map[string]any) { delete(f, "certificate") },
		"pcrs missing":            func(f map[string]any) { delete(f, "pcrs") },
		"bundle missing":          func(f map[string]any) { delete(f, "cabundle") },
		"payload longer than all": set("cabundle", manyTimes(e.root, 40)),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(e.document(change), e.roots(), e.now); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want %v", err, ErrMalformed)
			}
		})
	}
}

func manyTimes(b []byte, n int) (all [][]byte) {
	for range n {
		all = append(all, b)
	}
	return all
}

func TestBrokenMessageIsRefused(t *testing.T) {
	e := newEnclave(t, nil)
	payload := e.encode(e.fields())
	good := e.signed(payload)
	sig := e.sign(es384Header, payload)
	none := map[int]int{}
	es256, critical := []byte{0xa1, 0x01, 0x26}, e.encode(map[int]any{1: -35, 2: []int{99}})
	twice := append([]byte{payload[0] + 1}, payload[1:]...)
	twice = append(append(twice, e.encode("nonce")...), e.encode([]byte("other"))...)
	tests := map[string][]byte{
		"empty":              nil,
		"text":               []byte("document"),
		"trailing byte":      append(bytes.Clone(good), 0),
		"cut":                good[:len(good)-1],
		"tagged twice":       append([]byte{tagSign1, tagSign1}, good...),
		"other tag":          append([]byte{0xd1}, good...),
		"indefinite array":   append(append([]byte{0x9f}, good[1:]...), 0xff),
		"three elements":     e.encode([]any{es384Header, none, payload}),
		"other algorithm":    e.encode([]any{es256, none, payload, e.sign(es256, payload)}),
		"critical header":    e.encode([]any{critical, none, payload, e.sign(critical, payload)}),
		"no protected":       e.encode([]any{[]byte{}, none, payload, e.sign(nil, payload)}),
		"unprotected header": e.encode([]any{es384Header, map[int]int{4: 1}, payload, sig}),
		"unprotected null":   e.encode([]any{es384Header, nil, payload, sig}),
		"payload detached":   e.encode([]any{es384Header, none, nil, sig}),
		"signature short":    e.encode([]any{es384Header, none, payload, sig[:95]}),
		"member twice":       e.signed(twice),
		"payload and more":   e.signed(append(bytes.Clone(payload), 0)),
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(b, e.roots(), e.now); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want %v", err, ErrMalformed)
			}
		})
	}
}

func TestUntrustedIsRefused(t *testing.T) {
	e, other := newEnclave(t, nil), newEnclave(t, nil)
	doc := e.document(nil)
	expired := newEnclave(t, func(e *enclave) { e.validFor = -time.Minute })
	noCA := newEnclave(t, func(e *enclave) { e.interCA = false })
	p256 := newEnclave(t, func(e *enclave) { e.curve = elliptic.P256() })
	noSigner := newEnclave(t, func(e *enclave) { e.leafUsage = x509.KeyUsageKeyAgreement })
	flipped := bytes.Clone(doc)
	flipped[len(flipped)-1] ^= 1
	forged := newEnclave(t, nil)
	forged.leafKey = other.leafKey
	tests := map[string]struct {
		doc   []byte
		roots []Root
		now   time.Time
	}{
		"no root":              {doc, nil, e.now},
		"another root":         {doc, append(other.roots(), AWSRoot()), e.now},
		"wrong signature":      {flipped, e.roots(), e.now},
		"another's key":        {forged.document(nil), forged.roots(), e.now},
		"expired certificate":  {expired.document(nil), expired.roots(), expired.now},
		"expired root":         {doc, e.roots(), e.now.Add(25 * time.Hour)},
		"before the root":      {doc, e.roots(), e.now.Add(-2 * time.Hour)},
		"intermediate no CA":   {noCA.document(nil), noCA.roots(), noCA.now},
		"intermediate P-256":   {p256.document(nil), p256.roots(), p256.now},
		"leaf not for signing": {noSigner.document(nil), noSigner.roots(), noSigner.now},
		"intermediate missing": {e.document(set("cabundle", [][]byte{e.root})), e.roots(), e.now},
		"root last":            {e.document(set("cabundle", [][]byte{e.inter, e.root})), e.roots(), e.now},
		"bundle has more":      {e.document(set("cabundle", [][]byte{e.root, e.inter, other.inter})), e.roots(), e.now},
		"CA as certificate":    {e.document(set("certificate", e.inter)), e.roots(), e.now},
		"another's leaf":       {e.document(set("certificate", other.leaf)), e.roots(), e.now},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Verify(tt.doc, tt.roots, tt.now); !errors.Is(err, ErrUntrusted) {
				t.Errorf("got %v, want %v", err, ErrUntrusted)
			}
		})
	}
}

func TestOldDocumentIsRefused(t *testing.T) {
	e := newEnclave(t, nil)
	for name, tt := range map[string]struct {
		age  time.Duration
		want error
	}{
		"as old as may be": {MaxAge - time.Second, nil},
		"too old":          {MaxAge + time.Second, ErrStale},
		"a little ahead":   {-skew + time.Second, nil},
		"of the future":    {-skew - time.Second, ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			doc := e.document(set("timestamp", uint64(e.now.Add(-tt.age).UnixMilli())))
			if _, err := Verify(doc, e.roots(), e.now); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A document without a usable key is a good document, for conditions; nothing
// can be sealed for it.
func TestUnusablePublicKey(t *testing.T) {
	e := newEnclave(t, nil)
	spki := func(public any) []byte {
		b, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this build makes no RSA keys of 1024 bits:", err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"none": nil, "no DER": []byte("x"), "small": spki(&small.PublicKey), "elliptic": spki(&ec.PublicKey)} {
		t.Run(name, func(t *testing.T) {
			d, err := Verify(e.document(set("public_key", key)), e.roots(), e.now)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := d.Seal(secretOf("plaintext")); !errors.Is(err, ErrPublicKey) || b != nil {
				t.Errorf("got %x, %v, want %v", b, err, ErrPublicKey)
			}
		})
	}
}

func TestParseRoots(t *testing.T) {
	e, p256 := newEnclave(t, nil), newEnclave(t, func(e *enclave) { e.curve = elliptic.P256() })
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	good := block("CERTIFICATE", e.root)
	roots, err := ParseRoots(append(bytes.Clone(good), block("CERTIFICATE", e.inter)...))
	if err != nil || len(roots) != 2 || roots[0] != e.roots()[0] {
		t.Errorf("got %v, %v", roots, err)
	}
	for name, file := range map[string][]byte{
		"empty": nil, "key": block("PRIVATE KEY", e.root), "no DER": block("CERTIFICATE", []byte("x")),
		"leaf": block("CERTIFICATE", e.leaf), "P-256": block("CERTIFICATE", p256.inter),
	} {
		if roots, err := ParseRoots(file); err == nil {
			t.Errorf("%s: got %v, want an error", name, roots)
		}
	}
}

func FuzzVerify(f *testing.F) {
	e := newEnclave(f, nil)
	f.Add(e.document(nil))
	f.Add(e.encode(e.fields()))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parsePayload(b)
		d, err := Verify(b, e.roots(), e.now)
		if (d == nil) == (err == nil) {
			t.Errorf("got %v and %v", d, err)
		}
	})
}
