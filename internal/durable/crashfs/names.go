package crashfs

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/strongroom/strongroom/internal/durable"
)

// tree is the operations by name below one directory. A name that would leave
// it is refused where it is a Root's.
type tree struct {
	fs    *FS
	start *node
	local bool
}

// OpenFile opens a file, or a directory for reading. Of the flags it knows
// O_RDONLY, O_WRONLY, O_RDWR, O_CREATE, O_EXCL and O_TRUNC.
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	return f.tree().OpenFile(name, flag, perm)
}

// Mkdir is [os.Mkdir].
func (f *FS) Mkdir(name string, perm fs.FileMode) error { return f.tree().Mkdir(name, perm) }

// Link is [os.Link].
func (f *FS) Link(oldname, newname string) error { return f.tree().Link(oldname, newname) }

// Rename is [os.Rename].
func (f *FS) Rename(oldname, newname string) error { return f.tree().Rename(oldname, newname) }

// Remove is [os.Remove].
func (f *FS) Remove(name string) error { return f.tree().Remove(name) }

// Stat is [os.Stat].
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.tree().Stat(name) }

// ReadDir is [os.ReadDir].
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) { return f.tree().ReadDir(name) }

func (f *FS) tree() tree { return tree{f, f.root, false} }

// OpenRoot opens a directory as a tree that names cannot leave. It counts as an
// open file.
func (f *FS) OpenRoot(dir string) (durable.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := find(f.root, dir)
	if err == nil && n.entries == nil {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	f.open++
	return &root{tree{f, n, true}, false}, nil
}

type root struct {
	tree
	closed bool
}

func (r *root) Close() error {
	r.fs.mu.Lock()
	defer r.fs.mu.Unlock()
	if !r.closed {
		r.closed = true
		r.fs.open--
	}
	return nil
}

// begin checks the names of an operation and takes the lock.
func (t tree) begin(names ...string) error {
	for _, name := range names {
		if t.local && !filepath.IsLocal(name) {
			return syscall.EXDEV // as os.Root has it: the path escapes
		}
	}
	t.fs.mu.Lock()
	return nil
}

func (t tree) OpenFile(name string, flag int, perm fs.FileMode) (durable.File, error) {
	f, err := t.openFile(name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (t tree) openFile(name string, flag int, perm fs.FileMode) (*openFile, error) {
	if err := t.begin(name); err != nil {
		return nil, err
	}
	defer t.fs.mu.Unlock()
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	n, err := find(t.start, name)
	switch {
	case err == nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, syscall.EEXIST
	case err == nil && n.entries != nil && writes:
		return nil, syscall.EISDIR
	case err == syscall.ENOENT && flag&os.O_CREATE != 0:
		d, base, err := parent(t.start, name)
		if err != nil {
			return nil, err
		}
		n = &node{mode: perm, kept: perm}
		t.fs.apply(entry{d, base, n})
	case err != nil:
		return nil, err
	case flag&os.O_TRUNC != 0 && writes:
		n.truncate(0)
	}
	t.fs.open++
	return &openFile{fs: t.fs, node: n, name: name, writes: writes, reads: flag&os.O_WRONLY == 0}, nil
}

func (t tree) Mkdir(name string, perm fs.FileMode) error {
	err := t.begin(name)
	if err == nil {
		defer t.fs.mu.Unlock()
		var d *node
		var base string
		d, base, err = parent(t.start, name)
		if err == nil && d.entries[base] != nil {
			err = syscall.EEXIST
		}
		if err == nil {
			t.fs.apply(entry{d, base, newDir(perm)})
			return nil
		}
	}
	return &fs.PathError{Op: "mkdir", Path: name, Err: err}
}

func (t tree) Link(oldname, newname string) error {
	err := t.begin(oldname, newname)
	if err == nil {
		defer t.fs.mu.Unlock()
		if err = t.link(oldname, newname); err == nil {
			return nil
		}
	}
	return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: err}
}

func (t tree) link(oldname, newname string) error {
	n, err := find(t.start, oldname)
	if err != nil {
		return err
	}
	if n.entries != nil {
		return syscall.EPERM
	}
	d, base, err := parent(t.start, newname)
	if err != nil {
		return err
	}
	if d.entries[base] != nil {
		return syscall.EEXIST
	}
	t.fs.apply(entry{d, base, n})
	return nil
}

func (t tree) Rename(oldname, newname string) error {
	err := t.begin(oldname, newname)
	if err == nil {
		defer t.fs.mu.Unlock()
		if err = t.rename(oldname, newname); err == nil {
			return nil
		}
	}
	return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
}

func (t tree) rename(oldname, newname string) error {
	from, oldBase, err := parent(t.start, oldname)
	if err != nil {
		return err
	}
	n := from.entries[oldBase]
	if n == nil {
		return syscall.ENOENT
	}
	to, newBase, err := parent(t.start, newname)
	if err != nil {
		return err
	}
	switch there := to.entries[newBase]; {
	case there == n:
		return nil
	case there == nil:
	case there.entries == nil && n.entries != nil:
		return syscall.ENOTDIR
	case there.entries != nil && n.entries == nil:
		return syscall.EEXIST // as package os has it
	case len(there.entries) > 0:
		return syscall.ENOTEMPTY
	}
	t.fs.apply(entry{to, newBase, n}, entry{from, oldBase, nil})
	return nil
}

func (t tree) Remove(name string) error {
	err := t.begin(name)
	if err == nil {
		defer t.fs.mu.Unlock()
		var d *node
		var base string
		d, base, err = parent(t.start, name)
		switch {
		case err != nil:
		case d.entries[base] == nil:
			err = syscall.ENOENT
		case len(d.entries[base].entries) > 0:
			err = syscall.ENOTEMPTY
		default:
			t.fs.apply(entry{d, base, nil})
			return nil
		}
	}
	return &fs.PathError{Op: "remove", Path: name, Err: err}
}

func (t tree) Stat(name string) (fs.FileInfo, error) {
	err := t.begin(name)
	if err == nil {
		defer t.fs.mu.Unlock()
		var n *node
		if n, err = find(t.start, name); err == nil {
			return n.info(path.Base(name)), nil
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
}

func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	err := t.begin(name)
	if err == nil {
		defer t.fs.mu.Unlock()
		var n *node
		n, err = find(t.start, name)
		if err == nil && n.entries == nil {
			err = syscall.ENOTDIR
		}
		if err == nil {
			return n.list(), nil
		}
	}
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
}

func (n *node) list() []fs.DirEntry {
	var list []fs.DirEntry
	for name, e := range n.entries {
		list = append(list, fs.FileInfoToDirEntry(e.info(name)))
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return list
}

func (n *node) info(name string) fs.FileInfo { return info{name, n.size(), n.mode} }

// info is what Stat says. There are no times.
type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
