package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/strongroom/strongroom/internal/durable"
	"github.com/strongroom/strongroom/internal/store"
)

const (
	logSuffix   = "-wal"
	indexSuffix = "-shm"
	headerSize  = 100 // bytes, https://www.sqlite.org/fileformat2.html, 1.3
)

// prepare sees to it that there is a database file worth opening. SQLite would
// take a file cut down to nothing for a new database, and delete a log whose
// database is gone.
//
// It runs before SQLite has the file open: closing any descriptor of a file
// takes the process's POSIX locks on it away (fcntl(2)).
func (cfg Config) prepare(ctx context.Context) error {
	info, err := os.Stat(cfg.Path)
	if errors.Is(err, fs.ErrNotExist) && !cfg.MustExist {
		return cfg.create(ctx)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file", cfg.Path)
	}
	for _, suffix := range []string{"", logSuffix, indexSuffix} {
		if err := tighten(cfg.Path + suffix); err != nil {
			return err
		}
	}
	return examine(cfg.Path, info.Size())
}

// tighten takes others' permissions away from a file that may be absent. SQLite
// gives its new files the permissions of the database.
func tighten(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Perm()&0o077 == 0:
		return nil
	}
	return os.Chmod(path, 0o600)
}

// examine finds a file that was cut short. Its header says how many pages there
// are, which holds when no log is waiting to be moved in.
//
//	offset 16  2 bytes  page size, big-endian; 1 means 65536
//	offset 28  4 bytes  size in pages, big-endian
func examine(path string, size int64) error {
	damaged := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w: %s", path, store.ErrDamaged, fmt.Sprintf(format, args...))
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	header := make([]byte, headerSize)
	_, err = io.ReadFull(f, header)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.Join(damaged("%d bytes are too few for a database", size), f.Close())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	if string(header[:16]) != "SQLite format 3\x00" {
		return damaged("it does not begin as a database does")
	}
	if log, err := os.Stat(path + logSuffix); err == nil && log.Size() > 0 {
		return nil
	}
	page := int64(binary.BigEndian.Uint16(header[16:]))
	if page == 1 {
		page = 65536
	}
	if want := page * int64(binary.BigEndian.Uint32(header[28:])); size < want {
		return damaged("%d bytes are there of %d", size, want)
	}
	return nil
}

// create makes a new database under another name and moves it in when it is
// complete and on the disk: whatever is at path has a schema, or is damaged.
func (cfg Config) create(ctx context.Context) error {
	path := cfg.Path
	if _, err := os.Stat(path + logSuffix); err == nil {
		return fmt.Errorf("%s: %w: it is gone, and its log %s is there", path, store.ErrDamaged, path+logSuffix)
	}
	unfinished := path + ".new"
	for _, suffix := range []string{"", logSuffix, indexSuffix} {
		if err := os.Remove(unfinished + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Made here for its permissions: SQLite's own would be 0644.
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	d := dialect(path)
	db, err := openWriter(ctx, unfinished, d)
	if err != nil {
		return err
	}
	// The last connection to close moves the log into the database, syncs it
	// and removes the log.
	if err := errors.Join(store.Migrate(ctx, db, d, true), d.Wrap(db.Close())); err != nil {
		return err
	}
	if _, err := os.Stat(unfinished + logSuffix); err == nil {
		return fmt.Errorf("%s: its log could not be moved in", unfinished)
	}
	if cfg.At != nil {
		cfg.At(beforeCreate)
	}
	return durable.Rename(unfinished, path)
}
