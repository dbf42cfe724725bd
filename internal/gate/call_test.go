package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the golden records in testdata")

var (
	decrypt = Operation{EventSource: "kms.amazonaws.com", Name: "Decrypt", Action: "kms:Decrypt", ReadOnly: true}
	create  = Operation{EventSource: "kms.amazonaws.com", Name: "CreateKey", Action: "kms:CreateKey"}
	put     = Operation{EventSource: "s3.amazonaws.com", Name: "PutObject", Action: "s3:PutObject", APIVersion: "2006-03-01", Data: true}
)

// fromNetwork fills in what the edge knows of a request.
func fromNetwork(c identity.Caller) identity.Caller {
	c.Region, c.RequestID = "us-east-1", "11111111-2222-4333-8444-555555555555"
	c.SourceIP, c.UserAgent, c.Host = "192.0.2.1", "aws-sdk-go-v2/1.47.7", "kms.example.internal"
	c.AuthMethod, c.TLSVersion, c.TLSCipher = "AuthHeader", "TLSv1.3", "TLS_AES_128_GCM_SHA256"
	return c
}

// sessionOf is a session of the role App of an account.
func sessionOf(account string) identity.Caller {
	return identity.Caller{
		Type: identity.AssumedRole, AccountID: account, ARN: "arn:aws:sts::" + account + ":assumed-role/App/s1",
		PrincipalID: "AROAEXAMPLE:s1", AccessKeyID: "ASIAEXAMPLE",
		Session: &identity.Session{
			RoleARN: "arn:aws:iam::" + account + ":role/team/App", RoleID: "AROAEXAMPLE", Name: "s1", SourceIdentity: "alice",
			Issued: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC),
		},
	}
}

// rights are what callers may do, by ARN: nothing, unless it says more.
type rights map[string]*Authority

func (p rights) Authority(c identity.Caller) (*Authority, error) {
	if a := p[c.ARN]; a != nil {
		return a, nil
	}
	return new(Authority), nil
}

// administrator returns the authority of the managed policy AdministratorAccess
// alone.
func administrator(t testing.TB) *Authority {
	t.Helper()
	return &Authority{Identity: []Named{{identity.AdministratorAccess, document(t, policy.Identity, everything)}}}
}

// openGate opens a gate over a real trail, for people of whom some are
// administrators. Its clock stands still.
func openGate(t testing.TB, administrators ...identity.Caller) (*Gate, *audit.Log, string) {
	t.Helper()
	p := rights{}
	for _, c := range administrators {
		p[c.ARN] = administrator(t)
	}
	return openGateOf(t, p)
}

func openGateOf(t testing.TB, authorities Authorities) (*Gate, *audit.Log, string) {
	t.Helper()
	dir := t.TempDir()
	trail, err := audit.Open(audit.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trail.Close(); err != nil && !errors.Is(err, audit.ErrClosed) {
			t.Error(err)
		}
	})
	return New(trail, authorities, func() time.Time { return time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC) }), trail, dir
}

// recordOf returns the record of a call for outcome err.
func recordOf(c *Call, err error) []byte {
	r := c.record(err)
	return r.AppendJSON(nil)
}

