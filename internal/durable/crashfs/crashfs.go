// Package crashfs is a test kit: a file system in memory that loses, when the
// power is cut, what POSIX allows to be lost (POSIX.1-2017, fsync, rename;
// Linux fsync(2); T. Pillai et al., "All File Systems Are Not Created Equal",
// OSDI 2014, for what file systems really do). The idea is that of Pebble's
// MemFS.
//
// What is certain after a cut:
//
//   - the content, size and permissions a file had at its last Sync, and the
//     entries a directory had at its last Sync;
//   - nothing else. A Sync of a file does not make its name durable, nor one of
//     a directory the content of the files in it.
//
// What may be found besides, in any combination:
//
//   - of each sector of 512 bytes, any content it had since the last Sync (a
//     sector is written whole); sectors never written read as zeros;
//   - any size the file had since, and any in between where it grew;
//   - of the changes of directories since their last Sync, each done or not
//     done, in whatever order. A rename is one change: its two names never
//     disagree, unless the directory that gained the name was synced and the
//     other was not: then the old name may be there still.
//
// After a Sync that fails (see errorfs) the pages count as clean: what they
// held is readable, may or may not be on the disk, and no later Sync writes it.
package crashfs

import (
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/strongroom/strongroom/internal/durable"
)

// FS is a file system in memory. The zero value is not usable; New makes one.
// It implements [durable.FS] and is safe for concurrent use. Names are taken
// from the root, with or without a slash in front; there are no links but hard
// ones, and permissions are kept and not enforced.
type FS struct {
	mu      sync.Mutex // guards everything below, nodes and files included
	root    *node
	pending []*change // of directories, not known to be on the disk
	open    int
	locked  map[*node]bool
}

// node is a file or a directory.
type node struct {
	mode fs.FileMode // what Stat says, ModeDir included
	kept fs.FileMode // as it was at the last Sync

	entries map[string]*node // of a directory
	onDisk  map[string]*node // those that are certain after a cut

	content // of a file
}

// change is what happened to one name, or by a rename to two. All of it
// happens or nothing.
type change []entry

// entry is a name and what it names now; nil: nothing.
type entry struct {
	dir  *node
	name string
	to   *node
}

// New makes an empty file system.
func New() *FS {
	return &FS{root: newDir(0o755), locked: map[*node]bool{}}
}

func newDir(perm fs.FileMode) *node {
	return &node{mode: fs.ModeDir | perm, kept: fs.ModeDir | perm, entries: map[string]*node{}, onDisk: map[string]*node{}}
}

// OpenFiles returns how many files and directories are open.
func (f *FS) OpenFiles() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Choice picks one of n possibilities, 0 to n-1. Of every possibility 0 is the
// one in which the least survived, and n-1 the most.
type Choice func(n int) int

// Least and Most are the choices of the two simplest states after a cut: only
// what was synced is there, and all is.
func Least(int) int  { return 0 }
func Most(n int) int { return n - 1 }

// CrashClone returns the file system as it may be found after a power cut at
// this moment; choose decides. The original is not changed, and goes on.
func (f *FS) CrashClone(choose Choice) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	disk := map[*node]map[string]*node{} // changed directories
	for _, c := range f.pending {
		if choose(2) == 0 {
			continue
		}
		for _, e := range *c {
			if disk[e.dir] == nil {
				disk[e.dir] = maps.Clone(e.dir.onDisk)
			}
			put(disk[e.dir], e.name, e.to)
		}
	}
	clones := map[*node]*node{}
	var clone func(n *node) *node
	clone = func(n *node) *node {
		if c := clones[n]; c != nil {
			return c
		}
		c := &node{mode: n.mode}
		clones[n] = c
		if n.mode != n.kept && choose(2) == 0 {
			c.mode = n.kept
		}
		c.kept = c.mode
		if n.entries == nil {
			c.content = n.content.crash(choose)
			return c
		}
		entries, ok := disk[n]
		if !ok {
			entries = n.onDisk
		}
		c.entries = make(map[string]*node, len(entries))
		for _, name := range slices.Sorted(maps.Keys(entries)) { // the same choices, the same state
			c.entries[name] = clone(entries[name])
		}
		c.onDisk = maps.Clone(c.entries)
		return c
	}
	return &FS{root: clone(f.root), locked: map[*node]bool{}}
}

