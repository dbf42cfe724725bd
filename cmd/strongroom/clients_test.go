package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

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

// TestClients runs the AWS CLI and boto3 against the command by the scripts of
// testdata/clients.
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