// records returns what is in a trail.
func records(t testing.TB, dir string) (rs []map[string]any) {
	t.Helper()
	for e, err := range audit.Entries(dir) {
		if err != nil {
			t.Fatal(err)
		}
		var r map[string]any
		if err := json.Unmarshal(e.Record, &r); err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

// TestRecord compares whole records with testdata/*.json. Their shapes are
// those of CloudTrail's documentation for the same calls.
func TestRecord(t *testing.T) {
	g, _, _ := openGate(t, alice)
	bob := user(account, "bob")
	request := Request{Resource: keyARN, ResourceAccount: account, Kind: policy.Key, Policy: document(t, policy.Key, delegates)}
	decryptBy := func(c identity.Caller) *Call {
		call := g.Begin(c, decrypt)
		call.RequestParameters = json.RawMessage(`{"encryptionContext":{"tenant":"t1"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`)
		call.AdditionalEventData = json.RawMessage(`{"keyMaterialId":"00aa"}`)
		call.AddResource(keyARN, account, "AWS::KMS::Key")
		return call
	}
	for _, tt := range []struct {
		name string
		make func() (*Call, error)
	}{
		{"root", func() (*Call, error) { c := decryptBy(fromNetwork(root(account))); return c, c.Authorize(request) }},
		{"iam-user", func() (*Call, error) { c := decryptBy(fromNetwork(alice)); return c, c.Authorize(request) }},
		{"assumed-role", func() (*Call, error) {
			c := decryptBy(fromNetwork(sessionOf(account)))
			return c, nil
		}},
		{"assumed-role-by-s3", func() (*Call, error) {
			c := decryptBy(fromNetwork(sessionOf(account)).Via("s3"))
			return c, nil
		}},
		{"user-session", func() (*Call, error) {
			from := fromNetwork(alice)
			from.AccessKeyID = "ASIAEXAMPLE"
			from.Session = &identity.Session{Issued: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)}
			return decryptBy(from), nil
		}},
		{"forwarded-by-s3", func() (*Call, error) {
			c := decryptBy(fromNetwork(alice).Via("s3"))
			c.RequestParameters = json.RawMessage(`{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::bucket/key"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`)
			return c, c.Authorize(request)
		}},
		{"service", func() (*Call, error) {
			return decryptBy(identity.Caller{Type: identity.AWSService, AccountID: account, Region: "us-east-1"}.Via("s3")), nil
		}},
		{"denied", func() (*Call, error) {
			c := decryptBy(fromNetwork(bob))
			c.AdditionalEventData = nil
			return c, c.Authorize(request)
		}},
		{"error", func() (*Call, error) {
			return decryptBy(fromNetwork(alice)), fmt.Errorf("opening: %w", awserr.Bare("InvalidCiphertextException"))
		}},
		{"internal-error", func() (*Call, error) {
			return decryptBy(fromNetwork(alice)), errors.New("sql: what nobody outside should read")
		}},
		{"mutation", func() (*Call, error) {
			c := g.Begin(fromNetwork(alice), create)
			c.RequestParameters = json.RawMessage(`{"description":"","keySpec":"SYMMETRIC_DEFAULT"}`)
			c.ResponseElements = json.RawMessage(`{"keyMetadata":{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}}`)
			return c, c.Authorize(Request{Resource: "*"})
		}},
		{"s3-data-event", func() (*Call, error) {
			from := fromNetwork(alice)
			from.TLSVersion, from.TLSCipher = "", ""
			from.UserAgent = "aws-cli/2.31.0"
			c := g.Begin(from, put)
			c.RequestParameters = json.RawMessage(`{"bucketName":"bucket","Host":"127.0.0.1:8650","key":"a/b","x-amz-server-side-encryption":"aws:kms"}`)
			c.ResponseElements = json.RawMessage(`{"x-amz-server-side-encryption":"aws:kms"}`)
			c.AdditionalEventData = json.RawMessage(`{"SignatureVersion":"SigV4","bytesTransferredIn":5,"AuthenticationMethod":"AuthHeader","SSEApplied":"SSE_KMS"}`)
			c.AddResource("arn:aws:s3:::bucket/a/b", "", "AWS::S3::Object")
			c.AddResource("arn:aws:s3:::bucket", account, "AWS::S3::Bucket")
			return c, c.Authorize(Request{Resource: "arn:aws:s3:::bucket/a/b", ResourceAccount: account})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.make()
			c.stamp = &stamp{g.clock(), "66666666-7777-4888-8999-aaaaaaaaaaaa"}
			var got bytes.Buffer
			if err := json.Indent(&got, recordOf(c, err), "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteByte('\n')
			path := filepath.Join("testdata", tt.name+".json")
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got %s\nwant %s", got.Bytes(), want)
			}
		})
	}
}

func TestAuthorizeTexts(t *testing.T) {
	g, _, _ := openGate(t, alice)
	for _, tt := range []struct {
		name   string
		caller identity.Caller
		Request
		want string
	}{
		{"root", root(account), Request{Resource: keyARN, ResourceAccount: account}, ""},
		{"administrator", alice, Request{Resource: keyARN, ResourceAccount: account}, ""},
		{"user", user(account, "bob"), Request{Resource: keyARN, ResourceAccount: account},
			"User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Decrypt on resource: " + keyARN +
				" because no identity-based policy allows the kms:Decrypt action"},
		{"another action", user(account, "bob"), Request{Action: "kms:ReEncryptFrom", Resource: keyARN, ResourceAccount: account},
			"User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:ReEncryptFrom on resource: " + keyARN +
				" because no identity-based policy allows the kms:ReEncryptFrom action"},
		{"no resource", user(account, "bob"), Request{Action: "kms:ListKeys"},
			"User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:ListKeys on resource: *" +
				" because no identity-based policy allows the kms:ListKeys action"},
		{"another account", root(foreign), Request{Resource: keyARN, ResourceAccount: account},
			"User: arn:aws:iam::444455556666:root is not authorized to perform: kms:Decrypt on resource: " + keyARN +
				" because no resource-based policy allows the kms:Decrypt action"},
		{"an object key with a verb in it", user(account, "bob"), Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/100%d", ResourceAccount: account},
			"User: arn:aws:iam::111122223333:user/bob is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/100%d" +
				" because no identity-based policy allows the s3:GetObject action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := g.Begin(tt.caller, decrypt).Authorize(tt.Request)
			if tt.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			e, ok := errors.AsType[*awserr.Error](err)
			if !ok || e.Code != AccessDenied || e.Message != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestFinishWritesOneRecord(t *testing.T) {
	g, _, dir := openGate(t)
	notFound := awserr.New("NotFoundException", "Key '%s' does not exist", keyARN)
	for _, tt := range []struct {
		name string
		run  func(c *Call) error // what the service does before Finish
		want map[string]any      // nil: no record
	}{
		{"success", func(*Call) error { return nil }, map[string]any{"eventName": "Decrypt", "errorCode": nil}},
		{"failure", func(*Call) error { return notFound }, map[string]any{"errorCode": "NotFoundException", "errorMessage": notFound.Message}},
		{"two decisions, the second denied", func(c *Call) error {
			c.RequestParameters = json.RawMessage(`{"keyId":"k"}`)
			if err := c.Authorize(Request{ResourceAccount: account}); err != nil {
				t.Error(err)
			}
			return c.Authorize(Request{ResourceAccount: foreign})
		}, map[string]any{"errorCode": "AccessDenied", "requestParameters": nil}},
		{"denied, and answered as something else", func(c *Call) error {
			c.RequestParameters = json.RawMessage(`{"keyId":"k"}`)
			_ = c.Authorize(Request{ResourceAccount: foreign})
			return notFound
		}, map[string]any{"errorCode": "NotFoundException", "requestParameters": nil}},
		{"the name KMS gives a denial", func(*Call) error { return awserr.New("AccessDeniedException", "no") }, map[string]any{"errorCode": "AccessDenied", "errorMessage": "no"}},
		{"a code alone", func(*Call) error { return awserr.Code("DisabledException") }, map[string]any{"errorCode": "DisabledException"}},
		{"no response in a failure", func(c *Call) error { c.ResponseElements = json.RawMessage(`{"a":1}`); return notFound }, map[string]any{"responseElements": nil}},
		{"committed", func(c *Call) error { c.Records(); c.Committed(); return nil }, nil},
		{"committed, then failed", func(c *Call) error { c.Records(); c.Committed(); return notFound }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(records(t, dir))
			c := g.Begin(fromNetwork(root(account)), decrypt)
			err := tt.run(c)
			if got := c.Finish(err); got != err {
				t.Errorf("got %v, want %v back", got, err)
			}
			rs := records(t, dir)[before:]
			if tt.want == nil {
				if len(rs) != 0 {
					t.Errorf("got %v, want no record", rs)
				}
				return
			}
			if len(rs) != 1 {
				t.Fatalf("got %d records, want 1", len(rs))
			}
			for k, want := range tt.want {
				if got := rs[0][k]; got != want {
					t.Errorf("%s: got %v, want %v", k, got, want)
				}
			}
		})
	}
}

// TestOneEvent: a record made for a transaction that then failed, and the one
// written in its place, are the same event; two calls are two.
func TestOneEvent(t *testing.T) {
	g, _, dir := openGate(t)
	c := g.Begin(root(account), create)
	var made map[string]any
	if err := json.Unmarshal(c.Records()[0], &made); err != nil {
		t.Fatal(err)
	}
	_ = c.Finish(errors.New("conflict"))
	_ = g.Begin(root(account), create).Finish(nil)
	rs := records(t, dir)
	if rs[0]["eventID"] != made["eventID"] || rs[0]["errorCode"] != "InternalFailure" {
		t.Errorf("got %v, want event %v", rs[0], made["eventID"])
	}
	if rs[1]["eventID"] == made["eventID"] {
		t.Error("two calls have one event id")
	}
	id := fmt.Sprint(made["eventID"])
	if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) {
		t.Errorf("got %s, want a UUID of version 4", id)
	}
}

func TestFinishTwicePanics(t *testing.T) {
	g, _, _ := openGate(t)
	c := g.Begin(root(account), decrypt)
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p, want := recover(), "gate: call finished twice: Decrypt"; p != want {
			t.Errorf("got panic %v, want %q", p, want)
		}
	}()
	_ = c.Finish(nil)
}

// TestEnd: a deferred End gives the error back, and records a panic as a
// failure before it goes on.
func TestEnd(t *testing.T) {
	g, trail, dir := openGate(t)
	serve := func(work func(c *Call) error) (panicked any, err error) {
		defer func() { panicked = recover() }()
		func() {
			c := g.Begin(root(account), decrypt)
			defer c.End(&err)
			err = work(c)
		}()
		return nil, err
	}
	denied := awserr.New(AccessDenied, "no")
	for _, tt := range []struct {
		name      string
		work      func(c *Call) error
		err       error
		panics    any
		errorCode any // of the one record
	}{
		{"success", func(*Call) error { return nil }, nil, nil, nil},
		{"failure", func(*Call) error { return denied }, denied, nil, "AccessDenied"},
		{"panic", func(*Call) error { panic("boom") }, nil, "boom", "InternalFailure"},
		{"panic after Finish", func(c *Call) error { _ = c.Finish(denied); panic("boom") }, nil, "boom", "AccessDenied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(records(t, dir))
			panicked, err := serve(tt.work)
			if err != tt.err || panicked != tt.panics {
				t.Errorf("got %v and panic %v, want %v and %v", err, panicked, tt.err, tt.panics)
			}
			rs := records(t, dir)[before:]
			if len(rs) != 1 || rs[0]["errorCode"] != tt.errorCode {
				t.Errorf("got %v, want one record with %v", rs, tt.errorCode)
			}
		})
	}
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := serve(func(*Call) error { return denied }); !errors.Is(err, ErrTrail) || awserr.CodeOf(err) != "" {
		t.Errorf("got %v without a trail, want ErrTrail and no code", err)
	}
}

