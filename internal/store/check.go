package store

import (
	"context"
	"fmt"
	"strings"
)

// checkBatch is how many rows [Store.Check] holds in memory at once.
const checkBatch = 500

// Check reads the whole store: the database's own structures, then the checksum
// of every row and change, and that the feed has no gap. It returns [ErrDamaged]
// with what it found first. It takes seconds per gigabyte, beside other reads
// and updates.
//
// It can find what Get cannot: a row whose key has rotted is simply not there.
func (s *Store) Check(ctx context.Context) error {
	d := s.backend.Dialect
	faults, err := d.Check(ctx, s.backend.Read)
	if err != nil {
		return d.Wrap(fmt.Errorf("checking the database: %w", err))
	}
	if len(faults) > 0 {
		return d.Wrap(fmt.Errorf("%w: %s", ErrDamaged, strings.Join(faults, "; ")))
	}
	for _, t := range allTables {
		if err := s.checkRows(ctx, t); err != nil {
			return err
		}
	}
	return s.checkChanges(ctx)
}

func (s *Store) checkRows(ctx context.Context, t Table) error {
	for after := ""; ; {
		rows, err := s.List(ctx, t, Query{After: after, Limit: checkBatch})
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].Key
	}
}

func (s *Store) checkChanges(ctx context.Context) error {
	var last Change
	for {
		changes, err := s.Changes(ctx, last.Seq, checkBatch)
		if err != nil || len(changes) == 0 {
			return err
		}
		for i, c := range changes {
			gap := last.Seq != 0 && c.Seq != last.Seq+1
			if gap && i == 0 {
				// Was the feed trimmed up to here since the page before?
				first, err := s.Changes(ctx, 0, 1)
				if err != nil {
					return err
				}
				gap = len(first) == 0 || first[0].Seq < c.Seq
			}
			if gap {
				return s.backend.Dialect.Wrap(fmt.Errorf("%w: change %d is followed by %d", ErrDamaged, last.Seq, c.Seq))
			}
			last = c
		}
	}
}

// probe finds out at once, and cheaply, whether every table is there and
// readable at its beginning. A single row that has rotted does not keep the
// store closed: whoever reads that row hears of it.
func (s *Store) probe(ctx context.Context) error {
	for _, t := range allTables {
		if _, err := s.List(ctx, t, Query{Limit: 1, KeepDamaged: true}); err != nil {
			return err
		}
	}
	_, err := s.LastSeq(ctx)
	return err
}
