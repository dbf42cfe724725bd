package store

import "context"

// Count returns how many documents there are in all tables.
func (s *Store) Count(ctx context.Context) (rows int64, err error) {
	for _, t := range allTables {
		var n int64
		// A constant of this package, as everywhere.
		if err := s.backend.Read.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+string(t)).Scan(&n); err != nil {
			return 0, s.read.wrap("counting the rows of "+string(t), err)
		}
		rows += n
	}
	return rows, nil
}
