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
	r := Row{Key: key}
	var ref sql.NullString
	var stored int64
	switch err := stmt.QueryRowContext(ctx, key).Scan(&r.Rev, &r.Doc, &r.MAC, &ref, &stored); {
	case errors.Is(err, sql.ErrNoRows):
		return Row{}, fmt.Errorf("%s/%s: %w", t, key, ErrNotFound)
	case err != nil:
		return Row{}, s.dialect.Wrap(fmt.Errorf("reading %s/%s: %w", t, key, err))
	}
	r.Ref = ref.String
	return s.checked(t, r, stored)
}

// checked returns r when its checksum fits.
func (s *statements) checked(t Table, r Row, stored int64) (Row, error) {
	if sumRow(t, r) != stored {
		return Row{}, s.dialect.Wrap(fmt.Errorf("%w: row %s/%s does not have the checksum it was written with", ErrDamaged, t, r.Key))
	}
	return r, nil
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
		var r Row
		var ref sql.NullString
		var stored int64
		if err := rows.Scan(&r.Key, &r.Rev, &r.Doc, &r.MAC, &ref, &stored); err != nil {
			return nil, what(err)
		}
		r.Ref = ref.String
		if r, err = s.checked(t, r, stored); err != nil {
			return nil, err
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
