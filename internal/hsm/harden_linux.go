package hsm

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Harden keeps the process's memory out of core dumps and away from debuggers
// of the same user: PR_SET_DUMPABLE is 0 and RLIMIT_CORE is 0 afterwards
// (prctl(2), getrlimit(2)). The server calls it before it opens the root key.
// On systems other than Linux it does nothing.
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process undumpable: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	return nil
}
