package iam

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/audit"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/sqlite"
)

const (
	account = "111122223333"
	keyID   = "AKIAALICEEXAMPLE0001"
)

// kit is a real store and a real module, under one or more services.
type kit struct {
	*testing.T
	cfg Config
}

func newKit(t *testing.T) *kit {
	t.Helper()
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	root := filepath.Join(dir, "root-key")
	if err := hsm.CreateRootKeyFile(root); err != nil {
		t.Fatal(err)
	}
	m, err := hsm.Open(hsm.Config{RootKeyFile: root})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewDomainKey(Domain, 1); err != nil {
		t.Fatal(err)
	}
	b := hsm.Binding{Purpose: hsm.PurposeRowMAC, Domain: Domain, KeyID: "rows"}
	token, err := m.GenerateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	mac, err := m.LoadMACKey(token, b)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 11, 2, 3, 456_789, time.UTC)
	return &kit{t, Config{Store: st, Module: m, RowMAC: mac, Clock: func() time.Time { return now }}}
}

func (k *kit) service() *Service {
	k.Helper()
	s, err := New(k.Context(), k.cfg)
	if err != nil {
		k.Fatal(err)
	}
	return s
}

func (k *kit) must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// alice puts a user with an access key in place.
func (k *kit) alice(s *Service, sec string, policies ...string) {
	k.Helper()
	k.must(s.PutAccount(k.Context(), account))
	k.must(s.PutUser(k.Context(), User{Account: account, Name: "alice", PolicyARNs: policies}))
	k.must(s.PutAccessKey(k.Context(), AccessKey{Account: account, UserName: "alice", ID: keyID, Secret: secret.New([]byte(sec))}))
}

// changes returns how many changes the store has.
func (k *kit) changes() int64 {
	k.Helper()
	n, err := k.cfg.Store.LastSeq(k.Context())
	k.must(err)
	return n
}

// signature is what the credential of an id makes of a text.
func signature(k *kit, s *Service, id string) [32]byte {
	k.Helper()
	c, _ := s.Credential(id)
	return c.Key.SigV4("20261123", "us-east-1", "kms")([]byte("text"))
}

func TestCredential(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret", identity.AdministratorAccess)
	k.must(s.PutAccessKey(t.Context(), AccessKey{Account: account, ID: "AKIAROOTEXAMPLE00001", Secret: secret.New([]byte("roots-secret"))}))
	for _, tt := range []struct {
		name string
		s    *Service
	}{{"as made", s}, {"loaded anew", k.service()}} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := tt.s.Credential(keyID)
			if err != nil {
				t.Fatal(err)
			}
			got := c.Caller
			if got.Type != identity.IAMUser || got.ARN != "arn:aws:iam::111122223333:user/alice" || got.AccountID != account ||
				got.UserName != "alice" || got.AccessKeyID != keyID || allowed(k, tt.s, got, "kms:Encrypt") != "+identity" {
				t.Errorf("got %+v", got)
			}
			if !regexp.MustCompile(`^AIDA[A-Z2-7]{17}$`).MatchString(got.PrincipalID) {
				t.Errorf("got principal id %q", got.PrincipalID)
			}
			if got.Region != "" || got.RequestID != "" || got.ViaService != "" {
				t.Errorf("got %+v, want nothing of a request", got)
			}
			c, err = tt.s.Credential("AKIAROOTEXAMPLE00001")
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Caller; got.Type != identity.Root || got.ARN != "arn:aws:iam::111122223333:root" || got.PrincipalID != account || got.UserName != "" {
				t.Errorf("got %+v", got)
			}
			if !tt.s.HasRootKey(account) || tt.s.HasRootKey("999999999999") {
				t.Error("HasRootKey does not tell the accounts apart")
			}
		})
	}
}

// TestUnknownKey: it costs the same work, and no secret fits it.
func TestUnknownKey(t *testing.T) {
	k := newKit(t)
	s := k.service()
	c, err := s.Credential("AKIANOBODYEXAMPLE001")
	if !errors.Is(err, ErrUnknownAccessKey) || c == nil || c.Caller.ARN != "" || c.Caller.Type != "" {
		t.Fatalf("got %+v, %v, want a credential of nobody and ErrUnknownAccessKey", c, err)
	}
	if signature(k, s, "AKIANOBODYEXAMPLE001") == signature(k, k.service(), "AKIANOBODYEXAMPLE001") {
		t.Error("two servers have the same secret for unknown keys: it can be guessed")
	}
}

