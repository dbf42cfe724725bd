package server

import (
	"context"
	"crypto/fips140"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// Finding is one line of [Doctor]'s report.
type Finding struct {
	Subject string // what was examined
	Good    string // what was found; used when Err is nil
	Err     error  // what is wrong and what to do
}

// Text is the finding in one line.
func (f Finding) Text() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Good
}

// minFree is the free space below which Doctor warns, in bytes.
const minFree = 256 << 20

// Doctor examines a data directory without changing it. While a server runs
// on the directory, that server is asked how it is.
func Doctor(ctx context.Context, cfg Config) []Finding {
	if err := cfg.complete(); err != nil {
		return []Finding{{Subject: "flags", Err: err}}
	}
	found := []Finding{{Subject: "module", Good: hsm.FIPS()}}
	if fips140.Enabled() {
		found = append(found, Finding{Subject: "module", Good: "outside of FIPS 140-3, and served: " + strings.Join(hsm.Unapproved(), "; ")})
	}
	add := func(subject string, good string, err error) {
		found = append(found, Finding{subject, good, err})
	}
	if err := hasDatabase(cfg.DataDir); err != nil {
		add("data", "", err)
		return found
	}
	good, err := checkModes(cfg.DataDir)
	add("permissions", good, err)
	good, err = checkFree(cfg.DataDir)
	add("disk", good, err)
	good, err = checkWritable(cfg.DataDir)
	add("file system", good, err)
	good, err = doctorClock(ctx, cfg)
	add("clock", good, err)
	good, err = checkCustody(ctx, cfg)
	add("root key", good, err)
	if err == nil { // else nothing opens, and that was said
		good, err = checkTokens(ctx, cfg)
		add("key tokens", good, err)
		good, err = checkAuthority(ctx, cfg)
		add("authority", good, err)
		good, err = checkRelatedKeys(ctx, cfg)
		add("multi-region keys", good, err)
	}
	good, err = checkDatabase(ctx, cfg.DataDir)
	add("database", good, err)
	good, err = checkDeletions(ctx, cfg.DataDir)
	add("deletions", good, err)
	good, err = checkTrail(ctx, cfg.DataDir)
	add("audit trail", good, err)
	good, err = checkLocalCA(ctx, cfg)
	add("TLS", good, err)
	good, err = checkServer(ctx, cfg)
	add("server", good, err)
	return found
}

// checkModes finds files that others than their owner can read.
func checkModes(dataDir string) (string, error) {
	for _, p := range []string{dataDir, databasePath(dataDir), AuditDir(dataDir), objectsDir(dataDir), CredentialsFile(dataDir)} {
		info, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%s can be read by others (mode %04o): chmod go= %s", p, info.Mode().Perm(), p)
		}
	}
	return "only the owner can read the data", nil
}

func checkFree(dataDir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dataDir, &s); err != nil {
		return "", fmt.Errorf("asking for the free space of %s: %w", dataDir, err)
	}
	free := int64(s.Bavail) * int64(s.Bsize) // the fields' types differ between systems
	if free < minFree {
		return "", fmt.Errorf("%d MiB are free on the disk of %s: make room, or writes will be refused", free>>20, dataDir)
	}
	return fmt.Sprintf("%d MiB free", free>>20), nil
}

// checkWritable finds a file system that was mounted, or has made itself,
// read-only, and directories of another owner.
func checkWritable(dataDir string) (string, error) {
	for _, p := range []string{dataDir, databasePath(dataDir), AuditDir(dataDir), objectsDir(dataDir)} {
		if err := checkReadOnly(p); err != nil {
			return "", err
		}
		if err := unix.Access(p, unix.W_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s cannot be written by this user: %w", p, err)
		}
	}
	return "writable", nil
}

// checkReadOnly is an error when path is on a file system without writing.
func checkReadOnly(path string) error {
	if err := unix.Access(path, unix.W_OK); errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%s is on a read-only file system: look for disk errors in the system's log, and mount it writable", path)
	}
	return nil
}

// doctorClock finds a clock that is behind what has happened.
func doctorClock(ctx context.Context, cfg Config) (string, error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return "", err
	}
	if err := errors.Join(checkClock(ctx, st, cfg.Clock()), st.Close()); err != nil {
		return "", err
	}
	return "not behind the newest change", nil
}

// checkCustody opens the root key, every domain key with it, and the server's
// own keys with those.
func checkCustody(ctx context.Context, cfg Config) (string, error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return "", err
	}
	defer st.Close()
	c, err := readCustody(ctx, st, cfg)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, root key %s opens every domain key and the server's own", cfg.RootKeyFile, c.Module.RootKeyID()), nil
}

// readCustody opens the key hierarchy of a store that is only looked at.
func readCustody(ctx context.Context, st *store.Store, cfg Config) (*custody.Custody, error) {
	return custody.Look(ctx, custody.Config{Store: st, DataDir: cfg.DataDir, RootKeyFile: cfg.RootKeyFile})
}

// checkTokens opens every key token.
func checkTokens(ctx context.Context, cfg Config) (string, error) {
	s, err := KeysStatus(ctx, cfg, true)
	if err != nil {
		return "", err
	}
	if len(s.Problems) > 0 {
		return "", errors.New(strings.Join(s.Problems, "; "))
	}
	n := 0
	for _, d := range s.Domains {
		for _, v := range d.Versions {
			for _, tokens := range v.Tokens {
				n += tokens
			}
		}
	}
	return fmt.Sprintf("all %d open", n), nil
}

func checkDatabase(ctx context.Context, dataDir string) (string, error) {
	st, err := sqlite.OpenReadOnly(ctx, databasePath(dataDir))
	if err == nil {
		err = errors.Join(st.Check(ctx), st.Close())
	}
	if errors.Is(err, store.ErrDamaged) {
		err = fmt.Errorf("%w; stop the server and restore the database from a backup", err)
	}
	if err != nil {
		return "", err
	}
	return "every row and change is whole", nil
}

func checkTrail(ctx context.Context, dataDir string) (string, error) {
	r, err := VerifyAudit(ctx, dataDir)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d records in %d segments, chain whole", r.Records, r.Segments), nil
}

// checkServer asks the server of the directory, if one runs, for its health.
func checkServer(ctx context.Context, cfg Config) (string, error) {
	dataDir := cfg.DataDir
	lock, err := durable.Lock(filepath.Join(dataDir, "lock"))
	if err == nil {
		return "not running", lock.Close()
	}
	if errors.Is(err, unix.EROFS) {
		return "none can run on a read-only file system", nil
	}
	if !errors.Is(err, durable.ErrLocked) {
		return "", err
	}
	e, err := readEndpoint(dataDir)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Endpoint+"/_/health", nil)
	if err != nil {
		return "", err
	}
	client, err := e.client()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("a process holds the directory, but nothing answers at %s: %w", e.Endpoint, err)
	}
	defer resp.Body.Close()
	if resp.TLS != nil {
		if err := checkExpiry("the server's certificate", resp.TLS.PeerCertificates[0].NotAfter, cfg.Clock()); err != nil {
			return "", err
		}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server at %s answers %s: %s", e.Endpoint, resp.Status, body)
	}
	var h health
	if err := json.Unmarshal(body, &h); err != nil {
		return "", fmt.Errorf("the server at %s answers what is no health report: %w", e.Endpoint, err)
	}
	if len(h.Failing) > 0 {
		return "", fmt.Errorf("jobs of the server at %s fail: %s; its log says why", e.Endpoint, strings.Join(h.Failing, ", "))
	}
	return "running at " + e.Endpoint, nil
}
