package hsm

import (
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func BenchmarkBackingKey(b *testing.B) {
	m := openTestModule(b)
	k := newTestBackingKey(b, m)
	aad := make([]byte, 150) // a blob's header and a small encryption context
	plaintext := secret.New(make([]byte, 32))
	b.Run("Encrypt/32B", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 256)
		for b.Loop() {
			if _, err := k.Encrypt(dst, aad, plaintext); err != nil {
				b.Fatal(err)
			}
		}
	})
	body, err := k.Encrypt(nil, aad, plaintext)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Decrypt/32B", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.Decrypt(body, aad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMACKey(b *testing.B) {
	m := openTestModule(b)
	k := newTestMACKey(b, m, PurposeRowMAC)
	doc := make([]byte, 300)
	mac := k.MAC([]byte("table"), []byte("key"), doc)
	b.ReportAllocs()
	for b.Loop() {
		if !k.Verify(mac, []byte("table"), []byte("key"), doc) {
			b.Fatal("MAC does not verify")
		}
	}
}

func BenchmarkSigV4(b *testing.B) {
	m := openTestModule(b)
	k := newTestAccessKey(b, m, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
	stringToSign := make([]byte, 140)
	b.ReportAllocs()
	for b.Loop() {
		k.SigV4("20150830", "us-east-1", "iam")(stringToSign)
	}
}