func TestPutAgainChangesNothing(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret", identity.AdministratorAccess)
	before, id := k.changes(), mustCredential(k, s).Caller.PrincipalID
	k.alice(s, "alices-secret", identity.AdministratorAccess)
	k.alice(k.service(), "alices-secret", identity.AdministratorAccess)
	if got := k.changes(); got != before {
		t.Errorf("got %d changes, want none", got-before)
	}
	k.alice(s, "alices-secret") // without the policy
	c := mustCredential(k, s)
	if c.Caller.PrincipalID != id || allowed(k, s, c.Caller, "kms:Encrypt") != "" {
		t.Errorf("got %+v, want the same principal without a policy", c.Caller)
	}
}

func mustCredential(k *kit, s *Service) *Credential {
	k.Helper()
	c, err := s.Credential(keyID)
	k.must(err)
	return c
}

func TestSecretIsReplaced(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "first-secret")
	first := signature(k, s, keyID)
	old := mustCredential(k, s)
	k.alice(s, "second-secret")
	second := signature(k, s, keyID)
	if first == second {
		t.Error("the first secret is still in force")
	}
	if got := signature(k, k.service(), keyID); got != second {
		t.Error("the second secret is not the stored one")
	}
	if got := old.Key.SigV4("20261123", "us-east-1", "kms")([]byte("text")); got != first {
		t.Error("a credential that a request holds was changed under it")
	}
}

func TestRefusals(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	ctx := t.Context()
	sec := secret.New([]byte("some-secret"))
	key := func(account, user, id string, s secret.Bytes) AccessKey {
		return AccessKey{Account: account, UserName: user, ID: id, Secret: s}
	}
	before := k.changes()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"account of 11 digits", s.PutAccount(ctx, "11112222333"), "12 digits"},
		{"account of letters", s.PutAccount(ctx, "11112222333a"), "12 digits"},
		{"account with a line end", s.PutAccount(ctx, "111122223333\n"), "12 digits"},
		{"user of no account", s.PutUser(ctx, User{Account: "", Name: "x"}), "12 digits"},
		{"user without name", s.PutUser(ctx, User{Account: account}), "1 to 64"},
		{"user with a slash", s.PutUser(ctx, User{Account: account, Name: "a/b"}), "1 to 64"},
		{"user of 65 letters", s.PutUser(ctx, User{Account: account, Name: strings.Repeat("a", 65)}), "1 to 64"},
		{"user with an umlaut", s.PutUser(ctx, User{Account: account, Name: "jürgen"}), "1 to 64"},
		{"unknown policy", s.PutUser(ctx, User{Account: account, Name: "x", PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"}}), "is not known here"},
		{"short id", s.PutAccessKey(ctx, key(account, "alice", "AKIASHORT", sec)), "16 to 128"},
		{"id with a slash", s.PutAccessKey(ctx, key(account, "alice", "AKIA/ALICE/EXAMPLE01", sec)), "16 to 128"},
		{"short secret", s.PutAccessKey(ctx, key(account, "alice", "AKIAALICEEXAMPLE0002", secret.New([]byte("seven77")))), "8 to 128"},
		{"no secret", s.PutAccessKey(ctx, key(account, "alice", "AKIAALICEEXAMPLE0002", secret.Bytes{})), "8 to 128"},
		{"long secret", s.PutAccessKey(ctx, key(account, "alice", "AKIAALICEEXAMPLE0002", secret.New(bytes.Repeat([]byte("x"), 129)))), "8 to 128"},
		{"another user's key", s.PutAccessKey(ctx, key(account, "bob", keyID, sec)), "another principal"},
		{"another account's key", s.PutAccessKey(ctx, key("999999999999", "alice", keyID, sec)), "another principal"},
		{"user's key for the root user", s.PutAccessKey(ctx, key(account, "", keyID, sec)), "another principal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) || strings.Contains(tt.err.Error(), "some-secret") {
				t.Errorf("got %v, want an error with %q", tt.err, tt.want)
			}
		})
	}
	if got := k.changes(); got != before {
		t.Errorf("got %d changes, want none", got-before)
	}
}

