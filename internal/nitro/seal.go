package nitro

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"github.com/strongroom/strongroom/internal/secret"
)

// A sealed message is a CMS EnvelopedData (RFC 5652, 6.1) in BER. The lengths of
// the outer levels are indefinite and those within are not: the enclave SDK in C
// reads nothing else.
//
//	30 80                             ContentInfo
//	   06 09 1.2.840.113549.1.7.3       enveloped-data
//	   a0 80
//	      30 80                       EnvelopedData
//	         02 01 02                   version 2
//	         31 len                     RecipientInfos, one KeyTransRecipientInfo:
//	            30 len
//	               02 01 02               version 2: by subjectKeyIdentifier
//	               80 20 id               SHA-256 of the SubjectPublicKeyInfo
//	               30 3c RSAES-OAEP       SHA-256, MGF1 with SHA-256 (RFC 4055, 4.1)
//	               04 len key             32 bytes, encrypted
//	         30 80                      EncryptedContentInfo
//	            06 09 1.2.840.113549.1.7.1
//	            30 1d AES-256-CBC         with an IV of 16 bytes (RFC 3565)
//	            a0 80
//	               04 len content         padded (RFC 5652, 6.3)
//	            00 00
//	         00 00
//	      00 00
//	   00 00
//	00 00
var (
	oidData      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEnveloped = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	oidOAEP      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidMGF1      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidSHA256    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidAES256CBC = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue
}

type nestedAlgorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters algorithmIdentifier
}

type oaepParameters struct {
	Hash algorithmIdentifier `asn1:"explicit,tag:0"`
	MGF  nestedAlgorithm     `asn1:"explicit,tag:1"`
}

type oaepAlgorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters oaepParameters
}

type cbcAlgorithm struct {
	Algorithm asn1.ObjectIdentifier
	IV        []byte
}

type keyTransRecipient struct {
	Version int
	KeyID   []byte `asn1:"tag:0"`
	KeyAlg  oaepAlgorithm
	Key     []byte
}

// Seal encrypts plaintext, which stays the caller's, to the enclave of a
// document: the answer's CiphertextForRecipient. The content's key is new each
// time and kept nowhere. CBC has no authentication, as AWS's answers have none:
// the enclave trusts the connection for it. The error is [ErrPublicKey] for a
// document without a usable key. It is safe for concurrent use.
func (d *Document) Seal(plaintext secret.Bytes) ([]byte, error) {
	if d.PublicKey == nil {
		return nil, ErrPublicKey
	}
	spki, err := x509.MarshalPKIXPublicKey(d.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding the enclave's public key: %w", err)
	}
	keyID := sha256.Sum256(spki)

	var key [32]byte
	var iv [aes.BlockSize]byte
	_, _ = rand.Read(key[:]) // never fails
	_, _ = rand.Read(iv[:])
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("sealing for an enclave: %w", err)
	}
	pad := aes.BlockSize - plaintext.Len()%aes.BlockSize
	content := make([]byte, plaintext.Len()+pad)
	for i := copy(content, plaintext.Expose()); i < len(content); i++ {
		content[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(content, content)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, d.PublicKey, key[:], nil)
	if err != nil {
		return nil, fmt.Errorf("sealing for an enclave: %w", err)
	}

	hash := algorithmIdentifier{oidSHA256, asn1.NullRawValue}
	w := new(ber)
	w.open(0x30)
	w.der(oidEnveloped, "")
	w.open(0xa0)
	w.open(0x30)
	w.der(2, "")
	w.der([]keyTransRecipient{{
		2, keyID[:], oaepAlgorithm{oidOAEP, oaepParameters{hash, nestedAlgorithm{oidMGF1, hash}}}, wrapped,
	}}, "set")
	w.open(0x30)
	w.der(oidData, "")
	w.der(cbcAlgorithm{oidAES256CBC, iv[:]}, "")
	w.open(0xa0)
	w.der(content, "")
	return w.close()
}

// ber writes elements of indefinite length around ones in DER.
type ber struct {
	b     []byte
	depth int
	err   error
}

func (w *ber) open(tag byte) { w.b, w.depth = append(w.b, tag, 0x80), w.depth+1 }

func (w *ber) der(v any, params string) {
	b, err := asn1.MarshalWithParams(v, params)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("sealing for an enclave: %w", err)
	}
	w.b = append(w.b, b...)
}

// close ends every element that is open.
func (w *ber) close() ([]byte, error) {
	return append(w.b, make([]byte, 2*w.depth)...), w.err
}
