package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/strongroom/strongroom/internal/store"
)

// How long a checkpoint waits for readers, in milliseconds. All updates wait
// with it, and a backup may read for minutes.
const checkpointTimeout = 250

// truncateLog is PRAGMA wal_checkpoint(TRUNCATE): it brings every page of the
// log into the database and onto the disk, and cuts the log down to nothing
// (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
//
// SQLite leaves the log's new size to the file system, and after a power cut the
// old frames could be back: so the log is synced here. (No lock lies on its own
// file, so that closing a descriptor of it takes none away.)
func truncateLog(conn *sql.Conn, path string) (err error) {
	ctx := context.Background()
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout(%d)", checkpointTimeout)); err != nil {
		return err
	}
	defer func() {
		_, restore := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout(%d)", busyTimeout))
		err = errors.Join(err, restore)
	}()
	// busy: not all could be done. The numbers of pages do not matter here.
	var busy, inLog, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &moved); err != nil {
		return fmt.Errorf("emptying the log: %w", err)
	}
	if busy != 0 {
		return fmt.Errorf("emptying the log: %w", store.ErrBusy)
	}
	f, err := os.OpenFile(path+logSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
