// Package errorfs is a test kit: a file system that asks a function before
// every operation, which may look, fail the operation as a disk does, or end
// the process (POSIX.1-2017 names the errors; the idea is that of Pebble's
// package of this name).
package errorfs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/strongroom/strongroom/internal/durable"
)

// Kind is what an operation does.
type Kind string

// The kinds of operations. Create is an open that may make the file; Sync is
// that of a file or directory, of the content alone or of all.
const (
	Open     Kind = "open"
	Create   Kind = "create"
	Read     Kind = "read"
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Chmod    Kind = "chmod"
	Sync     Kind = "sync"
	Close    Kind = "close"
	Mkdir    Kind = "mkdir"
	Link     Kind = "link"
	Rename   Kind = "rename"
	Remove   Kind = "remove"
	Stat     Kind = "stat"
	ReadDir  Kind = "readdir"
	Lock     Kind = "lock"
)

// Changes reports whether an operation of this kind changes what a power cut
// would find, or decides what it does.
func (k Kind) Changes() bool {
	switch k {
	case Create, Write, Truncate, Chmod, Sync, Mkdir, Link, Rename, Remove:
		return true
	}
	return false
}

// Op is an operation that is about to be done.
type Op struct {
	Kind Kind
	Path string // of a link or rename, the new one; below a Root, from its directory on
	Size int    // bytes of a read or write
}

// Hook is asked before every operation, by many goroutines at once. The
// operation is done when it returns nil; else it is not, and fails with the
// error. A [Short] does a part of a write.
//
// Close is always done, so that a fault leaks nothing. A Sync that is failed
// tells the file system below, which may lose what should have been synced.
type Hook func(Op) error

// Short fails a write after N bytes of it. With Err nil the write says so by
// its count alone.
type Short struct {
	N   int
	Err error
}

// Error names the error of the write.
func (s Short) Error() string {
	if s.Err == nil {
		return io.ErrShortWrite.Error()
	}
	return s.Err.Error()
}

// Unwrap returns the error of the write.
func (s Short) Unwrap() error { return s.Err }

// Unsyncer is a file that can lose what a failed Sync should have brought to
// the disk, as Linux does: the pages count as clean, and no later Sync writes
// them.
type Unsyncer interface{ Unsync() }

// Wrap returns inner with hook before every operation.
func Wrap(inner durable.FS, hook Hook) durable.FS {
	return &wrapped{dir{inner, "", hook}, inner}
}

// FailAt returns a Hook that fails one operation, the n-th that changes
// something, counted from 0, with err, and lets all others be.
func FailAt(n int64, err error) Hook {
	var count atomic.Int64
	return func(op Op) error {
		if op.Kind.Changes() && count.Add(1)-1 == n {
			return err
		}
		return nil
	}
}

type wrapped struct {
	dir
	inner durable.FS
}

func (w *wrapped) OpenRoot(name string) (durable.Root, error) {
	if err := w.hook(Op{Kind: Open, Path: name}); err != nil {
		return nil, failed("open", name, err)
	}
	r, err := w.inner.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &root{dir{r, name, w.hook}, r}, nil
}

func (w *wrapped) Lock(path string) (io.Closer, error) {
	if err := w.hook(Op{Kind: Lock, Path: path}); err != nil {
		return nil, failed("lock", path, err)
	}
	return w.inner.Lock(path)
}

type root struct {
	dir
	inner durable.Root
}

func (r *root) Close() error { return r.inner.Close() }

// dir is a Dir whose names begin, for the hook, with a prefix.
type dir struct {
	inner  durable.Dir
	prefix string
	hook   Hook
}

func (d dir) path(name string) string {
	if d.prefix == "" {
		return name
	}
	return filepath.Join(d.prefix, name)
}

// ask asks the hook about an operation on name.
func (d dir) ask(k Kind, name string) error {
	if err := d.hook(Op{Kind: k, Path: d.path(name)}); err != nil {
		return failed(string(k), d.path(name), err)
	}
	return nil
}

// failed gives an error the form that package os gives its own.
func failed(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

func (d dir) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	kind := Open
	if flag&os.O_CREATE != 0 {
		kind = Create
	}
	if err := d.ask(kind, name); err != nil {
		return nil, err
	}
	f, err := d.inner.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &file{f, d.path(name), d.hook}, nil
}

func (d dir) Mkdir(name string, perm fs.FileMode) error {
	if err := d.ask(Mkdir, name); err != nil {
		return err
	}
	return d.inner.Mkdir(name, perm)
}

func (d dir) Link(oldname, newname string) error {
	if err := d.ask(Link, newname); err != nil {
		return err
	}
	return d.inner.Link(oldname, newname)
}

func (d dir) Rename(oldname, newname string) error {
	if err := d.ask(Rename, newname); err != nil {
		return err
	}
	return d.inner.Rename(oldname, newname)
}

func (d dir) Remove(name string) error {
	if err := d.ask(Remove, name); err != nil {
		return err
	}
	return d.inner.Remove(name)
}

func (d dir) Stat(name string) (fs.FileInfo, error) {
	if err := d.ask(Stat, name); err != nil {
		return nil, err
	}
	return d.inner.Stat(name)
}

func (d dir) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.ask(ReadDir, name); err != nil {
		return nil, err
	}
	return d.inner.ReadDir(name)
}
