package durable

import (
	"errors"
	"io/fs"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// IsDiskFull reports whether err, through any wrapping, says that the file
// system has no room left (ENOSPC) or that a quota is used up (EDQUOT).
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// device tells file systems apart.
func device(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}
