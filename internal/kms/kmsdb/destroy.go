package kmsdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/internal/store"
)

// destroyPage is how many rows a destruction reads at a time.
const destroyPage = 500

// Pending is a key of a list by reference, such as that of keys that wait for
// their deletion, or a row that is not what was written.
type Pending struct {
	Key Key
	Row string // the row's key in kms_keys
	Err error  // wraps [store.ErrDamaged] or is a *[store.TamperedError]; Key says nothing then
}

// PendingDeletion returns up to limit keys that are pending deletion, of all
// accounts and regions, in the order of their rows, from the first one after
// the row after ("" for the beginning).
func (d *DB) PendingDeletion(ctx context.Context, after string, limit int) ([]Pending, error) {
	list, err := d.referring(ctx, pendingDeletion, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing keys that are pending deletion: %w", err)
	}
	return list, nil
}

// TruncateLog empties the database's log, which keeps copies of what was
// deleted. Errors as of [store.Store.TruncateLog].
func (d *DB) TruncateLog(ctx context.Context) error { return d.store.TruncateLog(ctx) }

// Store gives the store's own transaction to those who have to do with a change
// of a key and know nothing of keys.
func (t *Tx) Store() *store.Tx { return t.tx }

// DestroyKey deletes k at the revision that it was loaded at, with the tokens of
// all its material, the aliases that stand for it, the grants on it and its last usage, and
// counts it no longer. Tokens, aliases and grants go whatever has become of their rows: damage must not keep
// key material alive. [store.ErrConflict] when k has changed meanwhile.
func (t *Tx) DestroyKey(k *Key) error {
	row := k.Ref().Row()
	if err := t.tx.Delete(store.KMSKeys, row, k.rev); err != nil {
		return fmt.Errorf("deleting %s/%s: %w", store.KMSKeys, row, err)
	}
	if err := t.deleteAll(store.KMSKeyTokens, store.Query{Prefix: row + "/"}); err != nil {
		return err
	}
	aliases := store.Query{Prefix: k.Account + "/" + k.Region + "/", Ref: row}
	if err := t.deleteAll(store.KMSAliases, aliases); err != nil {
		return err
	}
	if err := t.deleteGrants(k.Ref()); err != nil {
		return err
	}
	if err := t.tx.DeleteUnlogged(store.KMSKeyUsage, row); err != nil {
		return fmt.Errorf("deleting %s/%s: %w", store.KMSKeyUsage, row, err)
	}
	if k.Manager != Customer {
		return nil
	}
	return t.uncount(k.Account, k.Region)
}

// deleteAll deletes what q selects.
func (t *Tx) deleteAll(table store.Table, q store.Query) error {
	q.Limit, q.KeepDamaged = destroyPage, true
	for {
		rows, err := t.tx.List(table, q)
		if err != nil {
			return fmt.Errorf("listing %s: %w", table, err)
		}
		for _, r := range rows {
			if r.Damaged != nil { // its revision may be anything
				err = t.tx.DeleteUnlogged(table, r.Key)
			} else {
				err = t.tx.Delete(table, r.Key, r.Rev)
			}
			if err != nil {
				return fmt.Errorf("deleting %s/%s: %w", table, r.Key, err)
			}
			q.After = r.Key
		}
		if len(rows) < destroyPage {
			return nil
		}
	}
}

// uncount takes one off the count of customer managed keys. A count that is
// missing, or makes no sense, is left to be made anew by who needs it: that
// reads every key, and one of them that is damaged must not keep another alive.
func (t *Tx) uncount(account, region string) error {
	r, err := t.tx.Get(store.Meta, countRow(account, region))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return fmt.Errorf("counting keys: %w", err)
	}
	n, malformed := strconv.Atoi(string(r.Doc))
	if err != nil || malformed != nil || n < 1 {
		return t.tx.DeleteUnlogged(store.Meta, countRow(account, region))
	}
	return t.putCount(account, region, n-1)
}
