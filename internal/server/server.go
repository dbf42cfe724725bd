package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/kms"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/s3/diskstore"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
	"github.com/strongroom/strongroom/internal/sts"
)

// shutdownTimeout is how long requests under way may take to finish at the end.
const shutdownTimeout = 30 * time.Second

// Server is an open data directory and its listener.
type Server struct {
	cfg Config
	log *slog.Logger

	lock  io.Closer
	store *store.Store
	trail *audit.Log

	custody *custody.Custody

	iam   *iam.Service
	kms   *kms.Service
	s3    *s3.Service
	blobs io.Closer // what s3 keeps its objects in

	failures   failures
	clockWatch clockWatch

	installation installation

	metrics  *metrics
	workers  *workers
	certs    *certificates // nil without TLS
	listener net.Listener

	endpoints []endpointListener
	http      *http.Server
}

// Paths inside a data directory.
func databasePath(dataDir string) string { return filepath.Join(dataDir, "strongroom.db") }
func objectsDir(dataDir string) string   { return filepath.Join(dataDir, "objects") }

// AuditDir returns the directory of the audit trail's segments.
func AuditDir(dataDir string) string { return filepath.Join(dataDir, "audit") }

// New opens the data directory, or makes it, and listens. What it returns is
// ready to [Server.Serve]; the caller must do that, or [Server.Close] it.
func New(ctx context.Context, cfg Config) (_ *Server, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	f := newFailures()
	cfg.Logger = f.logger(cfg.Logger)
	s := &Server{cfg: cfg, log: cfg.Logger, failures: f, clockWatch: newClockWatch(cfg.Clock)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := s.openData(ctx); err != nil {
		if durable.IsDiskFull(err) || errors.Is(err, store.ErrDiskFull) {
			return nil, fmt.Errorf("the disk of %s is full: make room and start again; nothing is lost (%w)", cfg.DataDir, err)
		}
		if errors.Is(err, syscall.EROFS) || checkReadOnly(cfg.DataDir) != nil { // SQLite's error is not the system's
			return nil, fmt.Errorf("%s is on a read-only file system: look for disk errors in the system's log, and mount it writable (%w)", cfg.DataDir, err)
		}
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}
	if err := s.settleInstallation(ctx); err != nil {
		return nil, err
	}
	return s, writeEndpoint(durable.On(cfg.fs), cfg.DataDir, s.endpoint())
}

// openData opens everything below the listener, lowest first.
func (s *Server) openData(ctx context.Context) (err error) {
	cfg := s.cfg
	files := durable.On(cfg.fs)
	if err := files.Mkdir(cfg.DataDir, 0o700); err != nil {
		return err
	}
	if err := s.openStore(ctx); err != nil {
		return err
	}
	if err := s.openInstallation(ctx); err != nil {
		return err
	}
	if err := makeBackupLock(cfg.DataDir); err != nil {
		return err
	}
	if err := s.openTrail(ctx); err != nil {
		return err
	}
	if err := s.openKeys(ctx); err != nil {
		return err
	}
	if err := s.custody.KeepSettings(ctx); err != nil {
		return err
	}
	c, g := s.custody, gate.New(s.trail, s.iam, cfg.Clock)
	if err := ensureRootCredential(ctx, s.iam, cfg); err != nil {
		return err
	}
	s.kms, err = kms.New(kms.Config{
		Store: s.store, Module: c.Module, RowMAC: c.RowMAC, HeaderMAC: c.HeaderMAC, Imports: c.Imports,
		Gate: g, Regions: cfg.Regions, SM2Regions: cfg.SM2Regions, Clock: cfg.Clock, Logger: s.log, Destroyed: c.RequestRotation, Principals: s.iam,
		Quotas: cfg.KMSQuotas, Rates: cfg.KMSRates,
	})
	if err != nil {
		return err
	}
	if err := s.kms.FlushUsage(ctx); err != nil { // there is none yet: uses are noted from now on
		return err
	}
	objects, err := diskstore.OpenOn(cfg.fs, objectsDir(cfg.DataDir))
	if err != nil {
		return err
	}
	s.blobs = objects
	s.s3, err = s3.New(s3.Config{
		Store: s.store, RowMAC: c.RowMAC, RecordKeys: c.Records,
		Keys: keyService{s.kms}, Objects: objects, Principals: s.iam,
		Gate: g, Regions: cfg.Regions, Clock: cfg.Clock, Logger: s.log,
		MayRemove: s.whileNoBackup,
	})
	if err != nil {
		return err
	}
	if err := s.s3.Recover(ctx); err != nil {
		return err
	}
	if cfg.BootstrapFile != "" {
		if err := s.applyBootstrap(ctx); err != nil {
			return err
		}
	}
	s.metrics = newMetrics(s.trail, s.failures)
	g.OnFailure(func(source, code string) { s.metrics.refusals.WithLabelValues(source, code).Inc() })
	if s.certs, err = openCertificates(ctx, s.store, c.Module, cfg, s.metrics.tls); err != nil {
		return err
	}
	s.http = s.newHTTPServer(s.newEdge(g, sts.New(sts.Config{Gate: g, Key: c.Sessions, Principals: stsPrincipals{s.iam}, Clock: cfg.Clock})))
	s.workers = &workers{
		log: s.log, clock: cfg.Clock,
		failed: func(name string) { s.metrics.workerFailures.WithLabelValues(name).Inc() },
		done: func(name string, at time.Time) {
			s.metrics.workerSuccess.WithLabelValues(name).Set(float64(at.Unix()))
		},
	}
	s.workers.start(s.jobs())
	return nil
}

// openStore takes the data directory for this process, and opens its database.
func (s *Server) openStore(ctx context.Context) (err error) {
	cfg := s.cfg
	if err := backup.RefuseBackup(cfg.DataDir); err != nil {
		return err
	}
	files := durable.On(cfg.fs)
	if s.lock, err = files.FS().Lock(filepath.Join(cfg.DataDir, "lock")); err != nil {
		if errors.Is(err, durable.ErrLocked) {
			return fmt.Errorf("data directory %s is in use by another process: %w; stop it first, or use another --data-dir", cfg.DataDir, err)
		}
		return err
	}
	if err := removeTemps(files, cfg); err != nil {
		return err
	}
	// A trail says that there has been a database: a new one would hide a loss.
	used, err := exists(AuditDir(cfg.DataDir))
	if err != nil {
		return err
	}
	if s.store, err = sqlite.Open(ctx, sqlite.Config{Path: databasePath(cfg.DataDir), MustExist: used, Now: cfg.Clock, At: cfg.at}); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has an audit trail and no database: restore %s from a backup, or use another --data-dir", cfg.DataDir, databasePath(cfg.DataDir))
		}
		return err
	}
	return nil
}

