package server

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// namespaceEnv marks the test binary that runs in a mount namespace of its own.
const namespaceEnv = "STRONGROOM_TEST_NAMESPACE"

// inNamespace runs the calling test again, in a mount namespace of its own, so
// that what it mounts nobody else sees and nothing is left when it dies. It
// reports whether this already is the second run; in the first there is nothing
// more to do. Without root, a user namespace gives the right to mount tmpfs, if
// the system lets one have it; otherwise the test is skipped.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) != "" {
		// What is mounted must not spread to where this came from.
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Skipf("making mounts private: %v", err)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Skipf("making a mount namespace: %v", err)
	}
	switch said := string(out); {
	case err != nil:
		t.Fatalf("in a namespace: %v\n%s", err, said)
	case strings.Contains(said, "--- SKIP: "+t.Name()):
		t.Skip(said)
	case !strings.Contains(said, "--- PASS: "+t.Name()):
		t.Fatalf("no test ran in the namespace:\n%s", said)
	}
	return false
}
