package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/policy"
)

// facts are the condition keys of a request: several values by "key*".
type facts map[string][]string

func (f facts) Lookup(name string) (policy.Value, bool) {
	if v, ok := f[name]; ok {
		return policy.Value{Strings: v}, true
	}
	v, ok := f[name+"*"]
	return policy.Value{Strings: v, Multi: true}, ok
}

func parse(t testing.TB, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return d
}

const (
	accountA = "111122223333"
	accountB = "444455556666"
	keyARN   = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// The callers of the tests.
var (
	rootA   = policy.Principal{AccountID: accountA, Root: true, ARN: "arn:aws:iam::111122223333:root", ID: accountA}
	alice   = policy.Principal{AccountID: accountA, ARN: "arn:aws:iam::111122223333:user/alice", ID: "AIDAALICEALICEALICE00"}
	session = policy.Principal{
		AccountID: accountA, ARN: "arn:aws:sts::111122223333:assumed-role/App/s1", ID: "AROAAPPAPPAPPAPPAPP00:s1",
		RoleARN: "arn:aws:iam::111122223333:role/teams/App", RoleID: "AROAAPPAPPAPPAPPAPP00",
	}
	bob       = policy.Principal{AccountID: accountB, ARN: "arn:aws:iam::444455556666:user/bob", ID: "AIDABOBBOBBOBBOBBOB00"}
	s3service = policy.Principal{Service: "s3.amazonaws.com"}
)

// directory knows alice, bob and the role App.
type directory map[string]string

func newDirectory() directory {
	return directory{
		"arn:aws:iam::111122223333:user/alice":       "AIDAALICEALICEALICE00",
		"arn:aws:iam::444455556666:user/bob":         "AIDABOBBOBBOBBOBBOB00",
		"arn:aws:iam::111122223333:role/teams/App":   "AROAAPPAPPAPPAPPAPP00",
		"arn:aws:sts::111122223333:assumed-role/App": "AROAAPPAPPAPPAPPAPP00",
	}
}

func (d directory) UniqueID(arn string) (string, bool) {
	id, ok := d[arn]
	return id, ok
}

func (d directory) ARN(id string) (string, bool) {
	for arn, of := range d {
		if of == id && strings.Contains(arn, ":iam:") {
			return arn, true
		}
	}
	return "", false
}

func (d directory) HasAccount(id string) bool { return id == accountA || id == accountB }

// TestDefaultKeyPolicy: the policy of a key that was made without one hands the
// matter to the policies of its account, root user included.
func TestDefaultKeyPolicy(t *testing.T) {
	const text = `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}`
	d := parse(t, policy.Key, text)
	if string(d.Text()) != text {
		t.Errorf("Text() = %s", d.Text())
	}
	for _, tt := range []struct {
		name   string
		caller policy.Principal
		action string
		want   policy.Match
	}{
		{"root", rootA, "kms:Decrypt", policy.ByAccount},
		{"user", alice, "kms:Decrypt", policy.ByAccount},
		{"session", session, "kms:decrypt", policy.ByAccount},
		{"another account", bob, "kms:Decrypt", 0},
		{"service", s3service, "kms:Decrypt", 0},
		{"another service's action", alice, "s3:GetObject", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := d.Evaluate(&policy.Request{Action: tt.action, Resource: keyARN, Principal: tt.caller})
			if got.Match != tt.want || (got.Allow != nil) != (tt.want != 0) || got.Deny != nil {
				t.Errorf("got %+v, want match %d", got, tt.want)
			}
		})
	}
}

// TestStoredAndShown: users, roles and sessions are kept by their ids, and all
// else byte for byte.
func TestStoredAndShown(t *testing.T) {
	const text = `{ "Version": "2012-10-17",
  "Statement": [ {"Effect":"Allow", "Principal": {"AWS": ["arn:aws:iam::111122223333:user/alice",
     "arn:aws:sts::111122223333:assumed-role/App/s1", "111122223333", "*"]},
    "Action": "kms:*", "Resource": "*"},
   {"Effect":"Deny","NotPrincipal":{"AWS":"arn:aws:iam::111122223333:role/teams/App"},"Action":"kms:*","Resource":"*"} ] }
`
	dir := newDirectory()
	stored, err := parse(t, policy.Key, text).Stored(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"arn:aws:iam::111122223333:user/alice", "AIDAALICEALICEALICE00",
		"arn:aws:sts::111122223333:assumed-role/App/s1", "AROAAPPAPPAPPAPPAPP00:s1",
		"arn:aws:iam::111122223333:role/teams/App", "AROAAPPAPPAPPAPPAPP00",
	).Replace(text)
	if got := string(stored.Text()); got != want {
		t.Errorf("stored:\n%s\nwant:\n%s", got, want)
	}
	if got := string(stored.Shown(dir)); got != text {
		t.Errorf("shown:\n%s\nwant:\n%s", got, text)
	}
	delete(dir, "arn:aws:iam::111122223333:user/alice")
	if got := string(stored.Shown(dir)); !strings.Contains(got, `"AIDAALICEALICEALICE00"`) || strings.Contains(got, "AROA") {
		t.Errorf("shown without alice:\n%s", got)
	}
	if _, err := stored.Stored(dir); reasonOf(err) != policy.InvalidPrincipal {
		t.Errorf("an id of nobody: got %v", err)
	}
}

// TestRecreatedUser: whoever gets the name of a deleted user inherits nothing.
func TestRecreatedUser(t *testing.T) {
	d := parse(t, policy.Key, `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"kms:Decrypt","Resource":"*"}}`)
	stored, err := d.Stored(newDirectory())
	if err != nil {
		t.Fatal(err)
	}
	second := alice
	second.ID = "AIDASECONDALICE000000"
	r := &policy.Request{Action: "kms:Decrypt", Resource: keyARN, Principal: alice}
	if got := stored.Evaluate(r); got.Match != policy.ByPrincipal {
		t.Errorf("alice: got %+v", got)
	}
	r.Principal = second
	if got := stored.Evaluate(r); got.Allow != nil {
		t.Errorf("another alice: got %+v", got)
	}
}

func reasonOf(err error) policy.Reason {
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return e.Reason
	}
	return 0
}
