// Package iam keeps the principals: accounts, their users, and access keys.
// It answers the edge's one question: whose access key is this, and what
// verifies its signatures? (The IAM API itself is not served yet; principals
// come from the server's start-up flags and its bootstrap file.)
package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/strongroom/strongroom/internal/arn"
	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// Domain is the custody domain of everything that belongs to no region.
const Domain = "global"

// ErrUnknownAccessKey is returned by [Service.Credential].
var ErrUnknownAccessKey = errors.New("iam: unknown access key")

// Config is what a [Service] is made of. Every field is required.
type Config struct {
	Store  *store.Store
	Module *hsm.Module
	RowMAC *hsm.MACKey // seals accounts, users and access keys
	Clock  func() time.Time
}

// Service holds the principals. It is safe for concurrent use.
type Service struct {
	cfg   Config
	dummy *hsm.AccessKey // verifies for unknown ids, so that they cost the same

	mu   sync.RWMutex
	keys map[string]*Credential // by access key id; all of them, loaded at start
}

// Credential is what an access key id stands for. It is immutable.
type Credential struct {
	// Caller has the principal's fields; those of the request are empty.
	Caller identity.Caller
	// Key makes the signatures that the holder of the secret makes.
	Key *hsm.AccessKey
}

// User is one user to put in place; see [Service.PutUser].
type User struct {
	Account    string
	Name       string
	PolicyARNs []string
}

// AccessKey is one access key to put in place; see [Service.PutAccessKey].
type AccessKey struct {
	Account  string
	UserName string // empty: the account's root user
	ID       string
	Secret   secret.Bytes
}

type accountDoc struct {
	ID      string
	Created time.Time
}

type userDoc struct {
	Account    string
	Name       string
	ID         string // AIDA…: what policies will hold, so that a namesake inherits nothing
	Created    time.Time
	PolicyARNs []string
}

type accessKeyDoc struct {
	ID       string
	Account  string
	UserName string `json:",omitempty"`
	Created  time.Time
	SecretID string // which secret; see secret.go
	Secret   []byte `json:",omitempty"` // its token, in schema 1 only
}

// New loads every principal, and changes nothing. It fails with *[store.TamperedError] when a row
// was changed outside the server.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, keys: map[string]*Credential{}}
	none, err := cfg.Module.Random(40)
	if err != nil {
		return nil, err
	}
	b := binding("")
	token, err := cfg.Module.ImportKey(b, none)
	if err != nil {
		return nil, fmt.Errorf("iam: %w", err)
	}
	if s.dummy, err = cfg.Module.LoadAccessKey(token, b); err != nil {
		return nil, fmt.Errorf("iam: %w", err)
	}
	return s, s.Load(ctx)
}

// Credential returns what the access key id stands for. For an unknown id it
// returns [ErrUnknownAccessKey] together with a credential that fits no
// secret, so that the caller can do the same work either way.
func (s *Service) Credential(id string) (*Credential, error) {
	s.mu.RLock()
	c := s.keys[id]
	s.mu.RUnlock()
	if c == nil {
		return &Credential{Key: s.dummy}, ErrUnknownAccessKey
	}
	return c, nil
}

// HasRootKey reports whether the account's root user has an access key.
func (s *Service) HasRootKey(account string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range s.keys {
		if c.Caller.Type == identity.Root && c.Caller.AccountID == account {
			return true
		}
	}
	return false
}

// Load reads all access keys and their principals anew. New does it, and so do
// the Put functions that have a transaction of their own.
func (s *Service) Load(ctx context.Context) error {
	keys := map[string]*Credential{}
	for after := ""; ; {
		rows, err := s.cfg.Store.List(ctx, store.AccessKeys, store.Query{After: after, Limit: 1000})
		if err != nil {
			return fmt.Errorf("iam: reading access keys: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			c, err := s.open(ctx, r)
			if err != nil {
				return err
			}
			keys[r.Key] = c
		}
		after = rows[len(rows)-1].Key
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
	return nil
}

// open turns an access key row into what the edge needs.
func (s *Service) open(ctx context.Context, r store.Row) (*Credential, error) {
	var k accessKeyDoc
	if err := s.read(store.AccessKeys, r, &k); err != nil {
		return nil, err
	}
	key, err := s.loadSecret(ctx, k)
	if err != nil {
		return nil, err
	}
	c := &Credential{Key: key, Caller: identity.Caller{
		Type: identity.Root, AccountID: k.Account, AccessKeyID: k.ID,
		ARN: identity.RootARN(k.Account), PrincipalID: k.Account,
	}}
	if k.UserName == "" {
		return c, nil
	}
	ur, err := s.cfg.Store.Get(ctx, store.Users, k.Account+"/"+k.UserName)
	if err != nil {
		return nil, fmt.Errorf("iam: user of access key %s: %w", k.ID, err)
	}
	var u userDoc
	if err := s.read(store.Users, ur, &u); err != nil {
		return nil, err
	}
	c.Caller.Type = identity.IAMUser
	c.Caller.ARN = userARN(u.Account, u.Name)
	c.Caller.PrincipalID = u.ID
	c.Caller.UserName = u.Name
	c.Caller.PolicyARNs = slices.Clone(u.PolicyARNs)
	return c, nil
}

// read verifies an authority row and decodes its document.
func (s *Service) read(t store.Table, r store.Row, doc any) error {
	if err := store.VerifyRow(s.cfg.RowMAC, t, r); err != nil {
		return fmt.Errorf("iam: %w", err)
	}
	if err := json.Unmarshal(r.Doc, doc); err != nil {
		return fmt.Errorf("iam: row %s/%s: %w", t, r.Key, err)
	}
	return nil
}

func userARN(account, name string) string {
	return arn.New("iam", "", account, "user/"+name).String()
}

// The forms of names, from the IAM API model (userNameType, accessKeyIdType).
var (
	accountForm   = regexp.MustCompile(`^[0-9]{12}$`)
	userForm      = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	accessKeyForm = regexp.MustCompile(`^[\w]{16,128}$`)
)
