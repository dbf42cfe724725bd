// Package durable changes files so that a crash or a power cut leaves either
// the old state or the new one: write, fsync, rename, fsync the directory
// (POSIX.1-2017, rename and fsync; Linux fsync(2): a new directory entry needs
// an fsync of the directory itself).
//
// When a function returns nil its effect is on the disk. When it returns an
// error the effect may or may not be there, but never half of it. A crash can
// leave a file named ".<name>.<random>.tmp" beside the target; nothing reads it.
//
// All functions are safe for concurrent use.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile puts data into the file at path, replacing one that is there, with
// exactly the permissions perm (the umask is not applied). A reader sees the
// whole old content or the whole new one.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	return install(path, data, perm, os.Rename)
}

// CreateFile is WriteFile for a file that must not be there yet: otherwise the
// error is [fs.ErrExist] and the file stays as it was. Of several callers
// exactly one succeeds. The file system must have hard links: link(2) refuses
// an existing name and puts a complete file there in one step, whereas O_EXCL
// would show an empty one first.
func CreateFile(path string, data []byte, perm fs.FileMode) error {
	return install(path, data, perm, func(tmp, path string) error {
		if err := os.Link(tmp, path); err != nil {
			return err
		}
		return os.Remove(tmp)
	})
}

// install writes a complete temporary file beside path and lets place move it there.
func install(path string, data []byte, perm fs.FileMode, place func(tmp, path string) error) error {
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, filepath.Base(path), data, perm)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := place(tmp, path); err != nil {
		return errors.Join(err, removeTemp(tmp))
	}
	return SyncDir(dir)
}

// writeTemp returns the path of a file in dir whose content is on the disk.
func writeTemp(dir, base string, data []byte, perm fs.FileMode) (path string, err error) {
	f, err := os.CreateTemp(dir, "."+base+".*.tmp")
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			err = errors.Join(err, removeTemp(f.Name()))
		}
	}()
	if err := f.Chmod(perm); err != nil {
		return "", err
	}
	if _, err := f.Write(data); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// removeTemp removes a temporary file that may be gone already.
func removeTemp(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename moves the file or directory at oldpath to newpath, replacing a file
// there, and makes the change durable in both directories. The content of the
// file is not synced: that is for whoever wrote it.
func Rename(oldpath, newpath string) error {
	if err := os.Rename(oldpath, newpath); err != nil {
		return err
	}
	from, to := filepath.Dir(oldpath), filepath.Dir(newpath)
	// The new name first: between the two syncs a crash may then show the
	// file under both names, but never under none.
	if err := SyncDir(to); err != nil || from == to {
		return err
	}
	return SyncDir(from)
}

// SyncDir makes the entries of dir durable: files created, renamed or removed in it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}

// Mkdir makes the directory path and every missing parent, with the
// permissions perm (before the umask), and makes each new entry durable. A
// directory that is there is left as it is; but whoever made it may have been
// killed before its sync, so its entry is made durable all the same. Those
// above it were then, because Mkdir goes on only after the sync.
func Mkdir(path string, perm fs.FileMode) error { return mkdir(path, perm, SyncDir) }

func mkdir(path string, perm fs.FileMode, sync func(dir string) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: path, Err: errNotDir}
	case err == nil:
		return syncEntry(path, info, sync)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := mkdir(parent, perm, sync); err != nil {
			return err
		}
	}
	// Another caller may have been faster. Its sync may still be under way,
	// so ours follows all the same.
	if err := os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return sync(parent)
}

// syncEntry makes the entry of a directory that is there durable. The root of a
// file system has none of its own, and an entry in a directory that this
// process may not read is not of its making: Mkdir could not have synced it.
func syncEntry(path string, info fs.FileInfo, sync func(dir string) error) error {
	parent := filepath.Dir(filepath.Clean(path)) // without a slash at the end
	above, err := os.Stat(parent)
	if err != nil {
		return err
	}
	if os.SameFile(info, above) || device(info) != device(above) {
		return nil
	}
	if err := sync(parent); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}
