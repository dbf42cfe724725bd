package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// errEnough ends a walk.
var errEnough = errors.New("enough files")

// sourceTreeScript makes a directory tree of N files, the first ones of Go's
// own source: real names, real sizes, empty files among them. MIDDLE is then
// the path of the file in the middle.
func sourceTreeScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "sourcetree DIR N")
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	ts.Check(err)
	src, dst := filepath.Join(strings.TrimSpace(string(goroot)), "src"), ts.MkAbs(args[0])
	n := 0
	err = filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			return err
		}
		if n++; n == want/2 {
			ts.Setenv("MIDDLE", rel)
		}
		if n == want {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		ts.Fatalf("found %d files under %s, want %d (%v)", n, src, want, err)
	}
}

// cmpTreeScript compares two directory trees, names and bytes.
func cmpTreeScript(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, len(args) == 2, "cmptree DIR DIR")
	a, b := treeOf(ts, args[0]), treeOf(ts, args[1])
	for path, content := range a {
		other, ok := b[path]
		if !ok {
			ts.Fatalf("%s is missing in %s", path, args[1])
		}
		if !bytes.Equal(content, other) {
			ts.Fatalf("%s differs: %d and %d bytes", path, len(content), len(other))
		}
	}
	if len(a) != len(b) || len(a) == 0 {
		ts.Fatalf("%s has %d files, %s %d", args[0], len(a), args[1], len(b))
	}
}

func treeOf(ts *testscript.TestScript, dir string) map[string][]byte {
	tree := map[string][]byte{}
	root := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		tree[rel], err = os.ReadFile(path)
		return err
	}))
	return tree
}
