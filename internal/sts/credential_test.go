package sts

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strongroom/strongroom/internal/identity"
)

// token issues credentials for claims and returns id and token.
func (k *kit) token(t testing.TB, c claims) (id, token string) {
	t.Helper()
	out, err := k.issue(&c, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return *out.AccessKeyId, *out.SessionToken
}

// TestCallers: what each kind of session is to the rest of the server.
func TestCallers(t *testing.T) {
	k := newKit(t)
	k.there.set("AROAAPP", "arn:aws:iam::111122223333:role/team/App")
	k.there.set("AIDAALICE", alice.ARN)
	at := identity.Session{Issued: k.now, Expires: k.now.Add(time.Hour)}
	role := samples["role"]
	ofRole := at
	ofRole.RoleARN, ofRole.RoleID, ofRole.Name, ofRole.SourceIdentity = "arn:aws:iam::111122223333:role/team/App", "AROAAPP", "s1", "alice"
	ofRole.Policies, ofRole.PolicyARNs, ofRole.Tags, ofRole.TransitiveTagKeys, ofRole.Chained = role.policies, role.policyARNs, role.tags, role.transitive, true
	for name, want := range map[string]identity.Caller{
		"role": {Type: identity.AssumedRole, AccountID: account, ARN: "arn:aws:sts::111122223333:assumed-role/App/s1", PrincipalID: "AROAAPP:s1", Session: &ofRole},
		"user": {Type: identity.IAMUser, AccountID: account, ARN: alice.ARN, PrincipalID: "AIDAALICE", UserName: "alice", Session: &at},
	} {
		id, token := k.token(t, samples[name])
		want.AccessKeyID = id
		for range 2 { // opened, then from the cache
			cred, err := k.Credential(id, token)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(cred.Caller, want) {
				t.Errorf("%s: got %+v %+v, want %+v", name, cred.Caller, *cred.Caller.Session, want)
			}
		}
	}
	id, token := k.token(t, claims{kind: ofRoot, account: account})
	cred, err := k.Credential(id, token)
	if err != nil || cred.Caller.Type != identity.Root || cred.Caller.ARN != root.ARN || cred.Caller.PrincipalID != account || cred.Caller.Session == nil {
		t.Errorf("got %+v, %v of root", cred, err)
	}
}

// TestCredentialRefuses: every bit of a token counts, as does the id it comes
// with, whether or not the genuine token is in the cache.
func TestCredentialRefuses(t *testing.T) {
	k := newKit(t)
	k.appRole(t)
	id, token := k.token(t, samples["role"])
	otherID, otherToken := k.token(t, samples["role"])
	refuse := func(what, id, token string, want error) {
		t.Helper()
		if c, err := k.Credential(id, token); !errors.Is(err, want) || c != nil {
			t.Errorf("%s: got %+v, %v, want %v", what, c, err, want)
		}
	}
	raw, err := encoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"unseen", "cached"} {
		for i := range raw {
			damaged := append([]byte(nil), raw...)
			damaged[i] ^= 1 << (i % 8)
			refuse(fmt.Sprintf("%s: bit %d flipped", state, i), id, encoding.EncodeToString(damaged), ErrToken)
		}
		refuse(state+": of another id", otherID, token, ErrToken)
		refuse(state+": another token", id, otherToken, ErrToken)
		refuse(state+": id in small letters", strings.ToLower(id), token, ErrToken)
		refuse(state+": cut", id, token[:len(token)-1], ErrToken)
		refuse(state+": padded", id, token+"=", ErrToken)
		refuse(state+": with a line break", id, token[:9]+"\n"+token[9:], ErrToken)
		refuse(state+": in the other alphabet", id, base64.StdEncoding.EncodeToString(raw)+"+/", ErrToken)
		refuse(state+": none", id, "", ErrToken)
		if _, err := k.Credential(id, token); err != nil {
			t.Fatal(err)
		}
	}
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", token[len(token)-1])
	if len(raw)%3 != 0 { // spare bits in the last character: another spelling of the same bytes
		spelled := token[:len(token)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last|1])
		refuse("another spelling", id, spelled, ErrToken)
	}
	other := newKit(t)
	other.appRole(t)
	if _, err := other.Credential(id, token); !errors.Is(err, ErrToken) {
		t.Errorf("another server: got %v, want ErrToken", err)
	}
}

// TestExpiry: credentials end at their time, from the cache too.
func TestExpiry(t *testing.T) {
	k := newKit(t)
	k.appRole(t)
	id, token := k.token(t, samples["role"])
	start := k.now
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {time.Hour - time.Nanosecond, nil}, {time.Hour, ErrExpired}, {48 * time.Hour, ErrExpired}} {
		k.now = start.Add(tt.after)
		if _, err := k.Credential(id, token); !errors.Is(err, tt.want) {
			t.Errorf("after %v: got %v, want %v", tt.after, err, tt.want)
		}
	}
}