// openKeys opens the key hierarchy, and the principals, which must have moved
// what an earlier release has stored otherwise before anything is rotated.
func (s *Server) openKeys(ctx context.Context) (err error) {
	if s.custody, err = custody.Open(ctx, s.custodyConfig()); err != nil {
		return err
	}
	s.iam, err = iam.New(ctx, iam.Config{Store: s.store, Module: s.custody.Module, RowMAC: s.custody.RowMAC, Clock: s.cfg.Clock})
	if err != nil {
		return err
	}
	return s.iam.Migrate(ctx)
}

// jobs are the server's workers.
func (s *Server) jobs() []worker {
	jobs := []worker{
		{name: "clock", every: time.Minute, run: s.watchClock},
		{name: "integrity", every: 24 * time.Hour, run: s.checkIntegrity},
		{name: "domain keys", every: time.Minute, run: s.custody.Work},
		{name: "key deletion", every: time.Minute, run: s.destroyKeys},
		{name: "key rotation", every: time.Minute, run: s.rotateKeys},
		{name: "key material expiry", every: time.Minute, run: s.expireMaterial},
		{name: "key usage", every: time.Minute, run: s.kms.FlushUsage},
		{name: "changes", every: trimEvery, run: func(ctx context.Context) error { return s.trimChanges(ctx, keepChanges) }},
	}
	if s.certs != nil {
		jobs = append(jobs, s.certs.job())
	}
	return jobs
}

// destroyKeys destroys the KMS keys whose waiting period has ended. What has
// wrapped their material is to go soon after.
func (s *Server) destroyKeys(ctx context.Context) error {
	destroyed, err := s.kms.DestroyDue(ctx)
	if destroyed > 0 {
		s.workers.now("domain keys")
	}
	return err
}

// rotateKeys gives new material to the KMS keys whose rotation is due.
func (s *Server) rotateKeys(ctx context.Context) error {
	_, err := s.kms.RotateDue(ctx)
	return err
}

// expireMaterial deletes imported key material that has expired. What has wrapped
// it is to go soon after.
func (s *Server) expireMaterial(ctx context.Context) error {
	expired, err := s.kms.ExpireDue(ctx)
	if expired > 0 {
		s.workers.now("domain keys")
	}
	return err
}

