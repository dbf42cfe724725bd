package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/strongroom/strongroom/internal/faultproxy"
)

// clientsDir is where scripts/prepare-tests.sh puts clients that are no packages
// of the system. Scripts have it as CLIENTS, and in PATH.
const clientsDir = "../../bin/clients"

// needClients skips a test unless clients we did not write are wanted and there.
func needClients(t *testing.T) {
	t.Helper()
	if os.Getenv("STRONGROOM_TEST_CLIENTS") != "1" {
		t.Skip("runs when STRONGROOM_TEST_CLIENTS=1 (make test-clients)")
	}
	for _, args := range [][]string{{"aws", "--version"}, {"python3", "-c", "import boto3"}} {
		if err := exec.Command(args[0], args[1:]...).Run(); err != nil {
			t.Skipf("%q does not work here: %v; run make prepare", args, err)
		}
	}
}

// TestClients runs the AWS CLI, boto3 and other clients against the command by
// the scripts of testdata/clients; clients in Go are in clienttests.
func TestClients(t *testing.T) {
	needClients(t)
	runScripts(t, "testdata/clients")
}

// awsScript runs the AWS CLI against ENDPOINT: aws ARGUMENTS...
func awsScript(ts *testscript.TestScript, neg bool, args []string) {
	args = append([]string{"--endpoint-url", ts.Getenv("ENDPOINT")}, args...)
	err := ts.Exec("aws", args...)
	if neg != (err != nil) {
		ts.Fatalf("aws: %v", err)
	}
}

// proxyScript puts a proxy before ENDPOINT that breaks the first FAULTS
// connections as SEED has it: proxy SEED FAULTS. Its address goes into PROXY.
func proxyScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "proxy SEED FAULTS")
	seed, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	faults, err := strconv.Atoi(args[1])
	ts.Check(err)
	p, err := faultproxy.Start(strings.TrimPrefix(ts.Getenv("ENDPOINT"), "http://"), faultproxy.Seeded(seed, faults, 6<<20, 50*time.Millisecond))
	ts.Check(err)
	ts.Defer(p.Close)
	ts.Setenv("PROXY", "http://"+p.Address())
}
