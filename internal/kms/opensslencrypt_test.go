package kms_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/secret"
)

// out runs a command of OpenSSL that writes to the file that its last argument
// is to name, and returns what it wrote.
func (o *openssl) out(args ...string) []byte {
	o.Helper()
	path := filepath.Join(o.dir, "out")
	o.must(append(args, path)...)
	b, err := os.ReadFile(path)
	if err != nil {
		o.Fatal(err)
	}
	return b
}

// padding are the options of OpenSSL that an algorithm is.
func padding(a kmsapi.EncryptionAlgorithmSpec) []string {
	digest := map[kmsapi.EncryptionAlgorithmSpec]string{oaepSHA1: "sha1", oaepSHA256: "sha256"}[a]
	if digest == "" { // SM2 has no choice
		return nil
	}
	return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + digest, "-pkeyopt", "rsa_mgf1_md:" + digest}
}

// What OpenSSL encrypts with the public key opens here.
func TestDecryptOfWhatOpenSSLEncrypted(t *testing.T) {
	newOpenSSL(t)
	k := newKit(t)
	for spec, algorithms := range map[kmsapi.KeySpec][]kmsapi.EncryptionAlgorithmSpec{
		kmsapi.KeySpecRsa2048: {oaepSHA1, oaepSHA256}, kmsapi.KeySpecRsa3072: {oaepSHA1, oaepSHA256}, kmsapi.KeySpecRsa4096: {oaepSHA1, oaepSHA256},
		kmsapi.KeySpecSm2: {sm2pke},
	} {
		key := k.createKeyOf(spec, kmsapi.KeyUsageTypeEncryptDecrypt)
		for _, a := range algorithms {
			t.Run(string(spec)+" "+string(a), func(t *testing.T) {
				o := newOpenSSL(t)
				args := append([]string{"pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", o.file("key", k.publicKey(*key.KeyId)), "-in", o.file("in", []byte("attack at dawn"))}, padding(a)...)
				if got := decryptedWith(t, k, *key.KeyId, a, o.out(append(args, "-out")...)); got != "attack at dawn" {
					t.Errorf("the blob opens to %q", got)
				}
			})
		}
	}
}

// OpenSSL takes the private keys of data key pairs of every spec, and has the
// same public keys for them.
func TestGenerateDataKeyPairForOpenSSL(t *testing.T) {
	k := newKit(t)
	id := k.createKey().KeyId
	for spec := range pairSpecs {
		t.Run(string(spec), func(t *testing.T) {
			o := newOpenSSL(t)
			r, err := k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: id, KeyPairSpec: &spec})
			if err != nil {
				t.Fatal(err)
			}
			private := o.file("key", r.PrivateKeyPlaintext.Expose())
			o.must("pkey", "-inform", "DER", "-in", private, "-check", "-noout")
			if public := o.out("pkey", "-inform", "DER", "-in", private, "-pubout", "-outform", "DER", "-out"); !bytes.Equal(public, r.PublicKey) {
				t.Errorf("OpenSSL has the public key %x, want %x", public, r.PublicKey)
			}
		})
	}
}

// What is encrypted here opens with OpenSSL and the private key of a data key
// pair: a key pair travels as PKCS #8.
func TestOpenSSLOpensWithADataKeyPair(t *testing.T) {
	newOpenSSL(t)
	k := newKit(t)
	id := k.createKey().KeyId
	for spec, algorithms := range map[kmsapi.DataKeyPairSpec][]kmsapi.EncryptionAlgorithmSpec{
		kmsapi.DataKeyPairSpecRsa2048: {oaepSHA1, oaepSHA256}, kmsapi.DataKeyPairSpecSm2: {sm2pke},
	} {
		r, err := k.GenerateDataKeyPair(t.Context(), root(), &kmsapi.GenerateDataKeyPairRequest{KeyId: id, KeyPairSpec: &spec})
		k.check(err)
		key := k.keyWith(kmsapi.KeySpec(spec), r.PrivateKeyPlaintext)
		for _, a := range algorithms {
			t.Run(string(spec)+" "+string(a), func(t *testing.T) {
				o := newOpenSSL(t)
				args := append([]string{"pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", o.file("key", r.PrivateKeyPlaintext.Expose()), "-in", o.file("in", k.encryptWith(key, a, "attack at dawn"))}, padding(a)...)
				if got := string(o.out(append(args, "-out")...)); got != "attack at dawn" {
					t.Errorf("OpenSSL opens the blob to %q", got)
				}
			})
		}
	}
}

// keyWith makes a key with the private key of a data key pair.
func (k *kit) keyWith(spec kmsapi.KeySpec, pkcs8 secret.Bytes) (keyID string) {
	k.t.Helper()
	made := k.createKey()
	k.check(k.db().Update(k.t.Context(), func(tx *kmsdb.Tx) error {
		key, err := tx.Key(kmsdb.KeyRef{Account: account, Region: region, ID: *made.KeyId})
		if err != nil {
			return err
		}
		key.KeySpec = spec
		token, err := k.module.ImportKeyPair(key.Type(), key.Binding(), pkcs8)
		if err != nil {
			return err
		}
		id, err := k.module.MaterialID(token, key.Binding())
		if err != nil {
			return err
		}
		key.Current = hex.EncodeToString(id[:])
		key.Materials = []kmsdb.Material{{ID: key.Current}}
		return errors.Join(tx.PutToken(key.Ref(), key.Current, token), tx.PutKey(&key))
	}))
	return *made.KeyId
}
