package errorfs

import (
	"errors"
	"io"
	"io/fs"

	"github.com/strongroom/strongroom/internal/durable"
)

type file struct {
	inner durable.File
	path  string
	hook  Hook
}

func (f *file) ask(k Kind, size int) error {
	if err := f.hook(Op{Kind: k, Path: f.path, Size: size}); err != nil {
		return failed(string(k), f.path, err)
	}
	return nil
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.ask(Read, len(p)); err != nil {
		return 0, err
	}
	return f.inner.Read(p)
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.ask(Read, len(p)); err != nil {
		return 0, err
	}
	return f.inner.ReadAt(p, off)
}

// Write, as that of an os.File, never says less than len(p) without an error.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.write(p, f.inner.Write)
	if err == nil && n < len(p) {
		err = failed("write", f.path, io.ErrShortWrite)
	}
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	return f.write(p, func(p []byte) (int, error) { return f.inner.WriteAt(p, off) })
}

func (f *file) write(p []byte, write func([]byte) (int, error)) (int, error) {
	err := f.hook(Op{Kind: Write, Path: f.path, Size: len(p)})
	if err == nil {
		return write(p)
	}
	short, ok := errors.AsType[Short](err)
	if !ok {
		return 0, failed("write", f.path, err)
	}
	n, err := write(p[:min(short.N, len(p))])
	if err != nil || short.Err == nil {
		return n, err
	}
	return n, failed("write", f.path, short.Err)
}

func (f *file) Close() error {
	return errors.Join(f.ask(Close, 0), f.inner.Close())
}

func (f *file) Stat() (fs.FileInfo, error) {
	if err := f.ask(Stat, 0); err != nil {
		return nil, err
	}
	return f.inner.Stat()
}

func (f *file) Truncate(size int64) error {
	if err := f.ask(Truncate, 0); err != nil {
		return err
	}
	return f.inner.Truncate(size)
}

func (f *file) Chmod(perm fs.FileMode) error {
	if err := f.ask(Chmod, 0); err != nil {
		return err
	}
	return f.inner.Chmod(perm)
}

func (f *file) Sync() error     { return f.sync(f.inner.Sync) }
func (f *file) SyncData() error { return f.sync(f.inner.SyncData) }

func (f *file) sync(sync func() error) error {
	err := f.ask(Sync, 0)
	if err == nil {
		return sync()
	}
	if u, ok := f.inner.(Unsyncer); ok {
		u.Unsync()
	}
	return err
}
