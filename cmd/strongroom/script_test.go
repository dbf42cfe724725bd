package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// TestScripts runs the command by the scripts of testdata/script.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script")
}

// runScripts runs the scripts of dir with these commands beside the usual ones:
//
//	serve [-as=NAME] [FLAG...]        start a server in the background and set ENDPOINT; its log is NAME.log
//	start NAME REGEXP COMMAND...      start COMMAND in the background and wait for a line of its output
//	expect NAME REGEXP [VARIABLE]     wait for another one; its first group goes into VARIABLE
//	signal NAME TERM|INT|KILL         send it and wait for the end, with status 0 unless killed; stdout is all its output
//	hangup NAME                       send it SIGHUP, after which it goes on
//	finish NAME                       wait for the end, with status 0; stdout is all its output
//	fails STATUS REGEXP COMMAND...    COMMAND exits with STATUS and one line on standard error, "strongroom: " and REGEXP
//	login [FLAG...]                   put what `strongroom env` prints into the environment
//	as ACCESSKEYID SECRET             put long-term credentials into the environment
//	assume ROLEARN SESSION [N=V...]   put the credentials of a session of the role there
//	[!] api kms|sts|s3 ...            one signed request, see apiScript; the answer is in stdout
//	[!] get PATH                      one request without a signature
//	await PATH                        the same, again and again until it succeeds
//	[!] aws ARGUMENT...               the AWS CLI at ENDPOINT
//	proxy SEED FAULTS                 a proxy to ENDPOINT, as PROXY, that breaks the first FAULTS connections
//	capture VARIABLE PATH             a member of the JSON in stdout, as in KeyMetadata.KeyId
//	flip FILE OFFSET|TEXT             flip one bit there; a negative offset counts from the end
//	flipdoc DATADIR TABLE PREFIX      flip one bit in the document of the first row whose key has the prefix
//	awaitgone FILE                    wait until a file is not there
//	cutrecord [-forge] FILE TEXT      cut the audit record with TEXT out of a segment; -forge mends the chain
//	tmpfs DIR SIZE                    mount a file system of that size (condition [tmpfs])
//	readonly DIR on|off               make that file system read-only, or writable again
//	makefile FILE SIZE                a file of random content
//	sourcetree DIR N                  N files of Go's source as a tree; MIDDLE is one of them
//	cmptree DIR DIR                   compare two trees, names and bytes
//	cmpbytes FILE FILE                as cmp, without printing what is not text
func runScripts(t *testing.T, dir string) {
	t.Helper()
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("got %d scripts in %s (%v), want some", len(found), dir, err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Values[processesKey{}] = map[string]*process{}
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("TESTDATA", filepath.Join(here, "testdata"))
			clients := filepath.Join(here, clientsDir)
			e.Setenv("CLIENTS", clients)
			e.Setenv("PATH", e.Getenv("PATH")+string(filepath.ListSeparator)+clients)
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			e.Setenv("AWS_PAGER", "")
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serveScript, "start": startScript, "expect": expectScript, "signal": signalScript, "finish": finishScript,
			"fails": failsScript, "login": loginScript, "api": apiScript, "get": getScript, "await": awaitScript, "capture": captureScript,
			"flip": flipScript, "cutrecord": cutRecordScript, "tmpfs": tmpfsScript, "readonly": readonlyScript, "makefile": makefileScript, "cmpbytes": cmpBytesScript,
			"aws": awsScript, "flipdoc": flipDocScript, "awaitgone": awaitGoneScript, "hangup": hangupScript,
			"sourcetree": sourceTreeScript, "cmptree": cmpTreeScript, "proxy": proxyScript,
			"as": asScript, "assume": assumeScript,
		},
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("STRONGROOM_UPDATE_SCRIPTS") != "", // what cmp compares with is rewritten
	})
}

// processesKey finds a script's background processes, by name.
type processesKey struct{}

func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processesKey{}).(map[string]*process)
}

func condition(name string) (bool, error) {
	switch name {
	case "tmpfs":
		return canMount(), nil
	case "root":
		return os.Getuid() == 0, nil
	case "ansible":
		return exec.Command("ansible-playbook", "--version").Run() == nil && exec.Command("/usr/bin/python3", "-c", "import boto3, ansible_collections.amazon.aws").Run() == nil, nil
	case "aws-sdk-js":
		_, err := os.Stat(filepath.Join(clientsDir, "node_modules", "@aws-sdk", "client-kms"))
		return err == nil && exec.Command("node", "--version").Run() == nil, nil
	}
	return false, fmt.Errorf("no condition %q", name)
}

// canMount reports whether this process may mount a file system.
var canMount = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "mount")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return unix.Unmount(dir, 0) == nil
})

