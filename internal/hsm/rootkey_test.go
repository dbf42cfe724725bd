package hsm

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func TestRootKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root-key")
	if err := CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("got mode %v, want 0600", got)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := CreateRootKeyFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating it again: got %v, want %v", err, fs.ErrExist)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(after, before) {
		t.Errorf("creating it again must not touch the file (%v)", err)
	}
	m, err := Open(Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if m.RootKeyID() != again.RootKeyID() || len(m.RootKeyID()) != 16 {
		t.Errorf("got ids %q and %q, want one of 16 digits", m.RootKeyID(), again.RootKeyID())
	}
	if !bytes.Contains(before, []byte("# Strongroom root key "+m.RootKeyID())) {
		t.Error("the file must name its key's id")
	}
}

func TestRootKeyFileRefused(t *testing.T) {
	key := secret.New(bytes.Repeat([]byte{7}, keySize))
	line := string(formatRootKey(key))
	otherLine := string(formatRootKey(secret.New(bytes.Repeat([]byte{8}, keySize))))
	encoded := strings.TrimPrefix(strings.TrimSpace(line), rootKeyTag+" ")
	for _, row := range []struct {
		name, text string
		perm       fs.FileMode
		want       error
	}{
		{"good", line, 0o600, nil},
		{"read-only", line, 0o400, nil},
		{"comments, blank lines, CRLF", "# a\r\n\r\n" + strings.TrimSpace(line) + "\r\n#b", 0o600, nil},
		{"no line feed", strings.TrimSpace(line), 0o600, nil},
		{"group can read", line, 0o640, ErrRootKeyPermissions},
		{"world can read", line, 0o604, ErrRootKeyPermissions},
		{"group can write", line, 0o620, ErrRootKeyPermissions},
		{"empty", "", 0o600, ErrRootKeyMalformed},
		{"only comments", "# x\n", 0o600, ErrRootKeyMalformed},
		{"two keys", line + otherLine, 0o600, ErrRootKeyMalformed},
		{"the same key twice", line + line, 0o600, ErrRootKeyMalformed},
		{"other version", strings.Replace(line, "KEY-1", "KEY-2", 1), 0o600, ErrRootKeyMalformed},
		{"no tag", encoded, 0o600, ErrRootKeyMalformed},
		{"two spaces", rootKeyTag + "  " + encoded, 0o600, ErrRootKeyMalformed},
		{"indented", " " + line, 0o600, ErrRootKeyMalformed},
		{"padding", strings.TrimSpace(line) + "=", 0o600, ErrRootKeyMalformed},
		{"carriage return inside", rootKeyTag + " " + encoded[:20] + "\r" + encoded[21:], 0o600, ErrRootKeyMalformed},
		{"too long a file", line + strings.Repeat("#\n", rootKeyMaxFile), 0o600, ErrRootKeyMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "root-key")
			if err := os.WriteFile(path, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, row.perm); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{RootKeyFile: path})
			if !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if err != nil && (strings.Contains(err.Error(), encoded[:8]) || !strings.Contains(err.Error(), path)) {
				t.Errorf("got %q, want the path in it and nothing of the key", err)
			}
		})
	}
	if _, err := Open(Config{RootKeyFile: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, ErrRootKeyMissing) {
		t.Errorf("got %v, want %v", err, ErrRootKeyMissing)
	}
	if _, err := Open(Config{RootKeyFile: t.TempDir()}); !errors.Is(err, ErrRootKeyMalformed) {
		t.Errorf("a directory: got %v, want %v", err, ErrRootKeyMalformed)
	}
}

// No single change of a key's line goes unnoticed.
func TestRootKeyLineDamage(t *testing.T) {
	line := bytes.TrimSpace(formatRootKey(secret.New(randomBytes(keySize))))
	for i := range line {
		for bit := range 8 {
			damaged := bytes.Clone(line)
			damaged[i] ^= 1 << bit
			if _, ok := parseRootKey(damaged); ok {
				t.Errorf("byte %d, bit %d: the damaged line was accepted", i, bit)
			}
		}
		if _, ok := parseRootKey(line[:i]); ok {
			t.Errorf("cut to %d: the line was accepted", i)
		}
	}
}

func FuzzRootKeyFile(f *testing.F) {
	line := string(formatRootKey(secret.New(bytes.Repeat([]byte{7}, keySize))))
	for _, s := range []string{line, "# comment\r\n\n" + line, line + line, "", rootKeyTag + " x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, ok := parseRootKey(text)
		if !ok {
			return
		}
		if got := bytes.TrimSpace(formatRootKey(key)); !bytes.Contains(text, got) {
			t.Errorf("the file has another spelling of its key:\n%q", text)
		}
	})
}
