package custody

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/hsm"
)

// Beside a root key file FILE a rotation of the root key makes others. None is
// ever deleted by the program.
//
//	FILE.new          a key that has no use yet
//	FILE.new-ID       the key that a rotation goes over to
//	FILE.retired-ID   the key of before; backups of before need it
const (
	unusedSuffix  = ".new"
	newInfix      = ".new-"
	retiredInfix  = ".retired-"
	rootKeyIDSize = 16 // hexadecimal digits
)

// realRootKeyFile follows symbolic links: what lies beside the root key, and
// takes its place, is where the key itself is.
func realRootKeyFile(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// openRootKey opens the root key that doc wants. A rotation that was interrupted
// after the database went over to the new key has left that in a file of its
// own: interrupted is its path then. With doc nil any root key will do.
func openRootKey(cfg Config, doc *custodyDoc) (m *hsm.Module, interrupted string, err error) {
	m, err = hsm.Open(cfg.rootKey(cfg.RootKeyFile))
	if err == nil && (doc == nil || m.RootKeyID() == doc.RootKeyID) || doc == nil {
		return m, "", err
	}
	next := realRootKeyFile(cfg.RootKeyFile) + newInfix + doc.RootKeyID
	if n, err := hsm.Open(cfg.rootKey(next)); err == nil && n.RootKeyID() == doc.RootKeyID {
		return n, next, nil
	}
	hint := ""
	for _, f := range besideRootKey(cfg.RootKeyFile) {
		if f.State == Retired && f.ID == doc.RootKeyID {
			hint = ", such as " + f.File
		}
	}
	switch {
	case errors.Is(err, hsm.ErrRootKeyMissing):
		return nil, "", fmt.Errorf("root key file %s is missing: %s was made with root key %s and nothing in it opens without; put the file back, or name it with --root-key%s", cfg.RootKeyFile, cfg.DataDir, doc.RootKeyID, hint)
	case err != nil:
		return nil, "", err
	}
	return nil, "", fmt.Errorf("root key file %s holds root key %s, but %s was made with root key %s; name the right file with --root-key%s", cfg.RootKeyFile, m.RootKeyID(), cfg.DataDir, doc.RootKeyID, hint)
}

// settleRootKey is openRootKey for whoever holds the data directory: it finishes
// an interrupted rotation. When the file cannot be put in place, the key is used
// from where it is, and the log says so.
func settleRootKey(cfg Config, doc *custodyDoc) (*hsm.Module, error) {
	m, interrupted, err := openRootKey(cfg, doc)
	if err != nil {
		return nil, err
	}
	if interrupted == "" {
		for _, f := range besideRootKey(cfg.RootKeyFile) {
			if f.State == Unused {
				cfg.Logger.Warn("a root key file is left from a rotation that did not happen; nothing is wrapped under it", "file", f.File)
			}
		}
		return m, nil
	}
	if err := putInPlace(cfg, interrupted); err != nil {
		cfg.Logger.Error("the root key was rotated, and its new file cannot be put in the place of the old one; it is used from where it is",
			"file", interrupted, "place", cfg.RootKeyFile, "error", err)
	}
	return m, nil
}

// putInPlace gives the file at next the name of the root key file, and what has
// that name another first. At every moment there is a root key file.
func putInPlace(cfg Config, next string) error {
	file := realRootKeyFile(cfg.RootKeyFile)
	id, err := hsm.RootKeyFileID(file)
	switch {
	case errors.Is(err, hsm.ErrRootKeyMissing):
	case err != nil:
		return err // no root key: what it is, and whether it may go, only people know
	default:
		if err := keepCopy(file, file+retiredInfix+id, id); err != nil {
			return err
		}
		cfg.step("retired")
	}
	if err := durable.Rename(next, file); err != nil {
		return err
	}
	cfg.step("renamed")
	cfg.Logger.Info("root key file replaced", "file", file, "retired", file+retiredInfix+id)
	return nil
}

// keepCopy copies a root key file to a name that may have a copy of it already.
func keepCopy(from, to, id string) error {
	err := hsm.CopyRootKeyFile(from, to)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	got, err := hsm.RootKeyFileID(to)
	if err == nil && got != id {
		err = fmt.Errorf("%s holds root key %s and not %s: move it away", to, got, id)
	}
	return err
}

// KeyFileState says what a root key file is to a data directory. The zero value
// is invalid.
type KeyFileState string

// The states of root key files.
const (
	Retired     KeyFileState = "retired"     // backups of before the rotation need it
	Unused      KeyFileState = "unused"      // left by a rotation that did not happen
	Interrupted KeyFileState = "interrupted" // wanted by the directory, and not in place yet
)

// KeyFile is a root key file beside the one in use.
type KeyFile struct {
	File  string       `json:"file"`
	ID    string       `json:"id,omitempty"` // by its name; empty for a key without a use
	State KeyFileState `json:"state"`
}

// besideRootKey finds the files that rotations have left. That there are none
// is no error, and that the directory cannot be read says the root key's own
// opening.
func besideRootKey(path string) (files []KeyFile) {
	file := realRootKeyFile(path)
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), filepath.Base(file))
		if !ok {
			continue
		}
		f := KeyFile{File: filepath.Join(filepath.Dir(file), e.Name())}
		if id, ok := strings.CutPrefix(rest, retiredInfix); ok && len(id) == rootKeyIDSize {
			f.ID, f.State = id, Retired
		} else if id, ok := strings.CutPrefix(rest, newInfix); ok && len(id) == rootKeyIDSize {
			f.ID, f.State = id, Unused
		} else if rest == unusedSuffix {
			f.State = Unused
		} else {
			continue
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b KeyFile) int { return strings.Compare(a.File, b.File) })
	return files
}
