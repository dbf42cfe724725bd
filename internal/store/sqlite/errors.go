package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
)

// wrap gives an error of the driver the store's meaning and the name of the
// database. SQLite's result codes: https://www.sqlite.org/rescode.html.
func wrap(path string, err error) error {
	if err == nil {
		return nil
	}
	switch meaning := classify(filepath.Dir(path), err); {
	case meaning == nil, errors.Is(err, meaning):
		return fmt.Errorf("%s: %w", path, err)
	default:
		return fmt.Errorf("%s: %w: %w", path, meaning, err)
	}
}

func classify(dir string, err error) error {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return nil
	}
	switch e.Code() {
	case code.SQLITE_IOERR_SHORT_READ, code.SQLITE_IOERR_CORRUPTFS, code.SQLITE_IOERR_DATA:
		return store.ErrDamaged
	}
	switch e.Code() & 0xff { // the primary code; extended ones are above it
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB, code.SQLITE_FORMAT:
		return store.ErrDamaged
	case code.SQLITE_ERROR:
		// Our statements never change, so it is the schema that has; for
		// that SQLite has a text and no code.
		if s := e.Error(); strings.Contains(s, "no such table: ") || strings.Contains(s, "no such column: ") {
			return store.ErrDamaged
		}
	case code.SQLITE_FULL:
		return store.ErrDiskFull
	case code.SQLITE_IOERR, code.SQLITE_CANTOPEN:
		// SQLITE_FULL is ENOSPC from write(2). A quota (EDQUOT), or no room
		// for a new -wal or -shm file, comes as one of these, without the
		// errno: ask the file system again.
		if noRoom(dir) {
			return store.ErrDiskFull
		}
	}
	return nil
}

// noRoom reports whether dir cannot take 64 KiB more: twice what -shm grows by.
func noRoom(dir string) bool {
	f, err := os.CreateTemp(dir, ".room.*.tmp")
	if err != nil {
		return durable.IsDiskFull(err)
	}
	_, err = f.Write(make([]byte, 64<<10))
	if err == nil {
		err = f.Sync() // some file systems allocate no earlier
	}
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	return durable.IsDiskFull(err)
}
