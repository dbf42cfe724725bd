package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Get returns the row with the key, or [ErrNotFound].
func (s *Store) Get(ctx context.Context, t Table, key string) (Row, error) {
	return s.read.row(ctx, t, key)
}

// List returns the rows that q selects, in key order, as they were at one
// moment. No rows is not an error.
func (s *Store) List(ctx context.Context, t Table, q Query) ([]Row, error) {
	return s.read.rows(ctx, t, q)
}

// Changes returns at most limit changes after position after, in order. The
// feed has no gaps and is never reordered: a reader that remembers the last
// position it saw misses nothing.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]Change, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%w: changes with limit %d", ErrInvalid, limit)
	}
	return s.read.changes(ctx, after, limit)
}

// LastSeq returns the position of the newest change, 0 when there is none.
func (s *Store) LastSeq(ctx context.Context) (int64, error) {
	stmt, err := s.read.get(ctx, statement{op: opLastSeq})
	if err != nil {
		return 0, err
	}
	var seq int64
	err = stmt.QueryRowContext(ctx).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return seq, s.read.wrap("reading the end of the change feed", err)
}

func (s *statements) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return s.dialect.Wrap(fmt.Errorf("%s: %w", what, err))
}

func (s *statements) row(ctx context.Context, t Table, key string) (Row, error) {
	if err := checkKey(t, key); err != nil {
		return Row{}, err
	}
	if err := ctx.Err(); err != nil {
		return Row{}, err
	}
	stmt, err := s.get(ctx, statement{opGet, t})
	if err != nil {
		return Row{}, err
	}
	// The driver starts a goroutine for every query that can be cancelled,
	// which takes as long again as the read.
	ctx = context.WithoutCancel(ctx)
	// The key asked for goes into the checksum: an index that leads to
	// another row is found out.
	found := scanned{key: sql.NullString{String: key}}
	switch err := stmt.QueryRowContext(ctx, key).Scan(&found.rev, &found.doc, &found.mac, &found.ref, &found.sum); {
	case errors.Is(err, sql.ErrNoRows):
		return Row{}, fmt.Errorf("%s/%s: %w", t, key, ErrNotFound)
	case err != nil:
		return Row{}, s.dialect.Wrap(fmt.Errorf("reading %s/%s: %w", t, key, err))
	}
	r := s.checked(t, found)
	if r.Damaged != nil {
		return Row{}, r.Damaged
	}
	return r, nil
}

// scanned is a row as it lies in the database. Whatever the columns hold, it
// can be scanned: rot may have changed even the type of a value.
type scanned struct {
	key, ref sql.NullString
	rev, sum number
	doc, mac []byte
}

// number is an integer column, or what has become of it.
type number struct {
	n  int64
	ok bool
}

// Scan implements [sql.Scanner].
func (n *number) Scan(v any) error {
	n.n, n.ok = v.(int64)
	return nil
}

// errRot is the part of [ErrDamaged] that is about a single row: the database
// itself has found nothing wrong, and the statement succeeded.
var errRot = fmt.Errorf("%w: a row does not have the checksum it was written with", ErrDamaged)

// checked returns the row, marked when its checksum does not fit.
func (s *statements) checked(t Table, f scanned) Row {
	r := Row{Key: f.key.String, Rev: f.rev.n, Doc: f.doc, MAC: f.mac, Ref: f.ref.String}
	if !f.rev.ok || !f.sum.ok || sumRow(t, r) != f.sum.n {
		r.Damaged = s.dialect.Wrap(fmt.Errorf("%w: %s/%s", errRot, t, r.Key))
	}
	return r
}

func (s *statements) rows(ctx context.Context, t Table, q Query) (list []Row, err error) {
	st, args, err := q.plan(t)
	if err != nil {
		return nil, err
	}
	what := func(err error) error { return s.wrap("listing "+string(t), err) }
	stmt, err := s.get(ctx, st)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, what(err)
	}
	defer func() { err = errors.Join(err, what(rows.Close())) }()
	for rows.Next() {
		var found scanned
		if err := rows.Scan(&found.key, &found.rev, &found.doc, &found.mac, &found.ref, &found.sum); err != nil {
			return nil, what(err)
		}
		r := s.checked(t, found)
		if r.Damaged != nil && !q.KeepDamaged {
			return nil, r.Damaged
		}
		list = append(list, r)
	}
	return list, what(rows.Err())
}

func (s *statements) changes(ctx context.Context, after int64, limit int) (list []Change, err error) {
	what := func(err error) error { return s.wrap("reading the change feed", err) }
	stmt, err := s.get(ctx, statement{op: opChanges})
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, after, limit)
	if err != nil {
		return nil, what(err)
	}
	defer func() { err = errors.Join(err, what(rows.Close())) }()
	for rows.Next() {
		var c Change
		var micros, stored int64
		if err := rows.Scan(&c.Seq, &micros, &c.Table, &c.Key, &c.Rev, &c.Record, &stored); err != nil {
			return nil, what(err)
		}
		c.Time = time.UnixMicro(micros).UTC()
		if sumChange(c) != stored {
			return nil, s.dialect.Wrap(fmt.Errorf("%w: change %d does not have the checksum it was written with", ErrDamaged, c.Seq))
		}
		list = append(list, c)
	}
	return list, what(rows.Err())
}
