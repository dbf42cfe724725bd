package durable

import (
	"os"
	"syscall"
)

// dataSync is fdatasync(2): it writes the data and, since the file grew, the
// size, but not the modification time, and so spares the journal a commit when
// the file has not grown.
func dataSync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = syscall.Fdatasync(int(fd)); syncErr != syscall.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", syncErr)
}
