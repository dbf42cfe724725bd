package hsm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

// opensslKit runs OpenSSL in a directory of its own.
type opensslKit struct {
	t   *testing.T
	dir string
}

func newOpenSSL(t *testing.T) opensslKit {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: ", err)
	}
	if out, err := exec.Command("openssl", "version").Output(); err != nil || !strings.HasPrefix(string(out), "OpenSSL 3.") {
		t.Skipf("openssl is not version 3: %s %v", out, err)
	}
	return opensslKit{t, t.TempDir()}
}

// try returns what OpenSSL printed; an argument that begins with @ is a file of
// the directory.
func (o opensslKit) try(args ...string) ([]byte, error) {
	for i, arg := range args {
		if name, ok := strings.CutPrefix(arg, "@"); ok {
			args[i] = filepath.Join(o.dir, name)
		}
	}
	var stderr bytes.Buffer
	cmd := exec.Command("openssl", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("openssl %v: %w\n%s", args, err, stderr.Bytes())
	}
	return out, err
}

func (o opensslKit) run(args ...string) []byte {
	o.t.Helper()
	out, err := o.try(args...)
	if err != nil {
		o.t.Fatal(err)
	}
	return out
}

func (o opensslKit) write(name string, b []byte) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), b, 0o600); err != nil {
		o.t.Fatal(err)
	}
}

// generate makes a key as OpenSSL does, in private.der and public.der, and
// imports it.
func (o opensslKit) generate(keyType KeyType) *KeyPair {
	o.t.Helper()
	args := map[KeyType]string{
		RSA2048: "RSA -pkeyopt rsa_keygen_bits:2048", RSA3072: "RSA -pkeyopt rsa_keygen_bits:3072", RSA4096: "RSA -pkeyopt rsa_keygen_bits:4096",
		P256: "EC -pkeyopt ec_paramgen_curve:P-256", P384: "EC -pkeyopt ec_paramgen_curve:P-384", P521: "EC -pkeyopt ec_paramgen_curve:P-521",
		Secp256k1: "EC -pkeyopt ec_paramgen_curve:secp256k1", Ed25519: "ED25519", SM2: "SM2",
	}[keyType]
	o.run(append([]string{"genpkey", "-out", "@key.pem", "-algorithm"}, strings.Fields(args)...)...)
	der := o.run("pkcs8", "-topk8", "-nocrypt", "-in", "@key.pem", "-outform", "DER")
	o.write("private.der", der)
	k := importVector(o.t, keyType, der)
	if got, want := k.PublicKey(), o.run("pkey", "-in", "@key.pem", "-pubout", "-outform", "DER"); !bytes.Equal(got, want) {
		o.t.Errorf("got public key %x, want %x", got, want)
	}
	o.write("public.der", k.PublicKey())
	return k
}

// opensslTypes are the types that OpenSSL 3.0 has.
var opensslTypes = []KeyType{RSA2048, RSA3072, RSA4096, P256, P384, P521, Secp256k1, Ed25519, SM2}

