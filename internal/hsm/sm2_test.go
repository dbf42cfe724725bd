package hsm

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// The example of GB/T 32918.5, annexes A and C: one key, its signature of
// "message digest" and a ciphertext of "encryption standard".
const (
	sm2Scalar = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
	sm2X      = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
	sm2Y      = "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
	sm2R      = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3"
	sm2S      = "b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
	sm2C1X    = "04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
	sm2C1Y    = "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
	sm2C3     = "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
	sm2C2     = "21886ca989ca9c7d58087307ca93092d651efa"
)

func number(t *testing.T, hexadecimal string) *big.Int {
	t.Helper()
	return new(big.Int).SetBytes(unhex(t, hexadecimal))
}

func TestSM2Vectors(t *testing.T) {
	key, err := parseSM2(unhex(t, sm2Scalar))
	if err != nil {
		t.Fatal(err)
	}
	k := &KeyPair{keyType: SM2, private: key}
	public, err := publicBits(key)
	if want := unhex(t, "04"+sm2X+sm2Y); err != nil || !bytes.Equal(public, want) {
		t.Errorf("got public key %x, %v, want %x", public, err, want)
	}
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{number(t, sm2R), number(t, sm2S)})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verify(mechSM2DSA, Raw, []byte("message digest"), signature); err != nil {
		t.Error(err)
	}
	ciphertext, err := asn1.Marshal(struct {
		X, Y   *big.Int
		C3, C2 []byte
	}{number(t, sm2C1X), number(t, sm2C1Y), unhex(t, sm2C3), unhex(t, sm2C2)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Decrypt(mechSM2PKE, ciphertext); err != nil || string(got.Expose()) != "encryption standard" {
		t.Errorf("got %d bytes, %v", got.Len(), err)
	}
	// The same without the structure is no ciphertext of ours.
	if _, err := k.Decrypt(mechSM2PKE, unhex(t, "04"+sm2C1X+sm2C1Y+sm2C3+sm2C2)); !errors.Is(err, ErrAuth) {
		t.Errorf("concatenated: got %v, want %v", err, ErrAuth)
	}
}

func TestSM2Encryption(t *testing.T) {
	k, _ := newTestPair(t, openTestModule(t), SM2)
	for _, size := range []int{1, 16, 31, 1024} {
		plaintext := randomBytes(size)
		ciphertext, err := k.Encrypt(mechSM2PKE, secret.New(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Decrypt(mechSM2PKE, ciphertext)
		if err != nil || !bytes.Equal(got.Expose(), plaintext) {
			t.Errorf("%d bytes: got %d bytes, %v", size, got.Len(), err)
		}
		for i := 0; i < len(ciphertext); i += 1 + len(ciphertext)/40 {
			for name, c := range map[string][]byte{"flipped": flip(ciphertext, i), "cut": ciphertext[:i]} {
				if _, err := k.Decrypt(mechSM2PKE, c); !errors.Is(err, ErrAuth) {
					t.Errorf("%s at %d: got %v, want %v", name, i, err, ErrAuth)
				}
			}
		}
	}
	if _, err := k.Encrypt(mechSM2PKE, secret.New(make([]byte, 1025))); !errors.Is(err, ErrTooLong) {
		t.Errorf("1025 bytes: got %v, want %v", err, ErrTooLong)
	}
	if _, err := k.Encrypt(mechSM2PKE, secret.Bytes{}); err == nil {
		t.Error("nothing was encrypted")
	}
	if _, err := k.Encrypt("RSAES_OAEP_SHA_256", secret.New([]byte{1})); !errors.Is(err, ErrMechanism) {
		t.Errorf("another mechanism: got %v, want %v", err, ErrMechanism)
	}
	if _, err := k.Decrypt("RSAES_OAEP_SHA_256", []byte{0x30}); !errors.Is(err, ErrMechanism) {
		t.Errorf("decrypting with another mechanism: got %v, want %v", err, ErrMechanism)
	}
}

// The order less 1 is no private key: signing divides by 1+d.
func TestSM2ScalarRange(t *testing.T) {
	order := unhex(t, "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123")
	last := bytes.Clone(order)
	last[31] -= 2
	if _, err := parseSM2(last); err != nil {
		t.Errorf("the order less 2: %v", err)
	}
	last[31]++
	for name, scalar := range map[string][]byte{"the order": order, "the order less 1": last, "0": make([]byte, 32), "short": order[1:]} {
		if _, err := parseSM2(scalar); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
