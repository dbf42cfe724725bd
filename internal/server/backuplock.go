package server

import (
	"errors"
	"io"

	"github.com/strongroom/strongroom/internal/backup"
	"github.com/strongroom/strongroom/internal/durable"
)

// whileNoBackup takes the backup lock of the data directory for a short while,
// in which the caller may remove what a backup might be copying: blobs, changes,
// segments. It never waits: while a backup runs, ok is false. The caller calls
// done at the end.
func (s *Server) whileNoBackup() (done func() error, ok bool, err error) {
	lock, err := durable.Lock(backup.LockPath(s.cfg.DataDir))
	if errors.Is(err, durable.ErrLocked) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return lock.Close, true, nil
}

// makeBackupLock makes the lock's file, so that it belongs to the server's user
// whoever takes the first backup.
func makeBackupLock(dataDir string) error {
	lock, err := durable.Share(backup.LockPath(dataDir))
	if err != nil {
		return err
	}
	return io.Closer(lock).Close()
}
