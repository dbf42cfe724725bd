package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
)

// ErrLocked says that another holder has the lock. The error that wraps it
// names the file and, when it can be read, the holder's process id.
var ErrLocked = errors.New("locked")

// Lock takes the exclusive lock of the file at path, made with permissions
// 0600 when absent, and returns at once: with [ErrLocked] when another process,
// or another Lock in this one, holds it. Closing the result gives it back, and
// so does the end of the process, however it comes. The file holds the
// holder's process id in decimal and is never removed: a lock on a removed file
// would exclude nobody.
//
// The lock is flock(2)'s: it binds only those who ask for it, and a network
// file system may not carry it to other machines.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := acquire(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lock{f}, nil
}

func acquire(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return fmt.Errorf("%s: %w%s", f.Name(), ErrLocked, holder(f))
	case err != nil:
		return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// holder returns " by process N", or nothing between the holder's taking of
// the lock and its writing of the id.
func holder(f *os.File) string {
	var b [20]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" by process %d", pid)
}

type lock struct{ f *os.File }

// Close empties the file first, so that nobody reads the id of a process that
// holds nothing.
func (l *lock) Close() error { return errors.Join(l.f.Truncate(0), l.f.Close()) }
