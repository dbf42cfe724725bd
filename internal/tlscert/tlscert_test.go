package tlscert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/hsm"
)

var testTime = time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func namesOf(t testing.TB, hosts ...string) (n Names) {
	t.Helper()
	for _, h := range hosts {
		if err := n.AddDomain(h); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func newCA(t testing.TB, key crypto.Signer, names Names) *CA {
	t.Helper()
	ca, err := NewCA(key, names, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		host    string
		dns, ip string
		bad     bool
	}{
		{host: "localhost", dns: "localhost *.localhost"},
		{host: "KMS.Example.Com.", dns: "kms.example.com *.kms.example.com"},
		{host: "under_score.example", dns: "under_score.example *.under_score.example"},
		{host: "192.0.2.1", ip: "192.0.2.1"},
		{host: "::1", ip: "::1"},
		{host: "::ffff:192.0.2.1", ip: "192.0.2.1"},
		{host: "fe80::1%eth0", ip: "fe80::1"},
		{host: "*.example.com", bad: true},
		{host: "", bad: true},
		{host: ".", bad: true},
		{host: "a..b", bad: true},
		{host: "-a.example", bad: true},
		{host: "a b", bad: true},
		{host: "bücher.example", bad: true},
		{host: "example.com:443", bad: true},
		{host: "https://example.com", bad: true},
		{host: "a\x00.example.com", bad: true},
		{host: strings.Repeat("a", 64) + ".example", bad: true},
		{host: strings.Repeat("a.", 127) + "aa", bad: true},
	} {
		t.Run(tt.host, func(t *testing.T) {
			var n Names
			err := n.AddDomain(tt.host)
			if (err != nil) != tt.bad {
				t.Fatalf("got %v, want refused: %v", err, tt.bad)
			}
			if err != nil {
				return
			}
			if got := strings.Join(n.DNS, " "); got != tt.dns {
				t.Errorf("got names %q, want %q", got, tt.dns)
			}
			if tt.ip != "" && (len(n.IPs) != 1 || n.IPs[0].String() != tt.ip) {
				t.Errorf("got addresses %v, want %s", n.IPs, tt.ip)
			}
			d, i := len(n.DNS), len(n.IPs)
			if err := n.AddDomain(tt.host); err != nil || len(n.DNS) != d || len(n.IPs) != i {
				t.Errorf("added twice: got %v, %v", n, err)
			}
		})
	}
}

// FuzzNames: what was accepted has one form, and is a name that a certificate
// can be made for and that Go's verifier knows.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"localhost", "KMS.Example.Com.", "::1", "fe80::1%eth0", "*.x", "a..b", "1.2.3", "0x7f.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		var n Names
		if n.Add(host) != nil {
			return
		}
		for _, d := range n.DNS {
			var again Names
			if err := again.Add(d); err != nil || len(again.DNS) != 1 || again.DNS[0] != d {
				t.Errorf("%q became %q, which becomes %q (%v)", host, d, again.DNS, err)
			}
			if err := (&x509.Certificate{DNSNames: n.DNS}).VerifyHostname(d); err != nil {
				t.Errorf("%q: %v", d, err)
			}
		}
	})
}

func TestIssue(t *testing.T) {
	caKey, serverKey := newKey(t), newKey(t)
	names := namesOf(t, "localhost", "s3.localhost", "127.0.0.1", "::1", "kms.example.com", "203.0.113.7")
	ca := newCA(t, caKey, names)
	cert, err := ca.Issue(serverKey.Public(), names, testTime)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca.PEM()) {
		t.Fatal("the CA's PEM is not read")
	}
	for _, tt := range []struct {
		name string
		host string
		at   time.Time
		good bool
	}{
		{"localhost", "localhost", testTime, true},
		{"bucket", "bucket.s3.localhost", testTime, true},
		{"below localhost, as Go has it", "x.localhost", testTime, true},
		{"given name", "kms.example.com", testTime, true},
		{"bucket below a given name", "bucket.kms.example.com", testTime, true},
		{"IPv4", "127.0.0.1", testTime, true},
		{"IPv6", "::1", testTime, true},
		{"given address", "203.0.113.7", testTime, true},
		{"bucket with a dot", "a.b.s3.localhost", testTime, false},
		{"another name", "example.com", testTime, false},
		{"another address", "127.0.0.2", testTime, false},
		{"clock an hour behind", "localhost", testTime.Add(-50 * time.Minute), true},
		{"yesterday", "localhost", testTime.Add(-24 * time.Hour), false},
		{"last day", "localhost", testTime.Add(ServerLife - time.Hour), true},
		{"after its life", "localhost", testTime.Add(ServerLife + time.Hour), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := cert.Verify(x509.VerifyOptions{DNSName: tt.host, Roots: pool, CurrentTime: tt.at})
			if (err == nil) != tt.good {
				t.Errorf("got %v, want accepted: %v", err, tt.good)
			}
		})
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: testTime, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("the certificate passes for a client's")
	}
	last, err := ca.Issue(serverKey.Public(), names, testTime.Add(CALife-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if last.NotAfter.After(ca.NotAfter()) {
		t.Errorf("got a certificate until %v from a CA until %v", last.NotAfter, ca.NotAfter())
	}
}

// TestConstraints signs with the CA's key for names that it may not sign for,
// as a thief of the key would: clients must refuse.
func TestConstraints(t *testing.T) {
	caKey, serverKey := newKey(t), newKey(t)
	ca := newCA(t, caKey, namesOf(t, "kms.example.com"))
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	dir := t.TempDir()
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		names Names
		good  bool
	}{
		{"localhost", namesOf(t, "localhost"), true},
		{"private address", namesOf(t, "192.168.1.2"), true},
		{"given name", namesOf(t, "kms.example.com"), true},
		{"below it", namesOf(t, "a.b.kms.example.com"), true},
		{"AWS", namesOf(t, "kms.us-east-1.amazonaws.com"), false},
		{"above the given name", namesOf(t, "example.com"), false},
		{"a name that ends like it", namesOf(t, "evilkms.example.com"), false},
		{"public address", namesOf(t, "203.0.113.7"), false},
		{"public IPv6 address", namesOf(t, "2001:db8::1"), false},
		{"one good, one bad", namesOf(t, "localhost", "example.org"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := ca.Permits(tt.names); errors.Is(err, ErrNotPermitted) == tt.good {
				t.Errorf("Permits: got %v, want permitted: %v", err, tt.good)
			}
			der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
				NotBefore: testTime, NotAfter: testTime.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
				DNSNames: tt.names.DNS, IPAddresses: tt.names.IPs,
			}, ca.cert, serverKey.Public(), caKey)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: testTime}); (err == nil) != tt.good {
				t.Errorf("Go: got %v, want accepted: %v", err, tt.good)
			}
			if _, err := exec.LookPath("openssl"); err != nil {
				t.Skip("openssl is not installed")
			}
			leafFile := filepath.Join(t.TempDir(), "leaf.pem")
			if err := os.WriteFile(leafFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-attime", "1795431723", "-CAfile", caFile, leafFile).CombinedOutput()
			if (err == nil) != tt.good {
				t.Errorf("OpenSSL: got %v, want accepted: %v\n%s", err, tt.good, out)
			}
		})
	}
}