// usage ends the script unless ok.
func usage(ts *testscript.TestScript, neg, ok bool, text string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// environment is what a background process gets of a script's environment.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "TMPDIR", "WORK", "TESTDATA", "ENDPOINT", "PYENV_VERSION",
		"STRONGROOM_ROOT_ACCESS_KEY_ID", "STRONGROOM_ROOT_SECRET_ACCESS_KEY",
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
		"AWS_EC2_METADATA_DISABLED", "AWS_MAX_ATTEMPTS", "AWS_CA_BUNDLE",
	} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	return cmd
}

func background(ts *testscript.TestScript, name string, args []string) *process {
	if p := processes(ts)[name]; p != nil && p.cmd.ProcessState == nil {
		ts.Fatalf("%s still runs", name)
	}
	p, err := startProcess(command(ts, args), ts.MkAbs(name+".log"))
	ts.Check(err)
	processes(ts)[name] = p
	ts.Defer(p.end)
	return p
}

// expectLine is expect with the process's standard error in the failure.
func expectLine(ts *testscript.TestScript, name string, want string) []string {
	p := processes(ts)[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	m, err := p.expect(regexp.MustCompile(want))
	if err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile(name+".log"))
	}
	return m
}

func serveScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, "serve [-as=NAME] [FLAG...]")
	name := "server"
	if len(args) > 0 && strings.HasPrefix(args[0], "-as=") {
		name, args = strings.TrimPrefix(args[0], "-as="), args[1:]
	}
	line := []string{"strongroom", "serve"}
	if !slices.Contains(args, "--listen") {
		line = append(line, "--listen", "127.0.0.1:0")
	}
	background(ts, name, append(line, args...))
	ts.Setenv("ENDPOINT", expectLine(ts, name, `^  endpoint +(https?://\S+)$`)[1])
	expectLine(ts, name, "^  aws kms create-key$")
}

func startScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 3, "start NAME REGEXP COMMAND...")
	background(ts, args[0], args[2:])
	expectLine(ts, args[0], args[1])
}

func expectScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2 || len(args) == 3, "expect NAME REGEXP [VARIABLE]")
	m := expectLine(ts, args[0], args[1])
	if len(args) == 3 {
		ts.Setenv(args[2], m[1])
	}
}

func signalScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "signal NAME TERM|INT|KILL")
	p := processes(ts)[args[0]]
	s, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}[args[1]]
	if p == nil || !ok {
		ts.Fatalf("no process %s, or no signal %s", args[0], args[1])
	}
	ts.Check(p.signal(s))
	out, err := p.wait()
	if err != nil && s != syscall.SIGKILL {
		ts.Fatalf("%s after %s: %v\n%s", args[0], args[1], err, ts.ReadFile(args[0]+".log"))
	}
	_, _ = io.WriteString(ts.Stdout(), out)
}

func hangupScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1 && processes(ts)[args[0]] != nil, "hangup NAME")
	ts.Check(processes(ts)[args[0]].signal(syscall.SIGHUP))
}

func finishScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1 && processes(ts)[args[0]] != nil, "finish NAME")
	out, err := processes(ts)[args[0]].wait()
	if err != nil {
		ts.Fatalf("%s: %v\n%s", args[0], err, ts.ReadFile(args[0]+".log"))
	}
	_, _ = io.WriteString(ts.Stdout(), out)
}

func failsScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) >= 3, "fails STATUS REGEXP COMMAND...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	cmd := command(ts, args[2:])
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	ts.Check(cmd.Start())
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait()
	late.Stop()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		ts.Check(err)
	}
	_, _ = ts.Stdout().Write(out.Bytes())
	_, _ = ts.Stderr().Write(errs.Bytes())
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("got %v, want exit status %d\n%s%s", cmd.ProcessState, want, out.Bytes(), errs.Bytes())
	}
	if got := errs.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "strongroom: ") {
		ts.Fatalf("got on standard error\n%s\nwant one line that begins strongroom:", got)
	} else if !regexp.MustCompile(args[1]).MatchString(got) {
		ts.Fatalf("got %s want a match of %s", got, args[1])
	}
}

func loginScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, "login [FLAG...]")
	out, err := command(ts, append([]string{"strongroom", "env"}, args...)).Output() // not into the test's log
	ts.Check(err)
	for line := range strings.Lines(string(out)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok || strings.HasPrefix(value, "'") {
			ts.Fatalf("got a line about %q, want export NAME=VALUE without quotes", name)
		}
		ts.Setenv(name, value)
	}
}

// apiScript sends one signed request to ENDPOINT, under the credential and
// region in the environment:
//
//	api kms OPERATION JSON
//	api sts OPERATION [NAME=VALUE...]
//	api s3 METHOD PATH [@FILE] [HEADER:VALUE...]
//
// With ! it must be refused. REQUESTID is then the id of the request.
func apiScript(ts *testscript.TestScript, neg bool, args []string) {
	_, _ = ts.Stdout().Write(apiRequest(ts, neg, args))
}

