package kms_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
)

// This file has OpenSSL judge what the service answers: it knows the public key
// of GetPublicKey and nothing else.

// openssl runs commands of OpenSSL in a directory of files.
type openssl struct {
	*testing.T
	dir string
}

func newOpenSSL(t *testing.T) *openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	return &openssl{t, t.TempDir()}
}

// file writes a file and returns its path.
func (o *openssl) file(name string, content []byte) string {
	o.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		o.Fatal(err)
	}
	return path
}

func (o *openssl) run(args ...string) (output string, ok bool) {
	o.Helper()
	out, err := exec.CommandContext(o.Context(), "openssl", args...).CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		o.Fatal(err)
	}
	return string(out), err == nil
}

// must is run for what cannot fail.
func (o *openssl) must(args ...string) string {
	o.Helper()
	out, ok := o.run(args...)
	if !ok {
		o.Fatalf("openssl %s: %s", strings.Join(args, " "), out)
	}
	return out
}

// verifies reports whether OpenSSL takes a signature, of a message or of its digest.
func (o *openssl) verifies(algorithm string, messageType kmsapi.MessageType, publicKey, message, signature string) (ok bool) {
	o.Helper()
	hash := "sha" + algorithm[strings.LastIndexByte(algorithm, '_')+1:]
	pss := []string{"rsa_padding_mode:pss", "rsa_pss_saltlen:digest"}
	var args []string
	switch {
	case algorithm == "SM2DSA": // GB/T 32918.2, with the identity that has become usual
		args = []string{"pkeyutl", "-verify", "-pubin", "-inkey", publicKey, "-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678", "-in", message, "-sigfile", signature}
	case algorithm == "ED25519_SHA_512":
		args = []string{"pkeyutl", "-verify", "-pubin", "-inkey", publicKey, "-rawin", "-in", message, "-sigfile", signature}
	case messageType == kmsapi.MessageTypeDigest:
		args = []string{"pkeyutl", "-verify", "-pubin", "-inkey", publicKey, "-in", message, "-sigfile", signature, "-pkeyopt", "digest:" + hash}
		if strings.Contains(algorithm, "PSS") {
			args = append(args, "-pkeyopt", pss[0], "-pkeyopt", pss[1])
		}
	default:
		args = []string{"dgst", "-" + hash, "-verify", publicKey, "-signature", signature, message}
		if strings.Contains(algorithm, "PSS") {
			args = append(args[:2:2], append([]string{"-sigopt", pss[0], "-sigopt", pss[1]}, args[2:]...)...)
		}
	}
	out, ok := o.run(args...)
	if want := map[bool]string{true: "Verified OK|Signature Verified Successfully", false: "erification"}[ok]; !containsAny(out, want) {
		o.Fatalf("openssl %s: %s", strings.Join(args, " "), out)
	}
	return ok
}

