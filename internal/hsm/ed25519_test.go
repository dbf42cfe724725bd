package hsm

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"testing"
)

// RFC 8032, section 7.1: TEST 1, 2 and 3.
func TestEd25519Vectors(t *testing.T) {
	for _, v := range []struct{ name, seed, public, message, signature string }{
		{"TEST 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
		{"TEST 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
		{"TEST 3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
			"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
			"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	} {
		t.Run(v.name, func(t *testing.T) {
			key, err := parseEd25519(unhex(t, v.seed))
			if err != nil {
				t.Fatal(err)
			}
			k := &KeyPair{keyType: Ed25519, private: key}
			if public, err := publicBits(key); err != nil || !bytes.Equal(public, unhex(t, v.public)) {
				t.Errorf("got public key %x, %v, want %s", public, err, v.public)
			}
			message, want := unhex(t, v.message), unhex(t, v.signature)
			if got, err := k.Sign(mechEd25519, Raw, message); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %x, %v, want %x", got, err, want)
			}
			if err := k.Verify(mechEd25519, Raw, message, want); err != nil {
				t.Error(err)
			}
		})
	}
}

// RFC 8032, section 7.3: TEST abc. What we call the message is a digest of 64
// bytes, so the vector is checked below the mechanism; above it, that the
// digest is the message of Ed25519ph.
func TestEd25519ph(t *testing.T) {
	key, err := parseEd25519(unhex(t, "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42"))
	if err != nil {
		t.Fatal(err)
	}
	private := key.(*ed25519Key).key
	sum := sha512.Sum512([]byte("abc"))
	want := unhex(t, "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae4131f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406")
	if got, err := private.Sign(nil, sum[:], prehashed); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}

	k := &KeyPair{keyType: Ed25519, private: key}
	got, err := k.Sign(mechEd25519ph, Digest, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	again := sha512.Sum512(sum[:])
	if err := ed25519.VerifyWithOptions(key.(*ed25519Key).public, again[:], got, prehashed); err != nil {
		t.Errorf("the digest is not the message: %v", err)
	}
	if bytes.Equal(got, want) {
		t.Error("the digest was not hashed once more")
	}
	if err := k.Verify(mechEd25519, Raw, sum[:], got); !errors.Is(err, ErrSignature) {
		t.Errorf("as Ed25519 over the digest: got %v, want %v", err, ErrSignature)
	}
}
