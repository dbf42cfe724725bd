package server

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// trusting returns what a client needs to trust a CA's file.
func trusting(t testing.TB, caFile string) *tls.Config {
	t.Helper()
	pool, err := verifyPool(caFile)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: pool}
}

// dialTLS makes a handshake with the server.
func dialTLS(t testing.TB, s *Server, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	if cfg.ServerName == "" {
		cfg = cfg.Clone()
		cfg.ServerName = "localhost"
	}
	raw := dial(t, s.listener.Addr().String())
	c := tls.Client(raw, cfg)
	return c, c.Handshake()
}

// leaf returns the certificate that the server shows now.
func leaf(t testing.TB, s *Server) *x509.Certificate {
	t.Helper()
	c, err := dialTLS(t, s, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// secureMetric is metric over TLS.
func secureMetric(t testing.TB, s *Server, series string) float64 {
	t.Helper()
	return metricFrom(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, "https://"+s.listener.Addr().String(), series)
}

func TestTLSSelf(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir, TLS: TLSSelf, TLSNames: []string{"kms.example.com"}})
	if want := "https://127.0.0.1:"; !strings.HasPrefix(s.Endpoint(), want) {
		t.Errorf("got endpoint %s, want %s…", s.Endpoint(), want)
	}
	env, err := Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	if last := env[len(env)-1]; last.Name != "AWS_CA_BUNDLE" || last.Value != CAFile(dir) || env[0].Value != s.Endpoint() {
		t.Errorf("got %v of the environment, and endpoint %s, want AWS_CA_BUNDLE=%s and %s", last, env[0].Value, CAFile(dir), s.Endpoint())
	}
	info, err := os.Stat(CAFile(dir))
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v of the CA's file, want mode 0644", info, err)
	}
	c := clientOver(t, s.Endpoint(), dir, trusting(t, CAFile(dir)))
	key, err := c.kms.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.kms.Encrypt(t.Context(), &awskms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte("x")}); err != nil {
		t.Error(err)
	}
	content := bytes.Repeat([]byte("over TLS "), 1<<17)
	bucket := aws.String("vault")
	if _, err := c.s3.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.s3.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: bucket, Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	out, err := c.s3.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: bucket, Key: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("got %d bytes (%v), want the %d of before", len(got), err, len(content))
	}

	other := dataDirIn(t)
	start(t, Config{DataDir: other, TLS: TLSSelf})
	wrong := clientOver(t, s.Endpoint(), dir, trusting(t, CAFile(other)))
	if _, err := wrong.kms.ListKeys(t.Context(), &awskms.ListKeysInput{}); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("with another server's CA: got %v, want a refusal", err)
	}
	if problems := faults(Doctor(t.Context(), Config{DataDir: dir})); problems != "" {
		t.Errorf("doctor: %s", problems)
	}

	// A restart keeps the CA and the server's key.
	caText, first := readFile(t, CAFile(dir)), leaf(t, s)
	stop()
	if err := os.Remove(CAFile(dir)); err != nil {
		t.Fatal(err)
	}
	if got := faults(Doctor(t.Context(), Config{DataDir: dir})); !strings.Contains(got, CAFile(dir)+" is missing") {
		t.Errorf("doctor without the CA's file: got %q", got)
	}
	s, _ = start(t, Config{DataDir: dir, TLS: TLSSelf, TLSNames: []string{"kms.example.com"}})
	if readFile(t, CAFile(dir)) != caText {
		t.Error("the CA's file is another one after a restart")
	}
	if second := leaf(t, s); !bytes.Equal(first.RawSubjectPublicKeyInfo, second.RawSubjectPublicKeyInfo) {
		t.Error("the server's key is another one after a restart")
	}
	again := clientOver(t, s.Endpoint(), dir, trusting(t, CAFile(dir)))
	if _, err := again.kms.DescribeKey(t.Context(), &awskms.DescribeKeyInput{KeyId: key.KeyMetadata.KeyId}); err != nil {
		t.Error(err)
	}
}