func containsAny(s, alternatives string) bool {
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

// OpenSSL verifies what Sign makes of messages and of digests, by every
// algorithm that it has, and no changed message. (Ed25519ph and ML-DSA are in no
// OpenSSL before 3.2 and 3.5; package hsm has other judges of them.)
func TestOpenSSLVerifies(t *testing.T) {
	o := newOpenSSL(t)
	k := newKit(t)
	for _, c := range kinds {
		if c.usage != sig || strings.HasPrefix(string(c.spec), "ML_DSA") {
			continue
		}
		key := k.createKeyOf(c.spec, c.usage)
		pem := filepath.Join(o.dir, "public.pem")
		o.must("pkey", "-pubin", "-inform", "DER", "-in", o.file("public.der", k.publicKey(*key.KeyId)), "-out", pem)
		for _, name := range c.algorithms {
			if name == "ED25519_PH_SHA_512" {
				continue
			}
			t.Run(string(c.spec)+" "+name, func(t *testing.T) {
				o := &openssl{t, o.dir}
				const text = "a message of the service"
				good, bad := o.file("message", []byte(text)), o.file("changed", []byte("b"+text[1:]))
				signed := o.file("signature", k.sign(*key.KeyId, kmsapi.SigningAlgorithmSpec(name), kmsapi.MessageTypeRaw, text))
				if !o.verifies(name, kmsapi.MessageTypeRaw, pem, good, signed) {
					t.Error("OpenSSL does not verify the signature of a message")
				}
				if o.verifies(name, kmsapi.MessageTypeRaw, pem, bad, signed) {
					t.Error("OpenSSL verifies another message: this test says nothing")
				}
				digest, ok := digestOf(name, text)
				if !ok || name == "ED25519_SHA_512" {
					return
				}
				of := o.file("digest", []byte(digest))
				signed = o.file("signature", k.sign(*key.KeyId, kmsapi.SigningAlgorithmSpec(name), kmsapi.MessageTypeDigest, digest))
				if !o.verifies(name, kmsapi.MessageTypeDigest, pem, of, signed) || !o.verifies(name, kmsapi.MessageTypeRaw, pem, good, signed) {
					t.Error("OpenSSL does not verify the signature of a digest")
				}
			})
		}
	}
}

// A key pair of OpenSSL and one of the service come to the same secret.
func TestOpenSSLAgrees(t *testing.T) {
	k := newKit(t)
	for spec, curve := range map[kmsapi.KeySpec]string{
		kmsapi.KeySpecEccNistP256: "P-256", kmsapi.KeySpecEccNistP384: "P-384", kmsapi.KeySpecEccNistP521: "P-521",
	} {
		t.Run(string(spec), func(t *testing.T) {
			o := newOpenSSL(t)
			private, ours, peer, secret := filepath.Join(o.dir, "peer.pem"), filepath.Join(o.dir, "public.pem"), filepath.Join(o.dir, "peer.der"), filepath.Join(o.dir, "secret")
			id := *k.createKeyOf(spec, agree).KeyId
			o.must("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve, "-out", private)
			o.must("pkey", "-in", private, "-pubout", "-outform", "DER", "-out", peer)
			o.must("pkey", "-pubin", "-inform", "DER", "-in", o.file("public.der", k.publicKey(id)), "-out", ours)
			o.must("pkeyutl", "-derive", "-inkey", private, "-peerkey", ours, "-out", secret)
			der, err := os.ReadFile(peer)
			k.check(err)
			r, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(id, der))
			k.check(err)
			want, err := os.ReadFile(secret)
			k.check(err)
			if got := r.SharedSecret.Expose(); !bytes.Equal(got, want) {
				t.Errorf("the secret is %x, OpenSSL's %x", got, want)
			}
		})
	}
}

// A point that is given in compressed form, or a curve by its parameters, is
// another encoding of the same key: what OpenSSL makes of it is refused or gives
// the same secret, and never another one.
func TestOpenSSLEncodingsOfAPeer(t *testing.T) {
	o := newOpenSSL(t)
	k := newKit(t)
	id := *k.createKeyOf(kmsapi.KeySpecEccNistP256, agree).KeyId
	private, plain := filepath.Join(o.dir, "peer.pem"), filepath.Join(o.dir, "peer.der")
	o.must("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private)
	o.must("ec", "-in", private, "-pubout", "-outform", "DER", "-out", plain)
	derive := func(path string) ([]byte, error) {
		der, err := os.ReadFile(path)
		k.check(err)
		r, err := k.DeriveSharedSecret(t.Context(), root(), agreeRequest(id, der))
		if err != nil {
			return nil, err
		}
		return r.SharedSecret.Expose(), nil
	}
	want, err := derive(plain)
	k.check(err)
	for name, args := range map[string][]string{
		"compressed": {"-conv_form", "compressed"}, "hybrid": {"-conv_form", "hybrid"}, "explicit parameters": {"-param_enc", "explicit"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "peer.der")
			o.must(append([]string{"ec", "-in", private, "-pubout", "-outform", "DER", "-out", path}, args...)...)
			got, err := derive(path)
			if err != nil {
				wantError(t, err, kmsapi.ValidationException, "")
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the secret is %x, want %x", got, want)
			}
		})
	}
}
