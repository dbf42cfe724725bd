package iam

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/hsm"
	"github.com/strongroom/strongroom/internal/store"
)

// The secret of an access key is a key token in a table of its own, because
// tokens are re-wrapped, which must not change a document under a MAC:
//
//	access_keys         ID                 the document; SecretID says which secret it has
//	access_key_tokens   ID/SecretID        the token, bound to that name
//
// SecretID is chosen at random whenever the secret changes. It is under the
// document's MAC, so that an older secret that is put back is not that of the
// document. (An id that is a function of the secret, as that of key material
// is, would let whoever has the database try out secrets that people chose.)

// secretIDSize is the size of a SecretID in bytes; it is written in hexadecimal.
const secretIDSize = 16

// secretRow names the row of the secret of an access key, and is the key id
// that its token is bound to.
func secretRow(k accessKeyDoc) string { return k.ID + "/" + k.SecretID }

func (s *Service) newSecretID() (string, error) {
	b, err := s.cfg.Module.Random(secretIDSize)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(b.Expose()), nil
}

// binding ties the secret of an access key to the key's id and the secret's.
func binding(row string) hsm.Binding {
	return hsm.Binding{Purpose: hsm.PurposeAccessKey, Domain: Domain, KeyID: row}
}

// TokenBinding returns what the token in a row of access_key_tokens is bound
// to. It reads nothing else.
func TokenBinding(_ func(store.Table, string) (store.Row, error), r store.Row) (hsm.Binding, error) {
	return binding(r.Key), nil
}

// loadTries is how often a token is read that was re-wrapped, and its old
// version destroyed, between the reading and the opening.
const loadTries = 3

// loadSecret opens the secret of an access key.
func (s *Service) loadSecret(k accessKeyDoc) (key *hsm.AccessKey, err error) {
	if k.Secret != nil { // not migrated; the store may be one that is only looked at
		if key, err = s.cfg.Module.LoadAccessKey(k.Secret, binding(k.ID)); err != nil {
			return nil, fmt.Errorf("iam: access key %s: %w", k.ID, err)
		}
		return key, nil
	}
	for range loadTries {
		r, err := s.cfg.Store.Get(context.Background(), store.AccessKeyTokens, secretRow(k))
		if err != nil {
			return nil, missingSecret(k, err)
		}
		key, err = s.cfg.Module.LoadAccessKey(r.Doc, binding(secretRow(k)))
		if err == nil {
			return key, nil
		}
		if !errors.Is(err, hsm.ErrUnknownDomainKey) {
			return nil, fmt.Errorf("iam: access key %s: row %s/%s: %w", k.ID, store.AccessKeyTokens, r.Key, err)
		}
	}
	return nil, fmt.Errorf("iam: access key %s: row %s/%s: %w", k.ID, store.AccessKeyTokens, secretRow(k), hsm.ErrUnknownDomainKey)
}

// missingSecret does not wrap store.ErrNotFound: a secret that is not there
// although the key names it is damage, and no missing key.
func missingSecret(k accessKeyDoc, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		err = errors.New("it is missing from the database; restore the database from a backup")
	}
	return fmt.Errorf("iam: access key %s: row %s/%s: %w", k.ID, store.AccessKeyTokens, secretRow(k), err)
}

// putSecret stores a new secret of k and removes the one it had before.
func putSecret(tx *store.Tx, k accessKeyDoc, token []byte, before accessKeyDoc) error {
	if before.SecretID != "" {
		r, err := tx.Get(store.AccessKeyTokens, secretRow(before))
		if err != nil {
			return missingSecret(before, err)
		}
		if err := tx.Delete(store.AccessKeyTokens, r.Key, r.Rev); err != nil {
			return err
		}
	}
	_, err := tx.Put(store.AccessKeyTokens, store.Row{Key: secretRow(k), Doc: token})
	return err
}

// migrateBatch is how many access keys Migrate changes in a transaction.
const migrateBatch = 500

// Migrate gives every secret that is still inside its document (schema 1) a row
// of its own. It must have ended before a domain key is rotated, which knows
// nothing of documents, and before a principal is put. A process that dies goes
// on at its next start.
func (s *Service) Migrate(ctx context.Context) error {
	for after := ""; ; {
		rows, err := s.cfg.Store.List(ctx, store.AccessKeys, store.Query{After: after, Limit: migrateBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := s.migrateRows(ctx, rows); err != nil {
			return fmt.Errorf("iam: moving secrets to their own table: %w", err)
		}
		after = rows[len(rows)-1].Key
	}
}

// migrateRows moves the secrets of rows as they were read; a row that was
// changed since is a conflict.
func (s *Service) migrateRows(ctx context.Context, rows []store.Row) error {
	var old []store.Row
	for _, r := range rows {
		var k accessKeyDoc
		if err := s.read(store.AccessKeys, r, &k); err != nil {
			return err
		}
		if k.Secret != nil {
			old = append(old, r)
		}
	}
	if old == nil {
		return nil
	}
	return s.cfg.Store.Update(ctx, func(tx *store.Tx) error {
		moved := map[string][]string{} // ids by account
		for _, r := range old {
			k, err := s.migrateRow(tx, r)
			if err != nil {
				return err
			}
			moved[k.Account] = append(moved[k.Account], k.ID)
		}
		return s.recordMigration(tx, moved)
	})
}

// migrateRow moves one secret and returns the document.
func (s *Service) migrateRow(tx *store.Tx, r store.Row) (k accessKeyDoc, err error) {
	if err := s.read(store.AccessKeys, r, &k); err != nil {
		return k, err
	}
	id, err := s.newSecretID()
	if err != nil {
		return k, err
	}
	inside := k.Secret
	k.Secret, k.SecretID = nil, id
	token, err := s.cfg.Module.Rebind(inside, binding(k.ID), binding(secretRow(k)))
	if err != nil {
		return k, fmt.Errorf("access key %s: %w", k.ID, err)
	}
	if r.Doc, err = json.Marshal(k); err != nil {
		return k, err
	}
	store.Seal(s.cfg.RowMAC, store.AccessKeys, &r)
	if _, err := tx.Put(store.AccessKeys, r); err != nil {
		return k, err
	}
	return k, putSecret(tx, k, token, accessKeyDoc{})
}

// recordMigration leaves one record, in the trail of the first account.
func (s *Service) recordMigration(tx *store.Tx, moved map[string][]string) error {
	first := ""
	for account := range moved {
		if first == "" || account < first {
			first = account
		}
	}
	record, err := s.record(first, event{name: "UpdateAccessKey", details: map[string]any{"movedSecrets": moved}})
	if err != nil {
		return err
	}
	tx.SetRecord(record)
	return nil
}
