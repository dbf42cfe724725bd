package kmsdb

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/strongroom/strongroom/internal/store"
)

// Tx is one transaction. It sees its own writes, and is valid only while the
// function given to [DB.Update] runs.
type Tx struct {
	tx      *store.Tx
	mac     store.MAC
	records [][]byte // of SetRecord
	more    [][]byte // of AddRecord
}

// Update runs fn alone in the store's writer; an error of fn undoes its work.
// When Update returns nil, the change is durable and every OnCommit hook of the
// store has run.
func (d *DB) Update(ctx context.Context, fn func(*Tx) error) error {
	return d.store.Update(ctx, func(tx *store.Tx) error { return fn(d.In(tx)) })
}

// In returns the transaction for a caller that has begun it elsewhere.
func (d *DB) In(tx *store.Tx) *Tx { return &Tx{tx: tx, mac: d.mac} }

// SetRecord puts the audit records of the transaction beside its first change:
// see [store.Tx.SetRecord].
func (t *Tx) SetRecord(records ...[]byte) {
	t.records = records
	t.tx.SetRecord(slices.Concat(t.records, t.more)...)
}

// AddRecord adds the record of something else that the transaction does, after
// those of SetRecord, whichever is called first.
func (t *Tx) AddRecord(record []byte) {
	t.more = append(t.more, record)
	t.tx.SetRecord(slices.Concat(t.records, t.more)...)
}

// Key loads a key as [DB.Key] does.
func (t *Tx) Key(ref KeyRef) (Key, error) {
	r, err := t.tx.Get(store.KMSKeys, ref.Row())
	if err != nil {
		return Key{}, fmt.Errorf("reading key %s: %w", ref, err)
	}
	return decodeKey(t.mac, r)
}

// Alias loads an alias as [DB.Alias] does.
func (t *Tx) Alias(ref AliasRef) (Alias, error) {
	r, err := t.tx.Get(store.KMSAliases, ref.Row())
	if err != nil {
		return Alias{}, fmt.Errorf("reading alias %s: %w", ref.Row(), err)
	}
	return decodeAlias(t.mac, r)
}

// CountAliases returns how many aliases stand for the key, at most limit.
func (t *Tx) CountAliases(target KeyRef, limit int) (int, error) {
	rows, err := t.tx.List(store.KMSAliases, store.Query{
		Prefix: target.Account + "/" + target.Region + "/", Ref: target.Row(), Limit: limit,
	})
	return len(rows), err
}

// CreateKey stores a new key together with the token of its only material (nil
// when it has none yet), and counts it if it is a customer managed key. The error is [store.ErrConflict]
// when there is such a key.
func (t *Tx) CreateKey(k *Key, token []byte) error {
	if k.Manager == Customer {
		n, err := t.CountKeys(k.Account, k.Region)
		if err != nil {
			return err
		}
		if err := t.putCount(k.Account, k.Region, n+1); err != nil {
			return err
		}
	}
	k.rev = 0 // not that of a transaction that was undone
	if err := t.PutKey(k); err != nil {
		return err
	}
	if token == nil {
		return nil
	}
	return t.PutToken(k.Ref(), k.Current, token)
}

// PutToken stores the token of material that the key has no token of.
func (t *Tx) PutToken(ref KeyRef, materialID string, token []byte) error {
	if _, err := t.tx.Put(store.KMSKeyTokens, store.Row{Key: tokenRow(ref, materialID), Doc: token}); err != nil {
		return fmt.Errorf("writing key material of key %s: %w", ref, err)
	}
	return nil
}

// DeleteToken deletes the token of material of a key. What is not there is
// deleted. The store's log keeps copies: see [DB.TruncateLog].
func (t *Tx) DeleteToken(ref KeyRef, materialID string) error {
	return t.deleteAll(store.KMSKeyTokens, store.Query{Prefix: tokenRow(ref, materialID)})
}

// PutKey stores k over the revision that it was loaded at: [store.ErrConflict]
// when that is not the stored one.
func (t *Tx) PutKey(k *Key) (err error) {
	k.rev, err = t.put(store.KMSKeys, store.Row{Key: k.Ref().Row(), Rev: k.rev, Ref: k.reference()}, k)
	return err
}

// PutAlias stores a over the revision that it was loaded at: [store.ErrConflict]
// when that is not the stored one.
func (t *Tx) PutAlias(a *Alias) (err error) {
	a.rev, err = t.put(store.KMSAliases, store.Row{Key: a.Ref().Row(), Rev: a.rev, Ref: a.Target().Row()}, a)
	return err
}

// DeleteAlias deletes a at the revision that it was loaded at:
// [store.ErrConflict] when that is not the stored one.
func (t *Tx) DeleteAlias(a *Alias) error {
	if err := t.tx.Delete(store.KMSAliases, a.Ref().Row(), a.rev); err != nil {
		return fmt.Errorf("deleting %s/%s: %w", store.KMSAliases, a.Ref().Row(), err)
	}
	return nil
}

// document is doc as a row has it.
func document(table store.Table, key string, doc any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a policy may hold nothing else, and would be six times as long
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("row %s/%s: %w", table, key, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func (t *Tx) put(table store.Table, r store.Row, doc any) (rev int64, err error) {
	if r.Doc, err = document(table, r.Key, doc); err != nil {
		return 0, err
	}
	store.Seal(t.mac, table, &r)
	if rev, err = t.tx.Put(table, r); err != nil {
		return 0, fmt.Errorf("writing %s/%s: %w", table, r.Key, err)
	}
	return rev, nil
}