func TestOpenCA(t *testing.T) {
	key := newKey(t)
	ca := newCA(t, key, Names{})
	if _, err := OpenCA(ca.DER(), key); err != nil {
		t.Errorf("its own: %v", err)
	}
	if _, err := OpenCA(ca.DER(), newKey(t)); err == nil {
		t.Error("another key: got no error")
	}
	for i := range ca.DER() {
		changed := bytes.Clone(ca.DER())
		changed[i] ^= 1 << (i % 8)
		if _, err := OpenCA(changed, key); err == nil {
			t.Errorf("bit flipped at %d: got no error", i)
		}
	}
	// The right public key in a certificate that somebody else signed.
	other := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, key.Public(), other)
	if err == nil {
		if _, err := OpenCA(der, key); err == nil {
			t.Error("signed by another: got no error")
		}
	}
}

// writePair writes a certificate and its key for host, as files.
func writePair(t *testing.T, dir, host string) (certFile, keyFile string) {
	t.Helper()
	key := newKey(t)
	names := namesOf(t, host)
	ca := newCA(t, newKey(t), names)
	cert, err := ca.Issue(key.Public(), names, testTime)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), ca.PEM()...)
	if err := os.WriteFile(certFile, chain, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return certFile, keyFile
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "one.example")
	otherCert, otherKey := writePair(t, t.TempDir(), "two.example")
	cert, err := LoadFiles(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if len(cert.Certificate) != 2 || cert.Leaf.DNSNames[0] != "one.example" {
		t.Errorf("got a chain of %d for %v, want 2 for one.example", len(cert.Certificate), cert.Leaf.DNSNames)
	}
	if _, ok := cert.PrivateKey.(*hsm.SigningKey); !ok {
		t.Errorf("got a %T, want a key that is kept in hsm", cert.PrivateKey)
	}
	text, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	file := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name      string
		cert, key string
		want      error
		text      string
	}{
		{"key of another", certFile, otherKey, ErrMismatch, certFile},
		{"certificate of another", otherCert, keyFile, ErrMismatch, keyFile},
		{"no certificate file", filepath.Join(dir, "none"), keyFile, os.ErrNotExist, "none"},
		{"no key file", certFile, filepath.Join(dir, "none"), os.ErrNotExist, "none"},
		{"half a certificate", file(text[:100]), keyFile, nil, "holds no certificate"},
		{"empty", file(nil), keyFile, nil, "holds no certificate"},
		{"key as certificate", keyFile, keyFile, nil, "holds no certificate"},
		{"no DER", file(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), keyFile, nil, "certificate 1"},
		{"directory", dir, keyFile, nil, "no regular file"},
		{"large", file(make([]byte, maxCertFile+1)), keyFile, nil, "larger than any"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadFiles(tt.cert, tt.key)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
			}
		})
	}
}

func TestCovers(t *testing.T) {
	key := newKey(t)
	names := namesOf(t, "localhost", "127.0.0.1", "::1")
	cert, err := newCA(t, key, names).Issue(key.Public(), names, testTime)
	if err != nil {
		t.Fatal(err)
	}
	if !Covers(cert, names) {
		t.Error("its own names: got false")
	}
	if Covers(cert, namesOf(t, "localhost", "127.0.0.1")) || Covers(cert, namesOf(t, "localhost", "127.0.0.1", "::1", "x.localhost")) {
		t.Error("other names: got true")
	}
	if Covers(cert, Names{DNS: names.DNS, IPs: []net.IP{{127, 0, 0, 1}, net.ParseIP("::2")}}) {
		t.Error("another address: got true")
	}
}