// opensslSignature returns OpenSSL's name of a mechanism as arguments of dgst,
// or of pkeyutl for those that have no digest of their own.
func opensslSignature(mech Mechanism) (command string, args []string) {
	scheme, bits, _ := strings.Cut(string(mech), "_SHA_")
	switch scheme {
	case "RSASSA_PKCS1_V1_5", "ECDSA":
		return "dgst", []string{"-sha" + bits}
	case "RSASSA_PSS":
		return "dgst", []string{"-sha" + bits, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"}
	case "SM2DSA":
		return "pkeyutl", []string{"-rawin", "-digest", "sm3", "-pkeyopt", "distid:" + sm2UID}
	}
	return "pkeyutl", []string{"-rawin"}
}

// What OpenSSL signs verifies here, what is signed here verifies there, by the
// message and by its digest.
func TestOpenSSLSignatures(t *testing.T) {
	o := newOpenSSL(t)
	message := randomBytes(100)
	o.write("message", message)
	o.write("another", randomBytes(100))
	for _, keyType := range opensslTypes {
		k := o.generate(keyType)
		for _, use := range signatureUses(keyType) {
			if use.form != Raw || use.mech == mechEd25519ph {
				continue // its 3.0 has no Ed25519ph
			}
			t.Run(fmt.Sprintf("%v/%s", keyType, use.mech), func(t *testing.T) {
				o := opensslKit{t, o.dir}
				command, args := opensslSignature(use.mech)
				var theirs []byte
				if command == "dgst" {
					theirs = o.run(append(append([]string{"dgst"}, args...), "-sign", "@key.pem", "@message")...)
				} else {
					o.run(append(append([]string{"pkeyutl", "-sign"}, args...), "-inkey", "@key.pem", "-in", "@message", "-out", "@theirs")...)
					var err error
					if theirs, err = os.ReadFile(filepath.Join(o.dir, "theirs")); err != nil {
						t.Fatal(err)
					}
				}
				if err := k.Verify(use.mech, Raw, message, theirs); err != nil {
					t.Errorf("theirs: got %v", err)
				}
				ours, err := k.Sign(use.mech, Raw, message)
				if err != nil {
					t.Fatal(err)
				}
				o.write("ours", ours)
				for _, file := range []string{"@message", "@another"} {
					if command == "dgst" {
						_, err = o.try(append(append([]string{"dgst"}, args...), "-keyform", "DER", "-verify", "@public.der", "-signature", "@ours", file)...)
					} else {
						_, err = o.try(append(append([]string{"pkeyutl", "-verify"}, args...), "-pubin", "-keyform", "DER", "-inkey", "@public.der", "-sigfile", "@ours", "-in", file)...)
					}
					if (err == nil) != (file == "@message") {
						t.Errorf("ours of %s: got %v", file, err)
					}
				}
				if command == "dgst" { // their digest is ours
					digest := o.run("dgst", args[0], "-binary", "@message")
					if err := k.Verify(use.mech, Digest, digest, theirs); err != nil {
						t.Errorf("theirs by digest: got %v", err)
					}
				}
			})
		}
	}
}

func TestOpenSSLEncryption(t *testing.T) {
	o := newOpenSSL(t)
	plaintext := randomBytes(100)
	o.write("plaintext", plaintext)
	oaep := func(md string) []string {
		return []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + md, "-pkeyopt", "rsa_mgf1_md:" + md}
	}
	for _, row := range []struct {
		keyType KeyType
		mech    Mechanism
		args    []string
	}{
		{RSA2048, "RSAES_OAEP_SHA_1", oaep("sha1")},
		{RSA2048, "RSAES_OAEP_SHA_256", oaep("sha256")},
		{RSA3072, "RSAES_OAEP_SHA_256", oaep("sha256")},
		{SM2, mechSM2PKE, nil},
	} {
		t.Run(fmt.Sprintf("%v/%s", row.keyType, row.mech), func(t *testing.T) {
			o := opensslKit{t, o.dir}
			k := o.generate(row.keyType)
			o.run(append([]string{"pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "@public.der", "-in", "@plaintext", "-out", "@theirs"}, row.args...)...)
			theirs, err := os.ReadFile(filepath.Join(o.dir, "theirs"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Decrypt(row.mech, theirs); err != nil || !bytes.Equal(got.Expose(), plaintext) {
				t.Errorf("theirs: got %d bytes, %v", got.Len(), err)
			}
			ours, err := k.Encrypt(row.mech, secret.New(plaintext))
			if err != nil {
				t.Fatal(err)
			}
			o.write("ours", ours)
			if got := o.run(append([]string{"pkeyutl", "-decrypt", "-inkey", "@key.pem", "-in", "@ours"}, row.args...)...); !bytes.Equal(got, plaintext) {
				t.Errorf("ours: got %d bytes", len(got))
			}
		})
	}
}

func TestOpenSSLAgreement(t *testing.T) {
	o := newOpenSSL(t)
	m := openTestModule(t)
	for _, keyType := range []KeyType{P256, P384, P521} {
		ours, _ := newTestPair(t, m, keyType)
		theirs := o.generate(keyType) // whose private key OpenSSL has
		got, err := ours.Agree(theirs.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		o.write("peer.der", ours.PublicKey())
		o.run("pkey", "-pubin", "-inform", "DER", "-in", "@peer.der", "-out", "@peer.pem")
		if want := o.run("pkeyutl", "-derive", "-inkey", "@key.pem", "-peerkey", "@peer.pem"); !bytes.Equal(got.Expose(), want) {
			t.Errorf("%v: got another secret than OpenSSL", keyType)
		}
	}
}

func TestOpenSSLHMAC(t *testing.T) {
	o := newOpenSSL(t)
	m := openTestModule(t)
	message := randomBytes(100)
	o.write("message", message)
	for keyType, params := range hmacTypes {
		material := randomBytes(params.size)
		k := newTestHMACKey(t, m, keyType, material)
		_, bits, _ := strings.Cut(string(params.mech), "SHA_")
		want := o.run("dgst", "-sha"+bits, "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(material), "-binary", "@message")
		if got, err := k.MAC(params.mech, message); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: got %x, %v, want %x", keyType, got, err, want)
		}
	}
}

// OpenSSL reads the key pairs that we give away, and finds them whole.
func TestOpenSSLReadsDataKeyPairs(t *testing.T) {
	o := newOpenSSL(t)
	m := openTestModule(t)
	for _, keyType := range opensslTypes {
		if keyType == RSA3072 || keyType == RSA4096 {
			continue
		}
		private, public, err := m.NewDataKeyPair(keyType)
		if err != nil {
			t.Fatal(err)
		}
		o.write("given.der", private.Expose())
		if keyType != Ed25519 { // it has nothing to check
			o.run("pkey", "-inform", "DER", "-in", "@given.der", "-check", "-noout")
		}
		if got := o.run("pkey", "-inform", "DER", "-in", "@given.der", "-pubout", "-outform", "DER"); !bytes.Equal(got, public) {
			t.Errorf("%v: got public key %x, want %x", keyType, public, got)
		}
	}
}
