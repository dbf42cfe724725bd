// Package tlscert makes and reads the certificates that the server shows to
// its clients (RFC 5280): a local CA with a server certificate under it, or a
// pair of files that somebody else made.
package tlscert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// How long certificates are valid. A server certificate is replaced when
// RenewBefore is left of it, so that a server which was down for weeks, or a
// clock that is off by days, does no harm.
const (
	CALife      = 10 * 365 * 24 * time.Hour
	ServerLife  = 90 * 24 * time.Hour
	RenewBefore = 30 * 24 * time.Hour

	// skew is how far a certificate's validity begins in the past, for clients
	// whose clocks are behind.
	skew = time.Hour
)

// ErrNotPermitted says that the CA may not sign for a name.
var ErrNotPermitted = errors.New("tlscert: outside of what the CA may sign for")

// privateRanges are the addresses that no one on the Internet is reached at:
// loopback, RFC 1918, RFC 6598, link-local, RFC 4193.
var privateRanges = [...]string{
	"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
	"::1/128", "fc00::/7", "fe80::/10",
}

// CA is a certificate authority for one server: its certificate and the key
// that signs. It is safe for concurrent use.
type CA struct {
	cert   *x509.Certificate
	signer crypto.Signer
}

// NewCA makes a certificate for key, valid from now on for CALife. It is good
// for TLS servers alone, and by critical name constraints for these alone:
// localhost, private addresses, and the names given. Whoever should get hold
// of the key, or install the certificate where all programs trust it, then has
// no certificate authority for the rest of the world.
func NewCA(key crypto.Signer, names Names, now time.Time) (*CA, error) {
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("tlscert: the CA's key is not an ECDSA key")
	}
	der, err := public.Bytes()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	t := &x509.Certificate{
		// The name tells apart the CAs of two servers that one client trusts.
		Subject:   pkix.Name{Organization: []string{"Strongroom"}, CommonName: "Strongroom local CA " + hex.EncodeToString(sum[:4])},
		NotBefore: now.Add(-skew), NotAfter: now.Add(CALife),
		KeyUsage: x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
		SubjectKeyId:                sum[:20],
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
	}
	for _, r := range privateRanges {
		_, n, err := net.ParseCIDR(r)
		if err != nil {
			return nil, err
		}
		t.PermittedIPRanges = append(t.PermittedIPRanges, n)
	}
	for _, d := range names.DNS {
		if d = strings.TrimPrefix(d, "*."); !permittedDNS(t, d) {
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, d)
		}
	}
	for _, ip := range names.IPs {
		if !permittedIP(t, ip) {
			bits := 8 * len(ip)
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)})
		}
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, public, key)
	if err != nil {
		return nil, fmt.Errorf("making the CA's certificate: %w", err)
	}
	return OpenCA(cert, key)
}

// OpenCA takes a CA's certificate in DER, which may have been where others can
// write: it must be signed by key, with key's own public key in it.
func OpenCA(der []byte, key crypto.Signer) (*CA, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the CA's certificate: %w", err)
	}
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the CA's certificate is not the one of its key")
	}
	if err := cert.CheckSignatureFrom(cert); err != nil {
		return nil, fmt.Errorf("the CA's certificate: %w", err)
	}
	return &CA{cert, key}, nil
}

// DER returns the CA's certificate. It must not be changed.
func (ca *CA) DER() []byte { return ca.cert.Raw }

// NotAfter returns the end of the CA's validity.
func (ca *CA) NotAfter() time.Time { return ca.cert.NotAfter }

// PEM returns the CA's certificate as clients want it, under a line that says
// what it is. (RFC 7468 section 2: text outside of the block is ignored.)
func (ca *CA) PEM() []byte {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
	return append([]byte("# "+ca.cert.Subject.CommonName+", public: give it to clients (AWS_CA_BUNDLE)\n"), block...)
}

// Issue makes a server certificate for public, valid from now on for
// ServerLife and no longer than the CA. The error is ErrNotPermitted, and
// names the name, when names has one that the CA may not sign for.
func (ca *CA) Issue(public crypto.PublicKey, names Names, now time.Time) (*x509.Certificate, error) {
	if err := ca.Permits(names); err != nil {
		return nil, err
	}
	end := now.Add(ServerLife)
	if end.After(ca.cert.NotAfter) {
		end = ca.cert.NotAfter
	}
	begin := now.Add(-skew)
	if begin.Before(ca.cert.NotBefore) {
		begin = ca.cert.NotBefore
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Strongroom"}, CommonName: "Strongroom server"},
		NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              names.DNS, IPAddresses: names.IPs,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, public, ca.signer)
	if err != nil {
		return nil, fmt.Errorf("making the server's certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// Permits returns ErrNotPermitted, with the name, for the first of names that
// the CA may not sign for. (A client would refuse the whole certificate for it.)
func (ca *CA) Permits(names Names) error {
	for _, d := range names.DNS {
		if !permittedDNS(ca.cert, strings.TrimPrefix(d, "*.")) {
			return fmt.Errorf("%w: %s", ErrNotPermitted, d)
		}
	}
	for _, ip := range names.IPs {
		if !permittedIP(ca.cert, ip) {
			return fmt.Errorf("%w: %v", ErrNotPermitted, ip)
		}
	}
	return nil
}

func permittedDNS(ca *x509.Certificate, name string) bool {
	return slices.ContainsFunc(ca.PermittedDNSDomains, func(d string) bool { return name == d || strings.HasSuffix(name, "."+d) })
}

func permittedIP(ca *x509.Certificate, ip net.IP) bool {
	return slices.ContainsFunc(ca.PermittedIPRanges, func(n *net.IPNet) bool { return n.Contains(ip) })
}

// Certificate is what a listener shows: the certificate and its key.
func Certificate(cert *x509.Certificate, key crypto.Signer) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// Covers reports whether cert is for just these names.
func Covers(cert *x509.Certificate, names Names) bool {
	return slices.Equal(cert.DNSNames, names.DNS) &&
		slices.EqualFunc(cert.IPAddresses, names.IPs, net.IP.Equal)
}
