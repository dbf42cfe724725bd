package server

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// specWalk makes with AWS's SDK a key of every spec that the SDK knows, for each
// of its usages but encryption, and uses it.
type specWalk struct {
	*testing.T
	kms *awskms.Client
}

// TestKeySpecs: what was signed, or authenticated, before a restart is good after
// it. Where Go has the algorithm, Go judges the signature too.
func TestKeySpecs(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: dataDirIn(t), SM2Regions: []string{DefaultRegion}}
	s, stop := start(t, cfg)
	w := &specWalk{T: t, kms: client(t, s.Endpoint(), cfg.DataDir, 1).kms}
	var checks []func(w *specWalk)
	for _, spec := range kmstypes.KeySpec("").Values() {
		name := string(spec)
		switch {
		case spec == kmstypes.KeySpecSymmetricDefault, // of which all other tests are
			strings.HasPrefix(name, "ML_KEM_"): // newer than the model that is served
			continue
		case strings.HasPrefix(name, "HMAC_"):
			checks = append(checks, w.authenticates(spec))
			continue
		case strings.HasPrefix(name, "ECC_NIST_P") || spec == kmstypes.KeySpecSm2:
			checks = append(checks, w.agrees(spec))
		}
		checks = append(checks, w.signs(spec)...)
	}
	stop()
	s, stop = start(t, cfg)
	defer stop()
	w.kms = client(t, s.Endpoint(), cfg.DataDir, 1).kms
	for _, check := range checks {
		check(w)
	}
	if got, want := len(checks), 3*6+4+2+3+1+4+4; got != want { // RSA, ECDSA, Ed25519, ML-DSA, SM2; key agreement; HMAC
		t.Errorf("%d uses of keys were checked, want %d", got, want)
	}
}

func (w *specWalk) key(spec kmstypes.KeySpec, usage kmstypes.KeyUsageType) *kmstypes.KeyMetadata {
	w.Helper()
	r, err := w.kms.CreateKey(w.Context(), &awskms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		w.Fatalf("%s %s: %v", spec, usage, err)
	}
	return r.KeyMetadata
}

func (w *specWalk) public(id *string) []byte {
	w.Helper()
	r, err := w.kms.GetPublicKey(w.Context(), &awskms.GetPublicKeyInput{KeyId: id})
	if err != nil {
		w.Fatal(err)
	}
	return r.PublicKey
}

// signs signs by every algorithm of a spec; what it returns checks each signature.
func (w *specWalk) signs(spec kmstypes.KeySpec) (checks []func(w *specWalk)) {
	w.Helper()
	key := w.key(spec, kmstypes.KeyUsageTypeSignVerify)
	public := w.public(key.KeyId)
	for _, algorithm := range key.SigningAlgorithms {
		message, messageType := []byte("a message"), kmstypes.MessageTypeRaw
		if algorithm == kmstypes.SigningAlgorithmSpecEd25519PhSha512 {
			digest := sha512.Sum512(message)
			message, messageType = digest[:], kmstypes.MessageTypeDigest
		}
		r, err := w.kms.Sign(w.Context(), &awskms.SignInput{KeyId: key.KeyId, SigningAlgorithm: algorithm, Message: message, MessageType: messageType})
		if err != nil {
			w.Fatalf("%s: %v", algorithm, err)
		}
		if !goVerifies(w.T, algorithm, public, message, r.Signature) {
			w.Errorf("%s %s: Go does not verify the signature", spec, algorithm)
		}
		checks = append(checks, func(w *specWalk) {
			in := &awskms.VerifyInput{KeyId: key.Arn, SigningAlgorithm: algorithm, Message: message, MessageType: messageType, Signature: r.Signature}
			if v, err := w.kms.Verify(w.Context(), in); err != nil || !v.SignatureValid {
				w.Errorf("%s %s: %v", spec, algorithm, err)
			}
			in.Message = slices.Concat(message[:len(message)-1], []byte{message[len(message)-1] ^ 1})
			if _, err := w.kms.Verify(w.Context(), in); codeOf(err) != "KMSInvalidSignatureException" {
				w.Errorf("%s %s: got %v for another message, want KMSInvalidSignatureException", spec, algorithm, err)
			}
			if !bytes.Equal(w.public(key.KeyId), public) {
				w.Errorf("%s: the public key has changed", spec)
			}
		})
	}
	return checks
}

