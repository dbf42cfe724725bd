package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
	"github.com/strongroom/strongroom/internal/store/storetest"
)

// execRaw executes a statement behind the back of a store.
func execRaw(t *testing.T, path, text string, args ...any) error {
	db, err := sql.Open("sqlite", dsn(path, "rw", writerPragmas, nil))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(t.Context(), text, args...)
	return errors.Join(err, db.Close())
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (func() (*store.Store, error), func(store.Table, string) error) {
		path := filepath.Join(t.TempDir(), "store.db")
		open := func() (*store.Store, error) { return Open(t.Context(), Config{Path: path}) }
		rot := func(table store.Table, key string) error {
			return execRaw(t, path, `UPDATE `+string(table)+` SET doc = CAST(X'FF' || substr(doc, 2) AS BLOB) WHERE key = ?`, key)
		}
		return open, rot
	})
}
