package durable

import (
	"errors"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// IsDiskFull reports whether err, through any wrapping, says that the file
// system has no room left (ENOSPC) or that a quota is used up (EDQUOT).
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
