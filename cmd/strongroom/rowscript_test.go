package main

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // rows are damaged by hand
)

// flipDocScript flips a bit in a document of a stopped server's database, and
// leaves its checksum.
func flipDocScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 3, "flipdoc DATADIR TABLE PREFIX")
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), "strongroom.db"))
	ts.Check(err)
	defer db.Close()
	var key string
	var doc []byte
	ts.Check(db.QueryRow("SELECT key, doc FROM "+args[1]+" WHERE key LIKE ?", args[2]+"%").Scan(&key, &doc))
	doc[len(doc)/2] ^= 1
	_, err = db.Exec("UPDATE "+args[1]+" SET doc = ? WHERE key = ?", doc, key)
	ts.Check(err)
}

// awaitGoneScript waits until a file is not there.
func awaitGoneScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 1, "awaitgone FILE")
	for late := time.Now().Add(patience); ; {
		_, err := os.Stat(ts.MkAbs(args[0]))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(late) {
			ts.Fatalf("%s is still there after %v", args[0], patience)
		}
		time.Sleep(10 * time.Millisecond) // of a loop that ends on its condition
	}
}