// goVerifies reports whether Go takes a signature; true where Go has not the algorithm.
func goVerifies(t *testing.T, algorithm kmstypes.SigningAlgorithmSpec, spki, message, signature []byte) bool {
	t.Helper()
	name := string(algorithm)
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil { // of secp256k1, ML-DSA, SM2
		return true
	}
	hash, digest := crypto.SHA512, []byte(nil)
	switch d256, d384, d512 := sha256.Sum256(message), sha512.Sum384(message), sha512.Sum512(message); name[len(name)-3:] {
	case "256":
		hash, digest = crypto.SHA256, d256[:]
	case "384":
		hash, digest = crypto.SHA384, d384[:]
	default:
		digest = d512[:]
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if strings.Contains(name, "PSS") {
			return rsa.VerifyPSS(pub, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(pub, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(pub, digest, signature)
	case ed25519.PublicKey:
		if algorithm == kmstypes.SigningAlgorithmSpecEd25519PhSha512 { // hashes its message, which is a digest, again
			return ed25519.VerifyWithOptions(pub, digest, signature, &ed25519.Options{Hash: crypto.SHA512}) == nil
		}
		return ed25519.Verify(pub, message, signature)
	}
	t.Fatalf("a public key is a %T", pub)
	return false
}

// authenticates makes a MAC; what it returns checks it.
func (w *specWalk) authenticates(spec kmstypes.KeySpec) func(w *specWalk) {
	w.Helper()
	key := w.key(spec, kmstypes.KeyUsageTypeGenerateVerifyMac)
	algorithm := key.MacAlgorithms[0]
	r, err := w.kms.GenerateMac(w.Context(), &awskms.GenerateMacInput{KeyId: key.KeyId, MacAlgorithm: algorithm, Message: []byte("a message")})
	if err != nil {
		w.Fatalf("%s: %v", spec, err)
	}
	return func(w *specWalk) {
		in := &awskms.VerifyMacInput{KeyId: key.Arn, MacAlgorithm: algorithm, Message: []byte("a message"), Mac: r.Mac}
		if v, err := w.kms.VerifyMac(w.Context(), in); err != nil || !v.MacValid {
			w.Errorf("%s: %v", spec, err)
		}
		in.Message = []byte("a massage")
		if _, err := w.kms.VerifyMac(w.Context(), in); codeOf(err) != "KMSInvalidMacException" {
			w.Errorf("%s: got %v for another message, want KMSInvalidMacException", spec, err)
		}
	}
}

// agrees derives a secret with a key of Go or, where Go has not the curve, with
// another key of the service; what it returns derives it from the other side.
func (w *specWalk) agrees(spec kmstypes.KeySpec) func(w *specWalk) {
	w.Helper()
	key := w.key(spec, kmstypes.KeyUsageTypeKeyAgreement)
	derive := func(w *specWalk, id *string, public []byte) []byte {
		r, err := w.kms.DeriveSharedSecret(w.Context(), &awskms.DeriveSharedSecretInput{
			KeyId: id, KeyAgreementAlgorithm: kmstypes.KeyAgreementAlgorithmSpecEcdh, PublicKey: public,
		})
		if err != nil {
			w.Fatalf("%s: %v", spec, err)
		}
		if r.KeyOrigin != kmstypes.OriginTypeAwsKms || aws.ToString(r.KeyId) != *key.Arn && id == key.KeyId {
			w.Errorf("%s: got origin %s of %s", spec, r.KeyOrigin, aws.ToString(r.KeyId))
		}
		return r.SharedSecret
	}
	curve, ok := map[kmstypes.KeySpec]ecdh.Curve{
		kmstypes.KeySpecEccNistP256: ecdh.P256(), kmstypes.KeySpecEccNistP384: ecdh.P384(), kmstypes.KeySpecEccNistP521: ecdh.P521(),
	}[spec]
	if !ok {
		peer := w.key(spec, kmstypes.KeyUsageTypeKeyAgreement)
		secret := derive(w, key.KeyId, w.public(peer.KeyId))
		return func(w *specWalk) {
			if got := derive(w, peer.KeyId, w.public(key.KeyId)); !bytes.Equal(got, secret) || len(got) == 0 {
				w.Errorf("%s: the secret is %x, the other side's %x", spec, secret, got)
			}
		}
	}
	private, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		w.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.PublicKey())
	if err != nil {
		w.Fatal(err)
	}
	secret := derive(w, key.KeyId, spki)
	return func(w *specWalk) {
		pub, err := x509.ParsePKIXPublicKey(w.public(key.KeyId))
		if err != nil {
			w.Fatal(err)
		}
		theirs, err := pub.(*ecdsa.PublicKey).ECDH()
		if err != nil {
			w.Fatal(err)
		}
		if got, err := private.ECDH(theirs); err != nil || !bytes.Equal(got, secret) {
			w.Errorf("%s: the secret is %x, Go's %x, %v", spec, secret, got, err)
		}
	}
}
