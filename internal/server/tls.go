package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/tlscert"
)

// Values of [Config.TLS].
const (
	TLSOff  = "off"
	TLSSelf = "self"
)

// How often certificates are looked after: files are compared with what was
// read last; names and age of one of our own are looked at.
const (
	certFilesEvery = 5 * time.Second
	certSelfEvery  = time.Minute
)

// expiryWarning is how long before its end a certificate is warned of, in the
// log and by doctor.
const expiryWarning = 14 * 24 * time.Hour

// certificateWorker is the name of the worker that looks after certificates.
const certificateWorker = "certificate"

// CAFile returns the path of the certificate of a data directory's local CA,
// which is public. It lies beside the directory, where clients may read it.
func CAFile(dataDir string) string { return filepath.Clean(dataDir) + ".ca.pem" }

// secure reports whether the listener speaks TLS.
func (c *Config) secure() bool { return c.TLS == TLSSelf || c.TLSCert != "" }

// completeTLS refuses contradictions between the settings of TLS.
func (c *Config) completeTLS() error {
	switch {
	case c.TLS != "" && c.TLS != TLSOff && c.TLS != TLSSelf:
		return fmt.Errorf("--tls %q: want self or off", c.TLS)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("give both --tls-cert and --tls-key, or neither")
	case c.TLS != "" && c.TLSCert != "":
		return fmt.Errorf("--tls %s contradicts --tls-cert and --tls-key: leave one of them out", c.TLS)
	case len(c.TLSNames) > 0 && c.TLS != TLSSelf:
		return errors.New("--tls-name says what the certificate of --tls self is for: give --tls self too")
	case c.NewCA && c.TLS != TLSSelf:
		return errors.New("--tls-new-ca is about the CA of --tls self: give --tls self too")
	case c.InsecurePublic && c.secure():
		return errors.New("--insecure-public is about serving without TLS: leave it out")
	}
	var n tlscert.Names
	for _, name := range c.TLSNames {
		if err := n.AddDomain(name); err != nil {
			return fmt.Errorf("--tls-name: %w", err)
		}
	}
	return nil
}

// certificates keeps the certificate that the listener shows up to date. What
// is shown changes between two handshakes; connections go on.
type certificates struct {
	cfg     Config
	log     *slog.Logger
	metrics *tlsMetrics

	current atomic.Pointer[tls.Certificate]
	ca      *tlscert.CA     // nil with certificate files
	key     *hsm.SigningKey // of the server's certificate under ca

	mu      sync.Mutex // guards what follows, and that one check runs at a time
	problem string     // the last one that was logged
	warned  time.Time  // when the end of validity was last warned of
}

// openCertificates reads the certificate files, or opens the local CA, which
// is made when there is none. It returns nil when there is no TLS.
func openCertificates(ctx context.Context, st *store.Store, m *hsm.Module, cfg Config, metrics *tlsMetrics) (*certificates, error) {
	if !cfg.secure() {
		return nil, nil
	}
	c := &certificates{cfg: cfg, log: cfg.Logger, metrics: metrics}
	if cfg.TLS == TLSSelf {
		wanted, _, err := certificateNames(cfg)
		if err != nil {
			return nil, err
		}
		if c.ca, c.key, err = openLocalCA(ctx, st, m, wanted, cfg); err != nil {
			return nil, err
		}
		if err := c.ca.Permits(wanted); err != nil {
			return nil, fmt.Errorf("%w; the CA was made for other names. Make a new one by one start with --tls-new-ca, and give clients %s anew", err, CAFile(cfg.DataDir))
		}
		if err := writeCAFile(CAFile(cfg.DataDir), c.ca.PEM(), cfg.Logger); err != nil {
			return nil, err
		}
	}
	next, err := c.next()
	if err != nil {
		return nil, err
	}
	c.show(next)
	c.warn()
	return c, nil
}

// writeCAFile puts the CA's certificate where clients find it. A file of a
// data directory that was there before is replaced.
func writeCAFile(path string, text []byte, log *slog.Logger) error {
	old, err := os.ReadFile(path)
	if err == nil && string(old) == string(text) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		log.Warn("the file of the CA's certificate held another one and is replaced: give it to clients anew", "file", path)
	}
	return durable.WriteFile(path, text, 0o644)
}

// check replaces the certificate when it has to be. It is the worker's run.
// What goes wrong leaves the old certificate in place, is counted, and is
// logged once until it changes.
func (c *certificates) check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.next()
	if err != nil {
		if text := err.Error(); text != c.problem {
			c.problem = text
			c.metrics.failures.Inc()
			c.log.Error("the certificate could not be replaced; the old one stays", "error", err)
		}
		return nil
	}
	c.problem = ""
	if next != nil {
		c.show(next)
		c.log.Info("the certificate was replaced", "until", next.Leaf.NotAfter, "names", next.Leaf.DNSNames, "addresses", next.Leaf.IPAddresses)
	}
	c.warn()
	return nil
}

