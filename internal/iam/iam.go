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
	"slices"
	"sync"
	"sync/atomic"
	"time"

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

// Service holds the principals and their policies, all of them in memory. It is
// safe for concurrent use; nothing that only reads takes a lock.
type Service struct {
	cfg   Config
	dummy *hsm.AccessKey // verifies for unknown ids, so that they cost the same

	index atomic.Pointer[index]
	mu    sync.Mutex // held by who makes the next index

	sessions     sync.Map // of *session, by access key id
	sessionCount atomic.Int64
}

// Credential is what an access key id stands for. It is immutable.
type Credential struct {
	// Caller has the principal's fields; those of the request are empty.
	Caller identity.Caller
	// Key makes the signatures that the holder of the secret makes.
	Key *hsm.AccessKey
}

// AccessKey is one access key to put in place; see [Service.PutAccessKey].
type AccessKey struct {
	Account  string
	UserName string // empty: the account's root user
	ID       string
	Secret   secret.Bytes
}

// New loads every principal, and changes nothing. It fails with *[store.TamperedError] when a row
// was changed outside the server. It registers with cfg.Store.OnCommit, so no
// Update may run at the same time.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{cfg: cfg}
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
	if err := s.Load(ctx); err != nil {
		return nil, err
	}
	cfg.Store.OnCommit(s.refresh)
	return s, nil
}

// Credential returns what the access key id stands for. For an unknown id it
// returns [ErrUnknownAccessKey] together with a credential that fits no
// secret, so that the caller can do the same work either way.
func (s *Service) Credential(id string) (*Credential, error) {
	ix := s.index.Load()
	k, ok := ix.keys.get(id)
	if !ok {
		return &Credential{Key: s.dummy}, ErrUnknownAccessKey
	}
	c, err := ix.credential(k)
	if err != nil {
		return &Credential{Key: s.dummy}, err
	}
	return c, nil
}

// credential joins an access key with its principal.
func (ix *index) credential(k *accessKey) (*Credential, error) {
	return k.derived.of(ix.generation, func() (*Credential, error) {
		if k.err != nil {
			return nil, k.err
		}
		if k.doc.UserName == "" {
			return &Credential{Key: k.key, Caller: identity.Caller{
				Type: identity.Root, AccountID: k.doc.Account, AccessKeyID: k.doc.ID,
				ARN: identity.RootARN(k.doc.Account), PrincipalID: k.doc.Account,
			}}, nil
		}
		row := rowKey(k.doc.Account, k.doc.UserName)
		u, ok := ix.users.get(row)
		if !ok {
			return nil, fmt.Errorf("iam: user of access key %s: row %s/%s is missing from the database; restore it from a backup", k.doc.ID, store.Users, row)
		}
		if u.err != nil {
			return nil, u.err
		}
		return &Credential{Key: k.key, Caller: u.caller(k.doc.ID)}, nil
	})
}

// caller is the user as a caller without a request.
func (u *user) caller(accessKeyID string) identity.Caller {
	return identity.Caller{
		Type: identity.IAMUser, AccountID: u.doc.Account, AccessKeyID: accessKeyID,
		ARN: u.arn, PrincipalID: u.doc.ID, UserName: u.doc.Name,
	}
}

// HasRootKey reports whether the account's root user has an access key.
func (s *Service) HasRootKey(account string) bool {
	for _, k := range s.index.Load().keys.all {
		if k.doc.UserName == "" && k.doc.Account == account {
			return true
		}
	}
	return false
}

// Load reads everything anew. It fails, and leaves what is in force as it is,
// when something cannot be read or was changed outside the server.
func (s *Service) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ix, err := s.readAll(ctx)
	if err != nil {
		return err
	}
	if was := s.index.Load(); was != nil {
		ix.generation = was.generation + 1
	}
	s.index.Store(ix)
	return nil
}

// verifyTries is how often Verify reads everything while it is being changed.
const verifyTries = 3

// Verify reads everything as a start would, and changes nothing: what is in
// force is in memory, and who changes a row on the disk changes what the next
// start finds. The error is the one that the start would have.
func (s *Service) Verify(ctx context.Context) (err error) {
	for range verifyTries {
		before := s.index.Load()
		if _, err = s.readAll(ctx); err == nil || s.index.Load() == before {
			return err
		}
		// The tables were read one after another, and one may name what came
		// into another one before it was read: see whether it says so again.
	}
	return err
}

// readAll makes an index of the whole store, and refuses what a start refuses.
func (s *Service) readAll(ctx context.Context) (*index, error) {
	aws, err := compileAWS()
	if err != nil {
		return nil, err
	}
	ix := newIndex(aws)
	for _, t := range indexed {
		if err := s.list(ctx, t, func(r store.Row) { s.enter(ix, t, r.Key, r, nil) }); err != nil {
			return nil, fmt.Errorf("iam: reading %s: %w", t, err)
		}
	}
	return ix, ix.check()
}

// refresh brings into force what a commit changed, before the change returns. A
// row that cannot be read takes its principal with it, not its server.
func (s *Service) refresh(changes []store.Change) {
	type name struct {
		table store.Table
		key   string
	}
	seen := map[name]bool{}
	for _, c := range changes {
		if slices.Contains(indexed, c.Table) {
			seen[name{c.Table, c.Key}] = true
		}
	}
	if len(seen) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ix := s.index.Load().next()
	for n := range seen {
		r, err := s.cfg.Store.Get(context.Background(), n.table, n.key)
		if errors.Is(err, store.ErrNotFound) {
			ix.remove(n.table, n.key)
		} else {
			s.enter(ix, n.table, n.key, r, err)
		}
	}
	s.index.Store(ix)
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
