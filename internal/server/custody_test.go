package server

import (
	"database/sql"
	"os"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the database is cut by hand
)

// deleteRow deletes a row behind the server's back.
func deleteRow(t *testing.T, dataDir, table, key string) {
	t.Helper()
	db, err := sql.Open("sqlite", databasePath(dataDir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec("DELETE FROM "+table+" WHERE key = ?", key)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("deleted %d rows of %s/%s, %v, want 1", n, table, key, err)
	}
}

// TestLostKeyIsMissed deletes each row of wrapped keys: a server that made a new
// key in its place would come up, and open nothing that the old one sealed.
func TestLostKeyIsMissed(t *testing.T) {
	for _, row := range []struct{ table, key string }{
		{"meta", "custody"},
		{"internal_keys", "global/authority-rows"},
		{"internal_keys", "global/blob-headers"},
		{"internal_keys", "global/sessions"},
		{"internal_keys", "us-east-1/s3-records"},
		{"domain_keys", "global/0000000001"},
		{"domain_keys", "us-east-1/0000000001"},
	} {
		t.Run(row.table+"/"+row.key, func(t *testing.T) {
			dir := dataDirIn(t)
			_, stop := start(t, Config{DataDir: dir})
			stop()
			deleteRow(t, dir, row.table, row.key)
			want := row.key
			if row.table == "domain_keys" {
				want = strings.Split(row.key, "/")[0] // named by what it cannot open
			}
			for try := range 2 { // the first must not have put anything in its place
				_, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"})
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("start %d: got %v, want an error that names %q", try+1, err, want)
				}
			}
			found := false
			for _, f := range Doctor(t.Context(), Config{DataDir: dir}) {
				found = found || f.Subject == "root key" && f.Err != nil && strings.Contains(f.Err.Error(), want)
			}
			if !found {
				t.Errorf("doctor does not name %q", want)
			}
		})
	}
}

// TestLostRowsAndRootKey must not make a root key for a directory that is in use.
func TestLostRowsAndRootKey(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, Config{DataDir: dir})
	stop()
	deleteRow(t, dir, "meta", "custody")
	if err := os.Remove(RootKeyFile(dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{DataDir: dir, Listen: "127.0.0.1:0"}); err == nil {
		t.Error("the server started")
	}
	if _, err := os.Stat(RootKeyFile(dir)); err == nil {
		t.Error("a root key was made that opens nothing")
	}
}

// TestRegionEnabledLater gets its keys then, and keeps them.
func TestRegionEnabledLater(t *testing.T) {
	dir := dataDirIn(t)
	_, stop := start(t, Config{DataDir: dir})
	stop()
	for range 2 {
		_, stop = start(t, Config{DataDir: dir, Regions: []string{"us-east-1", "eu-central-1"}})
		stop()
	}
	_, stop = start(t, Config{DataDir: dir, Regions: []string{"eu-central-1"}})
	stop()
}