// TestTLSRecord: the record of a call says how it came, version for version.
func TestTLSRecord(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	cfg := wireConfig(dir)
	cfg.TLS = TLSSelf
	s, _ := start(t, cfg)
	for _, tt := range []struct {
		name    string
		version uint16
		suites  []uint16
		want    string
	}{
		{"1.3", tls.VersionTLS13, nil, `"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"` + wireHost + `"}`},
		{"1.2", tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}, `"tlsDetails":{"tlsVersion":"TLSv1.2","cipherSuite":"ECDHE-ECDSA-AES256-GCM-SHA384","clientProvidedHostHeader":"` + wireHost + `"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(records(t, dir))
			c, err := dialTLS(t, s, &tls.Config{InsecureSkipVerify: true, MinVersion: tt.version, MaxVersion: tt.version, CipherSuites: tt.suites})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(mustSign("kms", kmsCall("ListKeys", "{}"))); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatal(err)
			}
			got := records(t, dir)[before:]
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("got %s, want a record with %s", got, tt.want)
			}
		})
	}
}

func TestTLSHandshakes(t *testing.T) {
	t.Parallel()
	cfg := Config{DataDir: dataDirIn(t), TLS: TLSSelf}
	cfg.limits.header = 2 * time.Second
	s, _ := start(t, cfg)
	for _, tt := range []struct {
		name string
		cfg  *tls.Config
		good bool
	}{
		{"1.3", &tls.Config{MinVersion: tls.VersionTLS13}, true},
		{"1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, true},
		{"1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false},
		{"1.2 without forward secrecy", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, false},
		{"1.2 with CBC", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}, false},
		{"HTTP/2 or 1.1", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, true},
		{"HTTP/2 alone", &tls.Config{NextProtos: []string{"h2"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.InsecureSkipVerify = true
			c, err := dialTLS(t, s, tt.cfg)
			if (err == nil) != tt.good {
				t.Fatalf("got %v, want a connection: %v", err, tt.good)
			}
			if err == nil && len(tt.cfg.NextProtos) > 0 && c.ConnectionState().NegotiatedProtocol != "http/1.1" {
				t.Errorf("got protocol %q, want http/1.1", c.ConnectionState().NegotiatedProtocol)
			}
		})
	}
	t.Run("plain HTTP", func(t *testing.T) {
		a := send(t, s.listener.Addr().String(), []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000)))
		if a.status != 400 || a.body != textPlain {
			t.Errorf("got %d %q, want 400 %q", a.status, a.body, textPlain)
		}
	})
	t.Run("silence", func(t *testing.T) {
		before := secureMetric(t, s, `strongroom_timeouts_total{kind="handshake"}`)
		if _, err := io.Copy(io.Discard, dial(t, s.listener.Addr().String())); err != nil {
			t.Errorf("got %v, want the end", err)
		}
		eventually(t, "a handshake that timed out", func() bool {
			return secureMetric(t, s, `strongroom_timeouts_total{kind="handshake"}`) == before+1
		})
	})
}

// movedClock is a clock that tests move.
type movedClock struct{ ahead atomic.Int64 }

func (c *movedClock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *movedClock) move(by time.Duration) { c.ahead.Store(int64(by)) }

const day = 24 * time.Hour

// TestTLSRenewal moves the clock: the certificate is renewed in time, under the
// same CA, while a connection goes on.
func TestTLSRenewal(t *testing.T) {
	t.Parallel()
	var clock movedClock
	dir := dataDirIn(t)
	s, _ := start(t, Config{DataDir: dir, TLS: TLSSelf, Clock: clock.now})
	trust := trusting(t, CAFile(dir))
	trust.Time = clock.now
	conn, err := dialTLS(t, s, trust)
	if err != nil {
		t.Fatal(err)
	}
	first := leaf(t, s)
	for _, at := range []time.Duration{10 * day, 59 * day} {
		clock.move(at)
		if err := s.certs.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !leaf(t, s).Equal(first) {
			t.Errorf("after %v: got another certificate, want the first one", at)
		}
	}
	clock.move(61 * day)
	s.ReloadCertificates()
	eventually(t, "another certificate", func() bool { return !leaf(t, s).Equal(first) })
	second := leaf(t, s)
	if left := second.NotAfter.Sub(clock.now()); left < 89*day {
		t.Errorf("got %v left of the new certificate, want about 90 days", left)
	}
	if got := secureMetric(t, s, `strongroom_tls_certificate_expiry_seconds{certificate="server"}`); got != float64(second.NotAfter.Unix()) {
		t.Errorf("got expiry %v in the metrics, want %v", got, second.NotAfter.Unix())
	}
	if _, err := dialTLS(t, s, trust); err != nil {
		t.Errorf("a client that trusts the CA since the beginning: %v", err)
	}
	if _, err := io.WriteString(conn, "GET /_/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 OK") {
		t.Errorf("the connection of before: got %q, %v", b, err)
	}
	// A clock that goes back needs one that is valid already.
	clock.move(0)
	s.ReloadCertificates()
	eventually(t, "a certificate for today", func() bool { return leaf(t, s).NotBefore.Before(time.Now()) })
	// The end of the CA is told in time, and does not stop the server.
	clock.move(3640 * day)
	if got := faults(Doctor(t.Context(), Config{DataDir: dir, Clock: clock.now})); !strings.Contains(got, "the local CA ends at") {
		t.Errorf("doctor ten days before the CA's end: got %q", got)
	}
}

// TestTLSNames: what the CA may not sign for needs a new one.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	dir := dataDirIn(t)
	s, stop := start(t, Config{DataDir: dir, TLS: TLSSelf})
	old, oldCA := leaf(t, s), readFile(t, CAFile(dir))
	if want := []string{"localhost", "*.localhost", "s3.localhost", "*.s3.localhost", "s3.us-east-1.localhost", "*.s3.us-east-1.localhost"}; !slices.Equal(old.DNSNames, want) {
		t.Errorf("got names %q, want %q", old.DNSNames, want)
	}
	stop()
	s, stop = start(t, Config{DataDir: dir, TLS: TLSSelf, TLSNames: []string{"deep.s3.localhost", "10.1.2.3"}})
	if got := leaf(t, s); got.VerifyHostname("bucket.deep.s3.localhost") != nil || got.VerifyHostname("10.1.2.3") != nil {
		t.Errorf("got a certificate for %v %v", got.DNSNames, got.IPAddresses)
	}
	if readFile(t, CAFile(dir)) != oldCA {
		t.Error("names that the CA may sign for made a new one")
	}
	stop()
	cfg := Config{DataDir: dir, Listen: "127.0.0.1:0", TLS: TLSSelf, TLSNames: []string{"kms.example.com"}}
	if _, err := New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "kms.example.com") || !strings.Contains(err.Error(), "--tls-new-ca") {
		t.Errorf("got %v, want an error that names kms.example.com and --tls-new-ca", err)
	}
	cfg.NewCA = true
	s, stop = start(t, cfg)
	trust := trusting(t, CAFile(dir))
	trust.ServerName = "bucket.kms.example.com"
	if _, err := dialTLS(t, s, trust); err != nil {
		t.Error(err)
	}
	if readFile(t, CAFile(dir)) == oldCA {
		t.Error("got the old CA, want a new one")
	}
	stop()
	// Listening on all addresses, with the interfaces' own in the certificate.
	s, _ = start(t, Config{DataDir: dir, TLS: TLSSelf, Listen: "0.0.0.0:0"})
	if !strings.HasPrefix(s.Endpoint(), "https://127.0.0.1:") {
		t.Errorf("got endpoint %s, want one that the certificate is for", s.Endpoint())
	}
	if err := leaf(t, s).VerifyHostname("127.0.0.1"); err != nil {
		t.Error(err)
	}
}

// TestTLSRowsLost takes away, one by one, what the local CA is made of.
func TestTLSRowsLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		harm func(tx *store.Tx) error
		want string
	}{
		{"CA's key", func(tx *store.Tx) error { return tx.DeleteUnlogged(store.InternalKeys, "global/tls-ca") }, "row internal_keys/global/tls-ca is missing"},
		{"server's key", func(tx *store.Tx) error { return tx.DeleteUnlogged(store.InternalKeys, "global/tls-server") }, "row internal_keys/global/tls-server is missing"},
		{"certificate", func(tx *store.Tx) error { return tx.DeleteUnlogged(store.Meta, localCAKey) }, "row meta/tls-ca is missing"},
		{"keys exchanged", func(tx *store.Tx) error {
			row, err := tx.Get(store.InternalKeys, "global/tls-server")
			if err != nil {
				return err
			}
			row.Key = "global/tls-ca"
			return tx.PutUnlogged(store.InternalKeys, row)
		}, "internal_keys/global/tls-ca"},
		{"certificate of no form", func(tx *store.Tx) error {
			return tx.PutUnlogged(store.Meta, store.Row{Key: localCAKey, Doc: []byte(`{"Certificate":"AAAA"}`)})
		}, "row meta/tls-ca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := dataDirIn(t)
			_, stop := start(t, Config{DataDir: dir, TLS: TLSSelf})
			stop()
			st, err := sqlite.Open(t.Context(), sqlite.Config{Path: databasePath(dir)})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(st.Update(t.Context(), tt.harm), st.Close()); err != nil {
				t.Fatal(err)
			}
			_, err = New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0", TLS: TLSSelf})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if _, stop := start(t, Config{DataDir: dir}); stop != nil { // without TLS nobody needs them
				stop()
			}
		})
	}
}

func TestTLSConfigRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"another word", Config{TLS: "on"}, `--tls "on"`},
		{"certificate alone", Config{TLSCert: "c"}, "give both --tls-cert and --tls-key"},
		{"key alone", Config{TLSKey: "k"}, "give both --tls-cert and --tls-key"},
		{"self and files", Config{TLS: TLSSelf, TLSCert: "c", TLSKey: "k"}, "--tls self contradicts"},
		{"off and files", Config{TLS: TLSOff, TLSCert: "c", TLSKey: "k"}, "--tls off contradicts"},
		{"name without self", Config{TLSNames: []string{"x"}}, "--tls-name"},
		{"name with files", Config{TLSCert: "c", TLSKey: "k", TLSNames: []string{"x"}}, "--tls-name"},
		{"wildcard name", Config{TLS: TLSSelf, TLSNames: []string{"*.x"}}, `"*.x" is neither`},
		{"new CA without self", Config{NewCA: true}, "--tls-new-ca"},
		{"insecure with TLS", Config{TLS: TLSSelf, InsecurePublic: true}, "--insecure-public"},
		{"public without TLS", Config{TLS: TLSOff, Listen: "0.0.0.0:0"}, "other machines"},
		{"connections", Config{MaxConnections: -1}, "--max-connections -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cfg.complete()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tt.want)
			}
		})
	}
	ok := Config{TLS: TLSSelf, Listen: "0.0.0.0:0"}
	if err := ok.complete(); err != nil {
		t.Errorf("all addresses with TLS: got %v, want nil", err)
	}
}

// faults are what doctor found wrong.
func faults(found []Finding) string {
	var wrong []string
	for _, f := range found {
		if f.Err != nil {
			wrong = append(wrong, f.Subject+": "+f.Err.Error())
		}
	}
	return strings.Join(wrong, "\n")
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// copyFile puts one file's content into another, in place, as an editor or a
// careless script does.
func copyFile(t testing.TB, from, to string, perm os.FileMode) {
	t.Helper()
	if err := os.WriteFile(to, []byte(readFile(t, from)), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(to, perm); err != nil {
		t.Fatal(err)
	}
}

// pairs makes certificate files: one directory per host, with cert.pem and key.pem.
func pairs(t testing.TB, life time.Duration, hosts ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, h := range hosts {
		dir := t.TempDir()
		out[h] = dir
		writePair(t, dir, h, life)
	}
	return out
}

// TestTLSFiles replaces certificate files in every clumsy way there is, while
// an upload is under way.
func TestTLSFiles(t *testing.T) {
	t.Parallel()
	made := pairs(t, 90*day, "one.example", "two.example")
	dir, files := dataDirIn(t), t.TempDir()
	certFile, keyFile := filepath.Join(files, "cert.pem"), filepath.Join(files, "key.pem")
	put := func(host, what string, perm os.FileMode) {
		copyFile(t, filepath.Join(made[host], what), filepath.Join(files, what), perm)
	}
	put("one.example", "cert.pem", 0o644)
	put("one.example", "key.pem", 0o600)
	var log safeBuffer
	cfg := wireConfig(dir)
	cfg.Clock, cfg.Logger, cfg.TLSCert, cfg.TLSKey = nil, log.logger(), certFile, keyFile
	s, _ := start(t, cfg)
	if !strings.HasPrefix(s.Endpoint(), "https://one.example:") {
		t.Errorf("got endpoint %s, want the name in the certificate", s.Endpoint())
	}
	shown := func() string { return leaf(t, s).DNSNames[0] }
	if got := shown(); got != "one.example" {
		t.Fatalf("got a certificate for %s, want one.example", got)
	}
	today := wireSigner("s3")
	today.at = time.Now()
	over := func(wire []byte) answer {
		c, err := dialTLS(t, s, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return exchangeOver(t, c, wire)
	}
	bucket, _ := today.sign(message{method: "PUT", path: "/vault"})
	if a := over(bucket); a.status != 200 {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	upload, _ := today.sign(message{method: "PUT", path: "/vault/key", body: strings.Repeat("x", 1<<20)})
	under, err := dialTLS(t, s, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := under.Write(upload[:len(upload)/2]); err != nil {
		t.Fatal(err)
	}

	failures := float64(0)
	bad := func(what string) {
		t.Helper()
		failures++
		s.ReloadCertificates()
		eventually(t, "a failed reload: "+what, func() bool { return secureMetric(t, s, "strongroom_tls_reload_failures_total") == failures })
		if got := shown(); got != "one.example" {
			t.Errorf("%s: got a certificate for %s, want the old one", what, got)
		}
		s.ReloadCertificates() // the same problem again is not counted or logged again
		if err := s.certs.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := secureMetric(t, s, "strongroom_tls_reload_failures_total"); got != failures {
			t.Errorf("%s: got %v failures for one problem, want %v", what, got, failures)
		}
	}
	put("two.example", "cert.pem", 0o644)
	bad("a certificate without its key")
	put("two.example", "key.pem", 0o644)
	bad("a key that others can read")
	half := []byte(readFile(t, filepath.Join(made["two.example"], "cert.pem")))
	if err := os.WriteFile(certFile, half[:len(half)/3], 0o644); err != nil {
		t.Fatal(err)
	}
	bad("half a certificate")
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	bad("no certificate")
	if got := strings.Count(string(log.Bytes()), "could not be replaced"); got != int(failures) {
		t.Errorf("got %d lines about it, want %v", got, failures)
	}
	put("two.example", "cert.pem", 0o644)
	put("two.example", "key.pem", 0o600)
	s.ReloadCertificates()
	eventually(t, "the new certificate", func() bool { return shown() == "two.example" })
	eventually(t, "a line about it", func() bool { return strings.Contains(string(log.Bytes()), "the certificate was replaced") })

	if _, err := under.Write(upload[len(upload)/2:]); err != nil {
		t.Fatal(err)
	}
	if a := readAnswerFrom(t, under); a.status != 200 {
		t.Errorf("the upload of before: got %d %s, want 200", a.status, a.body)
	}
	if strings.Contains(string(log.Bytes()), "PRIVATE KEY") {
		t.Error("the log holds a private key")
	}
}

// TestTLSFilesChangeByThemselves: without a word, within the worker's time.
func TestTLSFilesChangeByThemselves(t *testing.T) {
	t.Parallel()
	made := pairs(t, 90*day, "one.example", "two.example")
	live := filepath.Join(t.TempDir(), "live")
	if err := os.Symlink(made["one.example"], live); err != nil {
		t.Fatal(err)
	}
	s, _ := start(t, Config{DataDir: dataDirIn(t), TLSCert: filepath.Join(live, "cert.pem"), TLSKey: filepath.Join(live, "key.pem")})
	if err := os.Symlink(made["two.example"], live+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(live+".new", live); err != nil { // both at once, as orchestrators do
		t.Fatal(err)
	}
	eventually(t, "the new certificate", func() bool { return leaf(t, s).DNSNames[0] == "two.example" })
}

// TestTLSFilesExpiry: a certificate that is about to end is told of, by the log
// and by doctor; one that has ended does not replace one that has not.
func TestTLSFilesExpiry(t *testing.T) {
	t.Parallel()
	made := pairs(t, 13*day, "soon.example")
	ended := pairs(t, -time.Minute, "ended.example")
	dir, files := dataDirIn(t), t.TempDir()
	for _, f := range []string{"cert.pem", "key.pem"} {
		copyFile(t, filepath.Join(made["soon.example"], f), filepath.Join(files, f), 0o600)
	}
	var log safeBuffer
	s, _ := start(t, Config{DataDir: dir, TLSCert: filepath.Join(files, "cert.pem"), TLSKey: filepath.Join(files, "key.pem"), Logger: log.logger()})
	if got := strings.Count(string(log.Bytes()), "ends soon"); got != 1 {
		t.Errorf("got %d warnings, want 1", got)
	}
	if got := faults(Doctor(t.Context(), Config{DataDir: dir})); !strings.Contains(got, "the server's certificate ends at") || strings.Contains(got, "\n") {
		t.Errorf("doctor: got %q, want the end of the certificate alone", got)
	}
	for _, f := range []string{"cert.pem", "key.pem"} {
		copyFile(t, filepath.Join(ended["ended.example"], f), filepath.Join(files, f), 0o600)
	}
	if err := s.certs.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := leaf(t, s).DNSNames[0]; got != "soon.example" {
		t.Errorf("got a certificate for %s, want the one that is still good", got)
	}
	if !strings.Contains(string(log.Bytes()), "and the one in use has not") {
		t.Error("the log does not say why")
	}
}

// readAnswerFrom reads one answer of a connection that has no other.
func readAnswerFrom(t testing.TB, c net.Conn) answer {
	t.Helper()
	return readAnswer(t, bufio.NewReader(c), "")
}

// writePair writes a certificate for host that ends after life, and its key.
func writePair(t testing.TB, dir, host string, life time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{NotBefore: time.Now().Add(-90 * day), NotAfter: time.Now().Add(life), DNSNames: []string{host}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// exchangeOver is exchange over a connection of any kind.
func exchangeOver(t testing.TB, c net.Conn, wire []byte) answer {
	t.Helper()
	go func() { _, _ = c.Write(wire) }()
	return readAnswerFrom(t, c)
}

// TestTLSRefusedUpload: a client that sends all before it listens hears why its
// upload was refused, though the server did not want the body.
func TestTLSRefusedUpload(t *testing.T) {
	t.Parallel()
	cfg := wireConfig(dataDirIn(t))
	cfg.TLS = TLSSelf
	cfg.limits.refused = time.Second
	s, _ := start(t, cfg)
	for _, tt := range []struct {
		name   string
		m      message
		cut    int // bytes that are not sent
		status int
	}{
		{"no such bucket", message{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 8<<20)}, 0, 404},
		{"small", message{method: "PUT", path: "/bucket/key", body: "x"}, 0, 404},
		{"not all of it comes", message{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 8<<20)}, 1 << 20, 404},
		{"asks first", message{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 8<<20), unsigned: []field{{"Expect", "100-continue"}}}, 8 << 20, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := dialTLS(t, s, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			wire := mustSign("s3", tt.m)
			if _, err := c.Write(wire[:len(wire)-tt.cut]); err != nil {
				t.Fatal(err)
			}
			if a := readAnswerFrom(t, c); a.status != tt.status {
				t.Errorf("got %d %s, want %d", a.status, a.body, tt.status)
			}
		})
	}
}
