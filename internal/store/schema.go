package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// migrations bring the schema from version i to i+1, each in one transaction.
// One that has been in a release is never changed again.
var migrations = [][]string{schema1(), schema2(), schema3(), schema4()}

// schema1 is drawn in docs/formats/store.md.
func schema1() []string {
	sqls := []string{
		`CREATE TABLE changes (
			seq    $serial,
			time   BIGINT NOT NULL,
			tbl    $text NOT NULL,
			key    $text NOT NULL,
			rev    BIGINT NOT NULL,
			record $blob,
			sum    BIGINT NOT NULL)`,
	}
	for _, t := range []string{
		"meta", "domain_keys", "internal_keys", "accounts", "users", "access_keys", "kms_keys",
		"kms_key_tokens", "kms_aliases", "buckets", "objects", "uploads", "parts", "blobs",
	} {
		sqls = append(sqls, documentTable(t)...)
	}
	return sqls
}

// schema2 gives the secrets of access keys a table of their own: their tokens
// are re-wrapped, and a document under a MAC must not change by that.
func schema2() []string { return documentTable("access_key_tokens") }

// schema3 has the tables of who may do what.
func schema3() (sqls []string) {
	for _, t := range []string{"groups", "roles", "policies", "bucket_policies", "kms_grants", "kms_grant_retirers"} {
		sqls = append(sqls, documentTable(t)...)
	}
	return sqls
}

// schema4 has custom key stores, and what KMS keys were last used for.
func schema4() (sqls []string) {
	for _, t := range []string{"kms_key_stores", "kms_key_store_tokens", "kms_key_usage"} {
		sqls = append(sqls, documentTable(t)...)
	}
	return sqls
}

func documentTable(name string) []string {
	return []string{
		`CREATE TABLE ` + name + ` (
			key $text NOT NULL PRIMARY KEY,
			rev BIGINT NOT NULL,
			doc $blob,
			mac $blob,
			ref $text,
			sum BIGINT NOT NULL)`,
		`CREATE INDEX ` + name + `_ref ON ` + name + ` (ref, key) WHERE ref IS NOT NULL`,
	}
}

// Migrate brings the database to this release's schema. With fresh it makes the
// schema in an empty database; without, a database that says nothing of its
// version is [ErrDamaged]. One of a newer release is [ErrNewerSchema], and is
// left as it is.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, fresh bool) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return d.Wrap(err)
	}
	m := migrator{conn, d}
	return errors.Join(m.migrate(ctx, fresh), d.Wrap(conn.Close()))
}

type migrator struct {
	conn *sql.Conn
	d    Dialect
}

func (m migrator) migrate(ctx context.Context, fresh bool) error {
	if fresh {
		if err := m.exec(ctx, `CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`); err != nil {
			return err
		}
	}
	version, err := m.version(ctx)
	if err != nil {
		return err
	}
	if !fresh && version == 0 {
		return m.d.Wrap(fmt.Errorf("%w: it has no schema version", ErrDamaged))
	}
	if version > len(migrations) {
		return m.d.Wrap(fmt.Errorf("%w: its schema is version %d and this one knows up to %d", ErrNewerSchema, version, len(migrations)))
	}
	for ; version < len(migrations); version++ {
		if err := m.step(ctx, version+1, migrations[version]); err != nil {
			return fmt.Errorf("bringing the schema to version %d: %w", version+1, err)
		}
	}
	return nil
}

// CheckSchema compares the database's schema with this release's and changes
// nothing. The errors are [ErrOlderSchema], [ErrNewerSchema] and, for a database
// that says nothing of its version, [ErrDamaged].
func CheckSchema(ctx context.Context, db *sql.DB, d Dialect) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return d.Wrap(err)
	}
	version, err := migrator{conn, d}.version(ctx)
	if err := errors.Join(err, d.Wrap(conn.Close())); err != nil {
		return err
	}
	switch known := len(migrations); {
	case version == 0:
		err = fmt.Errorf("%w: it has no schema version", ErrDamaged)
	case version < known:
		err = fmt.Errorf("%w: its schema is version %d and this one reads version %d; start the server on it once, which brings it up to date", ErrOlderSchema, version, known)
	case version > known:
		err = fmt.Errorf("%w: its schema is version %d and this one knows up to %d", ErrNewerSchema, version, known)
	}
	return d.Wrap(err)
}

// version returns 0 for a database that has none yet.
func (m migrator) version(ctx context.Context) (int, error) {
	var v sql.NullInt64
	err := m.conn.QueryRowContext(ctx, `SELECT MAX(version) FROM schema_version`).Scan(&v)
	return int(v.Int64), m.d.Wrap(err)
}

func (m migrator) step(ctx context.Context, version int, sqls []string) error {
	types := strings.NewReplacer("$text", m.d.Text, "$blob", m.d.Blob, "$serial", m.d.Serial)
	if err := m.exec(ctx, m.d.Begin); err != nil {
		return err
	}
	for _, s := range sqls {
		if err := m.exec(ctx, types.Replace(s)); err != nil {
			return errors.Join(err, m.rollback())
		}
	}
	err := m.exec(ctx, m.d.bind(`INSERT INTO schema_version (version, applied) VALUES (?, ?)`), version, time.Now().UnixMicro())
	if err == nil {
		err = m.exec(ctx, `COMMIT`)
	}
	if err != nil {
		return errors.Join(err, m.rollback())
	}
	return nil
}

// rollback must run however ctx ended.
func (m migrator) rollback() error { return m.exec(context.Background(), `ROLLBACK`) }

func (m migrator) exec(ctx context.Context, text string, args ...any) error {
	_, err := m.conn.ExecContext(ctx, text, args...)
	return m.d.Wrap(err)
}
