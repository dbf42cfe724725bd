package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/server"
)

func serveCommand() *cobra.Command {
	var cfg server.Config
	var logFormat string
	var rotation time.Duration
	var quotas kmsFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve KMS, S3 and STS on one address until interrupted",
		Long: `Serve KMS, S3 and STS on one address until interrupted.

With no flags it makes what it needs in the working directory: the data
directory strongroom-data, and beside it the root key strongroom-data.root-key
and the root credential strongroom-data.credentials. Keep the root key apart
from backups of the data directory: whoever has both can read everything, and
whoever has lost it can read nothing.

The root credential is generated unless STRONGROOM_ROOT_ACCESS_KEY_ID and
STRONGROOM_ROOT_SECRET_ACCESS_KEY give one.

Garbage is collected when the heap has grown by 24 MiB, or has doubled if that
is more. GOGC in the environment takes the place of this rule; GOMEMLIMIT means
what it means to every Go program.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := hsm.Harden(); err != nil {
				return err
			}
			if rotation < 0 {
				return fmt.Errorf("--domain-key-rotation %v: want 0, for never by time, or more", rotation)
			}
			if cfg.DomainKeyRotation = rotation; rotation == 0 {
				cfg.DomainKeyRotation = -1
			}
			if err := quotas.apply(&cfg); err != nil {
				return err
			}
			var err error
			if cfg.Logger, err = newLogger(cmd.ErrOrStderr(), logFormat); err != nil {
				return err
			}
			cfg.RootAccessKeyID = os.Getenv("STRONGROOM_ROOT_ACCESS_KEY_ID")
			cfg.RootSecretAccessKey = secret.New([]byte(os.Getenv("STRONGROOM_ROOT_SECRET_ACCESS_KEY")))
			s, err := server.New(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer reloadOnHangup(s)()
			defer server.KeepHeapHeadroom()()
			greet(cmd.OutOrStdout(), s)
			return s.Serve(cmd.Context())
		},
	}
	dataDirFlag(cmd, &cfg.DataDir)
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", server.DefaultListen, "address to listen on, host:port; port 0 takes a free one")
	f.BoolVar(&cfg.InsecurePublic, "insecure-public", false, "allow --listen to be an address that other machines reach without TLS")
	f.StringVar(&cfg.TLS, "tls", "", "TLS with a certificate of the server's own CA (self), or none (off) (default off)")
	f.StringVar(&cfg.TLSCert, "tls-cert", "", "TLS with this certificate chain, a PEM file; read again when it changes, and on SIGHUP")
	f.StringVar(&cfg.TLSKey, "tls-key", "", "private key of --tls-cert, a PEM file that only its owner may read")
	f.StringArrayVar(&cfg.TLSNames, "tls-name", nil, "DNS name (with the names below it) or address for the certificate of --tls self; may be repeated")
	f.BoolVar(&cfg.NewCA, "tls-new-ca", false, "make a new CA for --tls self; clients have to trust it anew")
	f.IntVar(&cfg.MaxConnections, "max-connections", 0, fmt.Sprintf("connections open at a time; for one more an idle one is closed (default %d)", server.DefaultMaxConnections))
	f.StringSliceVar(&cfg.Regions, "region", []string{server.DefaultRegion}, "enabled regions, the first being the default; may be repeated")
	f.StringSliceVar(&cfg.SM2Regions, "sm2-region", nil, "region where KMS keys of the spec SM2 are made; may be repeated (default those that begin with cn-)")
	f.StringSliceVar(&cfg.S3Domains, "s3-domain", nil, "domain under which S3 buckets are host names, BUCKET.DOMAIN; may be repeated (default localhost, s3.localhost, s3.REGION.localhost, s3.REGION.amazonaws.com, s3.amazonaws.com)")
	f.StringVar(&cfg.Account, "account", server.DefaultAccount, "account id, 12 digits, of the root credential")
	f.StringVar(&cfg.RootKeyFile, "root-key", "", "root key file (default: the data directory's path with .root-key after it)")
	f.DurationVar(&rotation, "domain-key-rotation", server.DefaultDomainKeyRotation, "age at which domain keys are rotated and their old versions destroyed; 0: only when asked for")
	quotas.register(cmd)
	f.StringVar(&cfg.BootstrapFile, "bootstrap", "", "YAML file of accounts, users, access keys, KMS keys and buckets to put in place at start (docs/bootstrap.md)")
	f.BoolVar(&cfg.DurableAudit, "durable-audit", false, "wait for the disk before every answer, not only before those of mutations")
	f.BoolVar(&cfg.NewTrail, "new-trail", false, "begin a new audit trail for a database that has been in use, because the old one is lost, or go on with one whose end is")
	f.BoolVar(&cfg.BesideTwin, "beside-twin", false, "serve although another copy of this installation is being served (see docs/backup.md)")
	f.StringVar(&logFormat, "log-format", "text", "form of the log on standard error: text or json")
	return cmd
}

func newLogger(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, fmt.Errorf("--log-format %q: want text or json", format)
}

// greet tells a person what to do next.
func greet(w io.Writer, s *server.Server) {
	printf(w, `Strongroom %s
  endpoint     %s
  account      %s, region %s
  data         %s
  root key     %s
%s%s
In another shell:
  eval "$(%s)"
  aws kms create-key
`, version(), s.Endpoint(), s.Account(), s.Region(), s.DataDir(), s.RootKeyFile(), credentialsLine(s), trustLines(s), envCommandLine(s.DataDir()))
}

// trustLines say how a client comes to trust the server's own CA.
func trustLines(s *server.Server) string {
	if s.CAFile() == "" {
		return ""
	}
	return "  CA           " + s.CAFile() + "\n" +
		"               AWS's clients trust it by AWS_CA_BUNDLE=" + shellQuote(s.CAFile()) + ", which `env` exports\n"
}

// reloadOnHangup lets SIGHUP reload the certificates until what it returns is
// called. Without TLS SIGHUP ends the process, as when its terminal goes.
func reloadOnHangup(s *server.Server) (stop func()) {
	if !s.Secure() {
		return func() {}
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangup:
				s.ReloadCertificates()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(done)
	}
}

func credentialsLine(s *server.Server) string {
	if s.CredentialsFile() == "" {
		return "  credentials  as given by STRONGROOM_ROOT_ACCESS_KEY_ID\n"
	}
	return "  credentials  " + s.CredentialsFile() + "\n"
}

// envCommandLine is how this very program is run as `env` for the directory.
func envCommandLine(dataDir string) string {
	line := "strongroom env"
	if isGoRun() {
		line = "go run ./cmd/strongroom env"
	}
	if dataDir != server.DefaultDataDir {
		line += " --data-dir " + shellQuote(dataDir)
	}
	return line
}
