package store

import "context"

// TrimChanges removes the oldest changes, at most limit of them and none above
// position through, in one update, and returns how many there were. The newest
// change always stays: the next one is counted from it. So what is left is a
// feed without gaps that begins later.
//
// Only what is kept elsewhere may go: the audit records of the changes are gone
// with them.
func (s *Store) TrimChanges(ctx context.Context, through int64, limit int) (removed int64, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		removed, err = tx.exec(statement{op: opTrim}, through, limit)
		return err
	})
	return removed, err
}

// CurrentSchema returns the version of the schema that this release writes.
func CurrentSchema() int { return len(migrations) }

// SchemaVersion returns the version of the database's schema.
func (s *Store) SchemaVersion(ctx context.Context) (version int, err error) {
	err = s.backend.Read.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&version)
	return version, s.read.wrap("reading the schema's version", err)
}