// next returns the certificate to show from now on; nil: the present one.
func (c *certificates) next() (*tls.Certificate, error) {
	now := c.cfg.Clock()
	old := c.current.Load()
	if c.ca == nil {
		cert, err := tlscert.LoadFiles(c.cfg.TLSCert, c.cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("TLS certificate: %w", err)
		}
		if old == nil {
			return cert, nil
		}
		if same(old, cert) {
			return nil, nil
		}
		if cert.Leaf.NotAfter.Before(now) && old.Leaf.NotAfter.After(now) {
			return nil, fmt.Errorf("TLS certificate: %s ended on %v, and the one in use has not", c.cfg.TLSCert, cert.Leaf.NotAfter)
		}
		return cert, nil
	}
	names, interfaces, err := certificateNames(c.cfg)
	if err != nil {
		return nil, err
	}
	for _, ip := range interfaces {
		var one tlscert.Names
		one.AddIP(ip)
		if c.ca.Permits(one) == nil { // others need --tls-name when the CA is made
			names.AddIP(ip)
		}
	}
	if old != nil && tlscert.Covers(old.Leaf, names) && old.Leaf.NotBefore.Before(now) && old.Leaf.NotAfter.Sub(now) > tlscert.RenewBefore {
		return nil, nil
	}
	if !c.ca.NotAfter().After(now) {
		return nil, fmt.Errorf("the local CA ended on %v: make a new one by one start with --tls-new-ca, and give clients %s anew", c.ca.NotAfter(), CAFile(c.cfg.DataDir))
	}
	cert, err := c.ca.Issue(c.key.Public(), names, now)
	if err != nil {
		return nil, err
	}
	// Close to the CA's own end a new certificate gains nothing over the old.
	if old != nil && tlscert.Covers(old.Leaf, names) && old.Leaf.NotBefore.Before(now) && !cert.NotAfter.After(old.Leaf.NotAfter) {
		return nil, nil
	}
	return tlscert.Certificate(cert, c.key), nil
}

// same reports whether two certificates are the same chain.
func same(a, b *tls.Certificate) bool {
	if len(a.Certificate) != len(b.Certificate) {
		return false
	}
	for i := range a.Certificate {
		if string(a.Certificate[i]) != string(b.Certificate[i]) {
			return false
		}
	}
	return true
}

func (c *certificates) show(cert *tls.Certificate) {
	c.current.Store(cert)
	c.metrics.expiry.WithLabelValues("server").Set(float64(cert.Leaf.NotAfter.Unix()))
	if c.ca != nil {
		c.metrics.expiry.WithLabelValues("ca").Set(float64(c.ca.NotAfter().Unix()))
	}
}

// warn says, once a day, that a certificate is about to end.
func (c *certificates) warn() {
	now := c.cfg.Clock()
	if d := now.Sub(c.warned); d >= 0 && d < 24*time.Hour {
		return
	}
	if end := c.current.Load().Leaf.NotAfter; end.Sub(now) < expiryWarning {
		c.warned = now
		c.log.Warn("the server's certificate ends soon, or has ended: clients will refuse it", "until", end)
	}
	if c.ca != nil && c.ca.NotAfter().Sub(now) < expiryWarning {
		c.warned = now
		c.log.Warn("the local CA ends soon, or has ended: make a new one by one start with --tls-new-ca", "until", c.ca.NotAfter())
	}
}

// config returns what the listener speaks: TLS 1.3 or 1.2, with forward
// secrecy and authenticated encryption in either. (In FIPS 140-3 mode
// crypto/tls leaves out what is not approved: ChaCha20-Poly1305.)
//
// HTTP/2 is not offered. No AWS client needs it, and it would bring floods of
// its own (streams opened and reset, settings, empty frames) past the limits
// that count connections.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if conn, ok := hello.Conn.(*conn); ok {
				conn.greeted.Store(true)
			}
			return c.current.Load(), nil
		},
	}
}

// host returns the name under which the listener at addr is called: the
// address when the certificate is for it, else a name that it is for.
func (c *certificates) host(addr netip.Addr) string {
	leaf := c.current.Load().Leaf
	if !addr.IsUnspecified() && leaf.VerifyHostname(addr.String()) == nil {
		return addr.String()
	}
	if len(c.cfg.TLSNames) > 0 {
		return c.cfg.TLSNames[0]
	}
	if leaf.VerifyHostname("127.0.0.1") == nil {
		return "127.0.0.1"
	}
	for _, d := range leaf.DNSNames {
		if d[0] != '*' {
			return d
		}
	}
	return addr.String()
}

// Secure reports whether the server speaks TLS.
func (s *Server) Secure() bool { return s.certs != nil }

// ReloadCertificates looks at the certificates soon, as SIGHUP asks for.
// Without TLS it does nothing.
func (s *Server) ReloadCertificates() {
	if s.certs != nil {
		s.workers.now(certificateWorker)
	}
}

// job is the worker that looks after the certificates.
func (c *certificates) job() worker {
	every := certFilesEvery
	if c.ca != nil {
		every = certSelfEvery
	}
	return worker{name: certificateWorker, every: every, run: c.check}
}

// verifyPool returns what a client of the server needs to trust it.
func verifyPool(caFile string) (*x509.CertPool, error) {
	b, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", caFile)
	}
	return pool, nil
}
