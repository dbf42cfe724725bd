package sqlite

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strongroom/strongroom/internal/store"
)

func TestFilePermissions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	files := []string{path, path + "-wal", path + "-shm"}
	for _, round := range []string{"new", "opened again", "after others could read it"} {
		s := openTest(t, Config{Path: path})
		fill(t, s, 1)
		for _, f := range files {
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode(); got != 0o600 {
				t.Errorf("%s: %s: got mode %v, want %v", round, f, got, fs.FileMode(0o600))
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, f := range files[1:] {
			if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: got %s after closing (%v), want it moved into the database", round, f, err)
			}
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConnectionSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	openTest(t, Config{Path: path})
	write, err := openWriter(t.Context(), path, dialect(path))
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	read, err := openReaders(path, "ro", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for _, tt := range []struct {
		db     *sql.DB
		pragma string
		want   string
	}{
		{write, "journal_mode", "wal"},
		{write, "synchronous", "2"}, // FULL
		{write, "secure_delete", "1"},
		{write, "encoding", "UTF-8"},
		{read, "query_only", "1"},
		{read, "trusted_schema", "0"},
	} {
		var got string
		if err := tt.db.QueryRow("PRAGMA " + tt.pragma).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.pragma, got, tt.want)
		}
	}
	if _, err := read.Exec("DELETE FROM users"); err == nil {
		t.Error("got a write through a reader")
	}
}

func TestSecureDelete(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openTest(t, Config{Path: path})
	const needle = "deleted documents leave nothing behind"
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutUnlogged(store.KMSKeyTokens, store.Row{Key: "k", Doc: []byte(strings.Repeat(needle, 500))})
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUnlogged(store.KMSKeyTokens, "k") })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), needle) {
		t.Error("got the document in the closed database after its deletion")
	}
}

func TestSchemaVersions(t *testing.T) {
	for _, tt := range []struct {
		name, sql string
		want      error
	}{
		{"newer", `INSERT INTO schema_version (version, applied) VALUES (1000, 0)`, store.ErrNewerSchema},
		{"none", `DELETE FROM schema_version`, store.ErrDamaged},
		{"another program's database", `DROP TABLE schema_version`, store.ErrDamaged},
		{"a table missing", `DROP TABLE kms_keys`, store.ErrDamaged},
		{"a column missing", `ALTER TABLE kms_keys DROP COLUMN mac`, store.ErrDamaged},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := openTest(t, Config{Path: path}).Close(); err != nil {
				t.Fatal(err)
			}
			db, err := openWriter(t.Context(), path, dialect(path))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(tt.sql); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = Open(t.Context(), Config{Path: path})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %v with the path", err, tt.want)
			}
		})
	}
}

func TestMustExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if _, err := Open(t.Context(), Config{Path: path, MustExist: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	openTest(t, Config{Path: path}).Close()
	openTest(t, Config{Path: path, MustExist: true})
}

// TestUnfinishedCreation: a crash before the new database was moved in.
func TestUnfinishedCreation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for _, suffix := range []string{".new", ".new-wal", ".new-shm"} {
		if err := os.WriteFile(path+suffix, []byte("half of something"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openTest(t, Config{Path: path})
	fill(t, s, 1)
	if left, _ := filepath.Glob(path + ".new*"); len(left) > 0 {
		t.Errorf("got %q left behind", left)
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b", "a?mode=memory", "a#b", "a%2Fb", "é&x=1"} {
		path := filepath.Join(t.TempDir(), name)
		fill(t, openTest(t, Config{Path: path}), 1)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