// States yields every state that a power cut at this moment may leave, up to
// limit of them, each once for every way to come to it. It is for small changes
// only: the number grows with the power of what was not synced.
func (f *FS) States(limit int) iter.Seq[*FS] {
	return func(yield func(*FS) bool) {
		var digits, bases []int // the choices taken, as an odometer
		for range limit {
			i := 0
			state := f.CrashClone(func(n int) int {
				if i == len(digits) {
					digits, bases = append(digits, 0), append(bases, n)
				}
				i++
				return digits[i-1]
			})
			if !yield(state) {
				return
			}
			for len(digits) > 0 && digits[len(digits)-1] == bases[len(digits)-1]-1 {
				digits, bases = digits[:len(digits)-1], bases[:len(digits)-1]
			}
			if len(digits) == 0 {
				return
			}
			digits[len(digits)-1]++
		}
	}
}

// put sets or removes an entry.
func put(entries map[string]*node, name string, to *node) {
	if to == nil {
		delete(entries, name)
		return
	}
	entries[name] = to
}

// apply makes a change, which is then pending.
func (f *FS) apply(c ...entry) {
	for _, e := range c {
		put(e.dir.entries, e.name, e.to)
	}
	pending := change(c)
	f.pending = append(f.pending, &pending)
}

// syncDir makes the entries of d certain.
func (f *FS) syncDir(d *node) {
	d.onDisk = maps.Clone(d.entries)
	for i, c := range f.pending {
		here := func(e entry) bool { return e.dir == d }
		if !slices.ContainsFunc(*c, here) {
			continue
		}
		// The second entry of a rename takes the old name away. That cannot
		// be on the disk without the new name.
		if len(*c) == 2 && here((*c)[1]) && !here((*c)[0]) {
			f.force(i, (*c)[0])
			*c = nil
			continue
		}
		*c = slices.DeleteFunc(slices.Clone(*c), here)
	}
	f.pending = slices.DeleteFunc(f.pending, func(c *change) bool { return len(*c) == 0 })
}

// force makes an entry of the i-th pending change certain: what happened to the
// name before is of no consequence any more.
func (f *FS) force(i int, forced entry) {
	put(forced.dir.onDisk, forced.name, forced.to)
	for _, c := range f.pending[:i] {
		*c = slices.DeleteFunc(slices.Clone(*c), func(e entry) bool { return e.dir == forced.dir && e.name == forced.name })
	}
}

// find walks from start to the node that name names.
func find(start *node, name string) (*node, error) {
	n := start
	for part := range strings.SplitSeq(strings.Trim(path.Clean("/"+name), "/"), "/") {
		if part == "" {
			continue
		}
		if n.entries == nil {
			return nil, syscall.ENOTDIR
		}
		next := n.entries[part]
		if next == nil {
			return nil, syscall.ENOENT
		}
		n = next
	}
	return n, nil
}

// parent returns the directory of a name and the name's last element.
func parent(start *node, name string) (*node, string, error) {
	dir, base := path.Split(strings.TrimRight(path.Clean("/"+name), "/"))
	if base == "" {
		return nil, "", syscall.EEXIST // the root itself
	}
	d, err := find(start, dir)
	if err == nil && d.entries == nil {
		err = syscall.ENOTDIR
	}
	return d, base, err
}

// Lock takes the lock of the file at path, as [durable.Lock], among those who
// use this file system.
func (f *FS) Lock(name string) (io.Closer, error) {
	file, err := f.OpenFile(name, syscall.O_RDWR|syscall.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	n := file.(*openFile).node
	f.mu.Lock()
	taken := f.locked[n]
	f.locked[n] = true
	f.mu.Unlock()
	if taken {
		return nil, joined(&fs.PathError{Op: "flock", Path: name, Err: durable.ErrLocked}, file.Close())
	}
	return &lock{f, file, n}, nil
}

type lock struct {
	fs   *FS
	file durable.File
	node *node
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	delete(l.fs.locked, l.node)
	l.fs.mu.Unlock()
	return l.file.Close()
}

// joined returns the first error that is one.
func joined(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