// TestKeyOfNobody: an access key needs its account and its user. One without
// them would stop every later start.
func TestKeyOfNobody(t *testing.T) {
	for _, tt := range []struct{ name, account, user string }{
		{"no such user", account, "nobody"}, {"no such account", "999999999999", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			s := k.service()
			k.alice(s, "alices-secret")
			err := s.PutAccessKey(t.Context(), AccessKey{Account: tt.account, UserName: tt.user, ID: "AKIANOBODYEXAMPLE001", Secret: secret.New([]byte("some-secret"))})
			if err == nil {
				t.Error("got no error")
			}
			if _, err := New(t.Context(), k.cfg); err != nil {
				t.Errorf("after that nothing can be loaded: %v", err)
			}
		})
	}
}

// TestChangedRows: every row of a principal is refused by name when it was
// changed, moved, or its reference was.
func TestChangedRows(t *testing.T) {
	for _, tt := range []struct {
		name   string
		table  store.Table
		key    string
		change func(*store.Row)
	}{
		{"user's document", store.Users, account + "/alice", func(r *store.Row) { r.Doc[10] ^= 1 }},
		{"user's policies", store.Users, account + "/alice", func(r *store.Row) {
			r.Doc = bytes.Replace(r.Doc, []byte(`null`), []byte(`["`+identity.AdministratorAccess+`"]`), 1)
		}},
		{"user's MAC", store.Users, account + "/alice", func(r *store.Row) { r.MAC[31] ^= 1 }},
		{"user without MAC", store.Users, account + "/alice", func(r *store.Row) { r.MAC = nil }},
		{"user's revision", store.Users, account + "/alice", func(r *store.Row) { r.Rev += 3 }},
		{"access key's document", store.AccessKeys, keyID, func(r *store.Row) { r.Doc[10] ^= 1 }},
		{"access key's reference", store.AccessKeys, keyID, func(r *store.Row) { r.Ref = account + "/" }},
		{"access key's user", store.AccessKeys, keyID, func(r *store.Row) {
			r.Doc = bytes.Replace(r.Doc, []byte(`"UserName":"alice",`), nil, 1)
		}},
		{"access key under another id", store.AccessKeys, "AKIAOTHEREXAMPLE0001", func(r *store.Row) { r.Key = "AKIAOTHEREXAMPLE0001" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.alice(k.service(), "alices-secret")
			from := tt.key
			if tt.table == store.AccessKeys {
				from = keyID
			}
			row, err := k.cfg.Store.Get(t.Context(), tt.table, from)
			k.must(err)
			was := bytes.Clone(row.Doc)
			tt.change(&row)
			if strings.Contains(tt.name, "policies") && bytes.Equal(was, row.Doc) {
				t.Fatal("the document was not changed")
			}
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(tt.table, row) }))
			_, err = New(t.Context(), k.cfg)
			te, ok := errors.AsType[*store.TamperedError](err)
			if !ok || te.Table != tt.table || te.Key != tt.key {
				t.Errorf("got %v, want *store.TamperedError of %s/%s", err, tt.table, tt.key)
			}
		})
	}
}

// TestPutOverChangedRow: a row that was changed is not repaired by putting the
// principal again; that would hide it.
func TestPutOverChangedRow(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	for table, key := range map[store.Table]string{store.Accounts: account, store.Users: account + "/alice", store.AccessKeys: keyID} {
		row, err := k.cfg.Store.Get(t.Context(), table, key)
		k.must(err)
		good := row
		good.Doc = bytes.Clone(row.Doc)
		row.Doc[10] ^= 1
		put := func(r store.Row) {
			k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutUnlogged(table, r) }))
		}
		put(row)
		switch table {
		case store.Accounts:
			err = s.PutAccount(t.Context(), account)
		case store.Users:
			err = s.PutUser(t.Context(), User{Account: account, Name: "alice"})
		default:
			err = s.PutAccessKey(t.Context(), AccessKey{Account: account, UserName: "alice", ID: keyID, Secret: secret.New([]byte("alices-secret"))})
		}
		if _, ok := errors.AsType[*store.TamperedError](err); !ok {
			t.Errorf("%s: got %v, want *store.TamperedError", table, err)
		}
		put(good)
	}
}

