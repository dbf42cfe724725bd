package hsm

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Harden changes the whole process, so a child process is hardened.
func TestHarden(t *testing.T) {
	if os.Getenv("STRONGROOM_TEST_HARDEN") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestHarden$", "-test.v")
		child.Env = append(os.Environ(), "STRONGROOM_TEST_HARDEN=1")
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("child: %v\n%s", err, out)
		}
		return
	}
	if err := Harden(); err != nil {
		t.Fatal(err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); got != 0 || err != nil {
		t.Errorf("got dumpable %d, %v, want 0", got, err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
		t.Errorf("got core limit %d of %d, %v, want 0 of 0", limit.Cur, limit.Max, err)
	}
}
