package stshttp

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/restxml"
	"github.com/strongroom/strongroom/internal/sts"
	"github.com/strongroom/strongroom/internal/sts/stsapi"
)

var alice = identity.Caller{
	Type: identity.IAMUser, AccountID: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice", PrincipalID: "AIDAEXAMPLE",
	UserName: "alice", AccessKeyID: "AKIAEXAMPLE", Region: "us-east-1", RequestID: "b1a8f8c2-6f0e-4d55-9d0c-0e2f1d4c5b6a",
	SourceIP: "192.0.2.1", UserAgent: "test", AuthMethod: "AuthHeader",
}

// nobody has policies: gate.Authorities under which only what needs no permission
// can be done.
type nobody struct{}

func (nobody) Authority(identity.Caller) (*gate.Authority, error) { return new(gate.Authority), nil }

func newTrail(t *testing.T) (*audit.Log, string) {
	t.Helper()
	dir := t.TempDir()
	trail, err := audit.Open(audit.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trail.Close() })
	return trail, dir
}

func serve(trail *audit.Log, log *bytes.Buffer, c identity.Caller, form string) *httptest.ResponseRecorder {
	clock := func() time.Time { return time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC) }
	h := New(sts.New(sts.Config{Gate: gate.New(trail, nobody{}, clock), Clock: clock}), slog.New(slog.NewTextHandler(log, nil)), nil)
	values, err := url.ParseQuery(form)
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	h.Serve(w, httptest.NewRequest("POST", "/", nil), c, values)
	return w
}

// TestGetCallerIdentity needs no permission, of anyone.
func TestGetCallerIdentity(t *testing.T) {
	root := alice
	root.Type, root.ARN, root.PrincipalID, root.UserName = identity.Root, "arn:aws:iam::111122223333:root", "111122223333", ""
	for _, tt := range []struct {
		name   string
		caller identity.Caller
		want   string
	}{
		{"user without a policy", alice, "<UserId>AIDAEXAMPLE</UserId><Account>111122223333</Account><Arn>arn:aws:iam::111122223333:user/alice</Arn>"},
		{"root", root, "<UserId>111122223333</UserId><Account>111122223333</Account><Arn>arn:aws:iam::111122223333:root</Arn>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trail, dir := newTrail(t)
			w := serve(trail, new(bytes.Buffer), tt.caller, "Action=GetCallerIdentity&Version=2011-06-15")
			want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` + tt.want +
				`</GetCallerIdentityResult><ResponseMetadata><RequestId>` + alice.RequestID + `</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
			if w.Code != 200 || w.Body.String() != want {
				t.Errorf("got %d\n%s\nwant\n%s", w.Code, w.Body, want)
			}
			n := 0
			for e, err := range audit.Entries(dir) {
				if err != nil {
					t.Fatal(err)
				}
				var r struct {
					EventSource, EventName, RequestID string
					ReadOnly, ManagementEvent         bool
					UserIdentity                      struct{ ARN string }
					ResponseElements                  json.RawMessage
				}
				if err := json.Unmarshal(e.Record, &r); err != nil {
					t.Fatal(err)
				}
				if r.EventSource != "sts.amazonaws.com" || r.EventName != "GetCallerIdentity" || r.RequestID != alice.RequestID ||
					!r.ReadOnly || !r.ManagementEvent || r.UserIdentity.ARN != tt.caller.ARN || string(r.ResponseElements) != "null" {
					t.Errorf("got record %s", e.Record)
				}
				n++
			}
			if n != 1 {
				t.Errorf("got %d records, want 1", n)
			}
		})
	}
}

// TestNoTrailNoAnswer: who cannot be recorded is told nothing.
func TestNoTrailNoAnswer(t *testing.T) {
	trail, _ := newTrail(t)
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w := serve(trail, &log, alice, "Action=GetCallerIdentity&Version=2011-06-15")
	if w.Code != 500 || !strings.Contains(w.Body.String(), "<Code>InternalFailure</Code>") || strings.Contains(w.Body.String(), "alice") {
		t.Errorf("got %d %s, want an internal failure and nothing else", w.Code, w.Body)
	}
	if !strings.Contains(w.Body.String(), "<Type>Receiver</Type>") {
		t.Errorf("got %s, want the fault to be the receiver's", w.Body)
	}
	if !strings.Contains(log.String(), alice.RequestID) {
		t.Errorf("got log %s, want the request id in it", &log)
	}
}

// TestStatuses walks the codes of the API.
func TestStatuses(t *testing.T) {
	trail, _ := newTrail(t)
	h := New(sts.New(sts.Config{Gate: gate.New(trail, nobody{}, nil)}), slog.New(slog.DiscardHandler), nil)
	for code, want := range map[awserr.Code]int{
		stsapi.AccessDenied: 403, stsapi.ExpiredToken: 403, stsapi.IncompleteSignature: 400, stsapi.InternalFailure: 500,
		stsapi.InvalidAction: 400, stsapi.InvalidClientTokenId: 403, stsapi.MalformedInput: 400, stsapi.MissingAction: 400,
		stsapi.InvalidParameterValue: 400, stsapi.NotImplemented: 501, stsapi.RegionDisabledException: 403,
		stsapi.MalformedPolicyDocumentException: 400, stsapi.PackedPolicyTooLargeException: 400, stsapi.ExpiredTokenException: 400,
		stsapi.MissingAuthenticationToken: 403, stsapi.SignatureDoesNotMatch: 403, stsapi.Throttling: 400, stsapi.ValidationError: 400,
		"RequestEntityTooLarge": 413,
	} {
		w := httptest.NewRecorder()
		h.WriteError(w, "id", awserr.New(code, "text <&>"))
		if w.Code != want || !strings.Contains(w.Body.String(), "<Code>"+string(code)+"</Code><Message>text &lt;&amp;&gt;</Message>") {
			t.Errorf("%s: got %d %s, want %d", code, w.Code, w.Body, want)
		}
	}
}

// TestExpirationOnTheWire: STS writes no decimals.
func TestExpirationOnTheWire(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 2, 3, 999, time.UTC)
	got := string(restxml.AppendMembers(nil, &stsapi.Credentials{Expiration: &at}))
	if want := "<Expiration>2026-11-23T12:02:03Z</Expiration>"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
