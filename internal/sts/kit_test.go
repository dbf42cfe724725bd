package sts

import (
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
)

const (
	account  = "111122223333"
	stranger = "999988887777"
)

// kit is a service over a real gate, trail and module. Its clock is the test's.
type kit struct {
	*Service
	dir   string // of the trail
	now   time.Time
	there *directory
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{dir: t.TempDir(), now: time.Date(2026, 11, 23, 11, 2, 3, 0, time.UTC), there: &directory{
		arns: map[string]string{}, roles: map[string]Role{}, accounts: []string{account, stranger},
	}}
	trail, err := audit.Open(audit.Config{Dir: k.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = trail.Close() })
	clock := func() time.Time { return k.now }
	k.Service = New(Config{Gate: gate.New(trail, k.there, clock), Key: sessionKey(t), Principals: k.there, Clock: clock})
	return k
}

func sessionKey(t testing.TB) *hsm.SessionKey {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root-key")
	if err := hsm.CreateRootKeyFile(path); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey("global", 1); err != nil {
		t.Fatal(err)
	}
	b := hsm.Binding{Purpose: hsm.PurposeSession, Domain: "global", KeyID: "sessions"}
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.LoadSessionKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// directory is who there is, as far as these tests need it; those of the server
// ask the real one.
type directory struct {
	mu       sync.Mutex
	arns     map[string]string // by unique id
	roles    map[string]Role   // by ARN
	policies []string
	keys     map[string]string // account by access key id
	accounts []string
}

func (d *directory) ARN(id string) (string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	arn, ok := d.arns[id]
	return arn, ok
}

func (d *directory) set(id, arn string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arns[id] = arn
	if arn == "" {
		delete(d.arns, id)
	}
}

func (d *directory) UniqueID(arn string) (string, bool) {
	for id := range maps.Keys(d.arns) {
		if d.arns[id] == arn {
			return id, true
		}
	}
	return "", false
}

func (d *directory) HasAccount(id string) bool    { return slices.Contains(d.accounts, id) }
func (d *directory) HasPolicy(_, arn string) bool { return slices.Contains(d.policies, arn) }
func (d *directory) Role(arn string) (Role, bool) { r, ok := d.roles[arn]; return r, ok }
func (d *directory) AccessKeyAccount(id string) (string, bool) {
	a, ok := d.keys[id]
	return a, ok
}

// Authority implements gate.Authorities: nobody has policies. What the tests
// allow is allowed by trust policies.
func (*directory) Authority(identity.Caller) (*gate.Authority, error) {
	return new(gate.Authority), nil
}

var (
	alice = identity.Caller{
		Type: identity.IAMUser, AccountID: account, ARN: "arn:aws:iam::" + account + ":user/team/alice", PrincipalID: "AIDAALICE",
		UserName: "alice", AccessKeyID: "AKIAALICE", Region: "us-east-1", RequestID: "b1a8f8c2-6f0e-4d55-9d0c-0e2f1d4c5b6a",
		SourceIP: "192.0.2.1", UserAgent: "test",
	}
	root = identity.Caller{
		Type: identity.Root, AccountID: account, ARN: identity.RootARN(account), PrincipalID: account, AccessKeyID: "AKIAROOT", Region: "us-east-1",
	}
)

// trust is a trust policy for whoever principals names, a JSON value.
func trust(t testing.TB, principals string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":`+principals+`,"Action":"sts:*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// appRole is the role team/App, there and trusting everybody of the account.
func (k *kit) appRole(t testing.TB) Role {
	t.Helper()
	r := Role{ARN: "arn:aws:iam::" + account + ":role/team/App", ID: "AROAAPP", AccountID: account, Trust: trust(t, `"*"`), MaxSession: 2 * time.Hour}
	k.there.roles[r.ARN] = r
	k.there.set(r.ID, r.ARN)
	return r
}
