package iam

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/gate"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

var (
	_ gate.Authorities = (*Service)(nil)
	_ policy.Directory = (*Service)(nil)
)

const other = "444455556666"

// in runs fn in a transaction and fails the test when it fails.
func (k *kit) in(fn func(tx *store.Tx) error) {
	k.Helper()
	k.must(k.cfg.Store.Update(k.Context(), fn))
}

func allow(action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`
}

func trusts(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole"}]}`
}

// caller is a user, as its access key or its unique id makes it.
func (k *kit) caller(s *Service, arn string) identity.Caller {
	k.Helper()
	id, ok := s.UniqueID(arn)
	c, found := s.UserByID(id)
	if !ok || !found || c.ARN != arn {
		k.Fatalf("got %q, %v and %+v, want user %s", id, ok, c, arn)
	}
	return c
}

// sessionOf is a caller with a session of a role.
func (k *kit) sessionOf(s *Service, arn string) identity.Caller {
	k.Helper()
	r, ok := s.Role(arn)
	if !ok {
		k.Fatalf("there is no role %s", arn)
	}
	return identity.Caller{
		Type: identity.AssumedRole, AccountID: r.Account, ARN: r.SessionARN("s1"), PrincipalID: r.ID + ":s1", AccessKeyID: "ASIA" + r.ID,
		Session: &identity.Session{RoleARN: r.ARN, RoleID: r.ID, Name: "s1"},
	}
}

// allowed evaluates every layer that must allow, as far as this package can:
// how they go together is the gate's affair.
func allowed(k *kit, s *Service, c identity.Caller, action string) (layers string) {
	k.Helper()
	a, err := s.Authority(c)
	if err != nil {
		k.Fatal(err)
	}
	r := &policy.Request{Action: action, Resource: "*"}
	ask := func(name string, docs []gate.Named) {
		for _, d := range docs {
			if o := d.Evaluate(r); o.Deny != nil {
				layers += " -" + name
				return
			} else if o.Allow != nil {
				layers += " +" + name
				return
			}
		}
	}
	ask("identity", a.Identity)
	ask("boundary", a.Boundary)
	ask("session", a.Session)
	for _, l := range a.ServiceControl {
		ask("control", l)
	}
	return strings.TrimSpace(layers)
}

func TestPrincipals(t *testing.T) {
	k := newKit(t)
	s := k.service()
	role := "arn:aws:iam::111122223333:role/ops/deploy"
	k.in(func(tx *store.Tx) error {
		return errors.Join(
			s.PutAccountIn(tx, Account{ID: account, Organization: "o-exampleorgid/r-ab12/ou-ab12-11111111/", ServiceControl: []ServiceControlLevel{
				{Name: "root", Policies: []ServiceControlPolicy{{Name: FullAWSAccess}}},
				{Name: "account", Policies: []ServiceControlPolicy{{Name: "kms", Document: allow("kms:*")}}},
			}}),
			s.PutAccountIn(tx, Account{ID: other}),
			s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Path: "/p/", Document: allow("kms:Decrypt")}),
			s.PutGroupIn(tx, Group{Account: account, Name: "readers", PolicyARNs: []string{"arn:aws:iam::111122223333:policy/p/reader"}, Inline: map[string]string{"list": allow("kms:List*")}}),
			s.PutUserIn(tx, User{Account: account, Name: "alice", Path: "/staff/", Groups: []string{"readers"}, Tags: map[string]string{"Team": "a"},
				Inline: map[string]string{"own": allow("kms:Encrypt")}, Boundary: awsPrefix + "AWSKeyManagementServicePowerUser"}),
			s.PutUserIn(tx, User{Account: other, Name: "alice"}),
			s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy", Path: "/ops/", MaxSession: 2 * time.Hour, Trust: trusts("arn:aws:iam::444455556666:user/alice"),
				Inline: map[string]string{"x": allow("kms:Encrypt")}, Tags: map[string]string{"Team": "b"}}),
		)
	})
	for _, tt := range []struct {
		name string
		s    *Service
	}{{"as made", s}, {"loaded anew", k.service()}} {
		t.Run(tt.name, func(t *testing.T) {
			k := &kit{t, k.cfg}
			s := tt.s
			alice := k.caller(s, "arn:aws:iam::111122223333:user/staff/alice")
			for action, want := range map[string]string{
				"kms:Encrypt": "+identity +control +control", "kms:Decrypt": "+identity +control +control",
				"kms:ListKeys": "+identity +boundary +control +control", "s3:GetObject": "+control",
			} {
				if got := allowed(k, s, alice, action); got != want {
					t.Errorf("%s: got %q, want %q", action, got, want)
				}
			}
			a, err := s.Authority(alice)
			k.must(err)
			if a.OrgID != "o-exampleorgid" || a.OrgPath != "o-exampleorgid/r-ab12/ou-ab12-11111111/" || a.Tags["Team"] != "a" || len(a.Identity) != 3 {
				t.Errorf("got %+v", a)
			}
			r, ok := s.Role(role)
			if !ok || r.ARN != role || r.MaxSession != 2*time.Hour || r.Tags["Team"] != "b" || !strings.HasPrefix(r.ID, "AROA") || len(r.ID) != 21 {
				t.Fatalf("got %+v, %v", r, ok)
			}
			if byID, ok := s.RoleByID(r.ID); !ok || byID.ARN != role {
				t.Errorf("got %+v, %v", byID, ok)
			}
			foreign := k.caller(s, "arn:aws:iam::444455556666:user/alice")
			if text := string(r.Trust.Text()); !strings.Contains(text, foreign.PrincipalID) || strings.Contains(text, "user/alice") {
				t.Errorf("the trust policy is stored as %s", text)
			}
			if text := string(r.Trust.Shown(s)); !strings.Contains(text, "user/alice") {
				t.Errorf("the trust policy is shown as %s", text)
			}
			if id, ok := s.UniqueID("arn:aws:sts::111122223333:assumed-role/deploy"); !ok || id != r.ID {
				t.Errorf("got %q, %v, want the role under the ARN of its sessions", id, ok)
			}
			for _, unknown := range []string{
				"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:role/deploy", "arn:aws:iam::111122223333:root", "", "*",
				"arn:aws:iam::111122223333:group/readers", "arn:aws:iam::111122223333:user/staff/ALICE", "arn:aws:iam::111122223333:role/ops/deploy/",
				"arn:aws-cn:iam::111122223333:role/ops/deploy", "arn:aws:iam:us-east-1:111122223333:role/ops/deploy",
			} {
				if id, ok := s.UniqueID(unknown); ok {
					t.Errorf("%q: got %q, want nobody", unknown, id)
				}
			}
			if !s.HasAccount(other) || s.HasAccount("999999999999") {
				t.Error("HasAccount does not tell accounts apart")
			}
			if got := allowed(k, s, k.sessionOf(s, role), "kms:Encrypt"); got != "+identity +control +control" {
				t.Errorf("session of the role: got %q", got)
			}
		})
	}
}

