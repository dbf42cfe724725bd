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
	return wrapAs(path, err, meaning)
}

// wrapOpening is wrap for the opening of the database.
func wrapOpening(path string, err error) error {
	return wrapAs(path, err, meaningOpening)
}

func wrapAs(path string, err error, meaning func(result int, text string, full func() bool) error) error {
	if err == nil {
		return nil
	}
	var means error
	if e, ok := errors.AsType[*driver.Error](err); ok {
		means = meaning(e.Code(), e.Error(), func() bool { return noRoom(filepath.Dir(path)) })
	}
	switch {
	case means == nil, errors.Is(err, means):
		return fmt.Errorf("%s: %w", path, err)
	default:
		return fmt.Errorf("%s: %w: %w", path, means, err)
	}
}

// meaning is what the store calls an error of SQLite's, or nil. Full asks
// whether there is no room left in the file system.
//
// [store.ErrDiskFull] says that nothing of the update was stored. That is
// certain when the write of a frame into the log has failed, because a frame
// that is not whole ends the log. It is not when a later step of the commit
// did: the sync of the log (a file system that allocates late finds out about
// the room only then), or more room for -shm. The last frame may be in the log
// by then, for the next start to find, so that such an error means nothing here
// and leaves the outcome open, however full the disk is.
func meaning(result int, text string, full func() bool) error {
	switch result {
	case code.SQLITE_IOERR_SHORT_READ, code.SQLITE_IOERR_CORRUPTFS, code.SQLITE_IOERR_DATA:
		return store.ErrDamaged
	case code.SQLITE_IOERR_WRITE:
		// SQLITE_FULL is ENOSPC from write(2). A quota (EDQUOT), or below no
		// room for a new -wal file, comes without the errno: ask the file
		// system again.
		if full() {
			return store.ErrDiskFull
		}
	}
	switch result & 0xff { // the primary code; extended ones are above it
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB, code.SQLITE_FORMAT:
		return store.ErrDamaged
	case code.SQLITE_ERROR:
		// Our statements never change, so it is the schema that has; for
		// that SQLite has a text and no code.
		if strings.Contains(text, "no such table: ") || strings.Contains(text, "no such column: ") {
			return store.ErrDamaged
		}
	case code.SQLITE_FULL:
		return store.ErrDiskFull
	case code.SQLITE_CANTOPEN:
		if full() {
			return store.ErrDiskFull
		}
	}
	return nil
}

// meaningOpening is meaning where no update can have begun: no room for -shm,
// which SQLite makes then, leaves nothing open.
func meaningOpening(result int, text string, full func() bool) error {
	switch result {
	case code.SQLITE_IOERR_SHMOPEN, code.SQLITE_IOERR_SHMSIZE, code.SQLITE_IOERR_SHMMAP:
		if full() {
			return store.ErrDiskFull
		}
	}
	return meaning(result, text, full)
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