// TestStreaming: one record before the first byte, one with the outcome.
func TestStreaming(t *testing.T) {
	g, trail, dir := openGate(t)
	c := g.Begin(fromNetwork(root(account)), decrypt)
	if err := c.Streaming(); err != nil {
		t.Fatal(err)
	}
	c.AdditionalEventData = json.RawMessage(`{"bytesTransferredOut":7}`)
	if err := c.Finish(nil); err != nil {
		t.Fatal(err)
	}
	rs := records(t, dir)
	if len(rs) != 2 || rs[0]["eventID"] == rs[1]["eventID"] || rs[0]["addendum"] != nil {
		t.Fatalf("got %v, want two records", rs)
	}
	want := map[string]any{
		"reason": "UPDATED_DATA", "updatedFields": "errorCode,errorMessage,additionalEventData",
		"originalRequestID": rs[0]["requestID"], "originalEventID": rs[0]["eventID"],
	}
	if got := rs[1]["addendum"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Begin(root(account), decrypt).Streaming(); !errors.Is(err, ErrTrail) {
		t.Errorf("got %v without a trail, want ErrTrail", err)
	}
}

// TestTrailFails: without a trail the outcome of a call is hidden, whatever it
// was. A committed one keeps its outcome: its record is in the store.
func TestTrailFails(t *testing.T) {
	g, trail, _ := openGate(t)
	if err := g.Ready(); err != nil {
		t.Errorf("got %v, want ready", err)
	}
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"success": nil, "denial": awserr.New(AccessDenied, "no")} {
		got := g.Begin(root(account), decrypt).Finish(err)
		if !errors.Is(got, ErrTrail) || !errors.Is(got, audit.ErrClosed) || awserr.CodeOf(got) != "" {
			t.Errorf("%s: got %v, want ErrTrail and no code", name, got)
		}
	}
	c := g.Begin(root(account), create)
	c.Committed()
	if err := c.Finish(nil); err != nil {
		t.Errorf("got %v for a committed call, want none", err)
	}
	if err := g.Ready(); !errors.Is(err, ErrTrail) {
		t.Errorf("got %v after Close, want ErrTrail", err)
	}
}

func BenchmarkCall(b *testing.B) {
	g, _, _ := openGate(b, alice)
	c := fromNetwork(alice)
	request := Request{Resource: keyARN, ResourceAccount: account, Kind: policy.Key, Policy: document(b, policy.Key, delegates)}
	parameters := json.RawMessage(`{"encryptionContext":{"tenant":"t1"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`)
	b.ReportAllocs()
	for b.Loop() {
		call := g.Begin(c, decrypt)
		call.RequestParameters = parameters
		call.AddResource(keyARN, account, "AWS::KMS::Key")
		if err := call.Finish(call.Authorize(request)); err != nil {
			b.Fatal(err)
		}
	}
}
