package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

// schema1 makes a database as releases with schema 1 did, from
// docs/formats/store.md as it was then, with one row.
func schema1(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := openWriter(t.Context(), path, dialect(path))
	if err != nil {
		t.Fatal(err)
	}
	sqls := []string{
		`CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied BIGINT NOT NULL)`,
		`CREATE TABLE changes (seq INTEGER PRIMARY KEY, time BIGINT NOT NULL, tbl TEXT NOT NULL, key TEXT NOT NULL, rev BIGINT NOT NULL, record BLOB, sum BIGINT NOT NULL)`,
	}
	for name := range strings.FieldsSeq(`meta domain_keys internal_keys accounts users access_keys kms_keys
		kms_key_tokens kms_aliases buckets objects uploads parts blobs`) {
		sqls = append(sqls,
			`CREATE TABLE `+name+` (key TEXT NOT NULL PRIMARY KEY, rev BIGINT NOT NULL, doc BLOB, mac BLOB, ref TEXT, sum BIGINT NOT NULL)`,
			`CREATE INDEX `+name+`_ref ON `+name+` (ref, key) WHERE ref IS NOT NULL`)
	}
	sqls = append(sqls,
		`INSERT INTO schema_version (version, applied) VALUES (1, 1700000000000000)`,
		`INSERT INTO access_keys VALUES ('AKIA', 1, x'7b7d', x'00', '000000000000/', 1382305074)`)
	for _, text := range sqls {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSchema1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	schema1(t, path)
	if s, err := OpenReadOnly(t.Context(), path); !errors.Is(err, store.ErrOlderSchema) || !strings.Contains(err.Error(), path) {
		t.Errorf("looking at it: got %v, %v, want %v with the path", s, err, store.ErrOlderSchema)
	}
	for range 2 { // the second open finds schema 2
		s := openTest(t, Config{Path: path})
		row, err := s.Get(t.Context(), store.AccessKeys, "AKIA")
		if err != nil || string(row.Doc) != "{}" || row.Rev != 1 {
			t.Errorf("got row %+v, %v, want the one of before", row, err)
		}
		if rows, err := s.List(t.Context(), store.AccessKeyTokens, store.Query{Limit: 1}); err != nil || len(rows) > 0 {
			t.Errorf("got %d rows in the new table, %v, want none", len(rows), err)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	db, err := openReaders(path, "ro", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var versions string
	if err := db.QueryRow(`SELECT group_concat(version) FROM (SELECT version FROM schema_version ORDER BY version)`).Scan(&versions); err != nil || versions != "1,2,3,4" {
		t.Errorf("got versions %q, %v, want 1,2,3,4", versions, err)
	}
}

// TestInterruptedMigration: the step is a transaction, and its process died
// before the commit: the log has half of it, and nothing says that it counts.
func TestInterruptedMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	schema1(t, path)
	db, err := openWriter(t.Context(), path, dialect(path), "cache_size(1)") // spill into the log early
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"BEGIN IMMEDIATE",
		`CREATE TABLE access_key_tokens (key TEXT NOT NULL PRIMARY KEY, rev BIGINT NOT NULL, doc BLOB, mac BLOB, ref TEXT, sum BIGINT NOT NULL)`,
	} {
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(t.TempDir(), "store.db")
	for _, suffix := range []string{"", logSuffix} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(conn.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, Config{Path: copied})
	if _, err := s.Get(t.Context(), store.AccessKeys, "AKIA"); err != nil {
		t.Error(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