// openTrail opens the audit trail, appends what the database has and the trail
// misses (a process that died between the two), and ties the two together from
// then on: a committed change is in the trail before its caller hears of it.
func (s *Server) openTrail(ctx context.Context) (err error) {
	last, err := s.store.LastSeq(ctx)
	if err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(AuditDir(s.cfg.DataDir), "segment-*.log"))
	if err != nil {
		return err
	}
	if last > 0 && len(segments) == 0 {
		// The first segment is made before the first change.
		if !s.cfg.NewTrail {
			return fmt.Errorf("the audit trail of %s is gone, though its database has %d changes: put %s back; if it is lost for good, begin a new one with --new-trail", s.cfg.DataDir, last, AuditDir(s.cfg.DataDir))
		}
		s.log.Error("the audit trail was lost and a new one begins; records of calls that changed nothing are gone", "changes", last)
	}
	s.trail, err = audit.Open(audit.Config{Dir: AuditDir(s.cfg.DataDir), Durable: s.cfg.DurableAudit, SegmentSize: s.cfg.segmentSize, FS: s.cfg.fs, Logger: s.log})
	if err != nil {
		return err
	}
	if known := s.trail.LastChange(); known > last {
		return fmt.Errorf("the database of %s ends at change %d, but its audit trail knows change %d: the database was replaced by an older one; put the newest back", s.cfg.DataDir, last, known)
	}
	first, err := firstChange(ctx, s.store)
	if err != nil {
		return err
	}
	if err := checkTrailStart(first, s.trail.LastChange()); err != nil {
		if !s.cfg.NewTrail {
			return fmt.Errorf("%w; put the newest %s back; if it is lost for good, go on without it by --new-trail", err, AuditDir(s.cfg.DataDir))
		}
		s.log.Error("the end of the audit trail was lost, and the trail goes on with a gap", "error", err)
	}
	recovered := 0
	for after := s.trail.LastChange(); ; {
		changes, err := s.store.Changes(ctx, after, 1000)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			break
		}
		for _, c := range changes {
			after = c.Seq
			if c.Record == nil {
				continue
			}
			if err := s.trail.AppendChange(c.Seq, c.Record); err != nil {
				return err
			}
			recovered++
		}
	}
	if recovered > 0 {
		s.log.Info("audit records of committed changes were missing from the trail and have been appended", "records", recovered)
	}
	s.store.OnCommit(func(changes []store.Change) {
		for _, c := range changes {
			if c.Record == nil {
				continue
			}
			if err := s.trail.AppendChange(c.Seq, c.Record); err != nil {
				// The change is durable with its record in the database, and the
				// trail keeps the record queued: nothing is lost. Calls that need
				// the trail are refused until it can be written.
				s.log.Error("audit trail cannot be written", "error", err)
			}
		}
	})
	return nil
}

// Serve answers requests until ctx is done, then lets those under way finish
// (for 30 seconds at most) and closes everything.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1+len(s.endpoints))
	listener := s.listener
	go func() { failed <- s.http.Serve(listener) }()
	s.serveEndpoints(failed)
	s.log.Info("serving", "endpoint", s.Endpoint(), "regions", s.cfg.Regions, "data", s.cfg.DataDir)
	var err error
	select {
	case err = <-failed:
		err = errors.Join(err, s.http.Close(), s.abortEndpoints())
	case <-ctx.Done():
		s.log.Info("stopping: requests under way may finish")
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err = s.http.Shutdown(end); err != nil {
			err = errors.Join(fmt.Errorf("requests did not finish within %v: %w", shutdownTimeout, err), s.http.Close())
		}
		err = errors.Join(err, s.stopEndpoints(end))
		for range cap(failed) {
			<-failed // with http.ErrServerClosed
		}
	}
	return errors.Join(err, s.Close())
}

// Close closes what is open, the topmost first. It is safe to call again.
func (s *Server) Close() error {
	var errs []error
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
		s.listener = nil
	}
	if err := s.closeEndpoints(); err != nil {
		errs = append(errs, err)
	}
	if s.workers != nil {
		s.workers.close()
		s.workers = nil
	}
	if s.s3 != nil {
		errs = append(errs, s.s3.Close())
		s.s3 = nil
	}
	if s.kms != nil {
		// Not an error of closing: nothing is lost that the trail has not.
		if err := s.kms.FlushUsage(context.Background()); err != nil {
			s.log.Warn("what KMS keys were last used for could not be written", "error", err)
		}
		s.kms = nil
	}
	if s.blobs != nil {
		errs = append(errs, s.blobs.Close())
		s.blobs = nil
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
		s.store = nil
	}
	if s.trail != nil {
		errs = append(errs, s.trail.Close())
		s.trail = nil
	}
	if s.installation.guard != nil {
		errs = append(errs, s.installation.guard.Close())
		s.installation.guard = nil
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

// removeTemps removes what a crash left of the small files that the server
// writes. The lock on the directory is held: nobody else writes them.
func removeTemps(files durable.Files, cfg Config) error {
	room := filepath.Join(cfg.DataDir, "room") // how the store tries whether there is some
	for _, path := range []string{endpointPath(cfg.DataDir), CredentialsFile(cfg.DataDir), cfg.RootKeyFile, room} {
		// A directory that may not be read was not written to either.
		if err := files.RemoveTemps(path); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("removing what a crash left of %s: %w", path, err)
		}
	}
	return nil
}

// exists reports whether there is something at path.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Account returns the id of the root credential's account.
func (s *Server) Account() string { return s.cfg.Account }

// Region returns the default region.
func (s *Server) Region() string { return s.cfg.Regions[0] }

// DataDir returns the path of the data directory.
func (s *Server) DataDir() string { return s.cfg.DataDir }

// RootKeyFile returns the path of the root key file.
func (s *Server) RootKeyFile() string { return s.cfg.RootKeyFile }

// CredentialsFile returns the path of the file with the root credential, or ""
// when the configuration gave one.
func (s *Server) CredentialsFile() string {
	if s.cfg.RootAccessKeyID != "" {
		return ""
	}
	if _, err := os.Stat(CredentialsFile(s.cfg.DataDir)); err != nil {
		return ""
	}
	return CredentialsFile(s.cfg.DataDir)
}