// apiRequest is apiScript, and returns the answer's body.
func apiRequest(ts *testscript.TestScript, neg bool, args []string) []byte {
	if len(args) < 2 {
		ts.Fatalf("usage: api kms OPERATION JSON | api sts OPERATION [NAME=VALUE...] | api s3 METHOD PATH [@FILE] [HEADER:VALUE...]")
	}
	service, method, path, body, header := args[0], http.MethodPost, "/", []byte(nil), http.Header{}
	switch {
	case service == "kms" && len(args) == 3:
		header.Set("Content-Type", "application/x-amz-json-1.1")
		header.Set("X-Amz-Target", "TrentService."+args[1])
		body = []byte(args[2])
	case service == "sts":
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		form := url.Values{"Version": {"2011-06-15"}, "Action": {args[1]}}
		for _, a := range args[2:] {
			name, value, _ := strings.Cut(a, "=")
			form.Set(name, value)
		}
		body = []byte(form.Encode())
	case service == "s3" && len(args) >= 3:
		method, path = args[1], args[2]
		for _, a := range args[3:] {
			if file, ok := strings.CutPrefix(a, "@"); ok {
				body = []byte(ts.ReadFile(file))
				continue
			}
			name, value, _ := strings.Cut(a, ":")
			header.Set(name, value)
		}
	default:
		ts.Fatalf("api %q: what is that?", args)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, ts.Getenv("ENDPOINT")+path, bytes.NewReader(body))
	ts.Check(err)
	req.Header = header
	if host := header.Get("Host"); host != "" { // where net/http has it
		req.Host = host
		header.Del("Host")
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if service == "s3" {
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	who := aws.Credentials{AccessKeyID: ts.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: ts.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: ts.Getenv("AWS_SESSION_TOKEN")}
	ts.Check(v4.NewSigner().SignHTTP(ctx, who, req, hash, service, ts.Getenv("AWS_REGION"), time.Now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" }))
	status, answer := do(ts, req)
	if refused := status >= 400; refused != neg {
		_, _ = ts.Stdout().Write(answer)
		ts.Fatalf("got status %d", status)
	}
	return answer
}

// do sends a request and returns the answer's status and body.
func do(ts *testscript.TestScript, req *http.Request) (status int, body []byte) {
	transport := transport(ts)
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	for _, name := range []string{"X-Amzn-Requestid", "X-Amz-Request-Id"} {
		if id := resp.Header.Get(name); id != "" {
			ts.Setenv("REQUESTID", id)
		}
	}
	return resp.StatusCode, b
}

// transport trusts AWS_CA_BUNDLE, as AWS's clients do.
func transport(ts *testscript.TestScript) *http.Transport {
	t := &http.Transport{}
	if file := ts.Getenv("AWS_CA_BUNDLE"); file != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(ts.ReadFile(file))) {
			ts.Fatalf("%s holds no certificate", file)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return t
}

func getScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, len(args) == 1, "[!] get PATH")
	req, err := http.NewRequest(http.MethodGet, ts.Getenv("ENDPOINT")+args[0], nil)
	ts.Check(err)
	status, body := do(ts, req)
	_, _ = ts.Stdout().Write(body)
	if (status >= 400) != neg {
		ts.Fatalf("got status %d", status)
	}
}

func awaitScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "await PATH")
	for late := time.Now().Add(patience); ; {
		resp, err := (&http.Client{Transport: transport(ts)}).Get(ts.Getenv("ENDPOINT") + args[0])
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode < 400 {
			return
		}
		if time.Now().After(late) {
			ts.Fatalf("got %s for %v", resp.Status, patience)
		}
	}
}

func captureScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "capture VARIABLE PATH")
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for name := range strings.SplitSeq(args[1], ".") {
		if i, err := strconv.Atoi(name); err == nil {
			v = v.([]any)[i]
			continue
		}
		v = v.(map[string]any)[name]
	}
	if v == nil {
		ts.Fatalf("no %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

func flipScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "flip FILE OFFSET|TEXT")
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	if err != nil {
		at = bytes.Index(b, []byte(args[1]))
		if at < 0 {
			ts.Fatalf("%s: no %q in it", args[0], args[1])
		}
	} else if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(path, b, 0o600))
}

func tmpfsScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "tmpfs DIR SIZE")
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+args[1]))
	ts.Defer(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

func readonlyScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2 && (args[1] == "on" || args[1] == "off"), "readonly DIR on|off")
	flags := uintptr(unix.MS_REMOUNT)
	if args[1] == "on" {
		flags |= unix.MS_RDONLY
	}
	ts.Check(unix.Mount("tmpfs", ts.MkAbs(args[0]), "tmpfs", flags, ""))
}

func makefileScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "makefile FILE SIZE")
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	random, err := os.Open("/dev/urandom")
	ts.Check(err)
	defer random.Close()
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	if _, err := io.CopyN(f, random, size); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	ts.Check(f.Close())
}

func cmpBytesScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "cmpbytes FILE FILE")
	a, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if !bytes.Equal(a, b) {
		ts.Fatalf("%s (%d bytes) and %s (%d bytes) differ", args[0], len(a), args[1], len(b))
	}
}
