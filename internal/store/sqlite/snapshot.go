package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Snapshot writes what the database at from holds at this moment into a new
// database at to, which must not be there; its directory must be. A server may
// have from open: its writer goes on meanwhile, and only its log cannot be
// moved in. On a read-only file system it is as for [OpenReadOnly]. The new database is one file with permissions 0600, complete and on
// the disk when Snapshot returns nil (the entry in its directory is for the
// caller to sync). It has none of the pages that deletions have freed.
//
// It is VACUUM INTO (https://www.sqlite.org/lang_vacuum.html), which reads in
// one transaction. Errors to test for: [store.ErrDamaged], fs.ErrExist, and
// durable.IsDiskFull of the destination's.
func Snapshot(ctx context.Context, from, to string) (err error) {
	if from, err = filepath.Abs(from); err != nil {
		return err
	}
	if _, err := os.Stat(from); err != nil {
		return err
	}
	mode, err := readMode(from)
	if err != nil {
		return err
	}
	// Made here for its permissions; SQLite takes an empty file.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	db, err := sql.Open("sqlite", dsn(from, mode, snapshotPragmas, nil))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	if err = errors.Join(err, db.Close()); err != nil {
		// The error may be about either file: SQLite does not say which.
		return wrap(from, fmt.Errorf("copying the database to %s: %w", to, err))
	}
	return f.Sync()
}

// snapshotPragmas lack query_only, which would forbid the copy too. The file is
// open for reading only all the same.
var snapshotPragmas = []string{
	"busy_timeout(5000)",
	"cell_size_check(ON)",
	"trusted_schema(OFF)",
}