// TestRecreatedPrincipals: who gets the name of a deleted user or role inherits
// nothing of it, and nobody has its sessions any more.
func TestRecreatedPrincipals(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	role := NewRole{Account: account, Name: "deploy", Trust: trusts("arn:aws:iam::111122223333:user/alice")}
	k.in(func(tx *store.Tx) error { return s.PutRoleIn(tx, role) })
	user, session := k.caller(s, "arn:aws:iam::111122223333:user/alice"), k.sessionOf(s, "arn:aws:iam::111122223333:role/deploy")
	trust, _ := s.Role(session.Session.RoleARN)

	k.in(func(tx *store.Tx) error {
		return errors.Join(s.DeleteUserIn(tx, account, "alice"), s.DeleteRoleIn(tx, account, "deploy"))
	})
	for _, c := range []identity.Caller{user, session} {
		if a, err := s.Authority(c); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("got %+v, %v, want ErrNoPrincipal", a, err)
		}
	}
	if _, err := s.Credential(keyID); !errors.Is(err, ErrUnknownAccessKey) {
		t.Errorf("got %v, want the access key gone", err)
	}
	if _, ok := s.ARN(user.PrincipalID); ok {
		t.Error("the deleted user still has an ARN")
	}
	if got := string(trust.Trust.Shown(s)); !strings.Contains(got, user.PrincipalID) {
		t.Errorf("got %s, want the bare id of the deleted user", got)
	}
	k.alice(s, "alices-secret")
	k.in(func(tx *store.Tx) error { return s.PutRoleIn(tx, role) })
	again, assumed := k.caller(s, user.ARN), k.sessionOf(s, session.Session.RoleARN)
	if again.PrincipalID == user.PrincipalID || assumed.Session.RoleID == session.Session.RoleID {
		t.Error("a recreated principal has the unique id of the old one")
	}
	for _, c := range []identity.Caller{user, session} {
		if _, err := s.Authority(c); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("%s: got %v, want ErrNoPrincipal for the old one", c.ARN, err)
		}
	}
	if n, err := k.cfg.Store.List(t.Context(), store.AccessKeyTokens, store.Query{Limit: 10}); err != nil || len(n) != 1 {
		t.Errorf("got %d secrets, %v, want that of the new user alone", len(n), err)
	}
}
