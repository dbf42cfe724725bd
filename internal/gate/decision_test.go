package gate

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

// fixed is Authorities with one answer.
type fixed struct {
	a   *Authority
	err error
}

func (f fixed) Authority(identity.Caller) (*Authority, error) { return f.a, f.err }

// deniedRecord makes a denied call and returns its record.
func deniedRecord(t *testing.T, a *Authority, c identity.Caller, r Request, additional string) []byte {
	t.Helper()
	g, _, dir := openGateOf(t, fixed{a, nil})
	call := g.Begin(c, decrypt)
	if additional != "" {
		call.AdditionalEventData = json.RawMessage(additional)
	}
	err := call.Authorize(r)
	if !errors.Is(err, AccessDenied) {
		t.Fatalf("got %v, want a denial", err)
	}
	if got := call.Finish(err); got != err {
		t.Fatalf("Finish: %v", got)
	}
	for e, err := range audit.Entries(dir) {
		if err != nil {
			t.Fatal(err)
		}
		return e.Record
	}
	t.Fatal("there is no record")
	return nil
}

// conditional is a policy that asks for keys of every sort.
var conditional = is(
	allow("kms:*").to(accountRoot).when("StringEquals", "kms:EncryptionContext:App", "payroll").when("Bool", "aws:SecureTransport", "true"),
	deny("kms:Decrypt").to("*").when("NotIpAddress", "aws:SourceIp", "10.0.0.0/8").when("DateGreaterThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"),
)

// TestDecided: what a record of a denial says is enough to be denied again, for
// the same reason, with the same condition keys missing.
func TestDecided(t *testing.T) {
	tagged := is(allow("kms:Decrypt").when("ForAnyValue:StringEquals", "kms:ResourceAliases", "alias/payroll").when("StringEquals", "aws:PrincipalTag/Team", "blue"))
	inVPC := fromNetwork(alice)
	inVPC.Endpoint = &identity.Endpoint{ID: "vpce-1a2b3c4d", VPC: "vpc-111bbb22"}
	aliases := keys{"kms:resourcealiases": "alias/a,alias/b", "kms:encryptioncontext:app": "payroll"}
	for _, tt := range []struct {
		name   string
		caller identity.Caller
		key    []statement
		iam    []statement
		Request
	}{
		{"user", fromNetwork(alice), conditional, everything, Request{Context: aliases}},
		{"session", fromNetwork(sessionOf(account)), delegates, tagged, Request{Context: aliases}},
		{"through S3", fromNetwork(alice).Via("s3"), delegates, is(allow("kms:*").when("Bool", "aws:ViaAWSService", "false")), Request{}},
		{"in a VPC", inVPC, is(deny("kms:*").to("*").when("StringNotEquals", "aws:SourceVpc", "vpc-other")), everything, Request{}},
		{"a key that the key policy does not get", fromNetwork(alice),
			is(delegates[0], allow("kms:Decrypt").to(alice.ARN).when("ForAnyValue:StringLike", "kms:ResourceAliases", "alias/*")),
			is(allow("kms:Decrypt").when("ForAnyValue:StringEquals", "kms:ResourceAliases", "alias/payroll")),
			Request{Context: aliases, PolicyContext: keys{}}},
		{"root", fromNetwork(owner), is(allow("kms:Encrypt").to(accountRoot)), nil, Request{}},
		{"service", identity.Caller{Type: identity.AWSService, AccountID: account, Region: "us-east-1", RequestID: "r"}.Via("s3"), delegates, nil, Request{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &Authority{Identity: named(t, policy.Identity, "identity policy", tt.iam), Tags: map[string]string{"Team": "red"}}
			r := tt.Request
			r.Action, r.Resource, r.ResourceAccount, r.Kind, r.CrossAccount = "kms:Decrypt", keyARN, account, policy.Key, true
			r.Policy = document(t, policy.Key, tt.key)
			r.Time = now
			record := deniedRecord(t, a, tt.caller, r, "")
			r.Time = r.Time.AddDate(0, 8, 22) // the gate's clock, from which the record has its time, is of no consequence here
			want := Explain(a, tt.caller, r)

			c, again, err := Decided(record)
			if err != nil {
				t.Fatal(err)
			}
			again.Policy = r.Policy
			a.Tags = nil // the caller's tags of today do not count
			if tt.caller.Type == identity.AWSService {
				c.AccountID = account
			}
			got := Explain(a, c, again)
			if got.Decision != want.Decision || !reflect.DeepEqual(got.Missing, want.Missing) {
				t.Errorf("got %+v, missing %v, want %+v, missing %v\n%s", got.Decision, got.Missing, want.Decision, want.Missing, record)
			}
			for i, l := range want.Layers {
				for j, d := range l.Documents {
					for k, s := range d.Traces {
						if g := got.Layers[i].Documents[j].Traces[k]; g.Applies != s.Applies || !reflect.DeepEqual(g.Failed, s.Failed) {
							t.Errorf("%s, statement %d: got %v, want %v", d.Name, k, g, s)
						}
					}
				}
			}
			if c.ARN != tt.caller.ARN || c.PrincipalID != tt.caller.PrincipalID || c.ViaService != tt.caller.ViaService || c.AccessKeyID != tt.caller.AccessKeyID {
				t.Errorf("the caller is %+v, want %+v", c, tt.caller)
			}
		})
	}
}

