package iam

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/awserr"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// world puts an account in place with one of everything.
func (k *kit) world(s *Service) {
	k.Helper()
	k.in(func(tx *store.Tx) error {
		return errors.Join(
			s.PutAccountIn(tx, Account{ID: account, ServiceControl: []ServiceControlLevel{{Name: "account", Policies: []ServiceControlPolicy{{Name: "kms", Document: allow("kms:*")}}}}}),
			s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Document: allow("kms:Decrypt")}),
			s.PutGroupIn(tx, Group{Account: account, Name: "readers", PolicyARNs: []string{"arn:aws:iam::111122223333:policy/reader"}}),
			s.PutUserIn(tx, User{Account: account, Name: "alice", Groups: []string{"readers"}, Boundary: "arn:aws:iam::111122223333:policy/reader"}),
			s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy", Trust: trusts("arn:aws:iam::111122223333:user/alice"), Inline: map[string]string{"x": allow("kms:Encrypt")}}),
		)
	})
}

func TestPolicyRefusals(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.world(s)
	long := func(n int) string { // a valid document of n characters without white space
		d := allow("kms:Decrypt")
		return strings.Replace(d, `"Effect"`, `"Sid":"`+strings.Repeat("a", n-len(d)-len(`"Sid":"",`))+`","Effect"`, 1)
	}
	user := func(fn func(*User)) func(*store.Tx) error {
		u := User{Account: account, Name: "bob"}
		fn(&u)
		return func(tx *store.Tx) error { return s.PutUserIn(tx, u) }
	}
	role := func(fn func(*NewRole)) func(*store.Tx) error {
		r := NewRole{Account: account, Name: "r", Trust: trusts(account)}
		fn(&r)
		return func(tx *store.Tx) error { return s.PutRoleIn(tx, r) }
	}
	doc := func(text string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			return s.PutPolicyIn(tx, Policy{Account: account, Name: "p", Document: text})
		}
	}
	eleven := make([]string, 11)
	for i := range eleven {
		eleven[i] = fmt.Sprintf("arn:aws:iam::111122223333:policy/p%d", i)
	}
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprint("k", i)] = ""
	}
	for _, tt := range []struct {
		name string
		put  func(*store.Tx) error
		code awserr.Code // nil: an error of ours
		want string
	}{
		{"no JSON", doc(`{`), MalformedPolicyDocument, "Syntax errors in policy."},
		{"an old version", doc(`{"Version":"2008-01-01","Statement":[]}`), MalformedPolicyDocument, "Policy document must be version 2012-10-17 or greater."},
		{"no action", doc(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*"}]}`), MalformedPolicyDocument, "Policy statement must contain actions."},
		{"no resource", doc(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*"}]}`), MalformedPolicyDocument, "Policy statement must contain resources."},
		{"no vendor", doc(allow("Decrypt")), MalformedPolicyDocument, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"a principal", doc(trusts(account)), MalformedPolicyDocument, "should not specify a principal"},
		{"an Sid twice", doc(`{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"kms:*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"kms:*","Resource":"*"}]}`), MalformedPolicyDocument, "Statement IDs (SID) in a single policy must be unique."},
		{"a date that is none", doc(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"soon"}}}]}`), MalformedPolicyDocument, "The policy failed legacy parsing"},
		{"Chinese", doc(`{"Version":"2012-10-17","Id":"策","Statement":[]}`), MalformedPolicyDocument, "U+7B56"},
		{"a NUL", doc("{\x00}"), MalformedPolicyDocument, "U+0000"},
		{"a byte order mark", doc("\ufeff" + allow("kms:*")), MalformedPolicyDocument, "U+FEFF"},
		{"a long managed policy", doc(long(maxManaged + 1)), LimitExceeded, "PolicySize: 6144"},
		{"a long inline policy", user(func(u *User) { u.Inline = map[string]string{"a": long(2049)} }), LimitExceeded, "2048"},
		{"inline policies that are long together", user(func(u *User) { u.Inline = map[string]string{"a": long(1025), "b": long(1024)} }), LimitExceeded, "2048"},
		{"a role's inline policy", role(func(r *NewRole) { r.Inline = map[string]string{"a": long(10_241)} }), LimitExceeded, "10240"},
		{"a group's inline policy", func(tx *store.Tx) error {
			return s.PutGroupIn(tx, Group{Account: account, Name: "g", Inline: map[string]string{"a": long(5121)}})
		}, LimitExceeded, "5120"},
		{"a long trust policy", role(func(r *NewRole) {
			r.Trust = strings.Replace(trusts(account), "2012-10-17", "2012-10-17\",\"Id\":\""+strings.Repeat("a", 2048), 1)
		}), LimitExceeded, "ACLSizePerRole: 2048"},
		{"a trust policy with a resource", role(func(r *NewRole) { r.Trust = allow("sts:AssumeRole") }), MalformedPolicyDocument, ""},
		{"trust of nobody", role(func(r *NewRole) { r.Trust = trusts("arn:aws:iam::111122223333:user/nobody") }), MalformedPolicyDocument, "Invalid principal"},
		{"trust of an id that is gone", role(func(r *NewRole) { r.Trust = trusts("AIDAAAAAAAAAAAAAAAAAA") }), MalformedPolicyDocument, "Invalid principal"},
		{"trust of itself", role(func(r *NewRole) { r.Trust = trusts("arn:aws:iam::111122223333:role/r") }), MalformedPolicyDocument, "Invalid principal"},
		{"11 policies", user(func(u *User) { u.PolicyARNs = eleven }), LimitExceeded, "PoliciesPerUser: 10"},
		{"11 groups", user(func(u *User) { u.Groups = eleven }), LimitExceeded, "GroupsPerUser: 10"},
		{"no such policy", user(func(u *User) { u.PolicyARNs = eleven[:1] }), NoSuchEntity, "does not exist or is not attachable"},
		{"no such boundary", user(func(u *User) { u.Boundary = eleven[0] }), NoSuchEntity, "does not exist or is not attachable"},
		{"no such group", user(func(u *User) { u.Groups = []string{"g"} }), NoSuchEntity, "cannot be found"},
		{"another AWS policy", user(func(u *User) { u.PolicyARNs = []string{awsPrefix + "ReadOnlyAccess"} }), "", "of AWS's managed policies there are"},
		{"51 tags", user(func(u *User) { u.Tags = many }), "", "there may be 50"},
		{"tags of AWS", user(func(u *User) { u.Tags = map[string]string{"AWS:x": ""} }), "", "AWS's own"},
		{"a policy name with a slash", user(func(u *User) { u.Inline = map[string]string{"a/b": allow("kms:*")} }), "", "1 to 128"},
		{"a role's path changed", func(tx *store.Tx) error {
			return s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy", Path: "/x/", Trust: trusts(account)})
		}, "", "cannot be changed"},
		{"a policy's path changed", func(tx *store.Tx) error {
			return s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Path: "/x/", Document: allow("kms:*")})
		}, "", "cannot be changed"},
		{"sessions of 13 hours", role(func(r *NewRole) { r.MaxSession = 13 * time.Hour }), "", "1 to 12 hours"},
		{"a role of no account", func(tx *store.Tx) error {
			return s.PutRoleIn(tx, NewRole{Account: other, Name: "r", Trust: trusts(account)})
		}, "", "there is no " + other},
		{"removing an attached policy", func(tx *store.Tx) error { return s.DeletePolicyIn(tx, account, "reader") }, DeleteConflict, "attached to entities"},
		{"removing a group with members", func(tx *store.Tx) error { return s.DeleteGroupIn(tx, account, "readers") }, DeleteConflict, "alice is in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := k.changes()
			err := k.cfg.Store.Update(t.Context(), tt.put)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || tt.code != "" && !errors.Is(err, tt.code) {
				t.Errorf("got %v, want %s with %q", err, tt.code, tt.want)
			}
			if got := k.changes(); got != before {
				t.Errorf("got %d changes, want none", got-before)
			}
		})
	}
	for name, put := range map[string]func(*store.Tx) error{
		"managed policy of 6144": doc(long(maxManaged)), "inline policy of 2048 and spaces": user(func(u *User) { u.Inline = map[string]string{"a": long(2048) + strings.Repeat(" ", 5000)} }),
	} {
		if err := k.cfg.Store.Update(t.Context(), put); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWidenedPolicies: a document that was changed by hand to allow more is
// refused and named: at the start, by Verify, by whoever would change it, and
// when a commit makes the running server read it again.
func TestWidenedPolicies(t *testing.T) {
	replace := func(old, new string) func(*store.Row) {
		return func(r *store.Row) { r.Doc = bytes.ReplaceAll(r.Doc, []byte(old), []byte(new)) }
	}
	for _, tt := range []struct {
		name   string
		table  store.Table
		key    string
		change func(*store.Row)
		put    func(s *Service) func(tx *store.Tx) error
	}{
		{"managed policy", store.Policies, account + "/reader", replace("kms:Decrypt", "kms:*"), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error {
				return s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Document: allow("kms:Encrypt")})
			}
		}},
		{"group's policies", store.Groups, account + "/readers", replace("arn:aws:iam::111122223333:policy/reader", identity.AdministratorAccess), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error { return s.PutGroupIn(tx, Group{Account: account, Name: "readers"}) }
		}},
		{"user's boundary", store.Users, account + "/alice", replace(`"Boundary":"arn:aws:iam::111122223333:policy/reader"`, `"Boundary":""`), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error { return s.PutUserIn(tx, User{Account: account, Name: "alice"}) }
		}},
		{"role's inline policy", store.Roles, account + "/deploy", replace("kms:Encrypt", "*"), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error { return s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy"}) }
		}},
		{"role's trust", store.Roles, account + "/deploy", replace("sts:AssumeRole", "sts:*"), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error { return s.DeleteRoleIn(tx, account, "deploy") }
		}},
		{"service control policy", store.Accounts, account, replace("kms:*", "*"), func(s *Service) func(*store.Tx) error {
			return func(tx *store.Tx) error { return s.PutAccountIn(tx, Account{ID: account}) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			s := k.service()
			k.world(s)
			alice := k.caller(s, "arn:aws:iam::111122223333:user/alice")
			session := k.sessionOf(s, "arn:aws:iam::111122223333:role/deploy")
			row, err := k.cfg.Store.Get(t.Context(), tt.table, tt.key)
			k.must(err)
			was := bytes.Clone(row.Doc)
			tt.change(&row)
			if bytes.Equal(was, row.Doc) {
				t.Fatalf("nothing was changed in %s", was)
			}
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(tt.table, row) }))
			tampered := func(what string, err error) {
				t.Helper()
				if te, ok := errors.AsType[*store.TamperedError](err); !ok || te.Table != tt.table || te.Key != tt.key {
					t.Errorf("%s: got %v, want *store.TamperedError of %s/%s", what, err, tt.table, tt.key)
				}
			}
			_, err = New(t.Context(), k.cfg)
			tampered("starting", err)
			tampered("verifying", s.Verify(t.Context()))
			tampered("reading again", s.Load(t.Context()))
			tampered("changing it", k.cfg.Store.Update(t.Context(), tt.put(s)))
			// What is in force is what was read before.
			if got := allowed(k, s, alice, "kms:Decrypt"); got != "+identity +boundary +control" {
				t.Errorf("got %q of alice", got)
			}
			// A commit that names the row makes the server read it.
			s.refresh([]store.Change{{Table: tt.table, Key: tt.key, Rev: row.Rev}})
			_, ofAlice := s.Authority(alice)
			_, ofSession := s.Authority(session)
			switch tt.table {
			case store.Roles:
				tampered("a session of the role", ofSession)
				if ofAlice != nil {
					t.Errorf("alice, who has nothing to do with it: %v", ofAlice)
				}
				if r, ok := s.Role("arn:aws:iam::111122223333:role/deploy"); ok {
					t.Errorf("got %+v, want no role to assume", r)
				}
			case store.Accounts:
				tampered("a session of the role", ofSession)
				fallthrough
			default:
				tampered("alice", ofAlice)
			}
			row.Doc = was
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(tt.table, row) }))
			s.refresh([]store.Change{{Table: tt.table, Key: tt.key, Rev: row.Rev}})
			if _, err := s.Authority(alice); err != nil {
				t.Errorf("after the row was put right: %v", err)
			}
			if _, err := s.Authority(session); err != nil {
				t.Errorf("after the row was put right: %v", err)
			}
		})
	}
}

// TestMissingRows: a row that was deleted by hand, and with it a limit, stops
// the start and is named.
func TestMissingRows(t *testing.T) {
	for table, key := range map[store.Table]string{store.Policies: account + "/reader", store.Groups: account + "/readers", store.Accounts: account} {
		k := newKit(t)
		s := k.service()
		k.world(s)
		k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(table, key) }))
		if _, err := New(t.Context(), k.cfg); err == nil || !strings.Contains(err.Error(), string(table)+"/"+key+" is missing") {
			t.Errorf("%s: got %v, want an error that names the row", table, err)
		}
	}
}

// TestSessionPolicies: what a session was given, and for how long.
func TestSessionPolicies(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.world(s)
	const arn = "arn:aws:iam::111122223333:policy/session"
	put := func(action string) {
		k.in(func(tx *store.Tx) error {
			return s.PutPolicyIn(tx, Policy{Account: account, Name: "session", Document: allow(action)})
		})
	}
	put("kms:Encrypt")
	c := k.sessionOf(s, "arn:aws:iam::111122223333:role/deploy")
	c.Session.PolicyARNs, c.Session.Tags = []string{arn}, map[string]string{"team": "session"}
	expect := func(what, want string) {
		t.Helper()
		if got := allowed(k, s, c, "kms:Encrypt"); got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	expect("as given", "+identity +session +control")
	put("kms:Decrypt")
	expect("after the policy was changed", "+identity +control")
	put("kms:*")
	expect("after it was changed again", "+identity +session +control")
	k.in(func(tx *store.Tx) error { return s.DeletePolicyIn(tx, account, "session") })
	expect("after it was deleted", "+identity +control")
	if a, err := s.Authority(c); err != nil || len(a.Session) != 1 || a.Tags["team"] != "session" {
		t.Errorf("got %+v, %v, want one session policy that allows nothing, and the session's tag", a, err)
	}
	c.Session = &identity.Session{RoleARN: c.Session.RoleARN, RoleID: c.Session.RoleID, Policies: []string{allow("kms:Encrypt")}}
	expect("another session under the same access key id", "+identity +session +control")
	k.in(func(tx *store.Tx) error {
		return s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy", Tags: map[string]string{"Team": "role", "x": "y"}})
	})
	expect("after the role lost its policy", "+session +control")
	c.Session.Tags = map[string]string{"team": "session"}
	if a, err := s.Authority(c); err != nil || len(a.Tags) != 2 || a.Tags["team"] != "session" || a.Tags["x"] != "y" {
		t.Errorf("got %+v, %v", a, err)
	}
	for i := range 3 * maxSessions {
		c.AccessKeyID = fmt.Sprint("ASIA", i)
		if _, err := s.Authority(c); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	s.sessions.Range(func(any, any) bool { kept++; return true })
	if kept > maxSessions+1 {
		t.Errorf("%d sessions are kept, want at most %d", kept, maxSessions)
	}
}

// TestManyPrincipals loads and looks up 10,000 users and roles.
func TestManyPrincipals(t *testing.T) {
	const n = 5000 // of each
	k := newKit(t)
	s := k.service()
	k.world(s)
	for from := 0; from < n; from += 500 {
		k.in(func(tx *store.Tx) error {
			var errs []error
			for i := from; i < from+500; i++ {
				name := fmt.Sprint("p", i)
				errs = append(errs,
					s.PutUserIn(tx, User{Account: account, Name: name, Groups: []string{"readers"}, Inline: map[string]string{"own": allow("kms:Encrypt")}}),
					s.PutRoleIn(tx, NewRole{Account: account, Name: name, Trust: trusts(account), PolicyARNs: []string{"arn:aws:iam::111122223333:policy/reader"}}))
			}
			return errors.Join(errs...)
		})
	}
	for _, s := range []*Service{s, k.service()} {
		for i := range n {
			c := k.caller(s, fmt.Sprint("arn:aws:iam::111122223333:user/p", i))
			if _, ok := s.Role(fmt.Sprint("arn:aws:iam::111122223333:role/p", i)); !ok {
				t.Fatalf("role p%d is missing", i)
			}
			if a, err := s.Authority(c); err != nil || len(a.Identity) != 2 {
				t.Fatalf("got %+v, %v", a, err)
			}
			if i == 0 {
				if got := testing.AllocsPerRun(100, func() { _, _ = s.Authority(c) }); got > 1 {
					t.Errorf("an authority that was made before takes %v allocations", got)
				}
			}
		}
	}
	// One change leaves all but a few entries where they were.
	before := s.index.Load()
	k.in(func(tx *store.Tx) error { return s.PutUserIn(tx, User{Account: account, Name: "p0"}) })
	same := 0
	after := s.index.Load()
	for i := range before.users.shards {
		if a, b := before.users.shards[i], after.users.shards[i]; fmt.Sprintf("%p", a) == fmt.Sprintf("%p", b) {
			same++
		}
	}
	if same < shardCount-1 {
		t.Errorf("a change of one user copied %d of %d parts of the index", shardCount-same, shardCount)
	}
}

// TestConcurrentChanges asks while principals are changed, deleted and made.
func TestConcurrentChanges(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.world(s)
	c := k.caller(s, "arn:aws:iam::111122223333:user/alice")
	session := k.sessionOf(s, "arn:aws:iam::111122223333:role/deploy")
	session.Session.Policies = []string{allow("kms:*")}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := &policy.Request{Action: "kms:Decrypt", Resource: "*"}
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, c := range []identity.Caller{c, session} {
					a, err := s.Authority(c)
					if err != nil && !errors.Is(err, ErrNoPrincipal) {
						t.Error(err)
						return
					}
					if err == nil {
						for _, d := range a.Identity {
							d.Evaluate(r)
						}
					}
				}
				s.ARN(c.PrincipalID)
				s.Role(session.Session.RoleARN)
			}
		})
	}
	for i := range 20 {
		k.in(func(tx *store.Tx) error {
			action := []string{"kms:Decrypt", "kms:Encrypt"}[i%2]
			return s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Document: allow(action)})
		})
		want := []string{"+identity +boundary +control", "+control"}[i%2]
		if got := allowed(k, s, c, "kms:Decrypt"); got != want {
			t.Errorf("change %d: got %q, want %q as soon as it returned", i, got, want)
		}
		k.in(func(tx *store.Tx) error { return s.DeleteRoleIn(tx, account, "deploy") })
		if _, err := s.Authority(session); !errors.Is(err, ErrNoPrincipal) {
			t.Errorf("got %v for a session of a deleted role", err)
		}
		k.in(func(tx *store.Tx) error { return s.PutRoleIn(tx, NewRole{Account: account, Name: "deploy"}) })
	}
	close(done)
	wg.Wait()
}

// TestChangesAreRecorded: in the words of the IAM API, whole, and once for each
// transaction.
func TestChangesAreRecorded(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.world(s)
	user, role := User{Account: account, Name: "bob"}, NewRole{Account: account, Name: "bobs", Trust: trusts(account)}
	putUser := func(tx *store.Tx) error { return s.PutUserIn(tx, user) }
	putRole := func(tx *store.Tx) error { return s.PutRoleIn(tx, role) }
	for _, step := range []struct {
		want string // event name and what else the record has
		fn   func(*store.Tx) error
	}{
		{"CreateUser userName bob", putUser},
		{"AttachUserPolicy policyArn AdministratorAccess", func(tx *store.Tx) error { user.PolicyARNs = []string{identity.AdministratorAccess}; return putUser(tx) }},
		{"DetachUserPolicy policyArn AdministratorAccess", func(tx *store.Tx) error { user.PolicyARNs = nil; return putUser(tx) }},
		{"PutUserPolicy policyName policyDocument kms:Sign", func(tx *store.Tx) error {
			user.Inline = map[string]string{"own": allow("kms:Sign")}
			return putUser(tx)
		}},
		{"DeleteUserPolicy policyName own", func(tx *store.Tx) error { user.Inline = nil; return putUser(tx) }},
		{"AddUserToGroup groupName readers", func(tx *store.Tx) error { user.Groups = []string{"readers"}; return putUser(tx) }},
		{"RemoveUserFromGroup groupName readers", func(tx *store.Tx) error { user.Groups = nil; return putUser(tx) }},
		{"PutUserPermissionsBoundary permissionsBoundary PowerUserAccess", func(tx *store.Tx) error { user.Boundary = awsPrefix + "PowerUserAccess"; return putUser(tx) }},
		{"DeleteUserPermissionsBoundary permissionsBoundary PowerUserAccess", func(tx *store.Tx) error { user.Boundary = ""; return putUser(tx) }},
		{"TagUser tags Team", func(tx *store.Tx) error { user.Tags = map[string]string{"Team": "a"}; return putUser(tx) }},
		{"UntagUser tagKeys Team", func(tx *store.Tx) error { user.Tags = nil; return putUser(tx) }},
		{"UpdateUser changes AddUserToGroup TagUser", func(tx *store.Tx) error {
			user.Groups, user.Tags = []string{"readers"}, map[string]string{"Team": "a"}
			return putUser(tx)
		}},
		{"DeleteUser userId AIDA", func(tx *store.Tx) error { return s.DeleteUserIn(tx, account, "bob") }},
		{"CreateRole assumeRolePolicyDocument sts:AssumeRole", putRole},
		{"UpdateAssumeRolePolicy policyDocument " + other, func(tx *store.Tx) error {
			role.Trust = strings.Replace(trusts("*"), "sts:AssumeRole", "sts:AssumeRole\",\"Sid\":\""+other, 1)
			return putRole(tx)
		}},
		{"UpdateRole maxSessionDuration 7200", func(tx *store.Tx) error { role.MaxSession = 2 * time.Hour; return putRole(tx) }},
		{"DeleteRole roleId AROA", func(tx *store.Tx) error { return s.DeleteRoleIn(tx, account, "bobs") }},
		{"CreatePolicyVersion policyDocument kms:Verify", func(tx *store.Tx) error {
			return s.PutPolicyIn(tx, Policy{Account: account, Name: "reader", Document: allow("kms:Verify")})
		}},
		{"UpdateAccount organizationId o-exampleorgid", func(tx *store.Tx) error {
			return s.PutAccountIn(tx, Account{ID: account, Organization: "o-exampleorgid"})
		}},
	} {
		before := k.changes()
		k.in(step.fn)
		changes, err := k.cfg.Store.Changes(t.Context(), before, 100)
		k.must(err)
		if len(changes) != 1 {
			t.Fatalf("%s: got %d changes", step.want, len(changes))
		}
		name, rest, _ := strings.Cut(step.want, " ")
		record := string(changes[0].Record)
		if !strings.Contains(record, `"eventName":"`+name+`"`) {
			t.Errorf("got %s, want event %s", record, name)
		}
		for _, part := range strings.Fields(rest) {
			if !strings.Contains(record, part) {
				t.Errorf("%s: got %s, want %s in it", name, record, part)
			}
		}
		k.in(step.fn) // again
		if got := k.changes(); got != before+1 {
			t.Errorf("%s: doing it again left a change", name)
		}
	}
}
