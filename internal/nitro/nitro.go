// Package nitro verifies attestation documents of AWS Nitro Enclaves and seals
// what only the enclave of such a document may read.
//
// Sources: aws-nitro-enclaves-nsm-api, "Nitro Enclaves Attestation Process"
// (fields, limits, validation); AWS Nitro Enclaves User Guide, "Verifying the
// root of trust" (fingerprint of the root); RFC 9052 and 9053 (COSE_Sign1,
// ES384); RFC 5652 and 4055 (the sealed message).
package nitro

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Why a document is refused. Which one it is may be told to who sent it.
var (
	ErrMalformed = errors.New("nitro: not an attestation document")
	ErrUntrusted = errors.New("nitro: attestation document is not signed by a trusted enclave system")
	ErrStale     = errors.New("nitro: attestation document is too old, or of the future")
	ErrPublicKey = errors.New("nitro: attestation document has no RSA public key of 2048 to 4096 bits")
)

// MaxAge is how old a document may be. Its chain is valid for hours; whoever
// copied a document could send it again all that time.
const MaxAge = 5 * time.Minute

// skew is how far the clock of an enclave may be ahead of ours.
const skew = time.Minute

// Root is the SHA-256 fingerprint of a root certificate in DER, which is the
// first certificate of a document's bundle. The root is not a secret and comes
// with every document: the fingerprint is all that has to be known.
type Root [sha256.Size]byte

// String returns the fingerprint in hexadecimal.
func (r Root) String() string { return hex.EncodeToString(r[:]) }

// AWSRoot returns the root of the commercial AWS partition, CN=aws.nitro-enclaves
// (AWS Nitro Enclaves User Guide, "Verifying the root of trust").
func AWSRoot() Root {
	return Root{
		0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31,
		0x7e, 0xd7, 0xcd, 0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
	}
}

// ParseRoots returns the roots in a PEM file: one or more certificates of P-384
// keys that are CAs, and nothing else.
func ParseRoots(file []byte) ([]Root, error) {
	var roots []Root
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("nitro: a file of root certificates has a block %q", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("nitro: parsing a root certificate: %w", err)
		}
		if !c.IsCA || !isP384(c) {
			return nil, fmt.Errorf("nitro: %q is not a CA of a P-384 key", c.Subject)
		}
		roots, file = append(roots, sha256.Sum256(c.Raw)), rest
	}
	if len(roots) == 0 {
		return nil, errors.New("nitro: a file of root certificates has none")
	}
	return roots, nil
}

// Document is what a verified attestation document says.
type Document struct {
	ModuleID  string
	Timestamp time.Time      // when it was made
	PCRs      map[int][]byte // 32, 48 or 64 bytes, by index 0 to 31; all zero of an enclave in debug mode
	PublicKey *rsa.PublicKey // 2048 to 4096 bits; nil: the document has none, or one of another kind
	UserData  []byte         // at most 512 bytes; nil: none
	Nonce     []byte         // at most 512 bytes; nil: none
}

// ImageSHA384 returns PCR0, the digest of the enclave's image, or nil.
func (d *Document) ImageSHA384() []byte { return d.PCRs[0] }

// Verify parses a document and returns what it says, if it was made at most
// [MaxAge] before now, and signed by a certificate that chains, now, to one of
// roots. Without roots nothing is trusted. Errors are [ErrMalformed],
// [ErrUntrusted] and [ErrStale], with the reason.
func Verify(document []byte, roots []Root, now time.Time) (*Document, error) {
	m, err := parseMessage(document)
	if err != nil {
		return nil, err
	}
	p, err := parsePayload([]byte(m.Payload))
	if err != nil {
		return nil, err
	}
	key, err := p.signer(roots, now)
	if err != nil {
		return nil, err
	}
	if !m.signedBy(key) {
		return nil, fmt.Errorf("%w: wrong signature", ErrUntrusted)
	}
	made := time.UnixMilli(int64(p.Timestamp))
	if made.Before(now.Add(-MaxAge)) || made.After(now.Add(skew)) {
		return nil, ErrStale
	}
	d := &Document{ModuleID: p.ModuleID, Timestamp: made, PCRs: map[int][]byte{}, UserData: optional(p.UserData), Nonce: optional(p.Nonce)}
	for i, pcr := range p.PCRs {
		d.PCRs[int(i)] = []byte(pcr)
	}
	if public, err := x509.ParsePKIXPublicKey(optional(p.PublicKey)); err == nil {
		if k, ok := public.(*rsa.PublicKey); ok && usable(k) {
			d.PublicKey = k
		}
	}
	return d, nil
}

// usable reports whether a key is long enough to be safe and short enough to be
// quick.
func usable(k *rsa.PublicKey) bool {
	return k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096 && k.N.BitLen()%8 == 0
}
