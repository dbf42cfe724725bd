package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Share takes the shared lock of the file at path, made with permissions 0600
// when absent: any number of holders have it at once, and none while one has
// the lock of [Lock]. It waits for that one. Closing the result gives it back,
// and so does the end of the process, however it comes.
//
// It is for what must not run beside something else but beside itself, such as
// a backup, and needs no right to write the file.
func Share(path string) (io.Closer, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	}
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
	}
}
