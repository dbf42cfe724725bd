package durable

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
)

// FS is a file system, as far as the project's own file code needs one. There
// are three: [OS], the machine's; crashfs, which loses what was not synced; and
// errorfs, which fails where it is told to. Errors are those of package os:
// errors.Is tells [fs.ErrNotExist], [fs.ErrExist] and system call errors.
//
// An FS and what it opens are safe for concurrent use.
type FS interface {
	Dir
	// OpenRoot opens a directory as a tree that no name can leave.
	OpenRoot(dir string) (Root, error)
	// Lock is [Lock].
	Lock(path string) (io.Closer, error)
}

// Dir is what can be done by name. Each method is the one of package os; none
// of them makes anything durable.
type Dir interface {
	// OpenFile opens a file, or a directory for reading and Sync.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	Link(oldname, newname string) error
	Rename(oldname, newname string) error
	Remove(name string) error
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
}

// Root is a Dir whose names are relative to one directory and stay below it,
// as those of [os.Root]. Files that it opened outlive it.
type Root interface {
	Dir
	io.Closer
}

// File is an open file or directory.
//
// One of [OS] has every method of [os.File] besides: whoever needs more of the
// machine (advice on caching, a descriptor) asks for it by type assertion, as
// for [syscall.Conn], and does without where it is not.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
	Chmod(perm fs.FileMode) error
	// Sync is fsync(2). After an error nobody knows what is on the disk, and
	// the next Sync may succeed without having written it.
	Sync() error
	// SyncData is fdatasync(2): the content and the size, not the times.
	SyncData() error
}

// SyncDirIn makes the entries of a directory of d durable: files created,
// linked, renamed or removed in it.
func SyncDirIn(d Dir, name string) error {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// ReadFileIn returns the content of a file of d.
func ReadFileIn(d Dir, name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return b, nil
}

// createTemp makes a file "<prefix><random>.tmp" that was not there.
func createTemp(d Dir, prefix string) (File, string, error) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	path := prefix + hex.EncodeToString(b[:]) + tempSuffix
	f, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, path, err
}
