// Package server wires the services to one listener: it is the only package
// that knows them all.
package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/s3/s3http"
	"github.com/strongroom/strongroom/internal/secret"
)

// Defaults of [Config].
const (
	DefaultDataDir = "strongroom-data"
	DefaultListen  = "127.0.0.1:8650"
	DefaultRegion  = "us-east-1"
	DefaultAccount = "000000000000"

	DefaultDomainKeyRotation = 24 * time.Hour
)

// Config says what a server is. Its fields are the reference manual of
// `strongroom serve`.
type Config struct {
	// DataDir holds the database, the audit trail and the sealed objects. It is
	// made when it is not there. Default: strongroom-data in the working directory.
	DataDir string

	// Listen is the address of the one listener, host:port. Port 0 takes a free
	// one. Default: 127.0.0.1:8650. An address that other machines reach is
	// refused without TLS, unless InsecurePublic is set.
	Listen string

	// Endpoints are VPC endpoints: further listeners of the same server, beside
	// those that the bootstrap file declares. All share MaxConnections evenly.
	// Default: none.
	Endpoints []VPCEndpoint

	// InsecurePublic allows Listen to be an address that is not loopback
	// without TLS, because something in front of the server does it.
	// Signatures protect requests against change; nothing else protects the
	// plaintexts in them against being read on the way. Refused with TLS.
	InsecurePublic bool

	// TLS is "self" for TLS with a certificate of the server's own CA, which is
	// made at first use and whose certificate is put beside the data directory
	// for clients to trust ([CAFile]); "off" for none. Default: off, unless
	// TLSCert is given, which contradicts either. See docs/tls.md.
	TLS string

	// TLSCert and TLSKey are PEM files with a certificate chain, the server's
	// own first, and its private key, which only its owner may read. They are
	// read again when they change, and by [Server.ReloadCertificates].
	// Default: none.
	TLSCert, TLSKey string

	// TLSNames are names, besides those of this machine, that the certificate
	// of TLS "self" is for: DNS names, for each of which the names one label
	// below it come along (buckets in virtual-hosted style), or addresses.
	// Default: none. A name outside of what the CA was made for is refused.
	TLSNames []string

	// NewCA makes a new CA for TLS "self", for the names of now. Clients have
	// to trust it anew. Default: false; the CA is kept for its ten years.
	NewCA bool

	// MaxConnections bounds the connections that are open at a time. For one
	// more the longest idle one is closed; when all are busy a new one waits.
	// Default: 4096, or fewer where the limit of open files allows no more. A
	// number that this limit does not allow is refused.
	MaxConnections int

	// Regions are the enabled regions; the first is the default one. Default:
	// us-east-1. Keys of one region do not exist in another.
	Regions []string

	// SM2Regions are the regions, of Regions, where KMS keys and data key pairs of
	// the spec SM2 are made, as AWS has it in China alone. Default: those whose
	// names begin with "cn-".
	SM2Regions []string

	// S3Domains are the domain names under which S3 takes buckets as hosts
	// (virtual-hosted style): a request to BUCKET.DOMAIN is for the bucket, and
	// one to DOMAIN itself, to an IP address or to any other name has the bucket
	// in its path. Where several fit, the longest counts. A name of the server's
	// own that lies below one, such as strongroom.localhost, must be one of them,
	// or it is taken for a bucket. Default: localhost,
	// s3.localhost, s3.amazonaws.com, and for each region s3.REGION.localhost and
	// s3.REGION.amazonaws.com.
	S3Domains []string

	// Account is the id, 12 digits, of the account that is made at first start.
	// Default: 000000000000.
	Account string

	// RootKeyFile holds the root key, which opens everything in DataDir. Made
	// at first start, mode 0600. Default: the data directory's path with
	// ".root-key" after it, beside the directory and not inside it: a copy of
	// the directory then lacks it.
	RootKeyFile string

	// DomainKeyRotation is the age at which a domain key is rotated: a new
	// version of it is made, every key that it wraps is wrapped under that, and
	// the old version is destroyed. Default: 24 hours. Less than 0: never for
	// its age, only when that is asked for.
	DomainKeyRotation time.Duration

	// KMSQuotas say how many KMS keys, aliases, grants and the like there may be,
	// for each account and region alike. Default: AWS's.
	KMSQuotas kms.Quotas

	// KMSRates are KMS's request quotas, by account, region and class of
	// operations: who exceeds one is answered ThrottlingException. Default: nil,
	// there are none.
	KMSRates *kms.Rates

	// BootstrapFile declares accounts, users, access keys, KMS keys and buckets; see
	// docs/bootstrap.md. Default: none.
	BootstrapFile string

	// RootAccessKeyID and RootSecretAccessKey are the root credential of
	// Account. Default: one is generated at first start and
	// written to CredentialsFile.
	RootAccessKeyID     string
	RootSecretAccessKey secret.Bytes

	// DurableAudit makes every call wait until its record is on the disk, not
	// only mutations. Default: false; the record is written before the answer
	// and on the disk within 5 ms.
	DurableAudit bool

	// NewTrail allows to begin a new audit trail for a database that has been
	// in use, because the old one is lost, or to go on with one whose end is.
	// What the database still has of records goes into it. Default: false; a
	// trail that is missing, or was cut, stops the server.
	NewTrail bool

	// BesideTwin serves a copy of an installation although another one is
	// being served: two copies of one data directory, or a restored backup
	// beside its source. Default: false; such a start is refused. See
	// docs/backup.md for what twins break.
	BesideTwin bool

	// Logger takes the server's log. Default: slog.Default().
	Logger *slog.Logger

	// Clock tells the time. Default: time.Now.
	Clock func() time.Time

	limits limits // of the listener; tests shorten them

	// For tests, which end the process or break the disk at named points (see
	// CONTRIBUTING.md): the file system of everything but the database, the
	// machine's when nil; what the store calls at its points; and the size of
	// the trail's segments, 0 for the usual one.
	fs          durable.FS
	at          func(point string)
	segmentSize int64
}

