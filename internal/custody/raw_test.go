package custody

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite" // the database is looked at, and damaged, by hand

	"github.com/strongroom/strongroom/internal/store"
)

// openReader begins to read the database as another process does, and goes on
// until the transaction ends.
func openReader(t testing.TB, path string) *sql.Tx {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM meta").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return tx
}

// rot flips a bit of a document and leaves its checksum.
func rot(k *kit, t store.Table, key string) {
	k.Helper()
	k.close()
	db, err := sql.Open("sqlite", database(k.dir))
	k.must(err)
	var doc []byte
	k.must(db.QueryRow("SELECT doc FROM "+string(t)+" WHERE key = ?", key).Scan(&doc))
	doc[len(doc)/2] ^= 1
	_, err = db.Exec("UPDATE "+string(t)+" SET doc = ? WHERE key = ?", doc, key)
	k.must(err)
	k.must(db.Close())
	k.open()
}
