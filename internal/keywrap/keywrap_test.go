package keywrap_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/keywrap"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Source: RFC 3394, section 4.
func TestWrap(t *testing.T) {
	const key128, key192, key256 = "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff0001020304050607", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
	const kek256 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	for _, tt := range []struct{ name, kek, key, wrapped string }{
		{"4.1", kek256[:32], key128, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},
		{"4.2", kek256[:48], key128, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},
		{"4.3", kek256, key128, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},
		{"4.4", kek256[:48], key192, "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},
		{"4.5", kek256, key192, "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},
		{"4.6", kek256, key256, "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keywrap.Wrap(unhex(t, tt.kek), unhex(t, tt.key))
			if hex.EncodeToString(got) != tt.wrapped || err != nil {
				t.Errorf("got %x, %v, want %s", got, err, tt.wrapped)
			}
			key, err := keywrap.Unwrap(unhex(t, tt.kek), unhex(t, tt.wrapped))
			if hex.EncodeToString(key) != tt.key || err != nil {
				t.Errorf("got the key %x, %v, want %s", key, err, tt.key)
			}
		})
	}
}

// Source: RFC 5649, section 6.
func TestWrapPad(t *testing.T) {
	const kek = "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"
	for _, tt := range []struct{ name, key, wrapped string }{
		{"20 bytes", "c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
		{"7 bytes", "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keywrap.WrapPad(unhex(t, kek), unhex(t, tt.key))
			if hex.EncodeToString(got) != tt.wrapped || err != nil {
				t.Errorf("got %x, %v, want %s", got, err, tt.wrapped)
			}
			key, err := keywrap.UnwrapPad(unhex(t, kek), unhex(t, tt.wrapped))
			if hex.EncodeToString(key) != tt.key || err != nil {
				t.Errorf("got the key %x, %v, want %s", key, err, tt.key)
			}
		})
	}
}

// Every length comes back, and no byte of what is wrapped can be changed, or
// taken for the other way of wrapping.
func TestWrapPadEveryLength(t *testing.T) {
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	for n := 1; n < 80; n++ {
		key := make([]byte, n)
		_, _ = rand.Read(key)
		wrapped, err := keywrap.WrapPad(kek, key)
		if err != nil || len(wrapped) != (n+7)/8*8+8 {
			t.Fatalf("%d: got %d bytes, %v", n, len(wrapped), err)
		}
		got, err := keywrap.UnwrapPad(kek, wrapped)
		if !bytes.Equal(got, key) || err != nil {
			t.Errorf("%d: got %x, %v, want %x", n, got, err, key)
		}
		for i := range wrapped {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1 << (i % 8)
			if _, err := keywrap.UnwrapPad(kek, bad); !errors.Is(err, keywrap.ErrUnwrap) {
				t.Errorf("%d: byte %d: got error %v, want ErrUnwrap", n, i, err)
			}
		}
		if _, err := keywrap.Unwrap(kek, wrapped); !errors.Is(err, keywrap.ErrUnwrap) {
			t.Errorf("%d: without padding: got error %v, want ErrUnwrap", n, err)
		}
	}
}

// What was padded with something else than zeros, or says another length than
// it has, is refused though it was wrapped under the key: RFC 5649, section 3.
func TestUnwrapPadChecksThePadding(t *testing.T) {
	kek := make([]byte, 16)
	for _, tt := range []struct{ name, plain string }{
		{"a byte of padding", "a65959a6000000050102030405000001"},
		{"too short for its length", "a65959a6000000000000000000000000"},
		{"too long for its length", "a65959a6000000090102030405060708"},
		{"much too long", "a65959a6ffffffff0102030405060708"},
		{"another constant", "a65959a7000000080102030405060708"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := keywrap.UnwrapPad(kek, encryptBlock(t, kek, unhex(t, tt.plain))); !errors.Is(err, keywrap.ErrUnwrap) {
				t.Errorf("got error %v, want ErrUnwrap", err)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	kek := make([]byte, 32)
	for _, n := range []int{0, 8, 15, 17} {
		if _, err := keywrap.Wrap(kek, make([]byte, n)); err == nil {
			t.Errorf("%d bytes were wrapped without padding", n)
		}
	}
	if _, err := keywrap.WrapPad(kek, nil); err == nil {
		t.Error("nothing was wrapped")
	}
	for _, n := range []int{0, 8, 9, 15, 17, 23} {
		if _, err := keywrap.UnwrapPad(kek, make([]byte, n)); !errors.Is(err, keywrap.ErrUnwrap) {
			t.Errorf("%d bytes: got error %v, want ErrUnwrap", n, err)
		}
		if _, err := keywrap.Unwrap(kek, make([]byte, n)); !errors.Is(err, keywrap.ErrUnwrap) {
			t.Errorf("%d bytes without padding: got error %v, want ErrUnwrap", n, err)
		}
	}
	for _, f := range []func(kek, b []byte) ([]byte, error){keywrap.Wrap, keywrap.Unwrap, keywrap.WrapPad, keywrap.UnwrapPad} {
		if _, err := f(make([]byte, 20), make([]byte, 24)); err == nil {
			t.Error("a kek of 20 bytes was taken")
		}
	}
}

// OpenSSL wraps and we unwrap, and the other way round.
func TestWrapPadWithOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	openssl := func(mode string, kek, data []byte) []byte {
		t.Helper()
		if err := os.WriteFile(in, data, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "openssl", "enc", mode, "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(kek), "-in", in, "-out", out)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	for _, n := range []int{1, 8, 9, 32, 1217} {
		key := make([]byte, n)
		_, _ = rand.Read(key)
		if got, err := keywrap.UnwrapPad(kek, openssl("-e", kek, key)); !bytes.Equal(got, key) || err != nil {
			t.Errorf("%d: got %x, %v from OpenSSL, want %x", n, got, err, key)
		}
		wrapped, err := keywrap.WrapPad(kek, key)
		if got := openssl("-d", kek, wrapped); !bytes.Equal(got, key) || err != nil {
			t.Errorf("%d: OpenSSL got %x, %v, want %x", n, got, err, key)
		}
	}
}

func FuzzUnwrapPad(f *testing.F) {
	kek := bytes.Repeat([]byte{7}, 32)
	for n := range 4 {
		wrapped, err := keywrap.WrapPad(kek, make([]byte, 8*n+1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wrapped)
	}
	f.Fuzz(func(t *testing.T, wrapped []byte) {
		before := bytes.Clone(wrapped)
		key, err := keywrap.UnwrapPad(kek, wrapped)
		if !bytes.Equal(wrapped, before) {
			t.Error("the input was changed")
		}
		if err != nil {
			return
		}
		if again, err := keywrap.WrapPad(kek, key); !bytes.Equal(again, wrapped) || err != nil {
			t.Errorf("got %x, %v when wrapped again, want %x", again, err, wrapped)
		}
	})
}

// encryptBlock is what wraps a key of 8 bytes or less: RFC 5649, section 4.1.
func encryptBlock(t *testing.T, kek, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, aes.BlockSize)
	block.Encrypt(out, plain)
	return out
}
