package iam

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/strongroom/strongroom/internal/identity"
	"github.com/strongroom/strongroom/internal/policy"
	"github.com/strongroom/strongroom/internal/store"
)

// UniqueID implements [policy.Directory]. A role is known under the ARN of its
// sessions as well, without their name.
func (s *Service) UniqueID(arn string) (string, bool) {
	k, key, ok := named(arn)
	if !ok {
		return "", false
	}
	ix := s.index.Load()
	switch k.noun {
	case aUser.noun:
		if u, ok := ix.users.get(key); ok && u.err == nil && u.arn == arn {
			return u.doc.ID, true
		}
	case aRole.noun:
		if r, ok := ix.roles.get(key); ok && r.err == nil && (r.arn == arn || sessionsARN(r.doc.Account, r.doc.Name) == arn) {
			return r.doc.ID, true
		}
	}
	return "", false
}

// ARN implements [policy.Directory].
func (s *Service) ARN(id string) (string, bool) {
	ix := s.index.Load()
	if u, ok := ix.userIDs.get(id); ok && u.err == nil {
		return u.arn, true
	}
	if r, ok := ix.roleIDs.get(id); ok && r.err == nil {
		return r.arn, true
	}
	return "", false
}

// HasAccount implements [policy.Directory].
func (s *Service) HasAccount(id string) bool {
	_, ok := s.index.Load().accounts.get(id)
	return ok
}

// In is the directory as a transaction sees it, with what it has put itself.
// Whoever stores a document with unique ids asks it, so that the ids are those
// of principals that are there when the document commits. A row that cannot be
// read is nobody. It must not be used after the transaction, and only where tx
// may be.
func (s *Service) In(tx *store.Tx) policy.Directory { return directoryIn{s, tx} }

type directoryIn struct {
	s  *Service
	tx *store.Tx
}

// UniqueID implements [policy.Directory].
func (d directoryIn) UniqueID(arn string) (string, bool) {
	k, key, ok := named(arn)
	if !ok || k.noun != aUser.noun && k.noun != aRole.noun {
		return "", false
	}
	doc, ok := d.entity(k, key)
	if !ok || k.arn(doc.Account, doc.Path, doc.Name) != arn && (k.noun != aRole.noun || sessionsARN(doc.Account, doc.Name) != arn) {
		return "", false
	}
	return doc.ID, true
}

// entityDoc is what the documents of users and roles have in common.
type entityDoc struct{ Account, Name, ID, Path string }

func (d directoryIn) entity(k kind, key string) (doc entityDoc, ok bool) {
	row, err := d.tx.Get(k.table, key)
	if err != nil || store.VerifyRow(d.s.cfg.RowMAC, k.table, row) != nil || json.Unmarshal(row.Doc, &doc) != nil {
		return entityDoc{}, false
	}
	return doc, true
}

// ARN implements [policy.Directory]: of a principal that was there before the
// transaction and is there still.
func (d directoryIn) ARN(id string) (string, bool) {
	arn, ok := d.s.ARN(id)
	if !ok {
		return "", false
	}
	now, ok := d.UniqueID(arn)
	return arn, ok && now == id
}

// HasAccount implements [policy.Directory].
func (d directoryIn) HasAccount(id string) bool {
	row, err := d.tx.Get(store.Accounts, id)
	return err == nil && store.VerifyRow(d.s.cfg.RowMAC, store.Accounts, row) == nil
}

// Role is a role as whoever lets others assume it needs to know it. It is
// immutable.
type Role struct {
	Account, Name, ARN, ID string
	// Trust is the trust policy, with unique ids; nil: nobody is trusted yet.
	Trust      *policy.Document
	MaxSession time.Duration
	Tags       map[string]string
}

// SessionARN is the ARN of a session of the role, which has no path.
func (r Role) SessionARN(session string) string {
	return sessionsARN(r.Account, r.Name) + "/" + session
}

func (r *role) role() (Role, bool) {
	if r == nil || r.err != nil {
		return Role{}, false
	}
	return Role{
		Account: r.doc.Account, Name: r.doc.Name, ARN: r.arn, ID: r.doc.ID, Trust: r.trust,
		MaxSession: time.Duration(r.doc.MaxSession) * time.Second, Tags: r.doc.Tags,
	}, true
}

// Role finds a role by its ARN, path included.
func (s *Service) Role(arn string) (Role, bool) {
	k, key, ok := named(arn)
	if !ok || k.noun != aRole.noun {
		return Role{}, false
	}
	r, ok := s.index.Load().roles.get(key)
	if !ok || r.arn != arn {
		return Role{}, false
	}
	return r.role()
}

// RoleByID finds a role by its unique id.
func (s *Service) RoleByID(id string) (Role, bool) {
	r, _ := s.index.Load().roleIDs.get(id)
	return r.role()
}

// UserByID returns the user with a unique id as a caller without a request: what
// temporary credentials of the user stand for.
func (s *Service) UserByID(id string) (identity.Caller, bool) {
	u, ok := s.index.Load().userIDs.get(id)
	if !ok || u.err != nil {
		return identity.Caller{}, false
	}
	return u.caller(""), true
}

// ManagedPolicy finds a managed policy by its ARN for a principal of the
// account: one of AWS's, or of the account itself.
func (s *Service) ManagedPolicy(account, arn string) (*policy.Document, bool) {
	m, ok := s.index.Load().attachable(account, arn)
	if !ok || m.err != nil {
		return nil, false
	}
	return m.Document, true
}

// exists reports whether the transaction has a row that verifies.
func (s *Service) exists(tx *store.Tx, t store.Table, key string) (bool, error) {
	row, err := tx.Get(t, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, store.VerifyRow(s.cfg.RowMAC, t, row)
}

// each visits the rows of an account in a table, as the transaction sees them.
func (s *Service) each(tx *store.Tx, t store.Table, account string, fn func(store.Row) error) error {
	for after := ""; ; {
		rows, err := tx.List(t, store.Query{Prefix: account + "/", After: after, Limit: 500})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := store.VerifyRow(s.cfg.RowMAC, t, r); err != nil {
				return err
			}
			if err := fn(r); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Key
	}
}

// list reads all of a table that is read at start or again.
func (s *Service) list(ctx context.Context, t store.Table, fn func(store.Row)) error {
	for after := ""; ; {
		rows, err := s.cfg.Store.List(ctx, t, store.Query{After: after, Limit: 1000})
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			fn(r)
		}
		after = rows[len(rows)-1].Key
	}
}
