package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
)

// Restoring says what to restore and where to.
type Restoring struct {
	Source  string // a backup
	DataDir string // a directory that is not there, or is empty
	Custody Custody
	// AcceptFaults restores a backup in which single objects are lost or
	// damaged, with them as they are.
	AcceptFaults bool
	Progress     func(Totals) // nil: nobody
}

// Restore copies a backup into a directory beside DataDir, checks the copy as
// [Verify] does, marks it as restored, and only then gives it its name. When it
// fails there is nothing at DataDir, and nothing is left beside it; when it is
// killed, a directory DataDir.restoring-… is left, which nothing uses.
func Restore(ctx context.Context, cfg Restoring) (r Report, err error) {
	m, err := ReadManifest(cfg.Source)
	if err != nil {
		return r, err
	}
	r.Manifest = *m
	if err := checkFree(cfg.DataDir); err != nil {
		return r, err
	}
	parent, base := filepath.Split(filepath.Clean(cfg.DataDir))
	if parent != "" {
		if err := durable.Mkdir(filepath.Clean(parent), 0o700); err != nil {
			return r, err
		}
	} else {
		parent = "."
	}
	dir, err := os.MkdirTemp(parent, base+".restoring-*") // mode 0700
	if err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	e := examination{manifest: m, custody: cfg.Custody, progress: cfg.Progress, report: &r}
	target := &directories{root: filepath.Clean(dir)}
	if err := target.make(filepath.Join(dir, "objects")); err != nil { // there without objects too
		return r, err
	}
	if err := e.files(ctx, target); err != nil {
		return r, err
	}
	if err := r.Faults.Err(); err != nil && !cfg.AcceptFaults {
		return r, err
	}
	database := filepath.Join(dir, databaseName)
	if m.Schema < store.CurrentSchema() {
		if err := migrate(ctx, database); err != nil {
			return r, err
		}
	}
	if err := e.structure(ctx, dir, database); err != nil {
		return r, err
	}
	if err := r.Faults.Err(); err != nil && !cfg.AcceptFaults {
		return r, err
	}
	if err := newMark(m.Header).Write(dir); err != nil {
		return r, err
	}
	if err := syncTree(target); err != nil {
		return r, err
	}
	return r, install(dir, filepath.Clean(cfg.DataDir))
}

// checkFree refuses a place that is taken.
func checkFree(dataDir string) error {
	entries, err := os.ReadDir(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty: a backup is restored into a new directory only", dataDir)
	}
	here, err := os.Stat(dataDir)
	if err != nil {
		return err
	}
	above, err := os.Stat(filepath.Dir(filepath.Clean(dataDir)))
	if err != nil {
		return err
	}
	if device(here) != device(above) {
		return mountPoint(dataDir)
	}
	return nil
}

func device(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}

func mountPoint(dataDir string) error {
	return fmt.Errorf("%s is a mount point, which nothing can take the place of: name a directory below it", dataDir)
}

// install gives the complete directory its name. An empty directory there goes
// first; one that has been filled meanwhile does not go.
func install(dir, dataDir string) error {
	err := os.Remove(dataDir)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, syscall.EBUSY):
		return mountPoint(dataDir)
	default:
		return err
	}
	return durable.Rename(dir, dataDir)
}
