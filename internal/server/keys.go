package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/strongroom/strongroom/internal/custody"
	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/iam"
	"github.com/strongroom/strongroom/internal/kms/kmsdb"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

// keyTokens are the tables of key tokens that services have.
func keyTokens() []custody.Tokens {
	return []custody.Tokens{
		{Table: store.KMSKeyTokens, Binding: kmsdb.TokenBinding},
		{Table: store.KMSKeyStoreTokens, Binding: kmsdb.KeyStoreTokenBinding},
		{Table: store.AccessKeyTokens, Binding: iam.TokenBinding},
	}
}

func (s *Server) custodyConfig() custody.Config { return custodyConfig(s.cfg, s.store) }

func custodyConfig(cfg Config, st *store.Store) custody.Config {
	return custody.Config{
		Store: st, DataDir: cfg.DataDir, RootKeyFile: cfg.RootKeyFile, FS: cfg.fs, Regions: cfg.Regions, Tokens: keyTokens(),
		Account: cfg.Account, Rotation: max(0, cfg.DomainKeyRotation), Clock: cfg.Clock, Logger: cfg.Logger,
	}
}

// hasDatabase refuses to look for keys where there are none.
func hasDatabase(dataDir string) error {
	if _, err := os.Stat(databasePath(dataDir)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s holds no database: name the right directory with --data-dir, or start a server there first", dataDir)
	}
	return nil
}

// openOffline opens a data directory on which no server runs, for work on its
// keys. The caller closes the result.
func openOffline(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	cfg.Account = "" // that of the server that ran here last
	if err := hasDatabase(cfg.DataDir); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Logger}
	err := s.openStore(ctx)
	if err == nil {
		err = s.openTrail(ctx) // which has every record, and tells a replaced database
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// KeysStatus returns the state of the keys of a data directory, on which a
// server may run. With check every key token is opened.
func KeysStatus(ctx context.Context, cfg Config, check bool) (_ custody.Status, err error) {
	if err := cfg.complete(); err != nil {
		return custody.Status{}, err
	}
	if err := hasDatabase(cfg.DataDir); err != nil {
		return custody.Status{}, err
	}
	st, err := sqlite.OpenReadOnly(ctx, databasePath(cfg.DataDir))
	if err != nil {
		return custody.Status{}, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return custody.Inspect(ctx, custodyConfig(cfg, st), check)
}

// RotateRootKey replaces the root key of a data directory on which no server
// runs: by a new one, or by that in the file newRootKey unless it is empty.
func RotateRootKey(ctx context.Context, cfg Config, newRootKey string) (_ custody.RootRotation, err error) {
	s, err := openOffline(ctx, cfg)
	if err != nil {
		return custody.RootRotation{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if newRootKey != "" {
		inside, err := isInside(s.cfg.DataDir, newRootKey)
		if err != nil {
			return custody.RootRotation{}, err
		}
		if inside {
			return custody.RootRotation{}, fmt.Errorf("root key file %s lies inside the data directory: a copy of the directory would hold the key that opens it", newRootKey)
		}
	}
	return custody.RotateRoot(ctx, s.custodyConfig(), newRootKey)
}

// RotateDomainKeys rotates every domain key now. When a server runs on the
// directory it is asked to, within a minute, and asked is true: its database
// has one writer.
func RotateDomainKeys(ctx context.Context, cfg Config) (asked bool, err error) {
	if err := cfg.complete(); err != nil {
		return false, err
	}
	s, err := openOffline(ctx, cfg)
	if errors.Is(err, durable.ErrLocked) {
		return true, custody.AskRotation(cfg.DataDir)
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.openKeys(ctx); err != nil {
		return false, err
	}
	if err := s.custody.RequestAll(ctx); err != nil {
		return false, err
	}
	return false, s.custody.Work(ctx)
}