// TestPrincipalGone: a session ends with its principal, at once, and a
// namesake does not get it back.
func TestPrincipalGone(t *testing.T) {
	k := newKit(t)
	role := k.appRole(t)
	k.there.set("AIDAALICE", alice.ARN)
	for _, tt := range []struct{ kind, unique, arn string }{{"role", role.ID, role.ARN}, {"user", "AIDAALICE", alice.ARN}} {
		id, token := k.token(t, samples[tt.kind])
		if _, err := k.Credential(id, token); err != nil {
			t.Fatal(err)
		}
		k.there.set(tt.unique, "")
		k.there.set(tt.unique+"2", tt.arn)
		if c, err := k.Credential(id, token); !errors.Is(err, ErrPrincipal) || c != nil {
			t.Errorf("%s: got %v, %v, want ErrPrincipal", tt.kind, c, err)
		}
	}
	id, token := k.token(t, claims{kind: ofRoot, account: account})
	k.there.accounts = nil
	if _, err := k.Credential(id, token); !errors.Is(err, ErrPrincipal) {
		t.Errorf("root: got %v, want ErrPrincipal", err)
	}
}

// TestRenamedUser: the ARN of a session's user is the one it has now.
func TestRenamedUser(t *testing.T) {
	k := newKit(t)
	k.there.set("AIDAALICE", alice.ARN)
	id, token := k.token(t, samples["user"])
	if _, err := k.Credential(id, token); err != nil {
		t.Fatal(err)
	}
	k.there.set("AIDAALICE", "arn:aws:iam::111122223333:user/alina")
	c, err := k.Credential(id, token)
	if err != nil || c.Caller.UserName != "alina" || c.Caller.ARN != "arn:aws:iam::111122223333:user/alina" {
		t.Errorf("got %+v, %v, want the new name", c, err)
	}
}

// TestCacheIsBounded: more sessions than the cache holds all go on to work, and
// the cache holds no more than it may.
func TestCacheIsBounded(t *testing.T) {
	k := newKit(t)
	k.appRole(t)
	id, token := k.token(t, samples["role"])
	for range 2*cacheHalf + 10 {
		otherID, otherToken := k.token(t, claims{kind: ofRole, account: account, id: "AROAAPP", name: "n"})
		if _, err := k.Credential(otherID, otherToken); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Credential(id, token); err != nil {
		t.Error(err)
	}
	if n := len(k.cache.newer) + len(k.cache.older); n > 2*cacheHalf {
		t.Errorf("the cache holds %d sessions, want at most %d", n, 2*cacheHalf)
	}
}

// TestRacingRequests: many requests of few sessions while the principal goes.
func TestRacingRequests(t *testing.T) {
	k := newKit(t)
	role := k.appRole(t)
	id, token := k.token(t, samples["role"])
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if _, err := k.Credential(id, token); err != nil && !errors.Is(err, ErrPrincipal) {
					t.Error(err)
					return
				}
			}
		})
	}
	k.there.set(role.ID, "")
	if _, err := k.Credential(id, token); !errors.Is(err, ErrPrincipal) {
		t.Errorf("got %v, want ErrPrincipal as soon as the role is gone", err)
	}
	wg.Wait()
}

func TestKeyIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, account := range []string{"000000000000", "111122223333", "999999999999"} {
		for range 100 {
			id, err := newKeyID(account)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := accountOf(id); got != account || !ok || len(id) != keyIDSize || !IsSessionKey(id) || seen[id] {
				t.Fatalf("got %q of account %q, %v, want %q", id, got, ok, account)
			}
			seen[id] = true
		}
	}
	for _, id := range []string{"", "ASIA", "AKIAQEXAMPLEEXAMPLE2", "ASIAAEXAMPLEEXAMPLE2", "ASIAQexampleexample2", "ASIA77777777777777777", "ASIA7777777777777777"} {
		if account, ok := accountOf(id); ok {
			t.Errorf("%q says account %q", id, account)
		}
	}
	if id, err := newKeyID("not an account"); err == nil {
		t.Errorf("got %q", id)
	}
}

// BenchmarkCredential is what the session of a request costs beside a look-up
// in a map.
func BenchmarkCredential(b *testing.B) {
	k := newKit(b)
	k.appRole(b)
	id, token := k.token(b, samples["role"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Credential(id, token); err != nil {
			b.Fatal(err)
		}
	}
}
