package s3

import (
	"context"

	"github.com/strongroom/strongroom/internal/store"
)

// readable lists the rows that q selects, without those that have rotted: each
// is logged, and hides no other. Full says that there may be more after the
// last of them, which is where the next page begins: a rotted row's key may be
// wrong too. A page that is full has at least one row.
func (s *Service) readable(ctx context.Context, t store.Table, q store.Query) (rows []store.Row, full bool, err error) {
	q.KeepDamaged = true
	for step := q.Limit; ; q.Limit += step {
		all, err := s.store.List(ctx, t, q)
		if err != nil {
			return nil, false, err
		}
		rows, full = s.sound(all), len(all) == q.Limit
		if len(rows) > 0 || !full {
			return rows, full, nil
		}
	}
}

// sound takes the rows out that have rotted, and logs them.
func (s *Service) sound(all []store.Row) []store.Row {
	rows := all[:0]
	for _, row := range all {
		if row.Damaged != nil {
			s.log.Error("leaving out a damaged row", "error", row.Damaged)
			continue
		}
		rows = append(rows, row)
	}
	return rows
}
