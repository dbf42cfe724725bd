package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrSigningKeyFile says that a file holds no private key that can sign, or
// that others than its owner can read it; the text says which.
var ErrSigningKeyFile = errors.New("hsm: unusable private key file")

// maxKeyFile bounds a private key file, in bytes; an RSA key of 16384 bits has
// less than 13,000 in PEM.
const maxKeyFile = 64 << 10

// SigningKey signs for certificates and TLS. It implements [crypto.Signer];
// its private bytes do not leave the package. It is safe for concurrent use.
type SigningKey struct{ signer crypto.Signer }

// GenerateSigningKey makes an ECDSA key on P-256 (FIPS 186-5) and returns it
// wrapped under the newest key of b.Domain. What is wrapped is the private
// scalar, 32 bytes, big-endian. b.Purpose must be PurposeSigning. Errors to
// test for: ErrUnknownDomainKey, ErrPurpose.
func (m *Module) GenerateSigningKey(b Binding) (token []byte, err error) {
	if b.Purpose != PurposeSigning {
		return nil, fmt.Errorf("making %v: %w", b, ErrPurpose)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making %v: %w", b, err)
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("making %v: %w", b, err)
	}
	defer clear(scalar)
	return m.wrap(b, scalar)
}

// LoadSigningKey opens a token of PurposeSigning. Errors as for the other Load
// methods; ErrTampered also when the bytes are no scalar of P-256.
func (m *Module) LoadSigningKey(token []byte, b Binding) (*SigningKey, error) {
	p, err := m.load(token, b, PurposeSigning)
	if err != nil {
		return nil, err
	}
	defer p.key.Wipe()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), p.key.Expose())
	if err != nil {
		return nil, fmt.Errorf("opening %v: %w", b, ErrTampered)
	}
	return &SigningKey{key}, nil
}

// LoadSigningKeyFile reads a private key (RSA, ECDSA or Ed25519) in PEM, as
// PKCS #8, SEC 1 or PKCS #1, that somebody else made. Like the root key's the
// file must be a regular one that only its owner can read. The error is
// ErrSigningKeyFile, or that of opening the file.
func LoadSigningKeyFile(path string) (*SigningKey, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrSigningKeyFile, path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s can be read by others (mode %04o): chmod 600 it, and replace the key if others may have read it", ErrSigningKeyFile, path, perm)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	defer clear(text)
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%w: %s is larger than any private key", ErrSigningKeyFile, path)
	}
	key, err := parseSigningKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %w", ErrSigningKeyFile, path, err)
	}
	return key, nil
}

// parseSigningKey finds the one private key in PEM text. Its errors follow the
// file's name. Those of the parsers are left out: they may quote what they read.
func parseSigningKey(text []byte) (*SigningKey, error) {
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("holds no private key in PEM")
		}
		defer clear(block.Bytes)
		var key any
		var err error
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, errors.New("holds an encrypted private key: decrypt it (openssl pkey -in FILE -out NEW); the mode 0600 protects it")
		case block.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case block.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		default:
			continue // parameters, or the certificate in the same file
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return nil, errors.New("holds a private key that is damaged or cannot sign")
		}
		if bytes.Contains(rest, []byte("PRIVATE KEY-----")) {
			return nil, errors.New("holds more than one private key")
		}
		return &SigningKey{signer}, nil
	}
}

// Public implements [crypto.Signer].
func (k *SigningKey) Public() crypto.PublicKey { return k.signer.Public() }

// Sign implements [crypto.Signer]. The reader is not used: randomness comes
// from crypto/rand, whatever a caller has.
func (k *SigningKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.signer.Sign(rand.Reader, digest, opts)
}

// String keeps fmt from looking inside.
func (*SigningKey) String() string { return "hsm.SigningKey" }

// GoString is String for %#v.
func (*SigningKey) GoString() string { return "hsm.SigningKey" }
