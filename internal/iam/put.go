package iam

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/strongroom/strongroom/internal/secret"
	"github.com/strongroom/strongroom/internal/store"
)

// PutUser is [Service.PutUserIn] in a transaction of its own.
func (s *Service) PutUser(ctx context.Context, u User) error {
	return s.cfg.Store.Update(ctx, func(tx *store.Tx) error { return s.PutUserIn(tx, u) })
}

// PutAccessKey makes sure that the access key exists with this secret. Doing
// it again changes nothing; another secret replaces the old one. An id that
// belongs to another principal is refused, and so is a user that does not exist.
func (s *Service) PutAccessKey(ctx context.Context, k AccessKey) error {
	return s.cfg.Store.Update(ctx, func(tx *store.Tx) error { return s.PutAccessKeyIn(tx, k) })
}

// PutAccessKeyIn is [Service.PutAccessKey] in a transaction of the caller's.
func (s *Service) PutAccessKeyIn(tx *store.Tx, k AccessKey) error {
	if !accessKeyForm.MatchString(k.ID) {
		return fmt.Errorf("access key id %q: an id has 16 to 128 letters, digits or underscores", k.ID)
	}
	if n := k.Secret.Len(); n < 8 || n > 128 {
		return fmt.Errorf("access key %s: its secret has %d characters; it must have 8 to 128", k.ID, n)
	}
	doc := accessKeyDoc{ID: k.ID, Account: k.Account, UserName: k.UserName, Created: s.now()}
	var was accessKeyDoc
	var token []byte // nil: the secret stays
	err := s.put(tx, store.AccessKeys, k.Account, k.ID, k.Account+"/"+k.UserName, func(old []byte) (any, event, error) {
		e := event{name: "CreateAccessKey", details: map[string]any{"accessKeyId": k.ID, "userName": k.UserName}}
		if old != nil {
			if err := json.Unmarshal(old, &was); err != nil {
				return nil, e, err
			}
			if was.Account != k.Account || was.UserName != k.UserName {
				return nil, e, fmt.Errorf("access key %s belongs to another principal already", k.ID)
			}
			r, err := tx.Get(store.AccessKeyTokens, secretRow(was))
			if err != nil {
				return nil, e, missingSecret(was, err)
			}
			same, err := s.cfg.Module.SameKey(r.Doc, binding(r.Key), k.Secret)
			if err != nil {
				return nil, e, err
			}
			if same {
				return nil, e, nil
			}
			doc.Created = was.Created
			e.name = "UpdateAccessKey" // its secret
		}
		var err error
		if doc.SecretID, err = s.newSecretID(); err != nil {
			return nil, e, err
		}
		token, err = s.cfg.Module.ImportKey(binding(secretRow(doc)), k.Secret)
		return doc, e, err
	})
	if err != nil || token == nil {
		return err
	}
	return putSecret(tx, doc, token, was)
}

// NewAccessKey makes an access key with a random id (AKIA and 16 letters or
// digits) and a random secret of 40 characters, for the account's root user.
func NewAccessKey(account string) AccessKey {
	return AccessKey{Account: account, ID: "AKIA" + rand.Text()[:16], Secret: secret.New([]byte((rand.Text() + rand.Text())[:40]))}
}

// put writes one authority row when fn's document differs from the stored one,
// and records fn's event. fn is given the stored document, or nil, and returns
// nil for no change.
func (s *Service) put(tx *store.Tx, t store.Table, account, key, ref string, fn func(old []byte) (any, event, error)) error {
	row, err := tx.Get(t, key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		row = store.Row{Key: key}
	case err != nil:
		return err
	default:
		if err := store.VerifyRow(s.cfg.RowMAC, t, row); err != nil {
			return err
		}
	}
	doc, e, err := fn(row.Doc)
	if doc == nil || err != nil {
		return err
	}
	if err := s.checkOwners(tx, t, account, ref); err != nil {
		return err
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	if row.Rev > 0 && bytes.Equal(b, row.Doc) {
		return nil
	}
	record, err := s.record(account, e)
	if err != nil {
		return err
	}
	tx.SetRecord(record)
	row.Doc, row.Ref = b, ref
	store.Seal(s.cfg.RowMAC, t, &row)
	_, err = tx.Put(t, row)
	return err
}

// checkOwners refuses a row of nobody: a user without an account, an access key
// without either. Nothing could be loaded any more beside it.
func (s *Service) checkOwners(tx *store.Tx, t store.Table, account, ref string) error {
	owners := map[store.Table]string{}
	if t != store.Accounts {
		owners[store.Accounts] = account
	}
	if t == store.AccessKeys && ref != account+"/" { // not of the root user
		owners[store.Users] = ref
	}
	for table, key := range owners {
		row, err := tx.Get(table, key)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no %s in %s", key, table)
		}
		if err != nil {
			return err
		}
		if err := store.VerifyRow(s.cfg.RowMAC, table, row); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) now() time.Time { return s.cfg.Clock().UTC().Truncate(time.Millisecond) }
