package hsm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"
)

// Signing through a handle beside the library's own rate.
func BenchmarkSign(b *testing.B) {
	m := openTestModule(b)
	message := make([]byte, 1000)
	for _, keyType := range pairTypes {
		k, _ := newTestPair(b, m, keyType)
		for _, use := range signatureUses(keyType) {
			if use.form != Raw {
				continue
			}
			b.Run(fmt.Sprintf("%v/%s", keyType, use.mech), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := k.Sign(use.mech, Raw, message); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		sum := sha256.Sum256(message)
		switch key := k.private.(type) {
		case *rsaKey:
			b.Run(fmt.Sprintf("%v/library", keyType), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := rsa.SignPKCS1v15(rand.Reader, key.key, crypto.SHA256, sum[:]); err != nil {
						b.Fatal(err)
					}
				}
			})
		case *ecKey:
			b.Run(fmt.Sprintf("%v/library", keyType), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := ecdsa.SignASN1(rand.Reader, key.key, sum[:]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	m := openTestModule(b)
	for _, keyType := range pairTypes {
		k, _ := newTestPair(b, m, keyType)
		for _, use := range signatureUses(keyType) {
			message := make([]byte, max(use.size, 1))
			signature, err := k.Sign(use.mech, use.form, message)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%v/%s/%d", keyType, use.mech, use.form), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := k.Verify(use.mech, use.form, message, signature); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// What a first use after a start costs.
func BenchmarkLoadKeyPair(b *testing.B) {
	m := openTestModule(b)
	for _, keyType := range pairTypes {
		_, token := newTestPair(b, m, keyType)
		b.Run(keyType.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.LoadKeyPair(token, keyType, testBinding(PurposeKeyPair)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHMAC(b *testing.B) {
	m := openTestModule(b)
	message := make([]byte, 1000)
	for keyType, params := range hmacTypes {
		k := newTestHMACKey(b, m, keyType, make([]byte, params.size))
		b.Run(keyType.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.MAC(params.mech, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
