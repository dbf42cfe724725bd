package crashfs

import (
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// openFile is an open file or directory.
type openFile struct {
	fs            *FS
	node          *node
	name          string
	reads, writes bool
	at            int64
	closed        bool
}

// do runs f under the lock of the file system, unless the file is closed.
func (o *openFile) do(op string, f func() error) error {
	o.fs.mu.Lock()
	defer o.fs.mu.Unlock()
	err := error(os.ErrClosed)
	if !o.closed {
		err = f()
	}
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: o.name, Err: err}
}

func (o *openFile) Read(p []byte) (n int, err error) {
	err = o.do("read", func() error {
		n, err = o.readAt(p, o.at)
		o.at += int64(n)
		if n > 0 {
			return nil
		}
		return err
	})
	return n, err
}

func (o *openFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = o.do("read", func() error { n, err = o.readAt(p, off); return err })
	return n, err
}

func (o *openFile) readAt(p []byte, off int64) (int, error) {
	switch {
	case o.node.entries != nil:
		return 0, syscall.EISDIR
	case !o.reads:
		return 0, syscall.EBADF
	case off < 0:
		return 0, syscall.EINVAL
	}
	n := o.node.readAt(p, off)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *openFile) Write(p []byte) (n int, err error) {
	err = o.do("write", func() error {
		n, err = o.writeAt(p, o.at)
		o.at += int64(n)
		return err
	})
	return n, err
}

func (o *openFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = o.do("write", func() error { n, err = o.writeAt(p, off); return err })
	return n, err
}

func (o *openFile) writeAt(p []byte, off int64) (int, error) {
	if !o.writes {
		return 0, syscall.EBADF
	}
	if off < 0 {
		return 0, syscall.EINVAL
	}
	o.node.writeAt(p, off)
	return len(p), nil
}

func (o *openFile) Truncate(size int64) error {
	return o.do("truncate", func() error {
		if !o.writes || size < 0 {
			return syscall.EINVAL
		}
		o.node.truncate(size)
		return nil
	})
}

func (o *openFile) Chmod(perm fs.FileMode) error {
	return o.do("chmod", func() error {
		o.node.mode = o.node.mode.Type() | perm
		return nil
	})
}

func (o *openFile) Stat() (info fs.FileInfo, err error) {
	err = o.do("stat", func() error { info = o.node.info(path.Base(o.name)); return nil })
	return info, err
}

func (o *openFile) Sync() error {
	return o.do("sync", func() error {
		o.node.kept = o.node.mode
		if o.node.entries != nil {
			o.fs.syncDir(o.node)
		}
		o.node.sync()
		return nil
	})
}

func (o *openFile) SyncData() error {
	return o.do("sync", func() error { o.node.sync(); return nil })
}

// Unsync is what a Sync does that fails: see errorfs.
func (o *openFile) Unsync() {
	_ = o.do("sync", func() error { o.node.unsync(); return nil })
}

func (o *openFile) Close() error {
	return o.do("close", func() error {
		o.closed = true
		o.fs.open--
		return nil
	})
}