// TestDecisionIsMerged: the decision joins what the service says.
func TestDecisionIsMerged(t *testing.T) {
	a := &Authority{}
	for _, tt := range []struct{ additional, want string }{
		{"", `"additionalEventData":{"decision":{"action":"kms:Decrypt"`},
		{`{}`, `"additionalEventData":{"decision":{"action":"kms:Decrypt"`},
		{`{"keyMaterialId":"0a"}`, `"additionalEventData":{"keyMaterialId":"0a","decision":{"action":"kms:Decrypt"`},
	} {
		record := string(deniedRecord(t, a, fromNetwork(alice), Request{}, tt.additional))
		if !strings.Contains(record, tt.want) {
			t.Errorf("with %s: got %s, want %s in it", tt.additional, record, tt.want)
		}
	}
}

// TestDecisionIsBounded: a caller who sends much does not fill the trail.
func TestDecisionIsBounded(t *testing.T) {
	var statements []statement
	context := keys{}
	for i := range 26 {
		name := "kms:EncryptionContext:" + strings.Repeat(string(rune('A'+i)), 100)
		context[strings.ToLower(name)] = strings.Repeat("<", 3000)
		statements = append(statements, allow("kms:Decrypt").when("StringEquals", name, "x"))
	}
	a := &Authority{Identity: named(t, policy.Identity, "p", statements)}
	for _, tt := range []struct {
		name string
		Request
	}{
		{"condition keys", Request{Context: context}},
		{"resource", Request{Resource: strings.Repeat("<", 20<<10)}},
	} {
		record := deniedRecord(t, a, fromNetwork(alice), tt.Request, "")
		var r struct {
			AdditionalEventData struct{ Decision json.RawMessage }
		}
		if err := json.Unmarshal(record, &r); err != nil {
			t.Fatal(err)
		}
		if n := len(r.AdditionalEventData.Decision); n == 0 || n > maxDecision {
			t.Errorf("%s: the decision has %d bytes, want 1 to %d", tt.name, n, maxDecision)
		}
		if _, _, err := Decided(record); !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: got %v, want ErrTruncated", tt.name, err)
		}
	}
}

// TestDecisionDoesNotDisclose: the record of a refusal that keeps another
// account's key to itself does so too.
func TestDecisionDoesNotDisclose(t *testing.T) {
	r := Request{Resource: keyARN, ResourceAccount: account, Kind: policy.Key, CrossAccount: true, Undisclosed: true,
		Policy:  document(t, policy.Key, is(allow("kms:*").to(alice.ARN).when("StringEquals", "kms:KeySpec", "x"))),
		Context: keys{"kms:keyspec": "SYMMETRIC_DEFAULT"}}
	record := deniedRecord(t, &Authority{Identity: named(t, policy.Identity, "p", everything)}, fromNetwork(mallory), r, "")
	if s := string(record); strings.Contains(s, keyARN) || strings.Contains(s, "SYMMETRIC_DEFAULT") || strings.Contains(s, account) {
		t.Errorf("the record tells: %s", s)
	}
	c, got, err := Decided(record)
	if !errors.Is(err, ErrUndisclosed) || c.ARN != mallory.ARN || got.Action != "kms:Decrypt" {
		t.Errorf("got %v, %v, %v", c.ARN, got.Action, err)
	}
}