// SetKMSQuota sets a quota of KMS by its name ([kms.Quotas.Set]).
func (c *Config) SetKMSQuota(name string, value int) error { return c.KMSQuotas.Set(name, value) }

// ThrottleKMS has KMS's requests counted, by AWS's rates.
func (c *Config) ThrottleKMS() { c.KMSRates = new(kms.Rates) }

// SetKMSRate sets the rate of a class of requests ([kms.Rates.Set]), after
// ThrottleKMS.
func (c *Config) SetKMSRate(class string, perSecond float64) error {
	return c.KMSRates.Set(class, perSecond)
}

var (
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// complete fills in the defaults and refuses what cannot be.
func (c *Config) complete() error {
	if c.DataDir == "" {
		c.DataDir = DefaultDataDir
	}
	c.DataDir = filepath.Clean(c.DataDir)
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if len(c.Regions) == 0 {
		c.Regions = []string{DefaultRegion}
	}
	if c.Account == "" {
		c.Account = DefaultAccount
	}
	if c.RootKeyFile == "" {
		c.RootKeyFile = RootKeyFile(c.DataDir)
	}
	if c.DomainKeyRotation == 0 {
		c.DomainKeyRotation = DefaultDomainKeyRotation
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}

	for i, r := range c.Regions {
		if !regionForm.MatchString(r) {
			return fmt.Errorf("region %q: a region's name looks like us-east-1", r)
		}
		if slices.Contains(c.Regions[:i], r) {
			return fmt.Errorf("region %q is named twice", r)
		}
	}
	for _, r := range c.SM2Regions {
		if !slices.Contains(c.Regions, r) {
			return fmt.Errorf("--sm2-region %s: the region is not enabled; enable it with --region", r)
		}
	}
	if err := c.completeDomains(); err != nil {
		return err
	}
	if !accountForm.MatchString(c.Account) {
		return fmt.Errorf("account %q: an account id has 12 digits", c.Account)
	}
	if (c.RootAccessKeyID == "") != (c.RootSecretAccessKey.Len() == 0) {
		return errors.New("give both STRONGROOM_ROOT_ACCESS_KEY_ID and STRONGROOM_ROOT_SECRET_ACCESS_KEY, or neither")
	}
	inside, err := isInside(c.DataDir, c.RootKeyFile)
	if err != nil {
		return err
	}
	if inside {
		return fmt.Errorf("root key file %s lies inside the data directory: a copy of the directory would hold the key that opens it; name another place with --root-key", c.RootKeyFile)
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("--max-connections %d: want 1 or more", c.MaxConnections)
	}
	c.limits.complete()
	if err := c.completeTLS(); err != nil {
		return err
	}
	if err := c.checkListen(c.Listen); err != nil {
		return err
	}
	return c.checkEndpoints()
}

// checkListen refuses an address that other machines reach, unless TLS protects
// what goes there.
func (c *Config) checkListen(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listen address %q: want host:port, as in %s", listen, DefaultListen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !c.InsecurePublic && !c.secure() {
		return fmt.Errorf("listen address %q can be reached from other machines, where plaintexts would travel in the clear; use --tls self, or --tls-cert and --tls-key, or a loopback address; or say --insecure-public if something in front of it does TLS", listen)
	}
	return nil
}

// completeDomains fills in the default domains, or brings those given into one form.
func (c *Config) completeDomains() error {
	given := c.S3Domains
	c.S3Domains = nil
	if len(given) == 0 {
		given = []string{"localhost", "s3.localhost", "s3.amazonaws.com"}
		for _, r := range c.Regions {
			given = append(given, "s3."+r+".localhost", "s3."+r+".amazonaws.com")
		}
	}
	for _, name := range given {
		domain, ok := s3http.Domain(name)
		if !ok {
			return fmt.Errorf("S3 domain %q: want a domain name as in s3.example.com, without a port; addresses need none", name)
		}
		if slices.Contains(c.S3Domains, domain) {
			return fmt.Errorf("S3 domain %q is named twice", name)
		}
		c.S3Domains = append(c.S3Domains, domain)
	}
	return nil
}

// RootKeyFile returns the default path of a data directory's root key file.
func RootKeyFile(dataDir string) string { return filepath.Clean(dataDir) + ".root-key" }

// CredentialsFile returns the path of the file that holds the root credential
// of a data directory, in the form of an AWS credentials file. Like the root
// key it lies beside the directory: the secrets inside are sealed.
func CredentialsFile(dataDir string) string { return filepath.Clean(dataDir) + ".credentials" }

// isInside reports whether file lies below dir once both are absolute and
// free of symbolic links as far as they exist.
func isInside(dir, file string) (bool, error) {
	d, err := resolve(dir)
	if err != nil {
		return false, err
	}
	f, err := resolve(file)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(d, f)
	if err != nil {
		return false, nil
	}
	return rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// resolve makes path absolute and follows links in the longest part of it that exists.
func resolve(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for rest := ""; ; {
		real, err := filepath.EvalSymlinks(abs)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, os.ErrNotExist) || abs == filepath.Dir(abs) {
			return "", err
		}
		rest = filepath.Join(filepath.Base(abs), rest)
		abs = filepath.Dir(abs)
	}
}
