package kmsdb

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/strongroom/strongroom/internal/store"
)

// recountPage is how many keys a recount reads at a time.
const recountPage = 500

func countRow(account, region string) string { return "kms/customer-keys/" + account + "/" + region }

// CountKeys returns how many customer managed keys an account and region have,
// in whatever state. The number is kept in a row of its own, which every
// transaction that makes or destroys such a key changes with it; it is
// bookkeeping, neither sealed nor in the change feed. Where the row is missing,
// the keys are counted.
func (t *Tx) CountKeys(account, region string) (int, error) {
	r, err := t.tx.Get(store.Meta, countRow(account, region))
	if errors.Is(err, store.ErrNotFound) {
		return t.recount(account, region)
	}
	if err != nil {
		return 0, fmt.Errorf("counting keys: %w", err)
	}
	n, err := strconv.Atoi(string(r.Doc))
	if err != nil {
		return 0, fmt.Errorf("row %s/%s: %w", store.Meta, r.Key, err)
	}
	return n, nil
}

func (t *Tx) recount(account, region string) (n int, err error) {
	q := store.Query{Prefix: account + "/" + region + "/", Limit: recountPage}
	for {
		rows, err := t.tx.List(store.KMSKeys, q)
		if err != nil {
			return 0, fmt.Errorf("counting keys: %w", err)
		}
		for _, r := range rows {
			k, err := decodeKey(t.mac, r)
			if err != nil {
				return 0, err
			}
			if k.Manager == Customer {
				n++
			}
		}
		if len(rows) < recountPage {
			return n, nil
		}
		q.After = rows[len(rows)-1].Key
	}
}

func (t *Tx) putCount(account, region string, n int) error {
	row := store.Row{Key: countRow(account, region), Doc: strconv.AppendInt(nil, int64(n), 10)}
	if err := t.tx.PutUnlogged(store.Meta, row); err != nil {
		return fmt.Errorf("counting keys: %w", err)
	}
	return nil
}
