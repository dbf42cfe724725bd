package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tx is a transaction under way, for the function given to [Store.Update] and
// only until it returns. It is not safe for concurrent use. It sees its own
// writes.
//
// When the database refuses a statement the transaction is lost, whatever the
// function returns: every later method returns the same error.
type Tx struct {
	stmts   *statements
	guards  map[Table]func(*Tx, *Row) error
	now     time.Time
	changes []Change
	records [][]byte
	err     error // why the transaction is lost; ErrTxDone after its end
}

// Get returns the row with the key, or [ErrNotFound].
func (tx *Tx) Get(t Table, key string) (Row, error) {
	if tx.err != nil {
		return Row{}, tx.err
	}
	r, err := tx.stmts.row(context.Background(), t, key)
	return r, tx.note(err)
}

// List returns the rows that q selects, in key order.
func (tx *Tx) List(t Table, q Query) ([]Row, error) {
	if tx.err != nil {
		return nil, tx.err
	}
	rows, err := tx.stmts.rows(context.Background(), t, q)
	return rows, tx.note(err)
}

// Put stores r and returns its new revision, r.Rev+1. The row must be at
// revision r.Rev, 0 meaning that it is not there: otherwise [ErrConflict]. A MAC
// in r must have been made over the new revision.
func (tx *Tx) Put(t Table, r Row) (rev int64, err error) {
	if err := tx.admit(t, &r); err != nil {
		return 0, err
	}
	read := r.Rev
	r.Rev++
	sum := sumRow(t, r)
	var n int64
	if read == 0 {
		n, err = tx.exec(statement{opInsert, t}, r.Key, r.Rev, r.Doc, r.MAC, null(r.Ref), sum)
	} else {
		n, err = tx.exec(statement{opReplace, t}, r.Rev, r.Doc, r.MAC, null(r.Ref), sum, r.Key, read)
	}
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, conflict(t, r.Key, read)
	}
	tx.changed(t, r.Key, r.Rev)
	return r.Rev, nil
}

// PutUnlogged stores r as it is, with revision r.Rev, over whatever is there.
// It leaves nothing in the change feed, so no node hears of it: it is for
// re-wrapped tokens and bookkeeping, never for what a request decided. A row
// put with revision 0 is not for [Tx.Put], to which 0 means an absent row.
func (tx *Tx) PutUnlogged(t Table, r Row) error {
	if err := tx.admit(t, &r); err != nil {
		return err
	}
	_, err := tx.exec(statement{opUpsert, t}, r.Key, r.Rev, r.Doc, r.MAC, null(r.Ref), sumRow(t, r))
	return err
}

// Delete removes the row, which must be at revision rev: otherwise, and when it
// is not there, [ErrConflict].
func (tx *Tx) Delete(t Table, key string, rev int64) error {
	if err := tx.checkRow(t, Row{Key: key, Rev: rev}); err != nil {
		return err
	}
	n, err := tx.exec(statement{opDelete, t}, key, rev)
	if err != nil {
		return err
	}
	if n == 0 {
		return conflict(t, key, rev)
	}
	tx.changed(t, key, 0)
	return nil
}

// DeleteUnlogged removes the row if it is there, as quietly as
// [Tx.PutUnlogged] puts one.
func (tx *Tx) DeleteUnlogged(t Table, key string) error {
	if err := tx.checkRow(t, Row{Key: key}); err != nil {
		return err
	}
	_, err := tx.exec(statement{opDeleteAny, t}, key)
	return err
}

// SetRecord makes an audit record, in JSON, part of the transaction's first
// change; the last call counts. When there are more, as for a call that several
// accounts are told of, the first change is in the feed once for each: the number
// of a change is that of one record. A transaction that has a record and no
// change fails with [ErrNoChange].
func (tx *Tx) SetRecord(records ...[]byte) { tx.records = records }

// finish writes the change feed. It comes last, when the record is complete.
func (tx *Tx) finish() error {
	if tx.err != nil {
		return tx.err
	}
	if len(tx.records) > 0 {
		if len(tx.changes) == 0 {
			return ErrNoChange
		}
		// Next to the first, not at the end: its row may have changed again since.
		tx.changes = slices.Insert(tx.changes, 0, slices.Repeat(tx.changes[:1], len(tx.records)-1)...)
		for i, record := range tx.records {
			tx.changes[i].Record = record
		}
	}
	for i := range tx.changes {
		if err := tx.addChange(&tx.changes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) addChange(c *Change) error {
	stmt, err := tx.stmts.get(context.Background(), statement{op: opAddChange})
	if err != nil {
		return tx.lost(err)
	}
	row := stmt.QueryRow(c.Time.UnixMicro(), string(c.Table), c.Key, c.Rev, c.Record, sumChange(*c))
	if err := row.Scan(&c.Seq); err != nil {
		return tx.lost(tx.stmts.wrap("writing the change feed", err))
	}
	return nil
}

func (tx *Tx) changed(t Table, key string, rev int64) {
	tx.changes = append(tx.changes, Change{Time: tx.now, Table: t, Key: key, Rev: rev})
}

// admit checks a row to be put, and lets the table's guard do the same.
func (tx *Tx) admit(t Table, r *Row) error {
	if err := tx.checkRow(t, *r); err != nil {
		return err
	}
	guard := tx.guards[t]
	if guard == nil {
		return nil
	}
	if err := guard(tx, r); err != nil {
		return err
	}
	return tx.checkRow(t, *r)
}

func (tx *Tx) checkRow(t Table, r Row) error {
	if tx.err != nil {
		return tx.err
	}
	if r.Rev < 0 {
		return fmt.Errorf("%w: revision %d of %s/%s", ErrInvalid, r.Rev, t, r.Key)
	}
	if err := checkKey(t, r.Key); err != nil {
		return err
	}
	return checkText(t, r.Ref)
}

// exec returns the number of rows affected.
func (tx *Tx) exec(s statement, args ...any) (int64, error) {
	stmt, err := tx.stmts.get(context.Background(), s)
	if err != nil {
		return 0, tx.lost(err)
	}
	res, err := stmt.Exec(args...)
	if err != nil {
		return 0, tx.lost(tx.stmts.wrap("writing to "+string(s.table), err))
	}
	n, err := res.RowsAffected()
	if err != nil {
		return 0, tx.lost(tx.stmts.wrap("writing to "+string(s.table), err))
	}
	return n, nil
}

// note takes the error of a read: all but those that are answers lose the
// transaction. That a row has rotted is one: the statement succeeded.
func (tx *Tx) note(err error) error {
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrInvalid) || errors.Is(err, errRot) {
		return err
	}
	return tx.lost(err)
}

// lost remembers err. SQLite undoes the whole transaction on some errors (full
// disk, I/O error) and would take the statements that follow one by one, each
// committed as it comes: none may follow.
func (tx *Tx) lost(err error) error {
	tx.err = err
	return err
}

func conflict(t Table, key string, rev int64) error {
	return fmt.Errorf("%s/%s is not at revision %d: %w", t, key, rev, ErrConflict)
}

// null stores an empty reference as NULL, which the index leaves out.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