// TestDecisionKeepsPoliciesOfOthers: what a role's trust policy asks for is in the
// record of a caller of another account only if the policy lets it in.
func TestDecisionKeepsPoliciesOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		trust []statement
		want  bool // the key is in the record
	}{
		{"not let in", is(allow("kms:Decrypt").to(mallory.ARN).when("StringEquals", "sts:ExternalId", "secret")), false},
		{"let in, and not allowed by its own account", is(allow("kms:Decrypt").to(mallory.ARN).when("StringEquals", "sts:ExternalId", "guess")), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Request{Resource: "arn:aws:iam::" + account + ":role/r", ResourceAccount: account, Kind: policy.Trust, CrossAccount: true,
				Policy: document(t, policy.Key, tt.trust), Context: keys{"sts:externalid": "guess"}}
			record := deniedRecord(t, nil, fromNetwork(mallory), r, "")
			if got := strings.Contains(string(record), "sts:externalid"); got != tt.want {
				t.Errorf("got %v, want %v: %s", got, tt.want, record)
			}
		})
	}
}

func TestDecidedOfOtherRecords(t *testing.T) {
	for _, tt := range []struct {
		record string
		want   error
	}{
		{`{"eventTime":"2026-03-01T12:00:00Z","errorCode":"AccessDenied"}`, ErrNotDenied},
		{`{"eventTime":"2026-03-01T12:00:00Z","additionalEventData":{"x":1}}`, ErrNotDenied},
	} {
		if _, _, err := Decided([]byte(tt.record)); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.record, err, tt.want)
		}
	}
	for _, record := range []string{``, `[]`, `{"eventTime":"yesterday"}`, `{"additionalEventData":{"decision":{"context":{"a":7}}}}`} {
		if _, _, err := Decided([]byte(record)); err == nil {
			t.Errorf("%s was read", record)
		}
	}
}

// TestAuthoritiesFail: when the policies cannot be read the call fails inside;
// it is neither allowed nor refused.
func TestAuthoritiesFail(t *testing.T) {
	broken := errors.New("iam: the row of user alice was changed by hand")
	g, _, _ := openGateOf(t, fixed{nil, broken})
	call := g.Begin(fromNetwork(alice), decrypt)
	err := call.Authorize(Request{Resource: keyARN, ResourceAccount: account})
	if !errors.Is(err, broken) || errors.Is(err, AccessDenied) {
		t.Errorf("got %v", err)
	}
	_ = call.Finish(err)
}

// TestBrokenEndpoint: an endpoint whose policy cannot be read lets nobody in.
func TestBrokenEndpoint(t *testing.T) {
	c := alice
	c.Endpoint = &identity.Endpoint{ID: "vpce-1", Policy: []byte(`{"Statement":`)}
	a := &Authority{Identity: named(t, policy.Identity, "p", everything)}
	if d := Decide(a, c, Request{Action: "kms:ListKeys"}); d.Allowed || d.Layer != EndpointPolicy {
		t.Errorf("got %+v", d)
	}
	g, _, _ := openGate(t)
	if first := g.endpoint(c.Endpoint); first == nil || !first.closed || g.endpoint(c.Endpoint) != first {
		t.Error("the policy of an endpoint is read more than once, or not closed")
	}
}

// A gate is not made without authorities, so that none takes a caller's word for
// what it may do.
func TestNewWantsAuthorities(t *testing.T) {
	defer func() {
		if p, want := recover(), "gate: New without authorities"; p != want {
			t.Errorf("got panic %v, want %q", p, want)
		}
	}()
	New(nil, nil, nil)
}
