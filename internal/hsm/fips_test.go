package hsm

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestFIPS(t *testing.T) {
	if !strings.Contains(FIPS(), fips140.Version()) {
		t.Errorf("got %q, want the module's version %q in it", FIPS(), fips140.Version())
	}
	for _, mode := range []string{"on", "off"} {
		child := exec.Command(os.Args[0], "-test.run=^TestFIPSModeOfChild$", "-test.v")
		child.Env = append(os.Environ(), "GODEBUG=fips140="+mode, "STRONGROOM_TEST_FIPS="+mode)
		if out, err := child.CombinedOutput(); err != nil {
			t.Errorf("fips140=%s: %v\n%s", mode, err, out)
		}
	}
}

// The child seals and opens once, in the mode its parent asked for.
func TestFIPSModeOfChild(t *testing.T) {
	mode := os.Getenv("STRONGROOM_TEST_FIPS")
	if mode == "" {
		t.Skip("runs as a child of TestFIPS")
	}
	if !strings.HasSuffix(FIPS(), "mode "+mode) {
		t.Errorf("got %q, want mode %s", FIPS(), mode)
	}
	k := newTestObjectKey(t, openTestModule(t))
	p, record := newTestPart(t, k, 1)
	sealed := p.SealChunk(nil, []byte("chunk"), 0, true)
	opened, err := k.OpenPart(1, p.Salt(), record)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.OpenChunk(nil, sealed, 0, true); err != nil {
		t.Error(err)
	}
}
