package hsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/secret"
)

// A root key file is text (docs/formats/root-key.md): comment lines, which
// begin with "#", blank lines, and exactly one line
//
//	STRONGROOM-ROOT-KEY-1 <48 characters>
//
// whose characters are unpadded base64url (RFC 4648 section 5) of 36 bytes: the
// key (32), then the first four bytes of SHA-256(tag ‖ 0x00 ‖ key), tag being
// the line's first word. The check tells a mistyped key from a wrong one.

const (
	rootKeyTag     = "STRONGROOM-ROOT-KEY-1"
	rootKeyCheck   = 4
	rootKeyMaxFile = 4096
	rootKeyIDSize  = 8
)

// rootKeyEncoding refuses non-zero trailing bits and, below, line breaks, so
// that a key has one spelling.
var rootKeyEncoding = base64.RawURLEncoding.Strict()

// CreateRootKeyFile generates a root key and writes it to a new file that only
// its owner can read. File and directory are synced before it returns. It
// fails with an error that is fs.ErrExist, and leaves the file alone, when path
// is there.
func CreateRootKeyFile(path string) error { return Config{RootKeyFile: path}.CreateRootKeyFile() }

// CreateRootKeyFile is [CreateRootKeyFile] for c's file, on c's file system.
func (c Config) CreateRootKeyFile() error {
	key := secret.New(randomBytes(keySize))
	defer key.Wipe()
	text := fmt.Appendf(nil, "# Strongroom root key %s. Without it nothing can be opened; whoever has it can open everything.\n%s",
		rootKeyID(newPRF(key)), formatRootKey(key))
	defer clear(text)
	if err := durable.On(c.FS).CreateFile(c.RootKeyFile, text, 0o600); err != nil {
		return fmt.Errorf("creating root key file: %w", err)
	}
	return nil
}

// CopyRootKeyFile copies a root key file to a new one, comments included, as
// CreateRootKeyFile makes it. Errors of reading are those of Open.
func CopyRootKeyFile(from, to string) error {
	text, key, err := readRootKeyText(Config{RootKeyFile: from})
	if err != nil {
		return err
	}
	key.Wipe()
	defer clear(text)
	if err := durable.CreateFile(to, text, 0o600); err != nil {
		return fmt.Errorf("copying root key file: %w", err)
	}
	return nil
}

// RootKeyFileID returns the id of the root key in a file. Errors are those of
// Open.
func RootKeyFileID(path string) (string, error) {
	m, err := Open(Config{RootKeyFile: path})
	if err != nil {
		return "", err
	}
	defer m.root.wipe()
	return m.rootID, nil
}

// readRootKeyFile returns the key in a root key file.
func readRootKeyFile(c Config) (secret.Bytes, error) {
	text, key, err := readRootKeyText(c)
	clear(text)
	return key, err
}

// readRootKeyText checks the file's permissions and parses it. The caller
// clears the text.
func readRootKeyText(c Config) (text []byte, key secret.Bytes, err error) {
	path := c.RootKeyFile
	f, err := durable.On(c.FS).FS().OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, secret.Bytes{}, fmt.Errorf("%w: %s", ErrRootKeyMissing, path)
	}
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("opening root key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("opening root key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, secret.Bytes{}, fmt.Errorf("%w: %s is no regular file", ErrRootKeyMalformed, path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, secret.Bytes{}, fmt.Errorf("%w: %s has mode %04o, want 0600", ErrRootKeyPermissions, path, perm)
	}
	text, err = io.ReadAll(io.LimitReader(f, rootKeyMaxFile+1))
	if err != nil {
		return nil, secret.Bytes{}, fmt.Errorf("reading root key file: %w", err)
	}
	key, ok := parseRootKey(text)
	if !ok {
		clear(text)
		return nil, secret.Bytes{}, fmt.Errorf("%w: %s", ErrRootKeyMalformed, path)
	}
	return text, key, nil
}

// formatRootKey returns the key's line, its line feed included.
func formatRootKey(key secret.Bytes) []byte {
	raw := append(bytes.Clone(key.Expose()), rootKeySum(key.Expose())...)
	defer clear(raw)
	line := append([]byte(rootKeyTag), ' ')
	return append(rootKeyEncoding.AppendEncode(line, raw), '\n')
}

// parseRootKey finds the one key in the text of a root key file.
func parseRootKey(text []byte) (key secret.Bytes, ok bool) {
	if len(text) > rootKeyMaxFile {
		return secret.Bytes{}, false
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if !key.IsNil() { // a second one
			return secret.Bytes{}, false
		}
		if key, ok = parseRootKeyLine(line); !ok {
			return secret.Bytes{}, false
		}
	}
	return key, !key.IsNil()
}

func parseRootKeyLine(line []byte) (secret.Bytes, bool) {
	encoded, ok := bytes.CutPrefix(line, []byte(rootKeyTag+" "))
	if !ok || len(encoded) != rootKeyEncoding.EncodedLen(keySize+rootKeyCheck) {
		return secret.Bytes{}, false
	}
	raw, err := rootKeyEncoding.AppendDecode(nil, encoded)
	if err != nil || len(raw) != keySize+rootKeyCheck { // shorter when it held a carriage return
		return secret.Bytes{}, false
	}
	key, check := raw[:keySize:keySize], raw[keySize:]
	if !bytes.Equal(check, rootKeySum(key)) {
		return secret.Bytes{}, false
	}
	return secret.New(key), true
}

func rootKeySum(key []byte) []byte {
	h := sha256.New()
	h.Write([]byte(rootKeyTag + "\x00"))
	h.Write(key)
	return h.Sum(nil)[:rootKeyCheck]
}

// rootKeyID is the first 8 bytes of the key derived for the purpose, in hexadecimal.
func rootKeyID(root *prf) string {
	var id [keySize]byte
	root.derive(id[:], labelRootKeyID)
	return hex.EncodeToString(id[:rootKeyIDSize])
}
