package hsm

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// NIST CAVP, SP 800-108 counter mode (KDFCTR_gen.rsp, CAVS 14.4), the group
// [PRF=HMAC_SHA256] [CTRLOCATION=BEFORE_FIXED] [RLEN=32_BITS]: the first vector
// of each output length.
func TestKDFVectors(t *testing.T) {
	for _, v := range []struct{ name, key, fixed, want string }{
		{"COUNT 0, L 128",
			"dd1d91b7d90b2bd3138533ce92b272fbf8a369316aefe242e659cc0ae238afe0",
			"01322b96b30acd197979444e468e1c5c6859bf1b1cf951b7e725303e237e46b864a145fab25e517b08f8683d0315bb2911d80a0e8aba17f3b413faac",
			"10621342bfb0fd40046c0e29f2cfdbf0"},
		{"COUNT 10, L 256",
			"e204d6d466aad507ffaf6d6dab0a5b26152c9e21e764370464e360c8fbc765c6",
			"7b03b98d9f94b899e591f3ef264b71b193fba7043c7e953cde23bc5384bc1a6293580115fae3495fd845dadbd02bd6455cf48d0f62b33e62364a3a80",
			"770dfab6a6a4a4bee0257ff335213f78d8287b4fd537d5c1fffa956910e7c779"},
		{"COUNT 20, L 160",
			"dc60338d884eecb72975c603c27b360605011756c697c4fc388f5176ef81efb1",
			"44d7aa08feba26093c14979c122c2437c3117b63b78841cd10a4bc5ed55c56586ad8986d55307dca1d198edcffbc516a8fbe6152aa428cdd800c062d",
			"29ac07dccf1f28d506cd623e6e3fc2fa255bd60b"},
		{"COUNT 30, L 320",
			"c4bedbddb66493e7c7259a3bbbc25f8c7e0ca7fe284d92d431d9cd99a0d214ac",
			"1c69c54766791e315c2cc5c47ecd3ffab87d0d273dd920e70955814c220eacace6a5946542da3dfe24ff626b4897898cafb7db83bdff3c14fa46fd4b",
			"1da47638d6c9c4d04d74d4640bbd42ab814d9e8cc22f4326695239f96b0693f12d0dd1152cf44430"},
	} {
		t.Run(v.name, func(t *testing.T) {
			s := newPRF(secret.New(unhex(t, v.key))).get()
			s.buf = append(make([]byte, 4), unhex(t, v.fixed)...)
			want := unhex(t, v.want)
			got := make([]byte, len(want))
			s.expand(got)
			if !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
}

// The fixed input data is Label ‖ 0x00 ‖ Context ‖ [L]_32.
func TestDeriveFixedInput(t *testing.T) {
	key := []byte("key derivation key")
	h := hmac.New(sha256.New, key)
	h.Write([]byte("\x00\x00\x00\x01label\x00one,two\x00\x00\x01\x00"))
	want := h.Sum(nil)
	p := newPRF(secret.New(key))
	for range 2 { // the second time with a pooled state
		got := make([]byte, 32)
		p.derive(got, "label", []byte("one,"), []byte("two"))
		if !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	}
}

func TestMACIsLengthPrefixed(t *testing.T) {
	m := openTestModule(t)
	k := newTestMACKey(t, m, PurposeRowMAC)
	h := hmac.New(sha256.New, k.prf.key.Expose())
	h.Write([]byte("\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x00\x01c"))
	want := h.Sum(nil)
	got := k.MAC([]byte("ab"), nil, []byte("c"))
	if !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if !k.Verify(want, []byte("ab"), nil, []byte("c")) {
		t.Error("the MAC must verify")
	}
	for name, parts := range map[string][][]byte{
		"boundary moved": {[]byte("a"), nil, []byte("bc")},
		"part missing":   {[]byte("ab"), []byte("c")},
		"part added":     {[]byte("ab"), nil, []byte("c"), nil},
	} {
		if k.Verify(want, parts...) {
			t.Errorf("%s: the MAC must not verify", name)
		}
	}
	for i := range want {
		if k.Verify(flip(want, i), []byte("ab"), nil, []byte("c")) || k.Verify(want[:i], []byte("ab"), nil, []byte("c")) {
			t.Errorf("byte %d: a damaged or short MAC must not verify", i)
		}
	}
}
