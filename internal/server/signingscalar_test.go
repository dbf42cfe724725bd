package server

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// signingScalar opens the token of a signing key with nothing but the root key
// file and docs/formats (root-key.md, key-token.md, custody-rows.md), because
// hsm gives no private byte away. It is the right one when it has the public
// key that clients see.
func signingScalar(t *testing.T, s *Server, rootKeyFile string, b hsm.Binding) []byte {
	t.Helper()
	text, err := os.ReadFile(rootKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text))
	raw, err := base64.RawURLEncoding.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Fatal(err)
	}
	row, err := s.store.Get(t.Context(), store.DomainKeys, custody.DomainKeyRow(b.Domain, 1))
	if err != nil {
		t.Fatal(err)
	}
	var domain hsm.DomainKeyToken
	if err := json.Unmarshal(row.Doc, &domain); err != nil {
		t.Fatal(err)
	}
	domainKey := openTokenByHand(t, raw[:32], domain.Token, "255", domain.Domain, domain.RootKeyID)
	row, err = s.store.Get(t.Context(), store.InternalKeys, custody.InternalKeyRow(b))
	if err != nil {
		t.Fatal(err)
	}
	scalar := openTokenByHand(t, domainKey, row.Doc, "6", b.Domain, b.KeyID)

	key, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		t.Fatal(err)
	}
	want := s.certs.key.Public()
	if b == caBinding {
		doc, err := readLocalCADoc(t.Context(), s.store)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc.Certificate, key.PublicKey().Bytes()) {
			t.Fatal("the scalar found is not that of the CA")
		}
		return scalar
	}
	public, err := want.(*ecdsa.PublicKey).Bytes()
	if err != nil || !bytes.Equal(public, key.PublicKey().Bytes()) {
		t.Fatalf("the scalar found is not that of the server (%v)", err)
	}
	return scalar
}

// openTokenByHand opens a key token without account and region.
func openTokenByHand(t *testing.T, parent, token []byte, purpose, domain, keyID string) []byte {
	t.Helper()
	label := "strongroom/1 key token " + purpose
	mac := hmac.New(sha256.New, parent)
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte(label + "\x00"))
	mac.Write(token[6:22])
	mac.Write([]byte{0, 0, 1, 0})
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	aad := bytes.Clone(token[:6])
	for _, s := range []string{domain, "", "", keyID} {
		aad = append(binary.BigEndian.AppendUint32(aad, uint32(len(s))), s...)
	}
	key, err := aead.Open(nil, token[22:34], token[34:], aad)
	if err != nil {
		t.Fatalf("token of purpose %s: %v", purpose, err)
	}
	return key
}
