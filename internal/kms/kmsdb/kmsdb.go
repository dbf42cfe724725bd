// Package kmsdb keeps KMS keys, their key tokens, aliases, grants and custom key
// stores as records of the metadata store, and changes them in transactions.
//
//	kms_keys        account/region/key-id               the key, sealed; ref: whether it is pending deletion;
//	                                                    of a multi-region key one in each of its regions
//	kms_keys        service/s3/account/region           a service's own key, sealed; in no listing
//	kms_key_tokens  the key's row / material id         wrapped key material; the token binds itself
//	kms_aliases     account/region/alias/name           the alias, sealed; ref: its key's row
//	kms_grants      key's row/grant-id/grantee          a grant, sealed; ref: its key's row/grantee
//	kms_grants      named/key's row/digest              the id of a grant that has a name, sealed; in no listing
//	kms_grant_retirers  region/retirer/account/key-id/grant-id  leads to a grant, sealed; ref: its key's row
//	kms_key_stores  account/region/cks-id               a custom key store, sealed
//	kms_key_store_tokens  the store's row/credential-id  its wrapped credential; the token binds itself
//	kms_key_usage   the key's row                       what it was last used for, sealed; not in the change feed
//	meta            kms/usage-tracking                  since when uses are noted
//	meta            kms/customer-keys/account/region    how many customer managed keys there are
//	meta            kms/grants/key's row                how many grants the key has
//
// Documents are JSON. A sealed row carries a MAC over table, key, revision,
// reference and document (see package store), and is verified on every load:
// one that was changed outside the server is refused and named.
package kmsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/strongroom/strongroom/internal/store"
)

// DB reads and writes KMS records. It is safe for concurrent use.
type DB struct {
	store *store.Store
	mac   store.MAC
}

// New makes a DB over s whose authority rows are sealed with m.
func New(s *store.Store, m store.MAC) *DB { return &DB{store: s, mac: m} }

// Key loads a key. Errors to test for: [store.ErrNotFound], *[store.TamperedError].
func (d *DB) Key(ctx context.Context, ref KeyRef) (Key, error) {
	r, err := d.store.Get(ctx, store.KMSKeys, ref.Row())
	if err != nil {
		return Key{}, fmt.Errorf("reading key %s: %w", ref, err)
	}
	return decodeKey(d.mac, r)
}

// Token loads the wrapped key material of a key. A token that is not there
// although the key names it is a damaged database, not a missing key, so the
// error does not wrap store.ErrNotFound.
func (d *DB) Token(ctx context.Context, ref KeyRef, materialID string) ([]byte, error) {
	r, err := d.store.Get(ctx, store.KMSKeyTokens, tokenRow(ref, materialID))
	return token(ref, materialID, r, err)
}

func token(ref KeyRef, materialID string, r store.Row, err error) ([]byte, error) {
	if errors.Is(err, store.ErrNotFound) {
		err = errors.New("it is not there")
	}
	if err != nil {
		return nil, fmt.Errorf("reading key material %s of key %s: %w", materialID, ref, err)
	}
	return r.Doc, nil
}

// Alias loads an alias. Errors to test for: [store.ErrNotFound], *[store.TamperedError].
func (d *DB) Alias(ctx context.Context, ref AliasRef) (Alias, error) {
	r, err := d.store.Get(ctx, store.KMSAliases, ref.Row())
	if err != nil {
		return Alias{}, fmt.Errorf("reading alias %s: %w", ref.Row(), err)
	}
	return decodeAlias(d.mac, r)
}

// Keys returns up to limit keys of an account and region in the order of their
// ids, from the first one after the id after ("" for the beginning).
func (d *DB) Keys(ctx context.Context, account, region, after string, limit int) ([]Key, error) {
	prefix := account + "/" + region + "/"
	q := store.Query{Prefix: prefix, Limit: limit}
	if after != "" {
		q.After = prefix + after
	}
	return list(ctx, d, store.KMSKeys, q, decodeKey)
}

// Aliases returns up to limit aliases of an account and region in the order of
// their names, from the first one after the name after. With a target that is
// not the zero KeyRef, only those of that key.
func (d *DB) Aliases(ctx context.Context, account, region string, target KeyRef, after string, limit int) ([]Alias, error) {
	prefix := account + "/" + region + "/"
	q := store.Query{Prefix: prefix, Limit: limit}
	if after != "" {
		q.After = prefix + after
	}
	if target != (KeyRef{}) {
		q.Ref = target.Row()
	}
	return list(ctx, d, store.KMSAliases, q, decodeAlias)
}

func list[T any](ctx context.Context, d *DB, t store.Table, q store.Query, decode func(store.MAC, store.Row) (T, error)) ([]T, error) {
	rows, err := d.store.List(ctx, t, q)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", t, err)
	}
	docs := make([]T, len(rows))
	for i, r := range rows {
		if docs[i], err = decode(d.mac, r); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func decodeKey(m store.MAC, r store.Row) (k Key, err error) {
	err = open(m, store.KMSKeys, r, &k)
	k.rev = r.Rev
	return k, err
}

func decodeAlias(m store.MAC, r store.Row) (a Alias, err error) {
	err = open(m, store.KMSAliases, r, &a)
	a.rev = r.Rev
	return a, err
}

// open verifies a row's seal before it looks at the document.
func open(m store.MAC, t store.Table, r store.Row, doc any) error {
	if err := store.VerifyRow(m, t, r); err != nil {
		return err
	}
	if err := json.Unmarshal(r.Doc, doc); err != nil {
		return fmt.Errorf("row %s/%s: %w", t, r.Key, err)
	}
	return nil
}
