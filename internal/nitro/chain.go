package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
)

func untrusted(why string) error { return fmt.Errorf("%w: %s", ErrUntrusted, why) }

// signer returns the key of the document's certificate, if it chains to one of
// roots: through every certificate of the bundle in its order, root first, each
// valid now, each a CA as its path length allows, with keys of P-384 alone
// (Nitro Enclaves Attestation Process, 3.2.3).
func (p *payload) signer(roots []Root, now time.Time) (*ecdsa.PublicKey, error) {
	if !slices.Contains(roots, Root(sha256.Sum256([]byte(p.Bundle[0])))) {
		return nil, untrusted("unknown root")
	}
	want := make([]*x509.Certificate, 0, len(p.Bundle)+1) // leaf first
	for _, der := range append(slices.Clone(p.Bundle), p.Certificate) {
		c, err := x509.ParseCertificate([]byte(der))
		if err != nil {
			return nil, malformed("certificate")
		}
		if !isP384(c) || c.SignatureAlgorithm != x509.ECDSAWithSHA384 {
			return nil, untrusted("a certificate is not one of P-384 and SHA-384")
		}
		want = slices.Insert(want, 0, c)
	}
	leaf, root := want[0], want[len(want)-1]
	if leaf.IsCA || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, untrusted("the certificate is not one to sign documents")
	}
	if now.Before(root.NotBefore) || now.After(root.NotAfter) { // the verifier takes roots as they are
		return nil, untrusted("the root is not valid now")
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	options.Roots.AddCert(root)
	for _, c := range want[1 : len(want)-1] {
		options.Intermediates.AddCert(c)
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		return nil, untrusted("its chain does not verify") // the cause would repeat what the sender wrote
	}
	for _, chain := range chains {
		if slices.EqualFunc(chain, want, func(a, b *x509.Certificate) bool { return bytes.Equal(a.Raw, b.Raw) }) {
			return leaf.PublicKey.(*ecdsa.PublicKey), nil
		}
	}
	return nil, untrusted("its bundle is not its chain")
}

func isP384(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*ecdsa.PublicKey)
	return ok && k.Curve == elliptic.P384()
}

// signedBy verifies the signature, r and s of 48 bytes each, over the
// Sig_structure of a COSE_Sign1 (RFC 9052, 4.4) without external data.
func (m *message) signedBy(key *ecdsa.PublicKey) bool {
	signed, err := sigStructure(m.Protected, m.Payload)
	if err != nil {
		return false
	}
	digest := sha512.Sum384(signed)
	half := signatureSize / 2
	r := new(big.Int).SetBytes([]byte(m.Signature[:half]))
	s := new(big.Int).SetBytes([]byte(m.Signature[half:]))
	return ecdsa.Verify(key, digest[:], r, s)
}

func sigStructure(protected, payload cbor.ByteString) ([]byte, error) {
	return cbor.Marshal([]any{"Signature1", protected, cbor.ByteString(""), payload})
}
