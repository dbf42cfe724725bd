// Package strongroom starts the real command on loopback for clients that we
// did not write, and points them at it by AWS's own environment variables.
package strongroom

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// Region is where the server's keys are, and what AWS_REGION says.
const Region = "us-east-1"

// patience is how long a test waits for something that always comes.
const patience = time.Minute

// Start builds the command, serves with the flags on a free port of 127.0.0.1
// until the test ends, and returns the endpoint, a URL. What `strongroom env`
// prints (AWS_ENDPOINT_URL, the root credential, the region, and AWS_CA_BUNDLE
// with --tls self) is in the environment of the test, so that it cannot be
// parallel.
func Start(t testing.TB, flags ...string) (endpoint string) {
	t.Helper()
	dir := t.TempDir()
	command := filepath.Join(dir, "strongroom")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", command, "./cmd/strongroom")
	build.Dir = "../.." // a test runs in its package's directory
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the command: %v\n%s", err, out)
	}
	forget(t)
	data := filepath.Join(dir, "data")
	endpoint = serve(t, dir, command, append([]string{"serve", "--listen", "127.0.0.1:0", "--data-dir", data, "--region", Region}, flags...))
	out, err := exec.CommandContext(t.Context(), command, "env", "--data-dir", data).Output() // not into the test's log
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok {
			t.Fatalf("got a line about %q from env, want export NAME=VALUE", name)
		}
		t.Setenv(name, strings.Trim(value, "'"))
	}
	return endpoint
}

// forget takes the settings of whoever runs the test out of the environment.
func forget(t testing.TB) {
	t.Helper()
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "AWSKMS_") || strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "STRONGROOM_") {
			t.Setenv(name, "") // puts it back afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Setenv("HOME", t.TempDir()) // no ~/.aws
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

var greeting = regexp.MustCompile(`^  endpoint +(https?://\S+)$`)

// serve runs the command until the test ends, and returns the endpoint that it
// greets with.
func serve(t testing.TB, dir, command string, args []string) string {
	t.Helper()
	logPath := filepath.Join(dir, "log")
	log, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(command, args...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	endpoint, drained := make(chan string, 1), make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended: %v", err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(logPath)
			t.Logf("the server's log:\n%s", b)
		}
	})
	go func() {
		defer close(drained)
		defer close(endpoint)
		for s := bufio.NewScanner(out); s.Scan(); {
			if m := greeting.FindStringSubmatch(s.Text()); m != nil {
				endpoint <- m[1]
			}
		}
	}()
	select {
	case e, ok := <-endpoint:
		if !ok {
			t.Fatal("serve ended without naming its endpoint")
		}
		return e
	case <-time.After(patience):
		t.Fatalf("serve named no endpoint within %v", patience)
	}
	panic("unreachable")
}

// KMS returns a client of AWS's SDK that the environment configures, for what
// the client under test has no call for.
func KMS(ctx context.Context, t testing.TB) *kms.Client {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return kms.NewFromConfig(cfg)
}

// CreateKey makes the key that in describes and returns its ARN.
func CreateKey(ctx context.Context, t testing.TB, client *kms.Client, in *kms.CreateKeyInput) string {
	t.Helper()
	out, err := client.CreateKey(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}
