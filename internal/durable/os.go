package durable

import (
	"io"
	"io/fs"
	"os"
)

// OS is the machine's file system.
type OS struct{}

// OpenFile is [os.OpenFile].
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	return wrapFile(os.OpenFile(name, flag, perm))
}

// Mkdir is [os.Mkdir].
func (OS) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

// Link is [os.Link].
func (OS) Link(oldname, newname string) error { return os.Link(oldname, newname) }

// Rename is [os.Rename].
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Remove is [os.Remove].
func (OS) Remove(name string) error { return os.Remove(name) }

// Stat is [os.Stat].
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadDir is [os.ReadDir].
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Lock is [Lock].
func (OS) Lock(path string) (io.Closer, error) { return Lock(path) }

// OpenRoot is [os.OpenRoot].
func (OS) OpenRoot(dir string) (Root, error) {
	r, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return osRoot{r}, nil
}

// osRoot is an os.Root; the embedded methods are those of Dir.
type osRoot struct{ *os.Root }

func (r osRoot) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	return wrapFile(r.Root.OpenFile(name, flag, perm))
}

func (r osRoot) ReadDir(name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(r.FS(), name)
}

// osFile is an os.File that can leave out of a sync what fdatasync(2) leaves
// out. It is one pointer, so that it costs nothing as a File.
type osFile struct{ *os.File }

func wrapFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) SyncData() error { return dataSync(f.File) }
