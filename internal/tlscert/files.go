package tlscert

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/strongroom/strongroom/internal/hsm"
)

// maxCertFile bounds a file of certificates, in bytes: a chain has a few
// thousand.
const maxCertFile = 1 << 20

// ErrMismatch says that a certificate and a key do not belong together. While
// the two files are being replaced that is so for a moment.
var ErrMismatch = errors.New("the certificate is of another key")

// LoadFiles reads a certificate chain, the server's own certificate first, and
// its private key, both PEM. The key stays in hsm; see
// [hsm.LoadSigningKeyFile] for what its file must be like.
func LoadFiles(certFile, keyFile string) (*tls.Certificate, error) {
	chain, leaf, err := readChain(certFile)
	if err != nil {
		return nil, err
	}
	key, err := hsm.LoadSigningKeyFile(keyFile)
	if err != nil {
		return nil, err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s and %s: %w", certFile, keyFile, ErrMismatch)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

func readChain(path string) (chain [][]byte, leaf *x509.Certificate, err error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for a writer
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCertFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(text) > maxCertFile {
		return nil, nil, fmt.Errorf("%s is larger than any certificate chain", path)
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue // the key may be in the same file
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("%s, certificate %d: %w", path, len(chain)+1, err)
		}
		if leaf == nil {
			leaf = cert
		}
		chain = append(chain, block.Bytes)
	}
	if leaf == nil {
		return nil, nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return chain, leaf, nil
}
