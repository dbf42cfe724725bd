// Package sqlite keeps a store in one SQLite file (modernc.org/sqlite: SQLite
// in Go, no cgo) in write-ahead-log mode, with an fsync at every commit.
//
// The database is three files, all with permissions 0600: the path itself,
// path-wal (what was committed since the last checkpoint: as precious as the
// database) and path-shm (an index of it, rebuilt at need). A database that was
// closed is the first alone.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/strongroom/strongroom/internal/store"
)

// Config says which database to open, and how.
type Config struct {
	// Path is the database file. Its directory must be there. Required.
	Path string
	// MustExist refuses, with fs.ErrNotExist, to make a new database. It is
	// for a server whose other files say that there has been one.
	MustExist bool
	// Readers is how many reads can run at once, each with a connection and
	// up to 2 MiB of page cache; 0 means 8.
	Readers int
	// Now is the clock of the change feed; nil means time.Now.
	Now func() time.Time
	// At, when not nil, is called at each of the Points, so that a test can
	// end the process there.
	At func(point string)

	pragmas []string // further ones of the writer, for tests
}

// Points are those of [Config.At]: of the making of a database, and of a commit.
func Points() []string { return append([]string{beforeCreate}, store.Points()...) }

// beforeCreate: the new database is complete and not yet at its place.
const beforeCreate = "store.create"

// Open opens the store, making it when it is not there, and brings its schema
// up to date. At any time only one process should have a store open: another
// would not hear of its changes. Errors to test for: [store.ErrDamaged],
// [store.ErrDiskFull], [store.ErrNewerSchema].
//
// Open looks at the file's beginning, at its size and at each table's first
// row, not at the whole; that is [store.Store.Check].
func Open(ctx context.Context, cfg Config) (*store.Store, error) {
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, err
	}
	cfg.Path = path
	if err := cfg.prepare(ctx); err != nil {
		return nil, err
	}
	d := dialect(path)
	write, err := openWriter(ctx, path, d, cfg.pragmas...)
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(ctx, write, d, false); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := openReaders(path, "ro", cfg.Readers)
	if err != nil {
		return nil, errors.Join(d.Wrap(err), write.Close())
	}
	s, err := store.New(ctx, store.Backend{Write: write, Read: read, Dialect: d, Now: cfg.Now, At: cfg.At})
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}
	return s, nil
}

// dialect is SQLite's, for the database at path.
func dialect(path string) store.Dialect {
	return store.Dialect{
		Text: "TEXT", // compares bytewise (collation BINARY)
		Blob: "BLOB",
		// An alias of the row id: one more than the greatest that is there.
		Serial:      "INTEGER PRIMARY KEY",
		Begin:       "BEGIN IMMEDIATE", // takes the write lock now, not at the first write
		Placeholder: func(int) string { return "?" },
		Wrap:        func(err error) error { return wrap(path, err) },
		Check:       check,
		TruncateLog: func(conn *sql.Conn) error { return truncateLog(conn, path) },
	}
}

// busyTimeout is how long a statement waits for another process, which may be
// taking a backup, in milliseconds.
const busyTimeout = 5000

// writerPragmas hold for each connection that writes.
var writerPragmas = []string{
	fmt.Sprintf("busy_timeout(%d)", busyTimeout),
	"journal_mode(WAL)",
	"synchronous(FULL)",            // fsync the log at every commit
	"secure_delete(ON)",            // overwrite what is deleted with zeros
	"cell_size_check(ON)",          // find damage when a page is read, not later
	"trusted_schema(OFF)",          // a changed schema must not run functions
	"journal_size_limit(67108864)", // bytes the log file keeps after it was larger
	"cache_size(-16384)",           // KiB
}

// readerPragmas come on top of opening the file read-only.
var readerPragmas = []string{
	"busy_timeout(5000)",
	"query_only(ON)",
	"cell_size_check(ON)",
	"trusted_schema(OFF)",
}

// openWriter returns a pool of one connection. It connects at once, so that a
// file that is no database is found here.
func openWriter(ctx context.Context, path string, d store.Dialect, more ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, "rw", writerPragmas, more))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var mode string
	err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err == nil && mode != "wal" {
		err = fmt.Errorf("no write-ahead log on this file system (journal mode %q)", mode)
	}
	if err != nil {
		return nil, errors.Join(wrapOpening(path, err), db.Close())
	}
	return db, nil
}

// immutable is, beside the values of mode=, the way to open a database that
// nobody can change: without the log and without locks.
const immutable = "immutable"

func openReaders(path, mode string, n int) (*sql.DB, error) {
	if n <= 0 {
		n = 8
	}
	db, err := sql.Open("sqlite", dsn(path, mode, readerPragmas, nil))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n) // their statements stay prepared
	return db, nil
}

// dsn is a URI as SQLite reads it. _dqs=0: a misspelt column in double quotes
// is an error and not a string.
func dsn(path, mode string, pragmas, more []string) string {
	q := url.Values{"mode": {mode}, "_dqs": {"0"}}
	if mode == immutable {
		q.Set("mode", "ro")
		q.Set("immutable", "1")
	}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	for _, p := range more {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// check is PRAGMA integrity_check: the form of every page, the order of keys,
// and that each index has exactly the entries of its table. It reports at most
// 20 faults.
func check(ctx context.Context, db *sql.DB) (faults []string, err error) {
	rows, err := db.QueryContext(ctx, "PRAGMA integrity_check(20)")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if line != "ok" {
			faults = append(faults, line)
		}
	}
	return faults, rows.Err()
}
