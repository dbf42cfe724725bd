package hsm

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"
)

// Two implementations from one seed have one public key, and each verifies what
// the other signs; ours by message and by mu.
func TestMLDSAAgainstCIRCL(t *testing.T) {
	for keyType, scheme := range map[KeyType]sign.Scheme{MLDSA44: mldsa44.Scheme(), MLDSA65: mldsa65.Scheme(), MLDSA87: mldsa87.Scheme()} {
		t.Run(keyType.String(), func(t *testing.T) {
			for range 10 {
				seed := randomBytes(mldsaSeed)
				private, err := parseMLDSA(keyType, seed)
				if err != nil {
					t.Fatal(err)
				}
				k := &KeyPair{keyType: keyType, private: private}
				theirPublic, theirPrivate := scheme.DeriveKey(seed)
				public, err := theirPublic.MarshalBinary()
				if err != nil {
					t.Fatal(err)
				}
				if got := private.(*mldsaKey).public.Bytes(); !bytes.Equal(got, public) {
					t.Fatal("got another public key")
				}
				message := randomBytes(50)
				mu := muOf(public, message)
				theirs := scheme.Sign(theirPrivate, message, nil)
				if err := k.Verify(mechMLDSA, Raw, message, theirs); err != nil {
					t.Errorf("theirs: %v", err)
				}
				if err := k.Verify(mechMLDSA, ExternalMu, mu, theirs); err != nil {
					t.Errorf("theirs by mu: %v", err)
				}
				for form, m := range map[MessageForm][]byte{Raw: message, ExternalMu: mu} {
					ours, err := k.Sign(mechMLDSA, form, m)
					if err != nil {
						t.Fatal(err)
					}
					if !scheme.Verify(theirPublic, message, ours, nil) {
						t.Errorf("ours in form %d does not verify", form)
					}
					again, err := k.Sign(mechMLDSA, form, m)
					if err != nil || bytes.Equal(again, ours) {
						t.Errorf("form %d: got the same signature twice, or %v", form, err)
					}
				}
			}
		})
	}
}

// Every bit of every part of a signature counts, by mu as by message: what the
// two ways make of a damaged signature is the same.
func TestMLDSADamage(t *testing.T) {
	m := openTestModule(t)
	for _, keyType := range []KeyType{MLDSA44, MLDSA65, MLDSA87} {
		k, _ := newTestPair(t, m, keyType)
		message := []byte("message")
		mu := muOf(k.private.(*mldsaKey).public.Bytes(), message)
		signature, err := k.Sign(mechMLDSA, Raw, message)
		if err != nil {
			t.Fatal(err)
		}
		set := keyType.mldsaSet()
		for i := range signature {
			if i > 80 && i < len(signature)-set.omega-set.k-80 && i%50 != 0 {
				continue
			}
			damaged := flip(signature, i)
			for form, m := range map[MessageForm][]byte{Raw: message, ExternalMu: mu} {
				if err := k.Verify(mechMLDSA, form, m, damaged); !errors.Is(err, ErrSignature) {
					t.Errorf("%v: byte %d, form %d: got %v, want %v", keyType, i, form, err, ErrSignature)
				}
			}
		}
		for _, size := range []int{0, 63, 65, 128} {
			if _, err := k.Sign(mechMLDSA, ExternalMu, make([]byte, size)); !errors.Is(err, ErrDigest) {
				t.Errorf("%v: a mu of %d bytes: got %v, want %v", keyType, size, err, ErrDigest)
			}
		}
	}
}
