package nitro

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/secret"
)

func secretOf(s string) secret.Bytes { return secret.New([]byte(s)) }

// sizes are those of plaintexts: about a block, and the most of an operation.
var sizes = []int{0, 1, 15, 16, 17, 32, 4096}

func sealed(t *testing.T, e *enclave, plaintext string) []byte {
	t.Helper()
	d, err := Verify(e.document(nil), e.roots(), e.now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Seal(secretOf(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenSSLOpensSealed(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	e := newEnclave(t, nil)
	dir := t.TempDir()
	key := filepath.Join(dir, "key.pem")
	der := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(e.rsa)})
	if err := os.WriteFile(key, der, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		want := strings.Repeat("p", n)
		cmd := exec.Command(openssl, "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", key)
		cmd.Stdin = bytes.NewReader(sealed(t, e, want))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if got, err := cmd.Output(); err != nil || string(got) != want {
			t.Errorf("%d bytes: got %q, %v: %s", n, got, err, stderr.String())
		}
	}
}

// TestEnclaveOpensSealed reads a message byte by byte, as the drawing in seal.go
// has it, in the way of a parser that follows the enclave SDK: headers of
// indefinite length are read alone, other elements whole.
func TestEnclaveOpensSealed(t *testing.T) {
	e := newEnclave(t, nil)
	spki, err := x509.MarshalPKIXPublicKey(&e.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(spki)
	for _, n := range sizes {
		want := strings.Repeat("p", n)
		r := &reader{t, sealed(t, e, want)}
		r.expect("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x02")
		recipient := &reader{t, (&reader{t, r.element(0x31)}).element(0x30)}
		recipient.expect("\x02\x01\x02\x80\x20" + string(id[:]))
		recipient.expect("\x30\x3c\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07\x30\x2f" +
			"\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00" +
			"\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00")
		key, err := rsa.DecryptOAEP(sha256.New(), nil, e.rsa, recipient.element(0x04), nil)
		if err != nil || len(key) != 32 || len(recipient.b) != 0 {
			t.Fatalf("key of %d bytes, %v, %d bytes left", len(key), err, len(recipient.b))
		}
		r.expect("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x30\x1d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a")
		iv := r.element(0x04)
		r.expect("\xa0\x80")
		content := bytes.Clone(r.element(0x04))
		r.expect(strings.Repeat("\x00", 10))
		if len(r.b) != 0 {
			t.Errorf("%d bytes follow", len(r.b))
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(content, content)
		pad := int(content[len(content)-1])
		if got := string(content[:len(content)-pad]); got != want || pad != 16-n%16 {
			t.Errorf("%d bytes: got %q with %d bytes of padding", n, got, pad)
		}
	}
}

type reader struct {
	t *testing.T
	b []byte
}

func (r *reader) expect(want string) {
	r.t.Helper()
	if !bytes.HasPrefix(r.b, []byte(want)) {
		r.t.Fatalf("got %x, want %x", r.b[:min(len(want), len(r.b))], want)
	}
	r.b = r.b[len(want):]
}

// element reads a whole element of definite length and returns its content.
func (r *reader) element(tag byte) []byte {
	r.t.Helper()
	if len(r.b) < 2 || r.b[0] != tag || r.b[1] == 0x80 {
		r.t.Fatalf("no element %x", tag)
	}
	n, head := int(r.b[1]), 2
	if n > 0x80 {
		octets := n & 0x7f
		n = 0
		for _, o := range r.b[2 : 2+octets] {
			n = n<<8 | int(o)
		}
		head += octets
	}
	content := r.b[head : head+n]
	r.b = r.b[head+n:]
	return content
}

func TestSealIsNewEachTime(t *testing.T) {
	e := newEnclave(t, nil)
	if a, b := sealed(t, e, "same"), sealed(t, e, "same"); bytes.Equal(a[len(a)-32:], b[len(b)-32:]) || bytes.Contains(a, []byte("same")) {
		t.Error("two messages of one plaintext have the same content, or show it")
	}
}
