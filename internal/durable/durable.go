// Package durable changes files so that a crash or a power cut leaves either
// the old state or the new one: write, fsync, rename, fsync the directory
// (POSIX.1-2017, rename and fsync; Linux fsync(2): a new directory entry needs
// an fsync of the directory itself).
//
// When a function returns nil its effect is on the disk. When it returns an
// error the effect may or may not be there, but never half of it. A crash can
// leave a file named ".<name>.<random>.tmp" beside the target; nothing reads
// it, and [Files.RemoveTemps] takes it away.
//
// The functions work on the machine's file system; [On] has them for any other
// [FS], so that tests can cut the power and break the disk at every step.
//
// All functions are safe for concurrent use.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile puts data into the file at path, replacing one that is there, with
// exactly the permissions perm (the umask is not applied). A reader sees the
// whole old content or the whole new one.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return On(nil).WriteFile(path, data, perm)
}

// CreateFile is WriteFile for a file that must not be there yet: otherwise the
// error is [fs.ErrExist] and the file stays as it was. Of several callers
// exactly one succeeds. The file system must have hard links: link(2) refuses
// an existing name and puts a complete file there in one step, whereas O_EXCL
// would show an empty one first.
func CreateFile(path string, data []byte, perm fs.FileMode) error {
	return On(nil).CreateFile(path, data, perm)
}

// Rename moves the file or directory at oldpath to newpath, replacing a file
// there, and makes the change durable in both directories. The content of the
// file is not synced: that is for whoever wrote it. After a crash a file moved
// between directories may be there under both names; as they name one file,
// another Rename would do nothing, and the old name has to be removed.
func Rename(oldpath, newpath string) error { return On(nil).Rename(oldpath, newpath) }

// SyncDir makes the entries of dir durable: files created, renamed or removed in it.
func SyncDir(dir string) error { return On(nil).SyncDir(dir) }

// Mkdir makes the directory path and every missing parent, with the
// permissions perm (before the umask), and makes each new entry durable. A
// directory that is there is left as it is; but whoever made it may have been
// killed before its sync, so its entry is made durable all the same. Those
// above it were then, because Mkdir goes on only after the sync.
func Mkdir(path string, perm fs.FileMode) error { return On(nil).Mkdir(path, perm) }

// Files has the package's functions for one file system.
type Files struct{ fsys FS }

// On returns the functions of this package on fsys; nil is [OS].
func On(fsys FS) Files {
	if fsys == nil {
		fsys = OS{}
	}
	return Files{fsys}
}

// FS returns the file system, which is never nil.
func (f Files) FS() FS { return f.fsys }

// ReadFile returns the content of the file at path.
func (f Files) ReadFile(path string) ([]byte, error) { return ReadFileIn(f.fsys, path) }

// WriteFile is [WriteFile].
func (f Files) WriteFile(path string, data []byte, perm fs.FileMode) error {
	return f.install(path, data, perm, f.fsys.Rename)
}

// CreateFile is [CreateFile].
func (f Files) CreateFile(path string, data []byte, perm fs.FileMode) error {
	return f.install(path, data, perm, func(tmp, path string) error {
		if err := f.fsys.Link(tmp, path); err != nil {
			return err
		}
		return f.fsys.Remove(tmp)
	})
}

// install writes a complete temporary file beside path and lets place move it there.
func (f Files) install(path string, data []byte, perm fs.FileMode, place func(tmp, path string) error) error {
	tmp, err := f.writeTemp(path, data, perm)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := place(tmp, path); err != nil {
		return errors.Join(err, f.removeTemp(tmp))
	}
	return f.SyncDir(filepath.Dir(path))
}

const tempSuffix = ".tmp"

// tempPrefix is how the paths of the temporary files for path begin.
func tempPrefix(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".")
}

// writeTemp returns the path of a file beside path whose content is on the disk.
func (f Files) writeTemp(path string, data []byte, perm fs.FileMode) (tmp string, err error) {
	file, tmp, err := createTemp(f.fsys, tempPrefix(path))
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, f.removeTemp(tmp))
		}
	}()
	if err := file.Chmod(perm); err != nil {
		return "", err
	}
	if _, err := file.Write(data); err != nil {
		return "", err
	}
	return tmp, file.Sync()
}

// removeTemp removes a temporary file that may be gone already.
func (f Files) removeTemp(path string) error {
	if err := f.fsys.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// RemoveTemps removes what a crash in [WriteFile] or [CreateFile] left beside
// path; path may be a pattern of [filepath.Match] in its last element. The
// caller knows that nobody is writing such a file. A directory that is not
// there has none.
//
// The removal is not synced: what a power cut brings back is removed next time.
func (f Files) RemoveTemps(path string) error {
	dir, pattern := filepath.Split(tempPrefix(path) + "*" + tempSuffix)
	entries, err := f.fsys.ReadDir(filepath.Clean(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		match, err := filepath.Match(pattern, e.Name())
		if err != nil {
			return err
		}
		// The random part, and nothing longer: ".a.b.123.tmp" is for "a.b", not for "a".
		head := strings.TrimSuffix(e.Name(), tempSuffix)
		random := head[strings.LastIndexByte(head, '.')+1:]
		if !match || strings.Trim(random, "0123456789abcdef") != "" ||
			strings.Count(e.Name(), ".") != strings.Count(pattern, ".") {
			continue
		}
		if err := f.removeTemp(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Rename is [Rename].
func (f Files) Rename(oldpath, newpath string) error {
	if err := f.fsys.Rename(oldpath, newpath); err != nil {
		return err
	}
	from, to := filepath.Dir(oldpath), filepath.Dir(newpath)
	// The new name first: between the two syncs a crash may then show the
	// file under both names, but never under none.
	if err := f.SyncDir(to); err != nil || from == to {
		return err
	}
	return f.SyncDir(from)
}

// SyncDir is [SyncDir].
func (f Files) SyncDir(dir string) error {
	if err := SyncDirIn(f.fsys, dir); err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// Mkdir is [Mkdir].
func (f Files) Mkdir(path string, perm fs.FileMode) error {
	info, err := f.fsys.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: path, Err: errNotDir}
	case err == nil:
		return f.syncEntry(path, info)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := f.Mkdir(parent, perm); err != nil {
			return err
		}
	}
	// Another caller may have been faster. Its sync may still be under way,
	// so ours follows all the same.
	if err := f.fsys.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.SyncDir(parent)
}

// syncEntry makes the entry of a directory that is there durable. The root of a
// file system has none of its own, and an entry in a directory that this
// process may not read is not of its making: Mkdir could not have synced it.
func (f Files) syncEntry(path string, info fs.FileInfo) error {
	parent := filepath.Dir(filepath.Clean(path)) // without a slash at the end
	above, err := f.fsys.Stat(parent)
	if err != nil {
		return err
	}
	if os.SameFile(info, above) || device(info) != device(above) {
		return nil
	}
	if err := f.SyncDir(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
