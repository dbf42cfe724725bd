package kms_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/kms/kmsapi"
	"github.com/strongroom/strongroom/internal/secret"
)

// opensslIn runs the program in a directory with files; it skips the test where it
// is not installed.
func opensslIn(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out
}

// wrapWithOpenSSL wraps the file "material" as the developer guide says, "Encrypt
// the key material".
func wrapWithOpenSSL(t *testing.T, dir string, public []byte, algorithm kmsapi.AlgorithmSpec) []byte {
	t.Helper()
	file := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(file(name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrapping.der", public)
	hash := "sha1"
	if strings.HasSuffix(string(algorithm), "_256") {
		hash = "sha256"
	}
	oaep := func(in string) []byte {
		return opensslIn(t, dir, "pkeyutl", "-encrypt", "-in", in, "-inkey", "wrapping.der", "-keyform", "DER", "-pubin",
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+hash, "-pkeyopt", "rsa_mgf1_md:"+hash)
	}
	if !strings.HasPrefix(string(algorithm), "RSA_AES") {
		return oaep("material")
	}
	kek := opensslIn(t, dir, "rand", "32")
	write("kek", kek)
	inner := opensslIn(t, dir, "enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(kek), "-in", "material")
	return append(oaep("kek"), inner...)
}

// What OpenSSL wraps by our public key, in every way and for every wrapping key,
// comes in: the key then signs what OpenSSL verifies with its own half.
func TestImportFromOpenSSL(t *testing.T) {
	k := newKit(t)
	for _, tt := range []struct {
		algorithm kmsapi.AlgorithmSpec
		wrapping  kmsapi.WrappingKeySpec
		spec      kmsapi.KeySpec
		make      []string // arguments that make the private key
		signing   kmsapi.SigningAlgorithmSpec
	}{
		{kmsapi.AlgorithmSpecRsaesOaepSha1, kmsapi.WrappingKeySpecRsa2048, kmsapi.KeySpecEccNistP256, []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{kmsapi.AlgorithmSpecRsaesOaepSha256, kmsapi.WrappingKeySpecRsa3072, kmsapi.KeySpecEccNistP521, []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"}, kmsapi.SigningAlgorithmSpecEcdsaSha512},
		{kmsapi.AlgorithmSpecRsaAesKeyWrapSha1, kmsapi.WrappingKeySpecRsa2048, kmsapi.KeySpecEccSecgP256k1, []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"}, kmsapi.SigningAlgorithmSpecEcdsaSha256},
		{kmsapi.AlgorithmSpecRsaAesKeyWrapSha256, kmsapi.WrappingKeySpecRsa4096, kmsapi.KeySpecRsa4096, []string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"}, kmsapi.SigningAlgorithmSpecRsassaPkcs1V15Sha512},
		{kmsapi.AlgorithmSpecRsaAesKeyWrapSha256, kmsapi.WrappingKeySpecRsa2048, kmsapi.KeySpecEccNistP384, []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"}, kmsapi.SigningAlgorithmSpecEcdsaSha384},
	} {
		t.Run(string(tt.algorithm)+" "+string(tt.spec), func(t *testing.T) {
			dir := t.TempDir()
			opensslIn(t, dir, append([]string{"genpkey", "-outform", "DER", "-out", "material"}, tt.make...)...)
			opensslIn(t, dir, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER", "-in", "material", "-out", "material.p8")
			k.check(os.Rename(filepath.Join(dir, "material.p8"), filepath.Join(dir, "material")))
			id := *k.createExternal(tt.spec, kmsapi.KeyUsageTypeSignVerify).KeyId
			k.importFromOpenSSL(t, dir, id, tt.algorithm, tt.wrapping)

			message := []byte("what is signed")
			r, err := k.Sign(t.Context(), root(), &kmsapi.SignRequest{KeyId: &id, Message: secret.New(message), SigningAlgorithm: &tt.signing})
			k.check(err)
			k.check(os.WriteFile(filepath.Join(dir, "message"), message, 0o600))
			k.check(os.WriteFile(filepath.Join(dir, "signature"), r.Signature, 0o600))
			opensslIn(t, dir, "pkey", "-inform", "DER", "-in", "material", "-pubout", "-out", "public.pem")
			digest := "-sha" + string(tt.signing)[strings.LastIndexByte(string(tt.signing), '_')+1:]
			opensslIn(t, dir, "dgst", digest, "-verify", "public.pem", "-signature", "signature", "message")
		})
	}
}

// A symmetric key and an HMAC key, which are bytes.
func TestImportBytesFromOpenSSL(t *testing.T) {
	k := newKit(t)
	for _, algorithm := range []kmsapi.AlgorithmSpec{kmsapi.AlgorithmSpecRsaesOaepSha1, kmsapi.AlgorithmSpecRsaesOaepSha256} {
		t.Run(string(algorithm), func(t *testing.T) {
			dir := t.TempDir()
			opensslIn(t, dir, "rand", "-out", "material", "32")
			key, mac := k.createExternal("", ""), k.createExternal(kmsapi.KeySpecHmac256, kmsapi.KeyUsageTypeGenerateVerifyMac)
			k.importFromOpenSSL(t, dir, *key.KeyId, algorithm, kmsapi.WrappingKeySpecRsa2048)
			material, err := os.ReadFile(filepath.Join(dir, "material"))
			k.check(err)
			// The same bytes by our own hand are the same material.
			i := k.importer(key)
			if got, want := i.must(material), *k.describe(i.id).CurrentKeyMaterialId; got != want {
				t.Errorf("got material %s, want %s", got, want)
			}
			k.importFromOpenSSL(t, dir, *mac.KeyId, algorithm, kmsapi.WrappingKeySpecRsa2048)
			r, err := k.GenerateMac(t.Context(), root(), &kmsapi.GenerateMacRequest{KeyId: mac.KeyId, MacAlgorithm: new(kmsapi.MacAlgorithmSpecHmacSha256), Message: secret.New([]byte("m"))})
			k.check(err)
			k.check(os.WriteFile(filepath.Join(dir, "message"), []byte("m"), 0o600))
			want := opensslIn(t, dir, "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(material), "-binary", "message")
			if !bytes.Equal(r.Mac, want) {
				t.Errorf("got %x, want OpenSSL's %x", r.Mac, want)
			}
		})
	}
}

func (k *kit) importFromOpenSSL(t *testing.T, dir, id string, algorithm kmsapi.AlgorithmSpec, wrapping kmsapi.WrappingKeySpec) {
	t.Helper()
	p, err := k.GetParametersForImport(t.Context(), root(), &kmsapi.GetParametersForImportRequest{KeyId: &id, WrappingAlgorithm: &algorithm, WrappingKeySpec: &wrapping})
	k.check(err)
	_, err = k.ImportKeyMaterial(t.Context(), root(), &kmsapi.ImportKeyMaterialRequest{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapWithOpenSSL(t, dir, p.PublicKey.Expose(), algorithm),
		ExpirationModel: new(kmsapi.ExpirationModelTypeKeyMaterialDoesNotExpire),
	})
	k.check(err)
}
