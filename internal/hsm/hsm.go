// Package hsm is the only home of plaintext key material. Its callers hold
// handles and wrapped bytes; what leaves it in clear is the plaintext of one
// decryption, the secret of one agreement or a data key pair, for the time of one
// request.
//
// The tree of keys (docs/formats/key-token.md draws it):
//
//	root key           a file outside the data directory
//	 └─ domain key     one per region and version, wrapped by the root key
//	     └─ key        a backing key, key pair, HMAC key, MAC key, access key or record key, wrapped as a token
//	         └─ message key   one per sealed message, by SP 800-108 from the key and 16 random bytes
//
// All encryption of its own is AES-256-GCM with a random nonce, all derivation
// NIST SP 800-108r1 in counter mode with HMAC-SHA-256 (kdf.go), all randomness
// crypto/rand. Key pairs and HMAC keys do what the mechanisms of KMS are; fips.go
// lists them. The package keeps no files but the root key: tokens in, tokens out.
//
// Usage limits (SP 800-38D section 8.3: at most 2^32 random nonces under one
// key). Every box (box.go) has a key of its own, so that limit cannot be met
// there. The one AES key that seals more than once is a part's: PartKey counts.
package hsm

import (
	"errors"
	"sync"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/secret"
)

// Errors of opening the module and its keys. Errors of this package name
// purposes, domains and key ids, never bytes of keys, plaintexts or tokens.
var (
	ErrRootKeyMissing     = errors.New("hsm: root key file is missing")
	ErrRootKeyMalformed   = errors.New("hsm: root key file is malformed")
	ErrRootKeyPermissions = errors.New("hsm: root key file can be read by others than its owner")

	// ErrWrongRootKey says that a domain key was wrapped under another root key.
	ErrWrongRootKey = errors.New("hsm: wrapped under another root key")
	// ErrUnknownDomainKey says that the domain key, or its version, is not installed.
	ErrUnknownDomainKey = errors.New("hsm: domain key is not installed")
	// ErrDomainKeyInstalled says that another key has that domain and version.
	ErrDomainKeyInstalled = errors.New("hsm: another domain key of that version is installed")
	// ErrTampered says that a token is damaged, or is not the one of its binding.
	ErrTampered = errors.New("hsm: key token does not authenticate")
	// ErrPurpose says that a binding's purpose does not fit the call.
	ErrPurpose = errors.New("hsm: purpose does not fit")
	// ErrAuth says that sealed bytes are damaged, or that their key or
	// additional data is another one. Which, nobody can tell.
	ErrAuth = errors.New("hsm: message authentication failed")
)

// keySize is the size in bytes of every key this package generates.
const keySize = 32

// Config says where the module finds its root key.
type Config struct {
	// RootKeyFile is the path of the root key file (docs/formats/root-key.md).
	// Required. It must be a regular file that only its owner can read.
	RootKeyFile string

	// FS is the file system that it is on. nil means the machine's.
	FS durable.FS
}

// Module is an opened root key and the domain keys installed under it. It is
// safe for concurrent use.
type Module struct {
	root   *prf
	rootID string

	mu      sync.RWMutex // guards domains, and is held while one of their keys is used
	domains map[string]*domain
}

// Open reads the root key. Errors to test for: ErrRootKeyMissing,
// ErrRootKeyMalformed, ErrRootKeyPermissions.
func Open(cfg Config) (*Module, error) {
	key, err := readRootKeyFile(cfg)
	if err != nil {
		return nil, err
	}
	root := newPRF(key)
	return &Module{root: root, rootID: rootKeyID(root), domains: make(map[string]*domain)}, nil
}

// RootKeyID returns the public fingerprint of the root key, 16 hexadecimal
// digits. It is stored beside the data, so that a wrong root key can be named.
func (m *Module) RootKeyID() string { return m.rootID }

// maxRandom bounds one Random call, in bytes; KMS GenerateRandom stops at 1024.
const maxRandom = 1 << 16

// Random returns n bytes from crypto/rand, 1 ≤ n ≤ 65536. The caller owns them.
func (m *Module) Random(n int) (secret.Bytes, error) {
	if n < 1 || n > maxRandom {
		return secret.Bytes{}, errors.New("hsm: length of random bytes out of range")
	}
	return secret.New(randomBytes(n)), nil
}
