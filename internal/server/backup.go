package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/s3"
	"github.com/strongroom/strongroom/internal/store"
)

// BackupConfig says what to back up and where to.
type BackupConfig struct {
	DataDir  string // default: [DefaultDataDir]
	Dest     string // a new or empty directory outside DataDir
	Previous string // an earlier backup to share unchanged files with; "": none
	Release  string // of this program, for the manifest
	Progress func(backup.Totals)
}

// Backup copies a data directory, which may be in use, without its root key and
// without asking for it.
func Backup(ctx context.Context, cfg BackupConfig) (backup.Summary, error) {
	c := Config{DataDir: cfg.DataDir}
	if err := c.complete(); err != nil {
		return backup.Summary{}, err
	}
	if there, err := exists(databasePath(c.DataDir)); err != nil || !there {
		return backup.Summary{}, errors.Join(err, fmt.Errorf("%s holds no database: name the right directory with --data-dir", c.DataDir))
	}
	inside, err := isInside(c.DataDir, cfg.Dest)
	if err != nil {
		return backup.Summary{}, err
	}
	if inside {
		return backup.Summary{}, fmt.Errorf("%s lies inside the data directory: it would be lost with it; name another place", cfg.Dest)
	}
	var endpoints []string
	switch e, err := readEndpoint(c.DataDir); {
	case err == nil:
		endpoints = []string{e.Endpoint}
	case !errors.Is(err, fs.ErrNotExist) && hasEndpoint(c.DataDir):
		return backup.Summary{}, err
	}
	s, err := backup.Create(ctx, backup.Config{
		DataDir: c.DataDir, Dest: cfg.Dest, Previous: cfg.Previous, Endpoints: endpoints, Release: cfg.Release, Progress: cfg.Progress,
		Describe: describeInstallation,
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = fmt.Errorf("interrupted: what is in %s is no backup; remove it", cfg.Dest)
	case durable.IsDiskFull(err), errors.Is(err, store.ErrDiskFull):
		err = fmt.Errorf("the disk of %s is full: what is there is no backup; remove it, make room and begin again; the data directory is as it was (%w)", cfg.Dest, err)
	}
	return s, err
}

// hasEndpoint reports whether a server has ever listened for the directory.
func hasEndpoint(dataDir string) bool {
	there, err := exists(endpointPath(dataDir))
	return there || err != nil
}

// describeInstallation fills in what a snapshot says of itself.
func describeInstallation(ctx context.Context, st *store.Store, h *backup.Header) error {
	doc, _, err := readInstallation(ctx, st)
	if err != nil {
		return err
	}
	if doc.ID == "" {
		return errors.New("the data directory has no installation id yet: start a server of this release on it first")
	}
	h.Installation, h.Generation = doc.ID, doc.Generation
	h.RootKeyID, err = custody.WantedRootKey(ctx, st)
	return err
}

// VerifyConfig says which backup to examine, and how.
type VerifyConfig struct {
	Source        string
	RootKeyFile   string // "": only what can be told without it
	VerifyObjects bool   // open every chunk of every object; needs the root key
	Progress      func(backup.Totals)
}

// VerifyBackup examines a backup and changes nothing.
func VerifyBackup(ctx context.Context, cfg VerifyConfig) (r backup.Report, found Examined, err error) {
	if cfg.RootKeyFile == "" {
		r, err = backup.Verify(ctx, cfg.Source, nil, cfg.Progress)
		return r, found, err
	}
	c := Config{DataDir: cfg.Source, RootKeyFile: cfg.RootKeyFile}
	if err := c.complete(); err != nil {
		return r, found, err
	}
	r, err = backup.Verify(ctx, cfg.Source, examineCustody(c, cfg.VerifyObjects, &found), cfg.Progress)
	return r, found, err
}

// RestoreConfig says what to restore and where to.
type RestoreConfig struct {
	Source        string
	DataDir       string // a new or empty directory; default: [DefaultDataDir]
	RootKeyFile   string // the one the backup was made with; default: that of DataDir
	VerifyObjects bool   // open every chunk of every object
	AcceptFaults  bool   // restore although single objects are lost or damaged
	Progress      func(backup.Totals)
}

// Restore makes a data directory of a backup, checked with the root key.
func Restore(ctx context.Context, cfg RestoreConfig) (r backup.Report, found Examined, err error) {
	c := Config{DataDir: cfg.DataDir, RootKeyFile: cfg.RootKeyFile}
	if err := c.complete(); err != nil {
		return r, found, err
	}
	inside, err := isInside(c.DataDir, cfg.Source)
	if err != nil {
		return r, found, err
	}
	if inside {
		return r, found, fmt.Errorf("%s lies inside %s: restore into another directory", cfg.Source, c.DataDir)
	}
	r, err = backup.Restore(ctx, backup.Restoring{
		Source: cfg.Source, DataDir: c.DataDir, AcceptFaults: cfg.AcceptFaults, Progress: cfg.Progress,
		Custody: examineCustody(c, cfg.VerifyObjects, &found),
	})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = errors.New("interrupted: nothing was left behind")
	case durable.IsDiskFull(err), errors.Is(err, store.ErrDiskFull):
		err = fmt.Errorf("the disk of %s is full: make room and begin again; nothing was left behind (%w)", filepath.Dir(c.DataDir), err)
	}
	return r, found, err
}

// IsBackupFault reports whether an error says that a backup is not as it was
// made, rather than that it could not be read or used.
func IsBackupFault(err error) bool {
	if _, tampered := errors.AsType[*store.TamperedError](err); tampered {
		return true
	}
	for _, is := range []error{backup.ErrDamaged, backup.ErrIncomplete, store.ErrDamaged, hsm.ErrTampered, s3.ErrTampered} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}