// TestSecretMovedToAnotherID: the token is bound to the id, so even with a MAC
// that fits it does not open under another one.
func TestSecretMovedToAnotherID(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	row, err := k.cfg.Store.Get(t.Context(), store.AccessKeys, keyID)
	k.must(err)
	moved := store.Row{Key: "AKIAOTHEREXAMPLE0001", Ref: row.Ref, Doc: bytes.ReplaceAll(row.Doc, []byte(keyID), []byte("AKIAOTHEREXAMPLE0001"))}
	store.Seal(k.cfg.RowMAC, store.AccessKeys, &moved)
	sec := k.secret(keyID)
	sec.Key, sec.Rev = strings.Replace(sec.Key, keyID, moved.Key, 1), 0
	k.must(k.cfg.Store.Update(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Put(store.AccessKeyTokens, sec); err != nil {
			return err
		}
		_, err := tx.Put(store.AccessKeys, moved)
		return err
	}))
	if _, err = New(t.Context(), k.cfg); !errors.Is(err, hsm.ErrTampered) || !strings.Contains(err.Error(), "AKIAOTHEREXAMPLE0001") {
		t.Errorf("got %v, want hsm.ErrTampered that names the id", err)
	}
}

// TestPrincipalsAreRecorded: each change has one record, and no secret in it.
func TestPrincipalsAreRecorded(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "alices-secret")
	k.alice(s, "second-secret")
	changes, err := k.cfg.Store.Changes(t.Context(), 0, 100)
	k.must(err)
	var got []string
	for _, c := range changes {
		if c.Table == store.AccessKeyTokens { // beside the document, whose change has the record
			continue
		}
		var r struct {
			EventName, EventSource, EventType, SourceIPAddress, RecipientAccountID string
			UserIdentity                                                           struct{ AccountID, InvokedBy string }
			ServiceEventDetails                                                    struct{ AccountID, UserName, AccessKeyID string }
		}
		if err := json.Unmarshal(c.Record, &r); err != nil {
			t.Fatalf("change %d: %v", c.Seq, err)
		}
		if r.EventSource != "iam.amazonaws.com" || r.EventType != audit.ServiceEvent || r.UserIdentity.InvokedBy != audit.Internal || r.RecipientAccountID != account {
			t.Errorf("got record %s", c.Record)
		}
		d := r.ServiceEventDetails
		if c.Table == store.Accounts && d.AccountID != account || c.Table != store.Accounts && d.UserName != "alice" || c.Table == store.AccessKeys && d.AccessKeyID != keyID {
			t.Errorf("got record %s, want it to name %s/%s", c.Record, c.Table, c.Key)
		}
		got = append(got, r.EventName)
		row, err := k.cfg.Store.Get(t.Context(), c.Table, c.Key)
		k.must(err)
		for _, b := range [][]byte{c.Record, row.Doc} {
			if bytes.Contains(b, []byte("alices-secret")) || bytes.Contains(b, []byte("second-secret")) {
				t.Errorf("a secret is in %s", b)
			}
		}
	}
	if want := []string{"CreateAccount", "CreateUser", "CreateAccessKey", "UpdateAccessKey"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNewAccessKey(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		key := NewAccessKey(account)
		sec := string(key.Secret.Expose())
		if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(key.ID) || len(sec) != 40 || seen[key.ID] || seen[sec] || key.UserName != "" || key.Account != account {
			t.Errorf("got %+v", key)
		}
		seen[key.ID], seen[sec] = true, true
	}
}

// TestConcurrentUse looks credentials up while they are replaced.
func TestConcurrentUse(t *testing.T) {
	k := newKit(t)
	s := k.service()
	k.alice(s, "first-secret")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				c, err := s.Credential(keyID)
				if err != nil || c.Caller.UserName != "alice" {
					t.Errorf("got %+v, %v", c, err)
					return
				}
				_ = c.Key.SigV4("20261123", "us-east-1", "kms")([]byte("text"))
			}
		})
	}
	for _, sec := range []string{"second-secret", "third-secret", "fourth-secret"} {
		k.alice(s, sec)
	}
	cancel()
	wg.Wait()
}
